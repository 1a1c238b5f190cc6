"""What `pip install .[train]` brings is enough for all jobs but the report, which alone needs pandas."""

from __future__ import annotations

import pytest
from module_imports import import_all, module_names

import learned_lr
from learned_lr import jobs


@pytest.mark.smoke
def test_no_job_but_the_report_imports_pandas():
    names = [*module_names(learned_lr), *module_names(jobs)]
    assert {"learned_lr.judge", "learned_lr.jobs.judgement"} < set(names)
    assert set(names) <= import_all(names, blocked=["pandas"])
