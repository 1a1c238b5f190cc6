"""The programs in examples/ run as they stand, and learn."""

from __future__ import annotations

import os
import pathlib
import re
import runpy
import subprocess
import sys

import pytest

from learned_lr.control.rate_table import RateTable

_ROOT = pathlib.Path(__file__).parent.parent.parent
_EXAMPLES = {
    "keras_fit": "keras",
    "gradient_tape": "tensorflow",
    "pytorch_loop": "torch",
    "pytorch_ddp": "torch",
    "jax_loop": "jax",
}
# Those that also run without the callback: a package, epochs that take seconds, a figure, and what it must reach.
_WITH_OPTIONS = {
    "image_augmentation": ("keras", 8, "accuracy", 0.8),
    "text_sentiment": ("keras", 2, "accuracy", 0.8),
    "rare_positives": ("keras", 5, "ROC AUC", 0.6),
    "forecasting": ("keras", 3, "mean absolute error", 0.4),
    "fine_tuning": ("keras", 8, "accuracy", 0.6),
    "attention_mil": ("keras", 8, "accuracy", 0.8),
    "custom_train_step": ("tensorflow", 10, "accuracy", 0.8),
}


def test_every_example_is_tested():
    names = {p.stem for p in (_ROOT / "examples").glob("*.py")}
    assert names == {*_EXAMPLES, *_WITH_OPTIONS}


@pytest.mark.smoke
@pytest.mark.parametrize("name", _EXAMPLES)
def test_example(name, tmp_path):
    pytest.importorskip(_EXAMPLES[name])
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    result = subprocess.run(
        [sys.executable, str(_ROOT / "examples" / f"{name}.py")],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    (accuracy,) = re.findall(r"test accuracy: ([\d.]+)", result.stdout)
    assert float(accuracy) > 0.85
    if name == "keras_fit":
        assert len(RateTable.load(str(tmp_path / "lr.csv")).steps) > 50
    if name == "pytorch_ddp":  # Copies that were trained at one rate are one model.
        # Both write to one pipe, perhaps without a new line between them.
        words = r"process (\d): (weights [\d.e+-]+, last rate [\d.e+-]+)"
        said = re.findall(words, result.stdout)
        assert sorted(rank for rank, _ in said) == ["0", "1"]
        assert said[0][1] == said[1][1]


@pytest.mark.smoke
@pytest.mark.parametrize("name", _WITH_OPTIONS)
def test_example_with_options(name, monkeypatch, capsys):
    package, epochs, figure, bound = _WITH_OPTIONS[name]
    pytest.importorskip(package)
    path = str(_ROOT / "examples" / f"{name}.py")
    monkeypatch.setattr(sys, "argv", [path, f"--epochs={epochs}"])
    runpy.run_path(path, run_name="__main__")
    output = capsys.readouterr().out
    assert re.search(r"LearnedLearningRate: \d+ decisions", output)
    (value,) = re.findall(rf"test {figure}: ([\d.]+)", output)
    is_error = "error" in figure
    assert float(value) < bound if is_error else float(value) > bound
