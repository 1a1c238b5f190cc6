"""Tasks: the named ones field by field, replaced fields, task files, and the nearest name on a typing error."""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys
import textwrap

import keras
import pytest

import gin
from learned_lr.trainees import tasks
from learned_lr.trainees.tasks import QuadraticTask, Task, make_task

PAPER = {
    "batch_size": 1000,
    "num_trainee_steps": 1000,
    "trainee_steps_per_action": 10,
    "num_train_images": None,
    "num_validation_images": None,
    "validation_batch_size": 1000,
    "width": None,
    "input_scaling": "unit",
    "optimizer": "adam",
    "momentum": 0.9,
    "adam_epsilon": 1e-7,
    "weight_decay": 0.01,
    "pooling": 1,
    "label_noise": 0.0,
    "precision": "float32",
    "predictions": "probabilities",
    "raw_dir": None,
    "file": None,
}
NAMED = {
    "digits_cnn": {
        **PAPER,
        "dataset": "digits",
        "model": "lenet5",
        "batch_size": 64,
        "num_trainee_steps": 300,
        "validation_batch_size": 300,
    },
    "fashion_mnist_lenet5": {**PAPER, "dataset": "fashion_mnist", "model": "lenet5"},
    "cifar10_lenet5": {**PAPER, "dataset": "cifar10", "model": "lenet5"},
    "fashion_mnist_cnn": {**PAPER, "dataset": "fashion_mnist", "model": "lenet_wide"},
    "cifar10_cnn": {**PAPER, "dataset": "cifar10", "model": "lenet_wide"},
    "fashion_mnist_resnet18": {
        **PAPER,
        "dataset": "fashion_mnist",
        "model": "resnet18",
    },
    "cifar10_resnet18": {**PAPER, "dataset": "cifar10", "model": "resnet18"},
    "fashion_mnist_resnet18_thin": {
        **PAPER,
        "dataset": "fashion_mnist",
        "model": "resnet18",
        "width": 16,
    },
    "cifar10_resnet18_thin": {
        **PAPER,
        "dataset": "cifar10",
        "model": "resnet18",
        "width": 16,
    },
    "quadratic": {
        "num_trainee_steps": 200,
        "trainee_steps_per_action": 10,
        "num_dimensions": 10,
        "noise": 0.3,
        "file": None,
    },
}


def test_all_named_tasks():
    found = {name: dataclasses.asdict(make_task(name)) for name in tasks.TASKS}
    assert found == {name: {"name": name, **fields} for name, fields in NAMED.items()}


def test_the_paper_makes_100_decisions():
    assert make_task("cifar10_cnn").num_decisions == 100
    assert make_task("quadratic").num_decisions == 20


def test_fields_are_replaced():
    found = make_task("cifar10_cnn", batch_size=7, optimizer="sgd", width=4)
    expected = {**NAMED["cifar10_cnn"], "batch_size": 7, "optimizer": "sgd", "width": 4}
    assert dataclasses.asdict(found) == {"name": "cifar10_cnn", **expected}
    assert make_task("quadratic", noise=0.5) == QuadraticTask(noise=0.5)


def test_a_task_by_data_set_and_model_alone():
    found = make_task(dataset="food/2", model="lenet5", batch_size=3)
    assert found == Task("food_2_lenet5", "food/2", "lenet5", batch_size=3)


def _my_data():
    raise NotImplementedError


def test_a_task_of_functions_is_named_after_them():
    assert make_task(dataset=_my_data, model="mlp").name == "_my_data_mlp"


