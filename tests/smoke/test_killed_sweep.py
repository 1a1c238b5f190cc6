"""`python -m learned_lr.sweep`: killed in the middle of a point, it ends as if it had not been."""

from __future__ import annotations

import json
import signal

import pytest
from job_results import content_of

pytestmark = pytest.mark.smoke

POINTS = ["00-num_epochs=1", "01-num_epochs=2"]
RESULTS = (
    "sweep.csv",
    "operative_config.gin",
    *[
        f"points/{point}/{name}"
        for point in POINTS
        for name in (
            "operative_config.gin",
            "iterations.csv",
            "episodes.csv",
            "evaluation.csv",
            "controller/weights.npz",
        )
    ],
)


def test_killed_sweep_ends_as_one_that_was_not(sweep_command, tmp_path):
    undisturbed = sweep_command(tmp_path / "undisturbed")
    killed = sweep_command(tmp_path / "killed", num_workers=1)
    second = f"points/{POINTS[1]}/iterations.csv"
    code, _, _ = killed.signal_when(lambda: killed.num_rows(second) >= 2)
    assert code == -signal.SIGKILL
    assert 2 <= killed.num_rows(second) < 6
    assert killed.num_rows("sweep.csv") == 1
    first = killed.run_path / "points" / POINTS[0]
    first_log = (first / "log").read_bytes()

    resumed = sweep_command(tmp_path / "killed")
    code, output, errors = resumed.finish()
    assert code == 0, errors
    assert f"| {POINTS[1]} | finished |" in output
    assert (first / "log").read_bytes() == first_log
    code, _, errors = undisturbed.finish()
    assert code == 0, errors
    for name in RESULTS:
        expected = content_of(undisturbed.run_path / name)
        assert content_of(resumed.run_path / name) == expected, name
    record = json.loads((resumed.run_path / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "finished"
