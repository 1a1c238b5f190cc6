"""Tasks by name, by gin alone, or from a Python file of the user's."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import inspect
import os
import sys
import traceback
from typing import Any

import gin
from learned_lr.trainees import annotated_types, task_fields
from learned_lr.trainees.task_types import QuadraticTask, Task


def digits_cnn() -> Task:
    """LeNet-5 on scikit-learn's 8x8 digits, which need no download; batch 64."""
    return Task(
        "digits_cnn",
        "digits",
        "lenet5",
        batch_size=64,
        num_trainee_steps=300,
        validation_batch_size=300,
    )


def fashion_mnist_lenet5() -> Task:
    """LeNet-5 on Fashion-MNIST with the paper's split and budget: the cheap network."""
    return Task("fashion_mnist_lenet5", "fashion_mnist", "lenet5")


def cifar10_lenet5() -> Task:
    """LeNet-5 on CIFAR-10 with the paper's split and budget: the cheap network."""
    return Task("cifar10_lenet5", "cifar10", "lenet5")


def fashion_mnist_cnn() -> Task:
    """The paper's CNN on Fashion-MNIST (Table 1, row 1)."""
    return Task("fashion_mnist_cnn", "fashion_mnist", "lenet_wide")


def cifar10_cnn() -> Task:
    """The paper's CNN on CIFAR-10 (Table 1, row 3)."""
    return Task("cifar10_cnn", "cifar10", "lenet_wide")


def fashion_mnist_resnet18() -> Task:
    """ResNet-18 on Fashion-MNIST (Table 1, row 2)."""
    return Task("fashion_mnist_resnet18", "fashion_mnist", "resnet18")


def cifar10_resnet18() -> Task:
    """ResNet-18 on CIFAR-10 (Table 1, row 4)."""
    return Task("cifar10_resnet18", "cifar10", "resnet18")


def fashion_mnist_resnet18_thin() -> Task:
    """ResNet-18 with 16 filters on Fashion-MNIST."""
    return Task("fashion_mnist_resnet18_thin", "fashion_mnist", "resnet18", width=16)


def cifar10_resnet18_thin() -> Task:
    """ResNet-18 with 16 filters on CIFAR-10."""
    return Task("cifar10_resnet18_thin", "cifar10", "resnet18", width=16)


def quadratic() -> QuadraticTask:
    """The toy task without data."""
    return QuadraticTask()


TASKS = {
    function.__name__: function
    for function in (
        digits_cnn,
        fashion_mnist_lenet5,
        cifar10_lenet5,
        fashion_mnist_cnn,
        cifar10_cnn,
        fashion_mnist_resnet18,
        cifar10_resnet18,
        fashion_mnist_resnet18_thin,
        cifar10_resnet18_thin,
        quadratic,
    )
}


@gin.register("datasets")
def data_source(raw_dir: str | None = None) -> str | None:
    """Where data comes from: a folder of raw files, or None for TFDS."""
    return raw_dir and os.path.expanduser(raw_dir)


@gin.register("task")
def make_task(name: str | None = None, file: str | None = None, **overrides):
    """Returns a task by name, with any of its numbers replaced.

    Args:
      name: a name in `TASKS`; with `file`, a function in that file that returns a `Task`;
        None with `dataset` and `model` among the overrides, for a task by gin alone.
      file: path of a Python file.
      **overrides: fields of the task.

    Raises:
      ValueError: on an unknown task or field, naming the nearest; on a function that gin binds parameters of.
    """
    if file is not None:
        functions = sorted(key for key, value in overrides.items() if callable(value))
        if functions:
            raise ValueError(
                f"Expected plain values beside task.file, found functions for {functions}: "
                "give them in the file."
            )
        task = _task_from_file(os.path.abspath(os.path.expanduser(file)), name)
    elif name is None:
        if not {"dataset", "model"} <= set(overrides):
            raise ValueError(
                "Expected task.name, or both task.dataset and task.model, found "
                f"{sorted(overrides) or 'none of them'}."
            )
        dataset, model = overrides["dataset"], overrides["model"]
        names = [task_fields.part_name(part) for part in (dataset, model)]
        task = Task("_".join(names).replace("/", "_"), dataset, model)
    elif name in TASKS:
        task = TASKS[name]()
    else:
        raise ValueError(
            f"Unknown task {name!r}{task_fields.nearest(name, TASKS)}. Known: {sorted(TASKS)}. A task "
            "of your own needs task.file as well."
        )
    fields = {field.name: field.type for field in dataclasses.fields(task)}
    for override, value in overrides.items():
        if override not in fields:
            raise ValueError(
                f"Unknown parameter task.{override}{task_fields.nearest(override, list(fields))}. "
                f"{type(task).__name__} has: {list(fields)}."
            )
        if not annotated_types.fits(value, fields[override]):
            raise ValueError(
                f"Expected task.{override} to be of the type {fields[override]}, found "
                f"{value!r}."
            )
        if callable(value):
            _check_unbound(override, value)
    return dataclasses.replace(task, **overrides)


def _check_unbound(override, function):
    """Refuses a function whose parameters gin binds: other processes, and the run's config, don't know them."""
    own = inspect.unwrap(function)
    for (_, selector), values in gin.config._CONFIG.items():
        configurable = gin.config._REGISTRY.get_match(selector)
        if values and inspect.unwrap(configurable.wrapped) is own:
            names = [f"{configurable.name}.{name}" for name in values]
            raise ValueError(
                f"Expected task.{override} to be a function without gin bindings, which worker processes don't know, "
                f"found bindings of {', '.join(names)}: give them as defaults in its module, or write a function that "
                "calls it with them."
            )


def rebuild(values: dict[str, Any]) -> Task:
    """Returns a task from what travels to another process: its values, and its file if it has one."""
    if values.get("file") is None:
        return Task(**values)
    return dataclasses.replace(
        _task_from_file(values["file"], values["name"]), **values
    )


# Made once a process: the network that an episode has left is found by the task, and a function
# that the file's function makes, such as a lambda, is another one at each call.
@functools.cache
def _task_from_file(path, name):
    if not os.path.isfile(path):
        raise ValueError(f"Expected a Python file with a task at {path}, found none.")
    module_name = f"task_file_{os.path.splitext(os.path.basename(path))[0]}"
    module = sys.modules.get(module_name)
    if module is None or module.__file__ != path:
        spec = importlib.util.spec_from_file_location(module_name, path)
        module = importlib.util.module_from_spec(spec)
        # A dataclass in the file looks its module up while the file runs.
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException as error:
            del sys.modules[module_name]
            if not isinstance(error, Exception):
                raise
            raise ValueError(
                f"Expected {path} to be a module that runs, found that it raises:\n{traceback.format_exc(limit=-3)}"
            ) from error
    function = getattr(module, name or "", None)
    if not callable(function):
        names = [key for key, v in vars(module).items() if callable(v)]
        raise ValueError(  # noqa: TRY004 - a wrong name, not a wrong type.
            f"Expected a function {name!r} in {path}{task_fields.nearest(name or '', names)}."
        )
    task = function()
    if not isinstance(task, Task):
        raise ValueError(  # noqa: TRY004 - the user's configuration is at fault.
            f"Expected {name!r} in {path} to return a Task, found {type(task).__name__}."
        )
    return dataclasses.replace(task, name=name, file=path)
