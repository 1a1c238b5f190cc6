"""Chooses among the controllers of one task: the best validation losses of the candidates over the tasks.

    python -m benchmarks.default_controller results/pretrained/*/evaluation.csv

Reads the tables of evaluations that share their candidates, the package's controllers that all of
them have. A task's regret of a schedule is
log(its mean best validation loss / the least of a candidate's). The lowest mean regret over
tasks wins; the test set has no part in it. Warm-ups are as long as a task wants, so a cosine's
row is of all lengths.
"""

from __future__ import annotations

import argparse
import csv
import math
import pathlib
import re
import statistics

from learned_lr.control import pretrained
from learned_lr.report.tables import markdown_table


def mean_losses(path: str) -> dict[str, float]:
    """Returns a table's mean best validation loss over seeds, by schedule.

    Schedules with a warm-up are named without its length, which is the task's.

    Raises:
      ValueError: if two schedules of the table differ in that length alone.
    """
    losses: dict[str, list[float]] = {}
    names: dict[str, str] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = re.sub(r", warm-up \d+$", ", warm-up", row["schedule"])
            if names.setdefault(name, row["schedule"]) != row["schedule"]:
                raise ValueError(
                    f"Expected one length of warm-up of each schedule in {path}, found "
                    f"{names[name]!r} and {row['schedule']!r}."
                )
            losses.setdefault(name, []).append(float(row["best_validation_loss"]))
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
    names = [n for n in pretrained.names() if all(n in table for table in tables)]
    if not names:
        parser.error(
            f"Expected a controller out of {pretrained.names()} in all tables."
        )
    found = regrets(tables, names)
    tasks = [pathlib.Path(path).parent.name for path in paths]
    lines = [["schedule", *tasks, "mean regret", "worst regret"]]
    for name in sorted(found, key=lambda name: statistics.fmean(found[name])):
        losses = [f"{table[name]:.4f}" for table in tables]
        mean, worst = statistics.fmean(found[name]), max(found[name])
        lines.append([name, *losses, f"{mean:.3f}", f"{worst:.3f}"])
    print(markdown_table(lines))
    winner = min(names, key=lambda name: statistics.fmean(found[name]))
    print(f"The best of the controllers: {winner}")


if __name__ == "__main__":
    main()
