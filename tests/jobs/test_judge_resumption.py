"""The judge job on toy tasks: that stopped anywhere it resumes to the same end, and what it refuses."""

from __future__ import annotations

import json
import shutil

import pytest
from killed_writes import run_killed_at_writes
from toy_judgements import (
    CONFIG,
    HELD_OUT,
    LINEAR,
    REFERENCES,
    TRAINING,
    judge,
    outcome,
    path_of,
    read_rows,
)

from learned_lr.agents import imitation
from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.controller_spec import ControllerSpec
from learned_lr.control.observations import ObservationSpec
from learned_lr.trainees import episode_groups


@pytest.fixture(scope="module")
def finished(tmp_path_factory, launch_job):
    """The run directory of a run that nothing disturbed; not to be written to."""
    root_dir = tmp_path_factory.mktemp("finished")
    assert judge(launch_job, root_dir) == 0
    return path_of(root_dir)


def test_another_controller_in_the_folder_is_refused(
    launch_job, finished, tmp_path, capsys
):
    config = CONFIG.replace("[@linear]", "[@controller]")
    config += f"controller.path = '{tmp_path / 'it'}'\njudge.rivals = ()\n"
    config += "judge.against = None\n"
    _controller(0.5).save(tmp_path / "it")
    assert judge(launch_job, tmp_path, config=config) == 0
    described = json.loads((path_of(tmp_path) / "schedules.json").read_text())
    assert described["learned"]["controller"]["initial_learning_rate"] == 0.5
    shutil.rmtree(tmp_path / "it")
    _controller(0.6).save(tmp_path / "it")
    capsys.readouterr()
    assert judge(launch_job, tmp_path, config=config) == 1
    assert "found others in place of: learned. Choose" in capsys.readouterr().err


def _controller(rate):
    names = ("validation_loss", "progress")
    spec = ControllerSpec(
        network="mlp",
        num_units=3,
        activation="tanh",
        observation=ObservationSpec(names, transform="relative"),
        scaling=LearningRateScaling(),
        initial_learning_rate=rate,
        trainee_steps_per_action=4,
        num_trainee_steps=20,
    )
    return imitation.untrained(spec, 0.1)


def test_another_seed_gives_other_runs(launch_job, tmp_path):
    bindings = "judge.seed = 1", "judge.num_seeds = 2", "judge.split = 'training'"
    assert judge(launch_job, tmp_path, *bindings) == 0
    rows = read_rows(path_of(tmp_path))
    assert {row["task"] for row in rows} == set(TRAINING)
    assert {row["seed"] for row in rows} == {"2000100000", "2000100001"}


@pytest.mark.parametrize("is_before", [True, False])
def test_stopped_at_writes_all_along_it_resumes_to_the_same_bytes(
    launch_job, finished, tmp_path, is_before
):
    num_kills = run_killed_at_writes(
        lambda: judge(launch_job, tmp_path), is_before, int(not is_before), stride=2
    )
    assert num_kills >= 4
    assert outcome(path_of(tmp_path)) == outcome(finished)


def test_rows_are_in_the_order_of_the_tasks_whichever_is_done_first(
    launch_job, finished, tmp_path
):
    shutil.copytree(finished, path_of(tmp_path))
    for name in ("run.json", "judge.csv", f"episodes/{HELD_OUT[0]}.npz"):
        (path_of(tmp_path) / name).unlink()
    assert judge(launch_job, tmp_path) == 0
    assert outcome(path_of(tmp_path)) == outcome(finished)


def test_a_finished_run_is_not_run_again(
    launch_job, finished, tmp_path, monkeypatch, capsys
):
    shutil.copytree(finished, path_of(tmp_path))
    monkeypatch.setattr(episode_groups, "run_schedules", None)
    assert judge(launch_job, tmp_path) == 0
    output = capsys.readouterr().out
    assert "holds a finished run: nothing is left to do" in output
    assert (finished / "judge.md").read_text() in output


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        (["judge.num_seeds = 0"], "judge.num_seeds >= 1, found 0"),
        (["judge.split = 'test'"], "Expected splits out of"),
        (["judge.split = 'selection'"], "of the split 'selection', found 2 and 0"),
        (["judge.rivals = ('best',)"], "found ['best']"),
        (
            ["judge.rivals = ('calibrated', 'calibrated')"],
            "found ['calibrated'] twice",
        ),
        (["judge.rivals = ('calibrated',)"], "found 'calibrated per optimizer'"),
        (["judge.rivals = ()", "judge.schedules = ()"], "judge.schedules, found none"),
        (["judge.multipliers = (1.0, 1)"], "different judge.multipliers > 0"),
        (["judge.multipliers = ()"], "at least one, found ()"),
        (["judge.multipliers = (0.0,)"], "found (0.0,)"),
        (
            ["judge.multipliers = (2.0,)", "judge.schedules = [@hypergradient]"],
            "schedules that return rates beside judge.multipliers = (2.0,), found 'hyp",
        ),
        (["judge.against = 'best'"], "or None, found 'best'"),
        (["judge.open_loops = ('best',)"], "found ('best',) and (1.0,)"),
        (
            [f"judge.open_loops = ('{LINEAR}',)", "judge.num_seeds = 1"],
            "judge.num_seeds >= 2 beside judge.open_loops",
        ),
        (
            [f"judge.open_loops = ('{LINEAR}',)", "judge.multipliers = (2.0,)"],
            "and 1 in judge.multipliers, found ('linear 0.5, warm-up 0',) and (2.0,)",
        ),
        (
            [
                "judge.rivals = ('calibrated',)",
                "judge.against = 'calibrated'",
                "judge.other_bases = [@base_schedule()]",
            ],
            "in judge.rivals beside judge.other_bases",
        ),
        (["judge.references = 'nowhere'"], "python -m learned_lr.references"),
    ],
)
def test_what_can_not_work_is_refused(launch_job, tmp_path, capsys, bindings, message):
    assert judge(launch_job, tmp_path, *bindings) == 1
    assert message in capsys.readouterr().err
    # No config stays that a mended one would differ from.
    assert not path_of(tmp_path).exists()


def test_tasks_without_a_reference_are_named(launch_job, tmp_path, capsys):
    references = {name: REFERENCES[name] for name in [*TRAINING, HELD_OUT[0]]}
    assert judge(launch_job, tmp_path, references=references) == 1
    assert f"found none for 1: {HELD_OUT[1]}." in capsys.readouterr().err
