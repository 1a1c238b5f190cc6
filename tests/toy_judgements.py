"""Judgements on toy tasks: their config, how they are run, and what they leave."""

from __future__ import annotations

import json

import family_jobs

from learned_lr.jobs import contenders

TRAINING = ["quadratic-d4-noise10-s20", "quadratic-d5-noise90-s40"]
HELD_OUT = ["quadratic-d4-noise30-s20", "quadratic-d6-noise30-s40"]
CONFIG = f"""
family.name = 'toys'
family.training = {TRAINING}
family.held_out = {HELD_OUT}
family.num_decisions = 5
judge.references = 'references/toys/toy'
judge.schedules = [@linear]
judge.num_seeds = 3
linear.peak_learning_rates = (0.5, 30.0)
workers.num_workers = 0
"""
LOSSES = {"0.1": 0.5, "0.3": 0.2, "1": 0.3}
# Nothing is calibrated on these.
OTHER_LOSSES = {"0.1": 0.1, "0.3": 0.9, "1": 0.9}
REFERENCES = {
    TRAINING[0]: {"peak": 1.0, "best_loss": 0.1, "losses": LOSSES},
    TRAINING[1]: {"peak": 0.2, "best_loss": 0.2, "losses": LOSSES},
    HELD_OUT[0]: {"peak": 0.3, "best_loss": 0.2, "losses": OTHER_LOSSES},
    HELD_OUT[1]: {"peak": 1.0, "best_loss": 0.2, "losses": OTHER_LOSSES},
}
OPEN_LOOP = "linear 0.5, warm-up 0, open loop"
LINEAR, BLOWN_UP = "linear 0.5, warm-up 0", "linear 30, warm-up 0"
NAMES = ["tuned", *contenders.RIVALS, LINEAR, BLOWN_UP]
SEEDS = [2_000_000_000, 2_000_000_001, 2_000_000_002]
FIGURES = ("regrets.png", "profiles.png")


def judge(launch_job, root_dir, *bindings, references=REFERENCES, config=CONFIG):
    """Writes references and runs the job; returns its exit code."""
    return family_jobs.launch(
        launch_job, "judge", root_dir, *bindings, references=references, config=config
    )


def path_of(root_dir):
    """The run directory."""
    return family_jobs.path_of(root_dir, "judge")


def read_rows(path, name="judge.csv"):
    """The rows of a table."""
    return family_jobs.read_rows(path, name)


def rows_with(rows, **values):
    """Those of `rows` that have these values."""
    return [r for r in rows if all(r[name] == v for name, v in values.items())]


def outcome(path):
    """All that a run leaves, without its processor time."""
    names = ("judge.csv", "tasks.csv", "judge.md", *FIGURES)
    names += ("references.json", "schedules.json")
    found = {name: (path / name).read_bytes() for name in names}
    results = json.loads((path / "run.json").read_text())["results"]
    results.pop("cpu_sec")
    return {**found, "results": results}