@pytest.mark.parametrize(
    "optimizer, expected",
    [
        ("sgd", True),
        ("adam", False),
        ("rmsprop", False),
        (lambda: keras.optimizers.SGD(momentum=0.5), True),
        (keras.optimizers.Adagrad, False),
    ],
)
def test_which_tasks_are_of_sgd(optimizer, expected):
    task = Task("mine", "digits", "mlp", optimizer=optimizer)
    assert task.is_sgd is expected
    assert make_task("quadratic").is_sgd


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "cifar_cnn"}, r"task 'cifar_cnn' \(did you mean 'cifar10_cnn'"),
        ({"name": "zzz"}, r"Unknown task 'zzz'\. Known: \['cifar10_cnn', "),
        (
            {"name": "digits_cnn", "batchsize": 3},
            r"Unknown parameter task.batchsize \(did you mean 'batch_size'",
        ),
        (
            {"name": "quadratic", "batch_size": 3},
            r"task.batch_size.*QuadraticTask has: \['name', 'num_trainee_steps'",
        ),
        ({}, "Expected task.name, or both .* found none of them"),
        ({"dataset": "digits"}, r"task.model, found \['dataset'\]"),
        (
            {"name": "digits_cnn", "trainee_steps_per_action": 7},
            "task.num_trainee_steps = 300, found 7; the nearest that does is 6",
        ),
        (
            {"name": "quadratic", "num_trainee_steps": 55},
            "to divide task.num_trainee_steps = 55, found 10; .* is 11",
        ),
        ({"name": "digits_cnn", "batch_size": 0}, "task.batch_size .* >= 1, found 0"),
        (
            {"name": "digits_cnn", "batch_size": 1.5},
            "task.batch_size to be .* found 1.5",
        ),
        ({"name": "digits_cnn", "width": True}, "task.width to be .* found True"),
        ({"name": "digits_cnn", "num_trainee_steps": -10}, ">= 1, found -10"),
        (
            {"name": "digits_cnn", "optimizer": "adagrad"},
            r"task.optimizer to be one of \['adam', 'adamw', 'rmsprop', 'sgd'\], found",
        ),
        ({"name": "digits_cnn", "precision": "float16"}, "task.precision .*'float16'"),
        ({"name": "digits_cnn", "predictions": "x"}, "task.predictions to be one of"),
        ({"name": "digits_cnn", "input_scaling": "x"}, "task.input_scaling to be one"),
        ({"name": "quadratic", "num_dimensions": 0}, "num_dimensions .* found 0"),
    ],
)
def test_an_error_names_what_was_expected(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_task(**arguments)


TASK_FILE = """
    from __future__ import annotations

    import dataclasses

    from learned_lr.trainees.tasks import Task


    @dataclasses.dataclass
    class Settings:
        batch_size: int = 5


    def data():
        return "my data"


    def model(input_shape, num_classes):
        return "my model"


    def my_task():
        return Task("another name", data, model, batch_size=Settings().batch_size)


    def functions_task():
        return Task("another name", lambda: 3, lambda shape, classes: 4)


    def no_task():
        return 3
"""


@pytest.fixture(name="task_file")
def _task_file(tmp_path):
    path = tmp_path / f"{tmp_path.name}.py"
    path.write_text(textwrap.dedent(TASK_FILE))
    return str(path)


def test_a_file_that_raises_is_named(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("number = 1\nimport nosuchmodule\n", encoding="utf-8")
    with pytest.raises(ValueError, match="Expected .*broken.py to be a module that runs") as error:  # fmt: skip
        tasks.make_task("a", file=str(file))
    assert "line 2" in str(error.value) and "nosuchmodule" in str(error.value)
    assert "task_file_broken" not in sys.modules


def test_a_home_folder_may_be_written_as_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tasks.data_source("~/data") == str(tmp_path / "data")
    assert tasks.data_source() is None
    with pytest.raises(ValueError, match=f"a task at {tmp_path}/a.py, found none"):
        tasks.make_task("a", file="~/a.py")


def test_a_task_from_a_file(task_file):
    found = make_task("my_task", file=task_file, num_trainee_steps=30)
    assert found.dataset() == "my data"
    assert found.model((1, 1, 1), 2) == "my model"
    values = {"batch_size": 5, "num_trainee_steps": 30, "file": task_file}
    assert found == Task("my_task", found.dataset, found.model, **values)


def test_a_file_by_relative_path(task_file, monkeypatch):
    monkeypatch.chdir(os.path.dirname(task_file))
    found = make_task("my_task", file=os.path.basename(task_file))
    assert found.file == os.path.realpath(task_file)


def test_a_task_from_a_file_comes_back_from_a_pickle(task_file):
    task = make_task("my_task", file=task_file, num_trainee_steps=30)
    assert pickle.loads(pickle.dumps(task)) == task


def test_a_task_whose_functions_its_function_makes_is_the_same_each_time(task_file):
    task = make_task("functions_task", file=task_file, batch_size=3)
    # Else each episode would load the data and trace the network anew.
    assert pickle.loads(pickle.dumps(task)) == task
    assert make_task("functions_task", file=task_file, batch_size=3) == task


def test_a_task_from_a_file_travels_to_another_process(task_file):
    task = make_task("my_task", file=task_file, num_trainee_steps=30)
    program = (
        "import pickle, sys; task = pickle.load(sys.stdin.buffer); "
        "print(task.dataset(), task.name, task.batch_size, task.num_trainee_steps)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(task),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == "my data my_task 5 30"


@pytest.mark.parametrize(
    "name, message",
    [
        ("my_tasks", r"Expected a function 'my_tasks' in .* \(did you mean 'my_task'"),
        (None, "Expected a function None in "),
        ("no_task", "Expected 'no_task' in .* to return a Task, found int"),
    ],
)
def test_a_task_file_without_the_task_is_refused(task_file, name, message):
    with pytest.raises(ValueError, match=message):
        make_task(name, file=task_file)


def test_a_missing_task_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a Python file with a task at .*none.py"):
        make_task("my_task", file=str(tmp_path / "none.py"))


@pytest.mark.parametrize("name", tasks.TASKS)
def test_named_tasks_come_back_from_a_pickle(name):
    task = make_task(name)
    copy = pickle.loads(pickle.dumps(task))
    assert copy == task
    assert hash(copy) == hash(task)


def test_function_beside_a_task_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="plain values beside task.file.*optimizer"):
        tasks.make_task("a_task", file=str(tmp_path / "tasks.py"), optimizer=print)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("adam_epsilon", -1.0, "finite and > 0, found -1.0"),
        ("adam_epsilon", 0.0, "finite and > 0, found 0.0"),
        ("momentum", float("nan"), r"in \[0, 1\], found nan"),
    ],
)
def test_numbers_that_no_optimizer_means_are_refused(field, value, message):
    with pytest.raises(ValueError, match=f"task.{field} .*{message}"):
        make_task("digits_cnn", **{field: value})


@pytest.mark.parametrize("noise", [-1.0, float("nan")])
def test_noise_that_is_none_is_refused(noise):
    with pytest.raises(ValueError, match="task.noise to be finite and >= 0, found"):
        QuadraticTask(noise=noise)


@pytest.fixture
def own_network():
    """A network's function as a user's module registers it."""

    def own_network(input_shape, num_classes, width=1):
        raise AssertionError("not to be made")

    with gin.unlock_config():
        registered = gin.external_configurable(own_network, module="a_module")
    yield registered
    gin.clear_config()
    gin.config._REGISTRY.pop("a_module.own_network")


def test_a_function_that_gin_binds_parameters_of_is_refused(own_network):
    assert make_task("digits_cnn", model=own_network).model is own_network
    gin.bind_parameter("own_network.width", 3)
    message = (
        "task.model to be a function without gin .* found bindings of own_network.width"
    )
    with pytest.raises(ValueError, match=message):
        make_task("digits_cnn", model=own_network)
