"""Grids, evaluations and sweeps killed at 20 random moments end as if nothing had happened."""

from __future__ import annotations

import csv
import os
import pathlib
import random

import pytest

pytestmark = [pytest.mark.smoke, pytest.mark.slow]

TASK = ("task.name = 'quadratic'", "task.num_trainee_steps = 20000")
GRID = ("step_decay.discount_steps = (100,)", "baseline.num_seeds = 2")
JOBS = {
    "baseline": ("gin/baseline/digits_cnn.gin", GRID),
    "evaluate": (
        "gin/evaluate/digits_cnn.gin",
        (
            "evaluate.families = [@constant_rate, @cosine, @reduce_on_plateau]",
            "evaluate.num_seeds = 2",
        ),
    ),
    "sweep": (
        "gin/sweep/digits_cnn.gin",
        (
            "sweep.product = {'ppo.num_epochs': (1, 2)}",
            "sweep.seeds = (3,)",
            "train.num_iterations = 6",
            "train.evaluation_interval = 4",
        ),
    ),
}
TIMINGS = {"duration_sec", "cpu_sec"}


def _results(run_path):
    """All tables, but for timings; other results byte for byte."""
    found = {}
    names = ("best.json", "grid.md", "evaluation.md", "statistics.csv", "schedule.png")
    training = ("iterations.csv", "episodes.csv", "weights.npz", "spec.json")
    for path in sorted(pathlib.Path(run_path).rglob("*")):
        name = str(path.relative_to(run_path))
        if path.name in ("grid.csv", "evaluation.csv", "sweep.csv", "trajectories.csv"):
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            found[name] = [
                {k: v for k, v in row.items() if k not in TIMINGS} for row in rows
            ]
        elif path.name in names + training:
            found[name] = path.read_bytes()
    return found


@pytest.mark.parametrize("job", JOBS)
def test_killed_at_twenty_random_moments(job_command, tmp_path, job):
    gin_file, bindings = JOBS[job]
    bindings = (*TASK, *bindings)
    serial = (*bindings, "workers.num_workers = 0")
    undisturbed = job_command(job, gin_file, serial, tmp_path / "undisturbed")
    start_sec, work_sec = undisturbed.measure()
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    rng = random.Random(seed)
    num_parts = 0
    for number in range(20):
        num_workers = number % 3
        workers = f"workers.num_workers = {num_workers}"
        killed = job_command(job, gin_file, (*bindings, workers), tmp_path / "killed")
        # A worker starts about as long as the job itself.
        delay_sec = rng.uniform(0, 0.25) * work_sec + start_sec * (num_workers > 0)
        num_parts += killed.kill_at_work(delay_sec)
    assert num_parts >= 1
    last = job_command(job, gin_file, bindings, tmp_path / "killed")
    code, _, errors = last.finish()
    assert code == 0, errors
    expected = _results(undisturbed.run_path)
    assert len(expected) >= 3
    assert _results(last.run_path) == expected
