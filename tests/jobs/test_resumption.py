"""Grids and evaluations stopped at any write, finished, held by another process, or changed."""

from __future__ import annotations

import pytest
from job_results import results_of
from killed_writes import run_killed_at_writes

from learned_lr.execution import run_configs
from learned_lr.execution.run_directory import RunDirectory


@pytest.mark.parametrize("job", ["baseline", "evaluate"])
@pytest.mark.parametrize("is_before", [True, False])
def test_stopped_at_every_write(run_jobs, undisturbed_jobs, tmp_path, job, is_before):
    if job == "evaluate":
        assert run_jobs(tmp_path, "baseline") == 0
    num_kills = run_killed_at_writes(lambda: run_jobs(tmp_path, job), is_before)
    assert num_kills >= 8
    found = results_of(tmp_path / job / "quadratic" / "toy")
    expected = results_of(undisturbed_jobs / job / "quadratic" / "toy")
    assert found == expected


def test_a_finished_run_is_not_run_again(run_jobs, undisturbed_jobs, capsys):
    path = undisturbed_jobs / "baseline" / "quadratic" / "toy"
    before = {
        p: p.read_bytes() for p in path.rglob("*") if p.name != "lock" and p.is_file()
    }
    assert run_jobs(undisturbed_jobs, "baseline", "evaluate") == 0
    output = capsys.readouterr().out
    assert output.count("holds a finished run: nothing is left to do") == 2
    assert "| 1    | step decay 0.5" in output and "| best of grid:" in output
    assert {p: p.read_bytes() for p in before} == before


@pytest.mark.parametrize(
    ("job", "binding", "message"),
    [
        ("baseline", "constant_rate.learning_rates = (0.2,)", "constant_rate.learning"),
        ("baseline", "baseline.seed = 1", "baseline.seed is 0 there and 1 here"),
        ("evaluate", "evaluate.num_seeds = 5", "evaluate.num_seeds is 4 there and 5"),
    ],
)
def test_another_config_names_the_binding(
    run_jobs, undisturbed_jobs, capsys, job, binding, message
):
    assert run_jobs(undisturbed_jobs, job, bindings=[binding]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("job", ["baseline", "evaluate"])
def test_a_second_process_says_who_holds_the_directory(run_jobs, tmp_path, capsys, job):
    held = RunDirectory(str(tmp_path / job / "quadratic" / "toy"))
    try:
        assert run_jobs(tmp_path, job) == 1
    finally:
        held.close()
    assert "to be free, found it held by process " in capsys.readouterr().err


def test_config_differences_see_families():
    there = "baseline.families = \\\n    [@constant_rate,\n     @step_decay]\n"
    here = "baseline.families = [@constant_rate]\n"
    (difference,) = run_configs.config_differences(there, here)
    assert difference.startswith("baseline.families is [@constant_rate, @step_decay]")
