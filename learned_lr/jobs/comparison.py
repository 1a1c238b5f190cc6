"""Schedules side by side on the same seeds: runs each, tests each once, and writes one set of files.

The end of `train` and the whole of `evaluate`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import gin
from learned_lr.execution import cache, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import schedule_descriptions, schedule_figure
from learned_lr.jobs.schedule_families import Schedules
from learned_lr.report import statistics
from learned_lr.report.tables import markdown_table
from learned_lr.trainees import schedules
from learned_lr.trainees.episode import (
    SUMMARY_COLUMNS,
    TRAJECTORY_COLUMNS,
    Episode,
    run_episode,
)

TABLE = "evaluation.csv"
TRAJECTORIES = "trajectories.csv"
STATISTICS = "statistics.csv"
SCHEDULES = "schedules.json"
SUMMARY = "evaluation.md"
FIGURE = "schedule.png"
METRICS = ("test_loss", "test_accuracy")
COLUMNS = (
    "schedule",
    "kind",
    *SUMMARY_COLUMNS,
    "test_loss",
    "test_accuracy",
    "duration_sec",
    "cpu_sec",
)
_TESTS = ("p_student", "p_welch", "p_paired")
# Columns of a comparison, and the p-values in the last two: the headline and the paper's.
_COMPARED = ("difference [95%]", "p", "p two-sample")
_P_VALUES = ("p_paired_holm", "p_student")
_DIFFERENCE_COLUMNS = tuple(f.name for f in dataclasses.fields(statistics.Difference))
STATISTICS_COLUMNS = (
    "metric",
    "schedule",
    "reference",
    "num_runs",
    *_DIFFERENCE_COLUMNS,
    *(f"{name}_holm" for name in _TESTS),
    "star",
)


@gin.register("comparison")
def plain_schedules(
    constant_learning_rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2),
    step_decays: tuple[tuple[float, int, float], ...] = ((1e-2, 50, 0.9),),
    num_seeds: int = 3,
) -> tuple[Schedules, int]:
    """Returns (schedules by name, number of seeds) that `train` ends with.

    Args:
      constant_learning_rates: constant rates.
      step_decays: (initial learning rate, discount step in trainee steps, factor) each.
      num_seeds: seeds for development that every schedule is run on; 0 for no comparison.
    """
    constants = [schedules.Constant(rate) for rate in constant_learning_rates]
    decays = [schedules.StepDecay(*decay) for decay in step_decays]
    return {schedule.name: schedule for schedule in constants + decays}, num_seeds


def compare(
    run: RunDirectory,
    workers: Workers,
    task,
    compared: Schedules,
    evaluation_seeds: Sequence[int],
    reference: str,
    on_episode: Callable[[Episode], None] = lambda episode: None,
) -> tuple[str, dict[str, list[Episode]]]:
    """Runs every schedule on every seed and compares each with one of them.

    Leaves `evaluation.csv` (a row a run, as they end), `trajectories.csv` (a row a decision),
    `statistics.csv`, `schedules.json`, `evaluation.md`, `schedule.png`, and in `replay/` the
    mean rates of each schedule, as tables that `replay.path` takes.

    Args:
      run: the run directory.
      workers: the worker processes.
      task: the task.
      compared: schedules by name; equal ones of different names are run once.
      evaluation_seeds: a seed gives all schedules the same initial weights and minibatches.
      reference: the name of the schedule that all others are compared with.
      on_episode: called with each episode as it comes.

    Returns:
      (the table as Markdown, episodes by schedule name in the order of the seeds).
    """
    descriptions = {n: schedule_descriptions.describe(s) for n, s in compared.items()}
    run.write(SCHEDULES, (json.dumps(descriptions, indent=2) + "\n").encode())
    episodes = _run_all(
        run, workers, task, compared, descriptions, evaluation_seeds, on_episode
    )
    _write_trajectories(run, episodes)
    _write_replays(run, episodes)
    rows = statistics_rows(episodes, reference)
    CsvTable(run, STATISTICS, STATISTICS_COLUMNS).write(rows)
    text = markdown(episodes, rows, reference)
    run.write(SUMMARY, text.encode())
    purpose = seeds.purpose(evaluation_seeds[0])
    title = f"{task.name}: mean of {len(evaluation_seeds)} {purpose} seeds"
    figure = schedule_figure.draw(episodes, title, reference)
    run.write(FIGURE, schedule_figure.png(figure))
    return text, episodes


def num_unique_runs(compared: Schedules, num_seeds: int) -> int:
    """Returns how many episodes `compare` takes, equal schedules counted once."""
    prints = {
        schedule_descriptions.fingerprint(schedule) for schedule in compared.values()
    }
    return len(prints) * num_seeds


def statistics_rows(
    episodes: dict[str, list[Episode]], reference: str
) -> list[dict[str, Any]]:
    """Returns the rows of `statistics.csv`: every schedule against the reference, a metric each.

    The Holm correction counts all comparisons of the table, over schedules and metrics. The
    star is that of the paper's two-sample t-test, uncorrected.
    """
    rows = []
    for metric in METRICS:
        values = {
            name: [getattr(episode, metric) for episode in group]
            for name, group in episodes.items()
        }
        for name, sample in values.items():
            difference = statistics.compare(sample, values[reference])
            row = {"metric": metric, "schedule": name, "reference": reference}
            row.update(num_runs=len(sample), **dataclasses.asdict(difference))
            if name == reference:
                row.update(dict.fromkeys(("effect_size", *_TESTS), float("nan")))
            rows.append(row)
    for test in _TESTS:
        adjusted = statistics.holm([row[test] for row in rows])
        for row, value in zip(rows, adjusted):
            row[f"{test}_holm"] = value
    for row in rows:
        row["star"] = statistics.star(row["p_student"])
    return rows


def markdown(
    episodes: dict[str, list[Episode]], rows: list[dict[str, Any]], reference: str
) -> str:
    """Returns a Markdown table a metric that was measured, mean (deviation) over seeds a schedule.

    Args:
      episodes: by schedule name.
      rows: those of `statistics_rows`.
      reference: the schedule that all others are compared with.
    """
    by_key = {(row["schedule"], row["metric"]): row for row in rows}
    tables = []
    for metric in METRICS:
        if all(np.isnan(by_key[name, metric]["mean"]) for name in episodes):
            continue  # The toy task has no accuracy.
        losses = () if tables else ("best_validation_loss", "mean_validation_loss")
        columns = [name.replace("_", " ") for name in (*losses, metric)]
        cells = [["schedule", *columns, *_COMPARED]]
        for name, group in episodes.items():
            means = [
                _mean_and_deviation([getattr(episode, column) for episode in group])
                for column in (*losses, metric)
            ]
            row = by_key[name, metric]
            compared = [""] * len(_COMPARED) if name == reference else _compared(row)
            cells.append([name, *means, *compared])
        tables.append(markdown_table(cells))
    num_tests = sum(not np.isnan(row["p_paired"]) for row in rows)
    note = (
        f"Mean (standard deviation) of {len(episodes[reference])} runs. Difference: from "
        f"{reference}, run by run on the same seeds, with its bootstrap 95% interval; p: paired "
        f"t-test, Holm-corrected for all {num_tests} comparisons; two-sample: the paper's t-test, "
        "uncorrected, * where p < 0.05.\n"
    )
    return "\n".join([*tables, note])


def _compared(row):
    """The cells of a schedule's comparison, in the order of `_COMPARED`."""
    low, high = row["difference_low"], row["difference_high"]
    interval = "" if np.isnan(low) else f" [{low:+.4f}, {high:+.4f}]"
    p_values = ["" if np.isnan(p) else f"{p:.2g}" for p in map(row.get, _P_VALUES)]
    return [
        f"{row['difference']:+.4f}{interval}",
        p_values[0],
        p_values[1] + row["star"],
    ]


