"""A judgement in tables and figures. Reads runs, never trains."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.jobs.contenders import TUNED
from learned_lr.jobs.judged_runs import MARK, MEASURES, TASK_COLUMNS, JudgedRuns
from learned_lr.jobs.regrets import LOSS_OFFSET
from learned_lr.report import regret_figures, statistics
from learned_lr.report.tables import markdown_table

TASKS = "tasks.csv"
SUMMARY = "judge.md"
_MEASURES = {
    "validation": "Best validation loss",
    "test": "Test loss of the weights with the best validation loss",
    "final": "Validation loss at the end of the run, where `fit` leaves a network",
}
# A panel of a figure each.
_SHOWN = ("validation", "test")


def write(
    run: RunDirectory,
    runs: JudgedRuns,
    tuned_peaks: Mapping[str, float],
    calibrated_peaks: Mapping[str, float],
    split: str,
    against: str | None,
) -> str:
    """Writes `tasks.csv`, the figures and `judge.md`; returns the latter.

    Args:
      run: the run directory.
      runs: all runs.
      tuned_peaks: by task.
      calibrated_peaks: by what they are for.
      split: the tasks' split.
      against: the contender that all others are compared with; None for none.
    """
    CsvTable(run, TASKS, TASK_COLUMNS).write(runs.task_rows(tuned_peaks))
    for name, figure in _figures(runs).items():
        run.write(name, figure)
    num_seeds = runs.num_seeds
    parts = [
        f"Regrets on {len(runs.tasks)} tasks ({split}), {num_seeds} seed"
        + ("s" if num_seeds > 1 else "")
        + f" each: log(loss + {LOSS_OFFSET:g}) minus that of the tuned schedule with the "
        "same seed.\n"
    ]
    if calibrated_peaks:
        peaks = [f"{value:g} ({name})" for name, value in calibrated_peaks.items()]
        parts.append(f"Peaks calibrated on the training tasks: {', '.join(peaks)}.\n")
    parts += [_regrets_table(runs, measure) for measure in MEASURES]
    if against is not None:
        parts.append(_differences_table(runs, against))
    parts.append(
        "Of the tasks' means over seeds. Intervals: bootstrap percentiles, tasks resampled, "
        "then the seeds of each; the worst has none.\n"
    )
    summary = "\n".join(parts)
    run.write(SUMMARY, summary.encode())
    return summary


def _figures(runs):
    shown = 1.0 if 1.0 in runs.multipliers else runs.multipliers[0]
    keys = [key for key in runs.keys if key[1] == shown]
    names = {key: key[0] if shown == 1 else runs.label(key) for key in keys}
    panels = {
        f"{measure} loss": {
            names[key]: runs.regrets(key, measure).mean(axis=1) for key in keys
        }
        for measure in _SHOWN
    }
    losses = {
        name: runs.values(key, "test_loss").mean(axis=1) + LOSS_OFFSET
        for key, name in {MARK: TUNED, **names}.items()
    }
    found = {
        "regrets.png": regret_figures.regrets_figure(runs.tasks, panels),
        "profiles.png": regret_figures.profiles_figure(losses, TUNED),
    }
    if len(runs.multipliers) > 1:
        panels = {
            f"{measure} loss": {
                name: [
                    statistics.across_tasks(runs.regrets((name, multiplier), measure))
                    for multiplier in runs.multipliers
                ]
                for name, _ in keys
            }
            for measure in _SHOWN
        }
        found["multipliers.png"] = regret_figures.multipliers_figure(
            runs.multipliers, panels
        )
    return found


def _regrets_table(runs, measure):
    header = ["contender", "mean [95%]", "median [95%]", "interquartile mean [95%]"]
    lines = [[*header, "worst", "worst task", "diverged"]]
    for key in runs.keys:
        regrets = runs.regrets(key, measure)
        found = statistics.across_tasks(regrets)
        lines.append(
            [
                runs.label(key),
                _with_interval(found.mean, found.mean_interval),
                _with_interval(found.median, found.median_interval),
                _with_interval(
                    found.interquartile_mean, found.interquartile_mean_interval
                ),
                f"{found.worst:.3f}",
                runs.tasks[int(np.argmax(regrets.mean(axis=1)))],
                str(int(runs.values(key, "diverged").sum())),
            ]
        )
    return f"{_MEASURES[measure]}:\n\n{markdown_table(lines)}"


def _differences_table(runs, against):
    """Regrets minus those of one contender at the same multiplier, paired by seed."""
    lines = [["contender"]]
    for measure in MEASURES:
        lines[0] += [f"{measure}: mean [95%]", "tasks better", "worse"]
    for name, multiplier in runs.keys:
        if name == against:
            continue
        line = [runs.label((name, multiplier))]
        for measure in MEASURES:
            other = runs.regrets((against, multiplier), measure)
            differences = runs.regrets((name, multiplier), measure) - other
            found = statistics.across_tasks(differences)
            means = differences.mean(axis=1)
            line.append(_with_interval(found.mean, found.mean_interval, "+.3f"))
            line += [str(int(np.sum(means < 0))), str(int(np.sum(means > 0)))]
        lines.append(line)
    return f"Regrets minus those of {against}:\n\n{markdown_table(lines)}"


def _with_interval(value, interval, form=".3f"):
    if math.isnan(interval[0]):
        return format(value, form)
    return f"{value:{form}} [{interval[0]:{form}}, {interval[1]:{form}}]"
