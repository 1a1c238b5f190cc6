"""Runs on the tasks of a family: their figures, what they cost, and how a controller does on the selection tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from learned_lr.control.controller import Controller
from learned_lr.execution import cache, seeds
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import regrets
from learned_lr.report.tables import markdown_table
from learned_lr.trainees import adaptive_schedules, episode_groups, families
from learned_lr.trainees.episode import SUMMARY_COLUMNS, Episode

# Of a run on a task.
COLUMNS = ("task", *SUMMARY_COLUMNS, "regret")


def training_and_selection(
    family: families.Family,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the training and the selection tasks of a family by name.

    Raises:
      ValueError: if there are none of one kind.
    """
    training, selection = (
        {member.name: member.task for member in family.tasks(split)}
        for split in ("training", "selection")
    )
    if not training or not selection:
        raise ValueError(
            "Expected a family with training and with selection tasks, found "
            f"{len(training)} and {len(selection)}."
        )
    return training, selection


def check_transform(transform: str, name: str = "environment.transform") -> None:
    """Refuses observations in units of a task.

    Args:
      transform: the observations'.
      name: what the message calls it: a parameter, or whose transform it is.

    Raises:
      ValueError: on any transform but 'relative'.
    """
    if transform != "relative":
        raise ValueError(
            f"Expected {name} to be 'relative', the one without units of a task, found {transform!r}."
        )


def typical(tasks: Iterable[Any]) -> Any:
    """Returns the task in the middle, by length: its budget is that of a controller for all of them."""
    by_length = sorted(tasks, key=lambda task: task.num_trainee_steps)
    return by_length[len(by_length) // 2]


class Ledger:
    """The figures of runs, by the references of their tasks, and what all of them cost together."""

    def __init__(self, references: regrets.References):
        self._references = references
        self._num_runs, self._num_steps, self._cpu_sec = 0, 0, 0.0

    def enter(self, task_name: str, episode: Episode) -> dict[str, Any]:
        """Returns a run's values of `COLUMNS`, and counts it."""
        self._num_runs += 1
        self._num_steps += int(episode.column("trainee_step")[-1])
        self._cpu_sec += episode.cpu_sec
        regret = self._references.regret(task_name, episode.best_validation_loss)
        return {"task": task_name, **episode.summary(), "regret": regret}

    def costs(self) -> dict[str, float]:
        """Returns the number of runs and of trainee steps, and their processor seconds."""
        return {
            "num_runs": self._num_runs,
            "num_trainee_steps": self._num_steps,
            "cpu_sec": self._cpu_sec,
        }


class SelectionTasks:
    """The tasks that controllers are chosen on."""

    def __init__(
        self,
        run: RunDirectory,
        tasks: Mapping[str, Any],
        ledger: Ledger,
        seed: int,
        num_episodes: int,
    ):
        """Takes tasks by name, the run's seed, and how often a controller runs each of them."""
        self._run, self._ledger = run, ledger
        self._tasks = {name: tasks[name] for name in sorted(tasks)}
        self._seeds = [seeds.selection_seed(seed, i) for i in range(num_episodes)]

    def evaluate(
        self,
        workers: Workers,
        controller: Controller,
        name: str,
        on_task: Callable[[], object] = lambda: None,
    ) -> tuple[list[dict[str, Any]], list[float]]:
        """Runs all tasks by the controller's means, or reads what an earlier start left.

        Args:
          workers: run the episodes.
          controller: the controller.
          name: begins the names of the kept episodes.
          on_task: called as each task ends.

        Returns:
          A row a run, by `COLUMNS`; and the mean regret on each task.
        """
        schedule = adaptive_schedules.Learned(controller)
        names = list(self._tasks)
        groups = cache.map_episodes(
            self._run,
            workers,
            episode_groups.run_episodes,
            [(self._tasks[n], schedule, self._seeds, False) for n in names],
            [f"{name}_{task_name}" for task_name in names],
            episode_groups.EpisodeGroup,
            lambda index, group: on_task(),
            names,
        )
        rows, means = [], []
        for task_name, group in zip(names, groups):
            own = [self._ledger.enter(task_name, e) for e in group.episodes]
            rows += own
            means.append(float(np.mean([row["regret"] for row in own])))
        return rows, means


def summary(
    found: Mapping[str, Mapping[str, float]],
    references: regrets.References,
    training: Sequence[str],
    selection: Sequence[str],
) -> str:
    """Returns the regrets on the selection tasks, a controller a row, beside the calibrated cosine's.

    Args:
      found: figures by the name of the controller: mean_regret, median_regret, worst_regret.
      references: of all tasks.
      training: names of the tasks that the cosine is calibrated on.
      selection: names of the tasks.
    """
    peak = references.calibrated_peak(training, selection)
    cosine = regrets.figures(references.regrets_at(peak, selection))
    rows = [["controller", "mean regret", "median", "worst"]]
    for label, figures in {**found, f"cosine {peak:g}": cosine}.items():
        rows.append([label, *(f"{figures[name]:.3f}" for name in cosine)])
    return markdown_table(rows)
