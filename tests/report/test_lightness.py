"""The room is read with light packages: neither TensorFlow nor gin comes with any of its modules."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

from learned_lr import report

HEAVY = ("gin", "keras", "ray", "tensorflow", "tf_agents")
IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1].split():
    importlib.import_module(name)
print(*sys.modules)
"""


def test_no_module_brings_anything_heavy():
    names = [
        f"{report.__name__}.{m.name}" for m in pkgutil.iter_modules(report.__path__)
    ]
    assert {"learned_lr.report.assembly", "learned_lr.report.__main__"} < set(names)
    found = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, " ".join(names)],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = found.stdout.split()
    assert set(names) <= set(loaded)
    # What describes run directories is read, too, and has to be as light.
    assert "learned_lr.execution.run_directory" in loaded
    assert set(HEAVY) & set(loaded) == set()


def test_jobs_get_tables_and_statistics_without_pages():
    code = "import sys, learned_lr.report.tables, learned_lr.report.statistics\n"
    code += "print({'jinja2', 'pandas'} & set(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"
