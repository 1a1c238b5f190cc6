"""Tasks: what is trained, on what, with which budget. Plain values; nothing is loaded or built here.

A task's `make_trainee` imports what it needs, so that naming a task costs nothing.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import os
import sys
from typing import Any, Callable

import gin
from learned_lr.trainees import task_fields

INPUT_SCALINGS = ("unit", "standardized")
OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
PRECISIONS = ("float32", "mixed_bfloat16")
PREDICTIONS = ("probabilities", "logits")


@dataclasses.dataclass(frozen=True)
class Task:
    """Image classification: a data set, a network, an optimizer and a budget.

    Attributes:
      name: the task's name, which names its run directory.
      dataset: 'digits', a name of `synthetic`, a TFDS name, or a function that returns a
        `datasets.Dataset`.
      model: a name in `models.MODELS`, or a function (input_shape, num_classes[, width])
        that returns a Keras model with logits.
      batch_size: images of one minibatch.
      num_trainee_steps: minibatch updates of one episode.
      trainee_steps_per_action: minibatch updates between two decisions.
      num_train_images: images to train on; None for all but the validation images.
      num_validation_images: images held out of the training split, the last ones; None
        for the data set's own number.
      validation_batch_size: images of one batch of the validation pass.
      width: the network's width, None for its own default.
      input_scaling: 'unit', x / 255; 'standardized', each image to mean 0, deviation 1.
      optimizer: 'adam', 'adamw', 'rmsprop', 'sgd', or a function that returns a Keras
        optimizer.
      momentum: momentum of 'sgd'.
      adam_epsilon: epsilon of 'adam' and 'adamw'.
      weight_decay: of 'adamw'; a step takes the rate times this off each weight.
      pooling: images are averaged over squares of so many pixels a side.
      label_noise: fraction of the training labels that are redrawn at random, the same
        ones in every run.
      precision: 'float32' or 'mixed_bfloat16' (float32 weights, bfloat16 arithmetic).
      predictions: what the prediction statistics are taken of, 'probabilities' or
        'logits'.
      raw_dir: folder of raw IDX or CIFAR files, used instead of TFDS.
      file: the Python file that the task comes from, if it is not one of the package's.
    """

    name: str
    dataset: str | Callable[[], Any]
    model: str | Callable[..., Any]
    batch_size: int = 1000
    num_trainee_steps: int = 1000
    trainee_steps_per_action: int = 10
    num_train_images: int | None = None
    num_validation_images: int | None = None
    validation_batch_size: int = 1000
    width: int | None = None
    input_scaling: str = "unit"
    optimizer: str | Callable[[], Any] = "adam"
    momentum: float = 0.9
    adam_epsilon: float = 1e-7
    weight_decay: float = 0.01
    pooling: int = 1
    label_noise: float = 0.0
    precision: str = "float32"
    predictions: str = "probabilities"
    raw_dir: str | None = None
    file: str | None = None

    def __post_init__(self):
        task_fields.check_budget(self)
        for field in ("batch_size", "validation_batch_size", "pooling"):
            task_fields.check_positive(self, field)
        for field in ("num_train_images", "num_validation_images", "width"):
            if getattr(self, field) is not None:
                task_fields.check_positive(self, field)
        task_fields.check_choice(self, "input_scaling", INPUT_SCALINGS)
        task_fields.check_choice(self, "precision", PRECISIONS)
        task_fields.check_choice(self, "predictions", PREDICTIONS)
        for field in ("label_noise", "weight_decay"):
            task_fields.check_fraction(self, field)
        if not callable(self.optimizer):
            task_fields.check_choice(self, "optimizer", OPTIMIZERS)

    @property
    def num_decisions(self) -> int:
        """Decisions of one episode."""
        return self.num_trainee_steps // self.trainee_steps_per_action

    def make_trainee(self):
        """Returns a `trainee.Trainee` of this task: data loaded, network built."""
        from learned_lr.trainees import trainee

        return trainee.Trainee(self)

    def __reduce__(self):
        # A function of a task file can't be imported in another process: what travels
        # then is the file's path and the plain values.
        values = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self)
        }
        if self.file is not None:
            values = {name: v for name, v in values.items() if not callable(v)}
        return (_rebuild, (values,))


@dataclasses.dataclass(frozen=True)
class QuadraticTask:
    """A toy task without data: noisy gradient descent on a quadratic bowl.

    The loss is 0.5 * sum(curvature_i * x_i^2) with curvatures from 0.1 to 1;
    gradients carry Gaussian noise, so that a decaying rate beats any constant. It lets the real training code run end
    to end in seconds.

    Attributes:
      name: the task's name.
      num_trainee_steps: updates of one episode.
      trainee_steps_per_action: updates between two decisions.
      num_dimensions: length of x.
      noise: standard deviation of the gradient noise.
    """

    name: str = "quadratic"
    num_trainee_steps: int = 200
    trainee_steps_per_action: int = 10
    num_dimensions: int = 10
    noise: float = 0.3
    file: str | None = None

    def __post_init__(self):
        task_fields.check_budget(self)
        task_fields.check_positive(self, "num_dimensions")

    @property
    def num_decisions(self) -> int:
        """Decisions of one episode."""
        return self.num_trainee_steps // self.trainee_steps_per_action

    def make_trainee(self):
        """Returns a `quadratic.QuadraticTrainee`."""
        from learned_lr.trainees import quadratic

        return quadratic.QuadraticTrainee(self)


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
    return raw_dir


@gin.register("task")
def make_task(name: str | None = None, file: str | None = None, **overrides):
    """Returns a task by name, with any of its numbers replaced.

    Args:
      name: a name in `TASKS`; with `file`, a function in that file that returns a `Task`;
        None with `dataset` and `model` among the overrides, for a task by gin alone.
      file: path of a Python file.
      **overrides: fields of the task.

    Raises:
      ValueError: on an unknown task or field, naming the nearest.
    """
    if file is not None:
        functions = sorted(key for key, value in overrides.items() if callable(value))
        if functions:
            raise ValueError(
                f"Expected plain values beside task.file, found functions for {functions}: "
                "give them in the file."
            )
        task = _task_from_file(file, name)
    elif name is None:
        if not {"dataset", "model"} <= set(overrides):
            raise ValueError(
                "Expected task.name, or both task.dataset and task.model, found "
                f"{sorted(overrides) or 'none of them'}."
            )
        dataset, model = overrides["dataset"], overrides["model"]
        names = [getattr(part, "__name__", part) for part in (dataset, model)]
        task = Task("_".join(names).replace("/", "_"), dataset, model)
    elif name in TASKS:
        task = TASKS[name]()
    else:
        raise ValueError(
            f"Unknown task {name!r}{_nearest(name, TASKS)}. Known: {sorted(TASKS)}. A task "
            "of your own needs task.file as well."
        )
    fields = [field.name for field in dataclasses.fields(task)]
    for override in overrides:
        if override not in fields:
            raise ValueError(
                f"Unknown parameter task.{override}{_nearest(override, fields)}. "
                f"{type(task).__name__} has: {fields}."
            )
    return dataclasses.replace(task, **overrides)


def _rebuild(values):
    if values.get("file") is None:
        return Task(**values)
    return dataclasses.replace(
        _task_from_file(values["file"], values["name"]), **values
    )


def _task_from_file(file, name):
    path = os.path.abspath(file)
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
        except BaseException:
            del sys.modules[module_name]
            raise
    function = getattr(module, name or "", None)
    if not callable(function):
        names = [key for key, v in vars(module).items() if callable(v)]
        raise ValueError(  # noqa: TRY004 - a wrong name, not a wrong type.
            f"Expected a function {name!r} in {path}{_nearest(name or '', names)}."
        )
    task = function()
    if not isinstance(task, Task):
        raise ValueError(  # noqa: TRY004 - the user's configuration is at fault.
            f"Expected {name!r} in {path} to return a Task, found {type(task).__name__}."
        )
    return dataclasses.replace(task, name=name, file=path)


def _nearest(name, known):
    """Returns ', did you mean ...' for the nearest known name, or nothing."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {matches[0]!r}?" if matches else ""
