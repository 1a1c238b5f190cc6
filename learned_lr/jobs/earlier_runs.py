"""Runs of an earlier evaluation or grid, taken over by one that has more schedules."""

from __future__ import annotations

import os
from collections.abc import Collection

from learned_lr.execution import cache
from learned_lr.execution.provenance import versions
from learned_lr.execution.run_configs import bindings, differing
from learned_lr.execution.run_directory import (
    CONFIG_FILE,
    EARLIER_STARTS,
    RUN_FILE,
    TASK_FILE,
    RunDirectory,
    RunDirectoryError,
    read_record,
)
from learned_lr.jobs import recorded_episodes
from learned_lr.trainees.episode import Episode


def take_over(run: RunDirectory, earlier: str, names: Collection[str]) -> set[str]:
    """Copies the episodes of an earlier run that a run would run again.

    A name tells the schedule's content and the seed; the task and the versions that train must be the same.
    Where an evaluation has no folder of episodes, its tables tell them (`recorded_episodes`).

    Args:
      run: the run directory, begun.
      earlier: the run directory of another evaluation or grid, relative to the root directory.
      names: of the episodes that `run` needs.

    Returns:
      The names of those that were copied, now or by a start before; not of those that the run
      has made itself.

    Raises:
      RunDirectoryError: if there is none, it is of another task or version, or its tables are damaged.
    """
    folder = os.path.join(run.root_dir, earlier)
    if os.path.realpath(folder) == os.path.realpath(run.path):
        raise RunDirectoryError(
            f"Expected the run directory of an earlier run, found this run's own, {folder}."
        )
    files = [os.path.join(folder, name) for name in (CONFIG_FILE, RUN_FILE)]
    if not all(map(os.path.isfile, files)):
        raise RunDirectoryError(
            f"Expected the run directory of an earlier run at {folder}, found none there."
        )
    _check(run, folder)
    found = set()
    for name, content in _episodes(folder, names):
        file = f"episodes/{name}.npz"
        own = run.read(file)
        if cache.from_bytes(content, Episode) is None:
            continue  # It is run again.
        if own is None:
            run.write(file, content)
        # Durations are in them: what was run twice differs.
        if own in (None, content):
            found.add(name)
    return found


def _episodes(folder, names):
    episodes = os.path.join(folder, "episodes")
    if not os.path.isdir(episodes):
        recorded = recorded_episodes.read(folder)
        yield from ((n, recorded[n].to_bytes()) for n in names if n in recorded)
        return
    for name in names:
        path = os.path.join(episodes, f"{name}.npz")
        if os.path.isfile(path):
            with open(path, "rb") as file:
                yield name, file.read()


def _check(run, folder):
    with open(os.path.join(folder, CONFIG_FILE), encoding="utf-8") as file:
        there = _task(file.read())
    here = _task((run.read(CONFIG_FILE) or b"").decode())
    record = read_record(folder)
    for found, of in ((there, record), (here, run.run_record())):
        if TASK_FILE in of:
            found["the content of task.file"] = of[TASK_FILE][:8]
    differences = differing(there, here, absent="not known")
    differences += version_differences(folder)
    if differences:
        raise RunDirectoryError(
            f"Expected {folder} to hold runs of the same task, found another: {'; '.join(differences)}."
        )


def version_differences(folder: str) -> list[str]:
    """Returns 'the version of x is a there and b here' for each that a run directory's runs may have been made with."""
    record, here = read_record(folder), _named(versions())
    differences: list[str] = []
    for start in (record, *record.get(EARLIER_STARTS, ())):
        found = _named(start.get("versions", {}))
        differences += differing(found, here, absent="not known")
    return [*dict.fromkeys(differences)]


def _task(config):
    # All else that a run follows from is in its schedule, which its name tells.
    bound = bindings(config)
    return {
        name: value
        for name, value in bound.items()
        if name.startswith(("task.", "datasets.")) or name == "workers.num_threads"
    }


def _named(found):
    return {f"the version of {name}": version for name, version in found.items()}
