"""The baseline job: runs every schedule of a grid once a seed and names the best by validation loss."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tqdm

import gin
from learned_lr.execution import cache, configured, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import schedule_descriptions, schedule_families
from learned_lr.jobs.schedule_families import Schedules
from learned_lr.report.tables import markdown_table
from learned_lr.trainees.episode import SUMMARY_COLUMNS, Episode, run_episode

TABLE = "grid.csv"
BEST = "best.json"
_SUMMARY = "grid.md"
_NUM_SHOWN = 10
_FIGURES = (*SUMMARY_COLUMNS, "duration_sec", "cpu_sec")


@gin.configurable("baseline")
def baseline(
    run: RunDirectory,
    families: Sequence[Callable[[str], Schedules]] = gin.REQUIRED,
    num_seeds: int = 1,
    seed: int = 0,
) -> str:
    """Runs every schedule, never looking at the test split, and chooses the best.

    Leaves `grid.csv` (a row a run, in the order of the grid), `grid.md` and `best.json`.

    Args:
      run: the run directory.
      families: gin references to families of schedules.
      num_seeds: runs of each schedule, on the same seeds for all; the choice is by the
        mean of their best validation losses. The paper has 1.
      seed: which seeds these are, in [0, 10000); never those of evaluations.

    Returns:
      The best schedules as a Markdown table.
    """
    if num_seeds < 1:
        raise ValueError(f"Expected baseline.num_seeds >= 1, found {num_seeds!r}.")
    task = configured.task()
    workers_config = configured.workers()
    grid = schedule_families.collect(families, run.root_dir)
    grid_seeds = [seeds.selection_seed(seed, index) for index in range(num_seeds)]
    run.begin(gin.operative_config_str(), {"run": seed, "grid": grid_seeds})
    if run.is_finished:
        return run.finished_message(_SUMMARY)
    calls = [(name, seed) for name in grid for seed in grid_seeds]
    rows = GridRows(run, grid, calls)
    progress = tqdm.tqdm(total=len(calls), desc="grid", unit="run", mininterval=1)
    with Workers(workers_config) as workers, progress as bar:

        def on_episode(index, episode):
            rows.add(index, episode)
            bar.update()
            bar.set_postfix_str(f"best validation loss {rows.best_loss():.4f}")

        cache.map_episodes(
            run,
            workers,
            run_episode,
            [(task, grid[name], seed, False) for name, seed in calls],
            [
                f"{schedule_descriptions.fingerprint(grid[n])}_{seed}"
                for n, seed in calls
            ],
            Episode,
            on_episode,
        )
    ranking = rows.ranking()
    best, loss = ranking[0]
    document = {
        "task": task.name,
        "name": best,
        "schedule": schedule_descriptions.describe(grid[best]),
        "best_validation_loss": loss,
        "num_runs": len(calls),
        "seeds": grid_seeds,
    }
    run.write(BEST, (json.dumps(document, indent=2) + "\n").encode())
    summary = _summary(ranking)
    run.write(_SUMMARY, summary.encode())
    run.finish(
        best=best,
        best_validation_loss=loss,
        num_runs=len(calls),
        num_trainee_steps=len(calls) * task.num_trainee_steps,
        num_diverged=rows.num_diverged(),
        cpu_sec=rows.cpu_sec(),
    )
    return summary


class GridRows:
    """The rows of `grid.csv`: written in the order of the grid as runs finish in any order."""

    def __init__(
        self, run: RunDirectory, grid: Schedules, calls: Sequence[tuple[str, int]]
    ):
        """Takes the schedules by name, and (name, seed) of each row."""
        descriptions = {
            name: schedule_descriptions.describe(schedule)
            for name, schedule in grid.items()
        }
        self._calls, self._descriptions = calls, descriptions
        parameters = {p for d in descriptions.values() for p in d if p != "kind"}
        self._parameters = sorted(parameters)
        columns = ("run", "schedule", "kind", *self._parameters, *_FIGURES)
        self._table = CsvTable(run, TABLE, columns)
        self._episodes: dict[int, Episode] = {}

    def add(self, index: int, episode: Episode) -> None:
        """Adds the episode of a row and writes the table."""
        self._episodes[index] = episode
        self._table.write([self._row(index) for index in sorted(self._episodes)])

    def best_loss(self) -> float:
        """The least validation loss of all runs so far."""
        return min(e.best_validation_loss for e in self._episodes.values())

    def ranking(self) -> list[tuple[str, float]]:
        """Returns (name, mean over seeds of the best validation loss), best first."""
        losses: dict[str, list[float]] = {}
        for index, (name, _) in enumerate(self._calls):
            losses.setdefault(name, []).append(
                self._episodes[index].best_validation_loss
            )
        means = [(name, float(np.mean(values))) for name, values in losses.items()]
        return sorted(means, key=lambda item: item[1])

    def num_diverged(self) -> int:
        """The number of diverged runs."""
        return sum(episode.diverged for episode in self._episodes.values())

    def cpu_sec(self) -> float:
        """Processor seconds of all runs."""
        return sum(episode.cpu_sec for episode in self._episodes.values())

    def _row(self, index) -> dict[str, Any]:
        (name, _), episode = self._calls[index], self._episodes[index]
        description = self._descriptions[name]
        return {
            "run": index,
            "schedule": name,
            **dict.fromkeys(self._parameters, ""),
            **description,
            **episode.summary(),
            "duration_sec": round(episode.duration_sec, 3),
            "cpu_sec": round(episode.cpu_sec, 3),
        }


def _summary(ranking) -> str:
    rows = [["rank", "schedule", "best validation loss"]]
    for rank, (name, loss) in enumerate(ranking[:_NUM_SHOWN], 1):
        rows.append([str(rank), name, f"{loss:.4f}"])
    return markdown_table(rows)
