"""Chooses the default controller: the best validation losses of the candidates over the tasks.

    python -m benchmarks.default_controller results/pretrained/*/evaluation.csv

Reads the tables of evaluations that share their candidates. A task's regret of a schedule is
log(its mean best validation loss / the least of a candidate's). The lowest mean regret over
tasks wins; the test set has no part in it.
"""

from __future__ import annotations

import argparse
import csv
import math
import pathlib
import statistics

from learned_lr.control import pretrained
from learned_lr.report.tables import markdown_table


def mean_losses(path: str) -> dict[str, float]:
    """Returns a table's mean best validation loss over seeds, by schedule."""
    losses: dict[str, list[float]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            loss = float(row["best_validation_loss"])
            losses.setdefault(row["schedule"], []).append(loss)
    return {name: statistics.fmean(values) for name, values in losses.items()}


def regrets(tables: list[dict[str, float]], names) -> dict[str, list[float]]:
    """Returns, by schedule that all tables have, its regret for each against the best of `names`."""
    least = [min(table[name] for name in names) for table in tables]
    common = [name for name in tables[0] if all(name in table for table in tables)]
    return {
        name: [math.log(table[name] / low) for table, low in zip(tables, least)]
        for name in common
    }


def main(arguments=None) -> None:
    """Prints the table, sorted, and the winner."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", nargs="+", help="evaluation.csv of each task")
    paths = parser.parse_args(arguments).tables
    tables = [mean_losses(path) for path in paths]
    found = regrets(tables, pretrained.names())
    tasks = [pathlib.Path(path).parent.name for path in paths]
    lines = [["schedule", *tasks, "mean regret", "worst regret"]]
    for name in sorted(found, key=lambda name: statistics.fmean(found[name])):
        losses = [f"{table[name]:.4f}" for table in tables]
        mean, worst = statistics.fmean(found[name]), max(found[name])
        lines.append([name, *losses, f"{mean:.3f}", f"{worst:.3f}"])
    print(markdown_table(lines))
    winner = min(pretrained.names(), key=lambda name: statistics.fmean(found[name]))
    print(f"The default: {winner}")


if __name__ == "__main__":
    main()
