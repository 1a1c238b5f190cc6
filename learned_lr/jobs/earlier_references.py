"""References of another family, taken over by one that shares tasks with it."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
from collections.abc import Collection
from typing import Any, NamedTuple

from learned_lr.execution.run_configs import bindings, differing
from learned_lr.execution.run_directory import (
    CONFIG_FILE,
    RUN_FILE,
    RunDirectory,
    RunDirectoryError,
)
from learned_lr.jobs.earlier_runs import version_differences
from learned_lr.jobs.regrets import FILE, base_schedule_bindings

TABLE = "references.csv"
# What is taken over, so that a run that goes on has what it began with.
_COPY = "earlier.json"
_FREE = ("references.earlier_run", "references.splits")


class Earlier(NamedTuple):
    """What is known of tasks, by their names.

    Attributes:
      rows: of `references.csv`, as text by column.
      documents: of `references.json`.
    """

    rows: dict[str, list[dict[str, str]]]
    documents: dict[str, dict[str, Any]]


def read(run: RunDirectory, earlier: str | None, names: Collection[str]) -> Earlier:
    """Returns what earlier references know of a run's tasks.

    A task's name is its definition; peaks, seeds, base schedule and decisions must be the same.

    Args:
      run: the run directory, begun.
      earlier: the run directory of other references, relative to the root directory; None
        for none.
      names: the run's tasks.

    Raises:
      RunDirectoryError: if there are none, they were made otherwise or by other versions, or their tables are damaged.
    """
    if earlier is None:
        return Earlier({}, {})
    copy = run.read(_COPY)
    if copy is not None:
        return Earlier(**json.loads(copy))
    folder = os.path.join(run.root_dir, earlier)
    try:
        config, table, documents = (
            _text(folder, name) for name in (CONFIG_FILE, TABLE, FILE)
        )
        # A published folder may have no record of its versions.
        is_recorded = os.path.isfile(os.path.join(folder, RUN_FILE))
        of_versions = version_differences(folder) if is_recorded else []
    except OSError as error:
        raise RunDirectoryError(
            f"Expected the run directory of earlier references at {folder}, found no {error.filename}."
        ) from error
    here = _made_by((run.read(CONFIG_FILE) or b"").decode())
    if found := [*differing(_made_by(config), here), *of_versions]:
        raise RunDirectoryError(
            f"Expected {folder} to hold references made alike, found others: {'; '.join(found)}."
        )
    try:
        by_task = json.loads(documents)
        taken = {name: by_task[name] for name in names if name in by_task}
        all_rows = [*csv.DictReader(io.StringIO(table))]
        seeds = {row["seed"] for row in all_rows}
        rows = {name: [r for r in all_rows if r["task"] == name] for name in taken}
        lacking = [
            name for name in taken if not _are_whole(rows[name], taken[name], seeds)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(
            f"Expected whole tables in {folder}, found {type(error).__name__}: {error}."
        ) from error
    if lacking:
        name = lacking[0]
        raise RunDirectoryError(
            f"Expected a row of {os.path.join(folder, TABLE)} for each of the {len(taken[name]['losses'])} peaks that "
            f"{FILE} has of {name}, and for each seed; found {len(rows[name])} rows."
        )
    known = Earlier(rows, taken)
    run.write(_COPY, json.dumps(known._asdict()).encode())
    run.add_input(_COPY)
    return known


def _are_whole(
    rows: list[dict[str, str]], document: dict[str, Any], seeds: set[str]
) -> bool:
    """Whether there is a row for each peak of a task's document and each seed."""
    runs = {(float(row["peak"]), row["seed"]) for row in rows}
    peaks = map(float, document["losses"])
    return bool(runs) and runs == set(itertools.product(peaks, seeds))


def _text(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def _made_by(config):
    made_by = {
        name: value
        for name, value in bindings(config).items()
        if name == "family.num_decisions"
        or name not in _FREE
        and name.startswith("references.")
    }
    return {**made_by, **base_schedule_bindings(config)}
