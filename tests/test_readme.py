"""The code blocks of the README run as they stand."""

from __future__ import annotations

import pathlib
import re

import numpy as np
import pytest
import sklearn.datasets
import tensorflow as tf

from learned_lr.control.rate_table import RateTable
from learned_lr.trainees import episode, schedules, tasks

_ROOT = pathlib.Path(__file__).parent.parent


def _python_blocks(name="README.md"):
    text = (_ROOT / name).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_own_task_learns(tmp_path):
    (block,) = [block for block in _python_blocks() if "my_task.py" in block]
    path = tmp_path / "my_task.py"
    path.write_text(block, encoding="utf-8")
    task = tasks.make_task("stripes_cnn", file=str(path))
    trained = episode.run_episode(task, schedules.Constant(3e-3), seed=0)
    assert trained.column("validation_accuracy")[0] < 0.7
    assert trained.test_accuracy > 0.9


def test_controller_example(monkeypatch):
    (block,) = [block for block in _python_blocks() if "Controller.load" in block]
    if not (_ROOT / "results/fashion_mnist_lenet5/controller").is_dir():
        pytest.skip("needs the committed controller of results/")
    monkeypatch.chdir(_ROOT)
    namespace = {}
    exec(block, namespace)  # noqa: S102 - the README's own code.
    assert namespace["episode"].test_accuracy > 0.8


def test_callback_examples(monkeypatch, tmp_path):
    first, second = [b for b in _python_blocks() if "LearnedLearningRate(" in b]
    monkeypatch.chdir(tmp_path)
    digits = sklearn.datasets.load_digits()
    x, y = (digits.images / 16).astype(np.float32), digits.target
    layers = tf.keras.layers
    namespace = {
        "model": tf.keras.Sequential(
            [layers.Flatten(input_shape=(8, 8)), layers.Dense(10, "softmax")]
        ),
        "x": x[:1000],
        "y": y[:1000],
        "x_validation": x[1000:],
        "y_validation": y[1000:],
    }
    exec(first, namespace)  # noqa: S102 - the README's own code.
    exec(second, namespace)  # noqa: S102
    rates = namespace["history"].history["learning_rate"]
    assert len(rates) == 10
    assert max(rates) <= 1e-2
    assert RateTable.load("lr.csv") == namespace["callback"].schedule
    assert namespace["history"].history["accuracy"][-1] > 0.8


def test_control_loop_example():
    (block,) = [b for b in _python_blocks("docs/callback.md") if "observe" in b]
    namespace = {}
    exec(block, namespace)  # noqa: S102
    assert 1e-3 / 1.5 <= namespace["rate"] <= 1.5e-3


@pytest.mark.parametrize(
    "name", ["README.md", "docs/callback.md", "docs/comparison.md"]
)
def test_named_files_exist(name):
    path = _ROOT / name
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in link:
            assert (path.parent / link).exists(), link
    for found in re.findall(r"(?:gin|results|benchmarks)/[\w./]+\.\w+", text):
        assert (_ROOT / found).exists(), found
