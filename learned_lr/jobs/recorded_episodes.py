"""Episodes of an evaluation, read back from its tables where their own files are gone."""

from __future__ import annotations

import csv
import json
import math
import os
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from learned_lr.execution.run_directory import RunDirectoryError
from learned_lr.jobs import comparison
from learned_lr.jobs.schedule_checks import SCHEDULES
from learned_lr.jobs.schedule_descriptions import fingerprint_of
from learned_lr.trainees.episode import TRAJECTORY_COLUMNS, Episode

# Attributes of an episode that the table of runs has, in their order.
_FIGURES = ("test_loss", "test_accuracy", "duration_sec", "cpu_sec")


def read(folder: str) -> dict[str, Episode]:
    """Returns the episodes that an evaluation's tables tell, by the names of their files.

    They are those that ran, but for durations, which have milliseconds, and for what was computed in
    float64, rates as a rule, which has nine digits: float32, as trainees compute in, is told whole by them.

    Args:
      folder: the run directory of an evaluation.

    Returns:
      The episodes; none where one of the tables is missing.

    Raises:
      RunDirectoryError: if a table is damaged.
    """
    files = [
        os.path.join(folder, name)
        for name in (SCHEDULES, comparison.TABLE, comparison.TRAJECTORIES)
    ]
    if not all(map(os.path.isfile, files)):
        return {}
    try:
        return dict(_episodes(*files))
    except (ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(
            f"Expected {folder} to hold the tables of an evaluation, found them damaged "
            f"({type(error).__name__}: {error})."
        ) from error


def _episodes(schedules_file, table_file, trajectories_file) -> Iterator[tuple]:
    with open(schedules_file, encoding="utf-8") as file:
        prints = {n: fingerprint_of(values) for n, values in json.load(file).items()}
    trajectories = defaultdict(list)
    for row in _rows(trajectories_file):
        values = [_value(row[name]) for name in TRAJECTORY_COLUMNS]
        trajectories[row["schedule"], row["seed"]].append(values)
    for row in _rows(table_file):
        schedule, seed = row["schedule"], row["seed"]
        episode = Episode(
            int(seed),
            np.asarray(trajectories[schedule, seed], np.float64),
            {"True": True, "False": False}[row["diverged"]],
            *(float(row[name]) for name in _FIGURES),
        )
        _check(episode, row)
        yield comparison.episode_name(prints[schedule], episode.seed), episode


def _rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _value(cell):
    """The float32 whose nine digits the cell has; if there is none, the cell's own number."""
    single = float(np.float32(cell))
    return single if float(f"{single:.9g}") == float(cell) else float(cell)


def _check(episode, row):
    """Refuses a trajectory that is not the row's, a cut one among them."""
    for name in ("best_validation_loss", "final_validation_loss"):
        told, there = getattr(episode, name), float(row[name])
        if not math.isclose(told, there, rel_tol=1e-8):
            raise ValueError(
                f"{name} of {row['schedule']}, seed {row['seed']}, is {there!r} in {comparison.TABLE} and "
                f"{told!r} in {comparison.TRAJECTORIES}"
            )
