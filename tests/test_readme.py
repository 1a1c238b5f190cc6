"""The code blocks of the README run as they stand."""

from __future__ import annotations

import pathlib
import re

import pytest

from learned_lr.trainees import episode, schedules, tasks

_ROOT = pathlib.Path(__file__).parent.parent


def _python_blocks():
    text = (_ROOT / "README.md").read_text(encoding="utf-8")
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


def test_named_files_exist():
    text = (_ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"(?:gin|results|benchmarks)/[\w./]+\.\w+", text):
        assert (_ROOT / name).exists(), name
