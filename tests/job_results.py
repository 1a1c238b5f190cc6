"""Configs of toy jobs, and what jobs leave behind, but for their timings."""

from __future__ import annotations

import csv
import json

TASK = """
task.name = 'quadratic'
task.num_trainee_steps = 40
workers.num_workers = 0
"""
GRID = (
    TASK
    + """
baseline.families = [@constant_rate, @step_decay]
constant_rate.learning_rates = (0.1, 0.5, 30.0)
step_decay.initial_learning_rates = (0.5,)
step_decay.discount_steps = (10, 20)
step_decay.discount_factors = (0.5,)
"""
)
EVALUATION = (
    TASK
    + """
evaluate.families = [@best_of_grid, @step_decay, @replay, @reduce_on_plateau]
evaluate.num_seeds = 4
best_of_grid.run = 'baseline/quadratic/toy'
step_decay.initial_learning_rates = (0.5,)
step_decay.discount_steps = (10, 20)
step_decay.discount_factors = (0.5,)
reduce_on_plateau.initial_learning_rates = (1.9,)
reduce_on_plateau.factors = (0.5,)
reduce_on_plateau.patiences = (1,)
replay.path = 'lr.csv'
"""
)
NAMES = [
    "constant 0.1",
    "constant 0.5",
    "constant 30",
    "step decay 0.5, 10, 0.5",
    "step decay 0.5, 20, 0.5",
]
TIMINGS = ("duration_sec", "cpu_sec")


def rows_of(path):
    """Returns the rows of a table without its timings."""
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in rows]


def rounds_of(path):
    """Returns the rows of a grid's first round and of its final one, without timings."""
    rows = rows_of(path)
    return [[r for r in rows if r["round"] == name] for name in ("all", "final")]


# What a training run leaves, and a sweep's points.
TRAINING = (
    "iterations.csv",
    "episodes.csv",
    "evaluations.csv",
    "evaluation.csv",
    "evaluation.md",
    "statistics.csv",
    "trajectories.csv",
    "schedules.json",
    "schedule.png",
    "controller/spec.json",
    "controller/weights.npz",
)


def content_of(path):
    """Returns a file's bytes, or the rows of a table that has timings, without these."""
    has_timings = path.name in ("evaluation.csv", "sweep.csv")
    return rows_of(path) if has_timings else path.read_bytes()


def results_of(path):
    """Returns all that a job leaves and that doesn't differ from run to run."""
    names = ["grid.md", "best.json", "evaluation.md", "statistics.csv"]
    names += ["trajectories.csv", "schedules.json", "schedule.png"]
    found = {n: (path / n).read_bytes() for n in names if (path / n).exists()}
    for file in sorted(path.glob("replay/*.csv")):
        found[file.name] = file.read_bytes()
    for name in ("grid.csv", "evaluation.csv"):
        if (path / name).exists():
            found[name] = rows_of(path / name)
    results = json.loads((path / "run.json").read_text())["results"]
    results.pop("cpu_sec")
    return {**found, "results": results}
