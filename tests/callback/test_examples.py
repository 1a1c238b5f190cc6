"""The programs in examples/ run as they stand, and learn."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

from learned_lr.control.rate_table import RateTable

_ROOT = pathlib.Path(__file__).parent.parent.parent
_EXAMPLES = {
    "keras_fit": "keras",
    "gradient_tape": "tensorflow",
    "pytorch_loop": "torch",
    "jax_loop": "jax",
}


def test_every_example_is_tested():
    assert {p.stem for p in (_ROOT / "examples").glob("*.py")} == set(_EXAMPLES)


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
