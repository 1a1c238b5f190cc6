"""What `pip install .[train]` brings is enough for all jobs but the report, which alone needs pandas."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import learned_lr
from learned_lr import jobs

IMPORT_ALL = """
import importlib, sys
sys.modules["pandas"] = None
for name in sys.argv[1].split():
    importlib.import_module(name)
"""


@pytest.mark.smoke
def test_no_job_but_the_report_imports_pandas():
    doors = [m.name for m in pkgutil.iter_modules(learned_lr.__path__) if not m.ispkg]
    names = [f"learned_lr.{name}" for name in doors]
    names += [f"learned_lr.jobs.{m.name}" for m in pkgutil.iter_modules(jobs.__path__)]
    assert {"learned_lr.judge", "learned_lr.jobs.judgement"} < set(names)
    found = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, " ".join(names)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
