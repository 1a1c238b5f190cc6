"""The runs of a judgement: from episodes to regrets, by contender and task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learned_lr.jobs.contenders import TUNED, Contender
from learned_lr.jobs.regrets import log_loss
from learned_lr.trainees.episode import Episode

TABLE = "judge.csv"
# Of the weights with the best validation loss, and of the last ones, which `fit` leaves.
_LOSSES = {
    "validation": "best_validation_loss",
    "test": "test_loss",
    "final": "final_validation_loss",
}
MEASURES = tuple(_LOSSES)
COLUMNS = (
    "task",
    "contender",
    "multiplier",
    "seed",
    "best_validation_loss",
    "test_loss",
    "test_accuracy",
    "final_validation_loss",
    "validation_regret",
    "test_regret",
    "final_regret",
    "greatest_rate",
    "diverged",
)
TASK_COLUMNS = (
    "task",
    "contender",
    "multiplier",
    "num_runs",
    "num_diverged",
    "best_validation_loss",
    "test_loss",
    "final_validation_loss",
    "validation_regret",
    "test_regret",
    "final_regret",
    "tuned_peak",
    "mean_greatest_rate",
)
# A contender's name and multiplier.
Key = tuple[str, float]
MARK: Key = (TUNED, 1.0)


def rows_of_task(
    task: str,
    contenders: Sequence[Contender],
    schedules: Sequence[Any],
    episodes: Sequence[Episode],
    seeds: Sequence[int],
) -> list[dict[str, Any]]:
    """Returns the rows of `judge.csv` of one task.

    Args:
      task: its name.
      contenders: the mark first.
      schedules: the different ones among the contenders'.
      episodes: of each schedule and seed, all seeds of a schedule together.
      seeds: of the runs of each schedule.
    """
    rows = []
    for contender in contenders:
        first = schedules.index(contender.schedule) * len(seeds)
        for index in range(len(seeds)):
            episode, mark = episodes[first + index], episodes[index]
            row = {
                "task": task,
                "contender": contender.name,
                "multiplier": float(contender.multiplier),
                "seed": episode.seed,
                "test_accuracy": episode.test_accuracy,
                "greatest_rate": float(episode.column("learning_rate").max()),
                "diverged": episode.diverged,
            }
            for measure, loss in _LOSSES.items():
                row[loss] = getattr(episode, loss)
                regret = log_loss(row[loss]) - log_loss(getattr(mark, loss))
                row[f"{measure}_regret"] = regret
            rows.append(row)
    return rows


class JudgedRuns:
    """All runs of a judgement.

    Attributes:
      tasks: their names.
      keys: the name and multiplier of each contender but the mark, in their order.
      multipliers: those of the keys, ascending.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]):
        """Takes the rows of `judge.csv`."""
        self._rows: dict[Key, dict[str, list[Mapping]]] = {}
        for row in rows:
            by_task = self._rows.setdefault((row["contender"], row["multiplier"]), {})
            by_task.setdefault(row["task"], []).append(row)
        self.tasks = list(self._rows[MARK])
        self.keys = [key for key in self._rows if key != MARK]
        self.multipliers = sorted({multiplier for _, multiplier in self.keys})

    @property
    def num_seeds(self) -> int:
        """Runs of each contender on a task."""
        return len(self._rows[MARK][self.tasks[0]])

    def values(self, key: Key, column: str) -> np.ndarray:
        """Returns a column of a contender's runs, `[num_tasks, num_seeds]`."""
        by_task = self._rows[key]
        return np.array([[row[column] for row in by_task[t]] for t in self.tasks])

    def regrets(self, key: Key, measure: str) -> np.ndarray:
        """Returns a contender's regrets, float64 `[num_tasks, num_seeds]`; a measure of `MEASURES`."""
        return self.values(key, f"{measure}_regret")

    def label(self, key: Key) -> str:
        """Returns a contender's name, with its multiplier where there are several."""
        name, multiplier = key
        return name if self.multipliers == [1.0] else f"{name} × {multiplier:g}"

    def task_rows(self, tuned_peaks: Mapping[str, float]) -> list[dict[str, Any]]:
        """Returns the rows of `tasks.csv`.

        Args:
          tuned_peaks: by task.
        """
        return [
            _task_row(key, self._rows[key][task], tuned_peaks[task])
            for task in self.tasks
            for key in self._rows
        ]


def _task_row(key, rows, peak):
    means = {
        name: float(np.mean([row[name] for row in rows]))
        for name in (*_LOSSES.values(), *(f"{m}_regret" for m in MEASURES))
    }
    rates = np.log([row["greatest_rate"] for row in rows])
    return {
        "task": rows[0]["task"],
        "contender": key[0],
        "multiplier": key[1],
        "num_runs": len(rows),
        "num_diverged": sum(row["diverged"] for row in rows),
        **means,
        "tuned_peak": peak,
        # Geometric, as rates are.
        "mean_greatest_rate": float(np.exp(rates.mean())),
    }
