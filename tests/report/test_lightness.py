"""The room is read with light packages: neither TensorFlow nor gin comes with any of its modules."""

from __future__ import annotations

from module_imports import import_all, module_names

from learned_lr import report

HEAVY = {"gin", "keras", "ray", "tensorflow", "tf_agents"}


def test_no_module_brings_anything_heavy():
    names = module_names(report)
    assert {"learned_lr.report.assembly", "learned_lr.report.__main__"} < set(names)
    loaded = import_all(names)
    assert set(names) <= loaded
    # What describes run directories is read, too, and has to be as light.
    assert "learned_lr.execution.run_directory" in loaded
    assert HEAVY & loaded == set()


def test_jobs_get_tables_and_statistics_without_pages():
    loaded = import_all(["learned_lr.report.tables", "learned_lr.report.statistics"])
    assert {"jinja2", "pandas"} & loaded == set()
