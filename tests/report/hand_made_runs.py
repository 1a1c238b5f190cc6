"""Run directories made by hand, with numbers that can be checked in the head."""

from __future__ import annotations

import csv
import dataclasses
import json

from learned_lr.report import statistics

TEST_LOSSES = {"learned": [0.25, 0.75], "constant 0.1": [1.0, 2.0]}
TEST_ACCURACIES = {"learned": [0.5, 0.75], "constant 0.1": [0.25, 0.375]}
EPISODE = {
    "best_validation_loss": 0.5,
    "best_trainee_step": 10,
    "final_validation_loss": 0.75,
    "mean_validation_loss": 0.625,
    "diverged": False,
}


def write_table(path, rows):
    """Writes a CSV table of dicts."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _make_run(path, config="", **record):
    path.mkdir(parents=True)
    (path / "operative_config.gin").write_text(config)
    record = {"status": "finished", "results": {"task": "toy"}, **record}
    (path / "run.json").write_text(json.dumps(record))
    return path


def _add_evaluation(path):
    write_table(
        path / "evaluation.csv",
        [
            {
                "schedule": name,
                "kind": name.split()[0],
                "seed": seed,
                **EPISODE,
                "test_loss": loss,
                "test_accuracy": accuracy,
            }
            for name, losses in TEST_LOSSES.items()
            for seed, (loss, accuracy) in enumerate(zip(losses, TEST_ACCURACIES[name]))
        ],
    )
    rows = []
    for metric, groups in (
        ("test_loss", TEST_LOSSES),
        ("test_accuracy", TEST_ACCURACIES),
    ):
        for name, sample in groups.items():
            difference = statistics.compare(sample, groups["learned"])
            rows.append({"metric": metric, "schedule": name, "reference": "learned"})
            rows[-1].update(num_runs=2, **dataclasses.asdict(difference), star="")
    for row, p_value in zip(rows, statistics.holm([r["p_paired"] for r in rows])):
        row["p_paired_holm"] = p_value
    write_table(path / "statistics.csv", rows)
    (path / "schedules.json").write_text(
        json.dumps({"learned": {"kind": "learned"}, "constant 0.1": {}})
    )
    write_table(
        path / "trajectories.csv",
        [
            {
                "schedule": name,
                "seed": seed,
                "trainee_step": step,
                "learning_rate": 0.1 / (1 + seed),
                "validation_loss": 1.0,
            }
            for name in TEST_LOSSES
            for seed in (0, 1)
            for step in (0, 10)
        ],
    )


def make_train(path, with_evaluation=True, **record):
    """Makes the run directory of a whole train run; returns its path."""
    results = {"task": "toy", "num_runs": 6, "num_trainee_steps": 60}
    record = {"results": results, **record}
    _make_run(path, "train.num_iterations = 2\n", **record)
    rows = [{"iteration": n, "mean_return": float(n)} for n in (1, 2)]
    write_table(path / "iterations.csv", rows)
    if with_evaluation:
        _add_evaluation(path)
    return path


def make_evaluate(path, **record):
    """Makes the run directory of a whole evaluate run; returns its path."""
    _make_run(path, "evaluate.num_seeds = 2\n", **record)
    _add_evaluation(path)
    return path


def make_sweep(path):
    """Makes the run directory of a sweep, without its points; returns its path."""
    _make_run(path)
    rows = [{"point": n, "seed": n, "status": "finished"} for n in (0, 1)]
    write_table(path / "sweep.csv", rows)
    return path
