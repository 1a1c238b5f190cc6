"""Training that starts from a controller: what it takes from it, and that it resumes to the same end."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest

from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.controller import Controller
from learned_lr.execution.checkpoints import Checkpoints

START = "train.initial_controller = 'start'"


@pytest.fixture(scope="module")
def start(finished):
    """A controller with a base schedule, of four decisions as the toy task has them."""
    controller = Controller.load(str(finished / "controllers" / "iteration_000002"))
    spec = dataclasses.replace(
        controller.spec,
        base_schedule=BaseSchedule(),
        initial_sgd_learning_rate=0.2,
        source_tasks=("before",),
    )
    return Controller(spec, controller.weights)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, launch_train, start):
    """The root directory of a whole run."""
    root_dir = tmp_path_factory.mktemp("tuned")
    start.save(str(root_dir / "start"))
    assert launch_train(root_dir, START) == 0
    return root_dir


def _path(root_dir):
    return root_dir / "train" / "quadratic" / "toy"


def test_what_is_trained_is_the_controller(tuned, start):
    spec = Controller.load(str(_path(tuned) / "controller")).spec
    for name in (
        "observation",
        "scaling",
        "base_schedule",
        "initial_learning_rate",
        "initial_sgd_learning_rate",
        "network",
        "num_units",
    ):
        assert getattr(spec, name) == getattr(start.spec, name)
    assert spec.source_tasks == ("before", "quadratic")
    # One epoch an update leaves the policy near where it was, and its normaliser there.
    found = Controller.load(str(_path(tuned) / "controllers" / "iteration_000002"))
    for name in ("normalizer_mean", "normalizer_variance"):
        np.testing.assert_array_equal(found.weights[name], start.weights[name])
    moved = np.abs(found.weights["hidden_kernel"] - start.weights["hidden_kernel"])
    assert 0 < moved.max() < 0.01
    copy = Controller.load(str(_path(tuned) / "initial_controller"))
    assert copy.spec == start.spec


def _lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_what_it_starts_from_is_a_candidate(tuned, start):
    path = _path(tuned)
    rows = list(csv.DictReader(_lines(path / "evaluations.csv")))
    losses = {}
    for row in rows:
        losses.setdefault(int(row["iteration"]), []).append(
            float(row["best_validation_loss"])
        )
    assert list(losses) == [0, 2, 4]
    seeds = [[r["seed"] for r in rows if r["iteration"] == str(i)] for i in losses]
    assert seeds[0] == seeds[1] == seeds[2]
    best = min(losses, key=lambda iteration: np.mean(losses[iteration]))
    controller = Controller.load(str(path / "controller"))
    assert controller.spec.provenance["iteration"] == best
    first = Controller.load(str(path / "controllers" / "iteration_000000"))
    for name, value in start.weights.items():
        if name != "action_deviation":
            np.testing.assert_array_equal(first.weights[name], value)
    document = json.loads((path / "run.json").read_text(encoding="utf-8"))
    num_runs = document["results"]["num_runs"]
    assert num_runs == len(rows) + len(_lines(path / "episodes.csv")) - 1


def test_a_run_that_is_stopped_goes_on_with_its_copy(
    tuned, start, launch_train, results, tmp_path, monkeypatch
):
    start.save(str(tmp_path / "start"))
    with monkeypatch.context() as patch:

        def stop(self, iteration):
            raise KeyboardInterrupt

        patch.setattr(Checkpoints, "save", stop)
        assert launch_train(tmp_path, START) == 130
    shutil.rmtree(tmp_path / "start")
    assert launch_train(tmp_path, START) == 0
    assert results(_path(tmp_path)) == results(_path(tuned))


def test_a_task_with_other_decisions_is_refused(launch_train, start, tmp_path, capsys):
    start.save(str(tmp_path / "start"))
    bindings = START, "task.trainee_steps_per_action = 20"
    assert launch_train(tmp_path, *bindings) == 1
    error = capsys.readouterr().err
    assert "Expected a task with the 4 decisions" in error
    assert "found 2: set task.trainee_steps_per_action." in error
    assert not (_path(tmp_path) / "run.json").exists()