def _run_all(
    run, workers, task, compared, descriptions, evaluation_seeds, on_episode
) -> dict[str, list[Episode]]:
    prints = {n: schedule_descriptions.fingerprint(s) for n, s in compared.items()}
    unique = {prints[name]: schedule for name, schedule in compared.items()}
    calls = [(p, seed) for p in unique for seed in evaluation_seeds]
    finished: dict[tuple[str, int], Episode] = {}
    table = CsvTable(run, TABLE, COLUMNS)

    def rows():
        for name, fingerprint in prints.items():
            for seed in evaluation_seeds:
                episode = finished.get((fingerprint, seed))
                if episode is not None:
                    yield _row(name, descriptions[name]["kind"], episode)

    def add(index, episode):
        finished[calls[index]] = episode
        table.write(list(rows()))
        on_episode(episode)

    cache.map_episodes(
        run,
        workers,
        run_episode,
        [(task, unique[fingerprint], seed) for fingerprint, seed in calls],
        [f"{fingerprint}_{seed}" for fingerprint, seed in calls],
        Episode,
        add,
    )
    return {
        name: [finished[fingerprint, seed] for seed in evaluation_seeds]
        for name, fingerprint in prints.items()
    }


def _row(name, kind, episode):
    return {
        "schedule": name,
        "kind": kind,
        **episode.summary(),
        "test_loss": episode.test_loss,
        "test_accuracy": episode.test_accuracy,
        "duration_sec": round(episode.duration_sec, 3),
        "cpu_sec": round(episode.cpu_sec, 3),
    }


def _write_trajectories(run, episodes):
    rows = [
        {"schedule": name, "seed": episode.seed, **_decision(values)}
        for name, group in episodes.items()
        for episode in group
        for values in episode.trajectory.tolist()
    ]
    CsvTable(run, TRAJECTORIES, ("schedule", "seed", *TRAJECTORY_COLUMNS)).write(rows)


def _decision(values):
    row = dict(zip(TRAJECTORY_COLUMNS, values))
    # Trainees compute in float32, of which nine digits are all there is.
    row = {name: float(f"{value:.9g}") for name, value in row.items()}
    return {**row, "trainee_step": int(row["trainee_step"])}


def _write_replays(run, episodes):
    """Writes the geometric mean over seeds of each schedule's rates."""
    for name, group in episodes.items():
        rates = np.stack([episode.column("learning_rate") for episode in group])
        mean = np.exp(np.log(rates).mean(axis=0))
        steps = group[0].column("trainee_step").astype(int)
        # A trajectory's row has the rate of the interval that ends there.
        rows = [
            {"trainee_step": int(step), "learning_rate": float(rate)}
            for step, rate in zip(steps[:-1], mean[1:])
        ]
        slug = "".join(c if c.isalnum() else "_" for c in name)
        table = CsvTable(run, f"replay/{slug}.csv", ("trainee_step", "learning_rate"))
        table.write(rows)


def _mean_and_deviation(values):
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{np.mean(values):.4f} ({np.std(values, ddof=1):.4f})"
