"""The baseline job on the toy task: rows and choice."""

from __future__ import annotations

import json

import numpy as np
from job_results import NAMES, rows_of

from learned_lr.trainees import schedules
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.tasks import QuadraticTask


def test_rows_of_the_grid_are_those_runs(grid):
    rows = rows_of(grid / "grid.csv")
    assert [row["schedule"] for row in rows] == NAMES
    assert [row["run"] for row in rows] == ["0", "1", "2", "3", "4"]
    task = QuadraticTask(num_trainee_steps=40)
    for row, schedule in (
        (rows[0], schedules.Constant(0.1)),
        (rows[3], schedules.StepDecay(0.5, 10, 0.5)),
    ):
        episode = run_episode(task, schedule, 1_000_000_000, test=False)
        assert float(row["best_validation_loss"]) == episode.best_validation_loss
        assert float(row["final_validation_loss"]) == episode.final_validation_loss
    assert rows[3]["initial_learning_rate"] == "0.5" and rows[3]["learning_rate"] == ""
    assert rows[0]["learning_rate"] == "0.1" and rows[0]["discount_step"] == ""
    assert [row["diverged"] for row in rows] == ["False"] * 2 + ["True"] + ["False"] * 2


def test_the_best_is_chosen_by_validation_alone(grid):
    rows = rows_of(grid / "grid.csv")
    assert not any("test" in column for column in rows[0])
    for file in (grid / "episodes").iterdir():
        assert np.isnan(float(np.load(file)["test_loss"]))
    best = json.loads((grid / "best.json").read_text())
    losses = {row["schedule"]: float(row["best_validation_loss"]) for row in rows}
    assert best["name"] == min(losses, key=losses.get)
    assert best["best_validation_loss"] == min(losses.values())


def test_several_seeds_are_averaged(run_jobs, tmp_path):
    assert run_jobs(tmp_path, "baseline", bindings=["baseline.num_seeds = 3"]) == 0
    path = tmp_path / "baseline" / "quadratic" / "toy"
    means = {}
    for row in rows_of(path / "grid.csv"):
        means.setdefault(row["schedule"], []).append(float(row["best_validation_loss"]))
    assert {len(values) for values in means.values()} == {3}
    best = json.loads((path / "best.json").read_text())
    assert best["name"] == min(means, key=lambda name: np.mean(means[name]))
