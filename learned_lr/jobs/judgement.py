"""From the runs of contenders to regrets, tables and figures. Reads episodes, never trains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.jobs.contenders import TUNED, Contender
from learned_lr.jobs.regrets import LOSS_OFFSET, log_loss
from learned_lr.report import regret_figures, statistics
from learned_lr.report.tables import markdown_table
from learned_lr.trainees.episode import Episode

TABLE = "judge.csv"
TASKS = "tasks.csv"
SUMMARY = "judge.md"
MEASURES = ("validation", "test")
_LOSSES = {"validation": "best_validation_loss", "test": "test_loss"}
COLUMNS = (
    "task",
    "contender",
    "multiplier",
    "seed",
    "best_validation_loss",
    "test_loss",
    "test_accuracy",
    "validation_regret",
    "test_regret",
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
    "validation_regret",
    "test_regret",
    "tuned_peak",
    "mean_greatest_rate",
)
Key = tuple[str, float]


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


def write(
    run: RunDirectory,
    rows: Sequence[dict[str, Any]],
    tuned_peaks: Mapping[str, float],
    calibrated_peaks: Mapping[str, float],
    split: str,
) -> str:
    """Writes `tasks.csv`, the figures and `judge.md`; returns the latter.

    Args:
      run: the run directory.
      rows: those of `judge.csv`.
      tuned_peaks: by task.
      calibrated_peaks: by what they are for.
      split: the tasks' split.
    """
    by_key: dict[Key, dict[str, list[dict]]] = {}
    for row in rows:
        by_task = by_key.setdefault((row["contender"], row["multiplier"]), {})
        by_task.setdefault(row["task"], []).append(row)
    tasks = list(tuned_peaks)
    CsvTable(run, TASKS, TASK_COLUMNS).write(
        [
            _task_row(key, by_key[key][task], tuned_peaks[task])
            for task in tasks
            for key in by_key
        ]
    )
    for name, figure in _figures(by_key, tasks).items():
        run.write(name, figure)
    summary = _summary(by_key, tasks, calibrated_peaks, split)
    run.write(SUMMARY, summary.encode())
    return summary


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


def _values(by_task, tasks, column):
    """float `[num_tasks, num_runs]`: a column of a contender's runs."""
    return np.array([[row[column] for row in by_task[task]] for task in tasks])


def _figures(by_key, tasks):
    multipliers = sorted({m for name, m in by_key if name != TUNED})
    shown = 1.0 if 1.0 in multipliers else multipliers[0]
    contenders = {
        _label(key, [shown]): by_task
        for key, by_task in by_key.items()
        if key[0] != TUNED and key[1] == shown
    }
    panels = {
        f"{measure} loss": {
            name: _values(by_task, tasks, f"{measure}_regret").mean(axis=1)
            for name, by_task in contenders.items()
        }
        for measure in MEASURES
    }
    losses = {
        name: _values(by_task, tasks, "test_loss").mean(axis=1) + LOSS_OFFSET
        for name, by_task in {TUNED: by_key[TUNED, 1.0], **contenders}.items()
    }
    found = {
        "regrets.png": regret_figures.regrets_figure(tasks, panels),
        "profiles.png": regret_figures.profiles_figure(losses, TUNED),
    }
    if len(multipliers) > 1:
        names = list(dict.fromkeys(name for name, _ in by_key if name != TUNED))
        panels = {
            f"{measure} loss": {
                name: [
                    _mean_and_interval(by_key[name, m], tasks, measure)
                    for m in multipliers
                ]
                for name in names
            }
            for measure in MEASURES
        }
        found["multipliers.png"] = regret_figures.multipliers_figure(
            multipliers, panels
        )
    return found


def _mean_and_interval(by_task, tasks, measure):
    found = statistics.across_tasks(_values(by_task, tasks, f"{measure}_regret"))
    return found.mean, found.mean_interval


def _summary(by_key, tasks, calibrated_peaks, split):
    num_seeds = len(by_key[TUNED, 1.0][tasks[0]])
    peaks = ", ".join(f"{value:g} ({name})" for name, value in calibrated_peaks.items())
    first = (
        f"Regrets on {len(tasks)} tasks ({split}), {num_seeds} seeds each: log(loss + "
        f"{LOSS_OFFSET:g}) minus that of the tuned schedule with the same seed.\n"
    )
    parts = [first]
    if peaks:
        parts.append(f"Peaks calibrated on the training tasks: {peaks}.\n")
    multipliers = sorted({m for name, m in by_key if name != TUNED})
    for measure, what in (
        ("validation", "Best validation loss"),
        ("test", "Test loss of the weights with the best validation loss"),
    ):
        header = ["contender", "mean [95%]", "median [95%]"]
        header += ["interquartile mean [95%]", "worst", "worst task", "diverged"]
        lines = [header]
        lines += [
            _summary_row(_label(key, multipliers), by_task, tasks, measure)
            for key, by_task in by_key.items()
            if key[0] != TUNED
        ]
        parts.append(f"{what}:\n\n{markdown_table(lines)}")
    parts.append(
        "Of the tasks' mean regrets over seeds. Intervals: bootstrap percentiles, tasks "
        "resampled, then the seeds of each; the worst has none.\n"
    )
    return "\n".join(parts)


def _summary_row(label, by_task, tasks, measure):
    values = _values(by_task, tasks, f"{measure}_regret")
    found = statistics.across_tasks(values)
    worst = tasks[int(np.argmax(values.mean(axis=1)))]
    num_diverged = int(_values(by_task, tasks, "diverged").sum())
    return [
        label,
        _with_interval(found.mean, found.mean_interval),
        _with_interval(found.median, found.median_interval),
        _with_interval(found.interquartile_mean, found.interquartile_mean_interval),
        f"{found.worst:.3f}",
        worst,
        str(num_diverged),
    ]


def _with_interval(value, interval):
    if math.isnan(interval[0]):
        return f"{value:.3f}"
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _label(key, multipliers):
    name, multiplier = key
    return name if multipliers == [1.0] else f"{name} × {multiplier:g}"
