"""Compares a controller with plain schedules on held-out seeds: same initial weights, same data order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gin
from learned_lr.execution import cache, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import figures
from learned_lr.report.tables import markdown_table
from learned_lr.trainees import schedules
from learned_lr.trainees.episode import Episode, run_episode

LEARNED = "learned"
COLUMNS = (
    "schedule",
    "seed",
    "best_validation_loss",
    "best_trainee_step",
    "final_validation_loss",
    "mean_validation_loss",
    "diverged",
    "test_loss",
    "test_accuracy",
)


@gin.register("comparison")
def plain_schedules(
    constant_learning_rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2),
    step_decays: tuple[tuple[float, int, float], ...] = ((1e-2, 50, 0.9),),
    num_seeds: int = 3,
) -> tuple[list[Any], int]:
    """Returns (schedules, number of held-out seeds) to compare a controller with.

    Args:
      constant_learning_rates: constant rates.
      step_decays: (initial learning rate, discount step in trainee steps, factor) each.
      num_seeds: held-out seeds that every schedule is run on; 0 for no comparison.
    """
    constants = [schedules.Constant(rate) for rate in constant_learning_rates]
    decays = [schedules.StepDecay(*decay) for decay in step_decays]
    return constants + decays, num_seeds


def compare(
    run: RunDirectory,
    workers: Workers,
    task,
    compared: list[Any],
    num_seeds: int,
    on_episode: Callable[[int, Episode], None] = lambda index, episode: None,
) -> str:
    """Runs every schedule on every seed, tests each once, writes table and figure.

    Leaves `comparison.csv` (a row a run), `comparison.md` and `schedule.png`.

    Returns:
      The table as Markdown.
    """
    jobs = [
        (schedule, seeds.held_out_seed(index))
        for schedule in compared
        for index in range(num_seeds)
    ]
    episodes = cache.map_episodes(
        run,
        workers,
        run_episode,
        [(task, schedule, seed) for schedule, seed in jobs],
        [f"held_out_{_slug(schedule.name)}_{seed}" for schedule, seed in jobs],
        Episode,
        on_episode,
    )
    table = CsvTable(run, "comparison.csv", COLUMNS)
    table.keep(lambda row: False)
    groups = {}
    for (schedule, _), episode in zip(jobs, episodes):
        groups.setdefault(schedule.name, []).append(episode)
        test = {"test_loss": episode.test_loss, "test_accuracy": episode.test_accuracy}
        table.append({"schedule": schedule.name, **episode.summary(), **test})
    text = markdown(groups)
    run.write("comparison.md", text.encode())
    title = f"{task.name}: mean of {num_seeds} held-out seeds"
    figure = figures.schedule_figure(groups, title, LEARNED)
    run.write("schedule.png", figures.png(figure))
    return text


def markdown(groups: dict[str, list[Episode]]) -> str:
    """Returns a Markdown table, mean (sample standard deviation) over seeds a schedule."""
    columns = {
        "best validation loss": lambda e: e.best_validation_loss,
        "mean validation loss": lambda e: e.mean_validation_loss,
        "test loss": lambda e: e.test_loss,
        "test accuracy": lambda e: e.test_accuracy,
    }
    rows = [["schedule", *columns]]
    rows += [
        [
            name,
            *(_mean_and_deviation([v(e) for e in episodes]) for v in columns.values()),
        ]
        for name, episodes in groups.items()
    ]
    return markdown_table(rows)


def _mean_and_deviation(values):
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{np.mean(values):.4f} ({np.std(values, ddof=1):.4f})"


def _slug(name):
    return "".join(c if c.isalnum() or c in ".-" else "_" for c in name)
