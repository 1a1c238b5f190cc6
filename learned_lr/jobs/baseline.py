"""The baseline job: runs every schedule of a grid, the best of them again, and names the winner by validation loss."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tqdm

import gin
from learned_lr.execution import cache, configured, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import (
    earlier_runs,
    grid_winners,
    schedule_checks,
    schedule_descriptions,
    schedule_families,
)
from learned_lr.jobs.schedule_checks import SCHEDULES
from learned_lr.jobs.schedule_families import Schedules
from learned_lr.report.tables import markdown_table
from learned_lr.trainees import spend
from learned_lr.trainees.episode import SUMMARY_COLUMNS, Episode, run_episode

TABLE = "grid.csv"
_SUMMARY = "grid.md"
# The rounds of a grid, as its table names them: all schedules, then the best on other seeds.
ALL, FINAL = "all", "final"
_NUM_SHOWN = 10
_FIGURES = (*SUMMARY_COLUMNS, "duration_sec", "cpu_sec")


@gin.configurable("baseline")
def baseline(
    run: RunDirectory,
    families: Sequence[Callable[[str], Schedules]] = gin.REQUIRED,
    num_seeds: int = 1,
    num_finalists: int = 3,
    num_finalist_seeds: int = 3,
    seed: int = 0,
    earlier_run: str | None = None,
) -> str:
    """Runs every schedule, the best of them again, never looking at the test split, and chooses one.

    One run each is luck, and the least of many the more so: the finalists' losses on seeds of
    their own decide, and not those that made them finalists. Leaves `grid.csv` (a row a run,
    in the order of the grid, then the finalists'), `grid.md`, `best.json` and `schedules.json`. A run that was
    begun when there were no finalists goes on with them.

    Args:
      run: the run directory.
      families: gin references to families of schedules.
      num_seeds: runs of each schedule, on the same seeds for all; they are ranked by the
        mean of their best validation losses. The paper has 1.
      num_finalists: how many of the best are run again; 1 for none, as in the paper.
      num_finalist_seeds: runs of each finalist, on the next seeds; the least mean of the
        best validation losses on these wins.
      seed: which seeds these are, in [0, 10000); never those of evaluations.
      earlier_run: the run directory of another grid of the same task, under the root
        directory, whose runs are taken over where schedule and seed are the same: a denser
        grid runs what it adds. They count as this grid's all the same, which chooses by them.

    Returns:
      The best schedules as a Markdown table.
    """
    for name, value in (
        ("num_seeds", num_seeds),
        ("num_finalists", num_finalists),
        ("num_finalist_seeds", num_finalist_seeds),
    ):
        if value < 1:
            raise ValueError(f"Expected baseline.{name} >= 1, found {value!r}.")
    task = configured.task()
    workers_config = configured.workers()
    grid = schedule_families.collect(families, run.root_dir)
    schedule_checks.check_start(grid, [task])
    num_finalists = min(num_finalists, len(grid))
    if num_finalists == 1:
        num_finalists = num_finalist_seeds = 0
    all_seeds = [
        seeds.selection_seed(seed, index)
        for index in range(num_seeds + num_finalist_seeds)
    ]
    round_seeds = {ALL: all_seeds[:num_seeds], FINAL: all_seeds[num_seeds:]}
    run.begin(
        gin.operative_config_str(),
        {"run": seed, "grid": round_seeds[ALL], "finalists": round_seeds[FINAL]},
        later_bindings=("baseline.num_finalists", "baseline.num_finalist_seeds"),
    )
    described = {n: schedule_descriptions.describe(s) for n, s in grid.items()}
    if run.is_finished:
        # Older grids have no such file.
        if run.read(SCHEDULES) is not None:
            schedule_checks.check_finished(run, described, "baseline")
        return run.finished_message(_SUMMARY)
    run.write(SCHEDULES, (json.dumps(described, indent=2) + "\n").encode())
    run.add_input(SCHEDULES)
    runs = GridRuns(run, task, grid, earlier_run)
    num_runs = len(grid) * num_seeds + num_finalists * num_finalist_seeds
    progress = tqdm.tqdm(total=num_runs, desc="grid", unit="run", mininterval=1)
    with Workers(workers_config) as workers, progress as bar:
        runs.run_round(ALL, list(grid), round_seeds[ALL], workers, bar)
        ranking = runs.ranking(ALL)
        finalists = [name for name, _ in ranking[:num_finalists]]
        runs.run_round(FINAL, finalists, round_seeds[FINAL], workers, bar)
    final = runs.ranking(FINAL)
    best, loss = (final or ranking)[0]
    document = {
        "task": task.name,
        "name": best,
        "schedule": schedule_descriptions.describe(grid[best]),
        "best_validation_loss": loss,
        "num_runs": num_runs,
        "seeds": round_seeds[ALL],
        "finalists": {"seeds": round_seeds[FINAL], "mean_losses": dict(final)},
    }
    run.write(grid_winners.FILE, (json.dumps(document, indent=2) + "\n").encode())
    summary = _summary(ranking, final)
    run.write(_SUMMARY, summary.encode())
    run.finish(
        task=task.name,
        best=best,
        best_validation_loss=loss,
        num_runs=num_runs,
        num_trainee_steps=num_runs * task.num_trainee_steps,
        num_gradient_samples=spend.of_runs(task, num_runs),
        num_taken_over=runs.num_taken_over,
        num_diverged=runs.num_diverged(),
        cpu_sec=runs.cpu_sec(),
    )
    return summary


class GridRuns:
    """The runs of a grid, and the rows of `grid.csv`: in the order of the grid, as they end in any.

    Attributes:
      num_taken_over: of its runs, those that an earlier grid had run.
    """

    def __init__(
        self,
        run: RunDirectory,
        task: Any,
        grid: Schedules,
        earlier_run: str | None = None,
    ):
        """Takes the run directory, the task, the schedules by name and an earlier grid's; runs nothing."""
        self._run, self._task, self._grid = run, task, grid
        self._earlier_run = earlier_run
        self.num_taken_over = 0
        # A record's rates are in `schedules.json`: thousands of numbers in each row are no table.
        self._descriptions = {
            name: {
                parameter: value
                for parameter, value in schedule_descriptions.describe(schedule).items()
                if not isinstance(value, tuple)
            }
            for name, schedule in grid.items()
        }
        parameters = {p for d in self._descriptions.values() for p in d if p != "kind"}
        self._parameters = sorted(parameters)
        columns = ("run", "round", "schedule", "kind", *self._parameters, *_FIGURES)
        self._table = CsvTable(run, TABLE, columns)
        # A row's round and schedule, and its episode once it has ended.
        self._calls: list[tuple[str, str]] = []
        self._episodes: dict[int, Episode] = {}

    def run_round(
        self,
        name: str,
        schedule_names: Sequence[str],
        round_seeds: Sequence[int],
        workers: Workers,
        bar: tqdm.tqdm,
    ) -> None:
        """Runs schedules on each of the seeds, or reads what was run before.

        Args:
          name: the round's name, `ALL` or `FINAL`.
          schedule_names: names of the grid.
          round_seeds: the seeds.
          workers: the worker processes.
          bar: counts the runs and shows the least loss.
        """
        calls = [(n, seed) for n in schedule_names for seed in round_seeds]
        names = [
            f"{schedule_descriptions.fingerprint(self._grid[n])}_{seed}"
            for n, seed in calls
        ]
        if self._earlier_run is not None:
            taken = earlier_runs.take_over(self._run, self._earlier_run, names)
            self.num_taken_over += len(taken)
        first = len(self._calls)
        self._calls += [(name, schedule_name) for schedule_name, _ in calls]

        def add(index, episode):
            self._episodes[first + index] = episode
            self._table.write([self._row(i) for i in sorted(self._episodes)])
            losses = [e.best_validation_loss for e in self._episodes.values()]
            bar.update()
            bar.set_postfix_str(f"best validation loss {min(losses):.4f}")

        cache.map_episodes(
            self._run,
            workers,
            run_episode,
            [(self._task, self._grid[n], seed, False) for n, seed in calls],
            names,
            Episode,
            add,
        )

    def ranking(self, round_name: str) -> list[tuple[str, float]]:
        """Returns (name, mean over the round's seeds of the best validation loss), best first."""
        losses: dict[str, list[float]] = {}
        for index, (found, name) in enumerate(self._calls):
            if found == round_name:
                loss = self._episodes[index].best_validation_loss
                losses.setdefault(name, []).append(loss)
        means = [(name, float(np.mean(values))) for name, values in losses.items()]
        return sorted(means, key=lambda item: item[1])

    def num_diverged(self) -> int:
        """The number of diverged runs."""
        return sum(episode.diverged for episode in self._episodes.values())

    def cpu_sec(self) -> float:
        """Processor seconds of all runs."""
        return sum(episode.cpu_sec for episode in self._episodes.values())

    def _row(self, index) -> dict[str, Any]:
        (round_name, name), episode = self._calls[index], self._episodes[index]
        return {
            "run": index,
            "round": round_name,
            "schedule": name,
            **dict.fromkeys(self._parameters, ""),
            **self._descriptions[name],
            **episode.summary(),
            "duration_sec": round(episode.duration_sec, 3),
            "cpu_sec": round(episode.cpu_sec, 3),
        }


def _summary(ranking, final) -> str:
    """The best of all, the finalists first, by what they came to on their own seeds."""
    again = dict(final)
    # What is in no final round stays in its order.
    ranked = sorted(ranking, key=lambda item: again.get(item[0], math.inf))
    header = ["rank", "schedule", "best validation loss"]
    rows = [[*header, "on finalists' seeds"] if final else header]
    for rank, (name, loss) in enumerate(ranked[:_NUM_SHOWN], 1):
        row = [str(rank), name, f"{loss:.4f}"]
        if final:
            row.append(f"{again[name]:.4f}" if name in again else "")
        rows.append(row)
    return markdown_table(rows)
