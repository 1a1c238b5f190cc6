"""What schedules say on a task before the first run."""

from __future__ import annotations

import pytest
from job_results import GRID, TASK
from toy_judgements import HELD_OUT, judge, path_of

# The toy task has 40 steps: the second of these warm-ups ends with it.
LONG = "cosine.num_warmup_steps = (0, 40)"
CONTROLLERS = "controllers.paths = ('default', 'trapezoid')"


@pytest.mark.parametrize("job", ["baseline", "evaluate"])
def test_a_warmup_beyond_the_run_shows_before_anything_runs(
    launch_job, tmp_path, capsys, job
):
    config = f"{TASK}{job}.families = [@constant_rate, @cosine]\n"
    assert launch_job(job, tmp_path, LONG, config=config) == 1
    message = (
        "on quadratic, found 'cosine 0.001, warm-up 40': Expected num_warmup_steps < 40"
    )
    assert message in capsys.readouterr().err
    assert not (tmp_path / job).exists()


def test_a_warmup_beyond_the_shortest_task_is_not_judged(launch_job, tmp_path, capsys):
    binding = "linear.num_warmup_steps = (20,)"
    assert judge(launch_job, tmp_path, binding) == 1
    message = f"on {HELD_OUT[0]}, found 'linear 0.5, warm-up 20'"
    assert message in capsys.readouterr().err
    assert not path_of(tmp_path).exists()


def test_a_row_of_controllers_is_for_evaluations(launch_job, tmp_path, capsys):
    bindings = ["baseline.families = [@controllers]", CONTROLLERS]
    assert launch_job("baseline", tmp_path, *bindings, config=GRID) == 1
    bindings = ["judge.schedules = [@controllers]", CONTROLLERS]
    assert judge(launch_job, tmp_path, *bindings) == 1
    error = capsys.readouterr().err
    assert error.count("found the several controllers of 'learned': @controllers") == 2


def test_a_controller_that_decides_less_often_is_named(launch_job, tmp_path, capsys):
    config = TASK + "evaluate.families = [@constant_rate, @controller]\n"
    config += "evaluate.num_seeds = 1\ncontroller.path = 'default'\n"
    few = "task.trainee_steps_per_action = 4"
    told = "Note: learned decides 10 times in a run of quadratic, 25 in its training; "
    for bindings, is_told in (([few], True), (["task.num_trainee_steps = 250"], False)):
        root_dir = tmp_path / str(is_told)
        assert launch_job("evaluate", root_dir, *bindings, config=config) == 0
        assert (told in capsys.readouterr().out) == is_told


@pytest.mark.parametrize("factor, last", [(0.1, "0.0"), (1e20, "inf")])
def test_a_rate_that_ends_beyond_floats_shows_before_anything_runs(
    launch_job, tmp_path, capsys, factor, last
):
    config = f"{TASK}baseline.families = [@constant_rate, @step_decay]\n"
    bindings = [
        "step_decay.initial_learning_rates = (0.1,)",
        "step_decay.discount_steps = (1,)",
        f"step_decay.discount_factors = ({factor},)",
        "task.num_trainee_steps = 400",
    ]
    assert launch_job("baseline", tmp_path, *bindings, config=config) == 1
    name = f"step decay 0.1, 1, {factor:g}"
    message = f"found {name!r}: Expected the rate of the last step > 0, found {last}."
    assert message in capsys.readouterr().err
    assert not (tmp_path / "baseline").exists()


def test_a_damaged_file_of_schedules_is_named(launch_job, tmp_path, capsys):
    config = f"{TASK}evaluate.families = [@constant_rate]\nevaluate.num_seeds = 1\n"
    assert launch_job("evaluate", tmp_path, config=config) == 0
    file = tmp_path / "evaluate" / "quadratic" / "toy" / "schedules.json"
    file.write_text("{")
    assert launch_job("evaluate", tmp_path, config=config) == 1
    assert f"{file} to hold the schedules of a finished" in capsys.readouterr().err
