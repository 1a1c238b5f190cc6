"""Losses against what tuning found, task by task: the references of a family, and the regret of a run."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.execution.run_configs import bindings, differing
from learned_lr.execution.run_directory import (
    CONFIG_FILE,
    RunDirectory,
    RunDirectoryError,
)

FILE = "references.json"
# Keeps the logarithm of a loss near 0 from counting for more than one can see.
LOSS_OFFSET = 0.02


def log_loss(loss: float) -> float:
    """Returns log(loss + 0.02)."""
    return math.log(loss + LOSS_OFFSET)


class References:
    """The tuned base schedule of every task of a family, as the job `references` left it."""

    def __init__(self, by_task: Mapping[str, Mapping[str, Any]]):
        """Takes what `references.json` holds: peak, best_loss and losses (by peak) of each task."""
        self._by_task = by_task

    @classmethod
    def of_run(
        cls, run: RunDirectory, path: str, names: Iterable[str] = ()
    ) -> References:
        """Reads the references of a run directory under the same root directory.

        They are copied, so that a run that is resumed has those it began with; not if they are
        refused.

        Args:
          run: the run that needs them.
          path: that run directory.
          names: the tasks that must have one.

        Raises:
          RunDirectoryError: if there are none, or none of some task, or if they are of another
            base schedule than the run's.
        """
        content = run.read(FILE)
        if content is None:
            _check_config(run, os.path.join(run.root_dir, path, CONFIG_FILE))
            source = os.path.join(run.root_dir, path, FILE)
            try:
                with open(source, "rb") as file:
                    content = file.read()
            except OSError as error:
                raise RunDirectoryError(
                    f"Expected references in {source}, found none: {error.strerror}. Run "
                    "the job that makes them: python -m learned_lr.references."
                ) from error
        try:
            found = cls(json.loads(content))
        except ValueError as error:
            raise RunDirectoryError(
                f"Expected references in {source}, found the file damaged ({error})."
            ) from error
        found.check(names)
        run.write(FILE, content)
        run.add_input(FILE)
        return found

    def check(self, names: Iterable[str]) -> None:
        """Refuses tasks without a reference.

        Raises:
          RunDirectoryError: naming them.
        """
        missing = [name for name in names if name not in self._by_task]
        if missing:
            raise RunDirectoryError(
                f"Expected a reference for every task, found none for {len(missing)}: "
                f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}."
            )

    def peak(self, name: str) -> float:
        """Returns the peak of a task's tuned base schedule."""
        return float(self._by_task[name]["peak"])

    def spread(self, name: str) -> float:
        """Returns how far apart a task's losses lie from peak to peak, see the job `references`."""
        return float(self._by_task[name]["spread"])

    def regret(self, name: str, loss: float) -> float:
        """Returns log(loss + 0.02) minus that of the task's tuned base schedule."""
        return log_loss(loss) - log_loss(self._by_task[name]["best_loss"])

    def regrets_at(self, peak: float, names: Iterable[str]) -> list[float]:
        """Returns the regrets of the base schedule at one peak for all tasks."""
        found = []
        for name in names:
            losses = {float(p): v for p, v in self._by_task[name]["losses"].items()}
            found.append(self.regret(name, losses[peak]))
        return found

    def calibrated_peak(self, names: Iterable[str], also: Iterable[str] = ()) -> float:
        """Returns the peak of the least mean regret on some tasks.

        Args:
          names: the tasks.
          also: others that were run at it, too.

        Raises:
          RunDirectoryError: if there is no peak that all of them were run at.
        """
        names = list(names)
        peaks = set.intersection(
            *(set(map(float, self._by_task[n]["losses"])) for n in (*names, *also))
        )
        if not peaks:
            raise RunDirectoryError(
                "Expected a peak that every task was run at, found none."
            )
        return min(sorted(peaks), key=lambda p: np.mean(self.regrets_at(p, names)))


def _check_config(run, path):
    """Refuses references by their config; such as came without one are taken at their word."""
    if not os.path.isfile(path):
        return
    with open(path, encoding="utf-8") as file:
        there = base_schedule_bindings(file.read())
    here = base_schedule_bindings((run.read(CONFIG_FILE) or b"").decode())
    found = differing(there, here)
    if found:
        raise RunDirectoryError(
            f"Expected references of this base schedule, found those of another in {os.path.dirname(path)}: "
            f"{'; '.join(found)}. Give both jobs the same bindings."
        )


def base_schedule_bindings(config: str) -> dict[str, str]:
    """Returns a config's base schedule by parameter, as text; what an older config lacks has its default."""
    bound, fields = bindings(config), dataclasses.fields(BaseSchedule)
    names = {f"base_schedule.{field.name}": repr(field.default) for field in fields}
    return {name: bound.get(name, default) for name, default in names.items()}


def figures(regrets: Iterable[float]) -> dict[str, float]:
    """Returns the mean, median and worst of regrets."""
    regrets = np.asarray(list(regrets), np.float64)
    return {
        "mean_regret": float(np.mean(regrets)),
        "median_regret": float(np.median(regrets)),
        "worst_regret": float(np.max(regrets)),
    }
