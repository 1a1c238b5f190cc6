"""An evaluation's statistics and its Markdown: episodes in, rows and text out.

A row is a schedule, or several controllers of one training (`controller_pools`): the episodes of
each of its members, in the order of the seeds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learned_lr.report import statistics
from learned_lr.report.tables import markdown_table, with_deviations
from learned_lr.trainees.episode import Episode

METRICS = ("test_loss", "test_accuracy")
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
    "num_members",
    "deviation_between",
)
Groups = Mapping[str, Sequence[Sequence[Episode]]]


def statistics_rows(groups: Groups, reference: str) -> list[dict[str, Any]]:
    """Returns the rows of `statistics.csv`: every row against the reference, a metric each.

    The Holm correction counts all comparisons of the table, over schedules and metrics. The
    star is that of the paper's two-sample t-test, uncorrected. What several members come to
    on a seed is their mean; their `standard_deviation` is that of one member over seeds, and
    `deviation_between` that of the members' means. Tests that take runs for independent
    samples are left out for them.

    Args:
      groups: by row, the episodes `[num_members][num_seeds]`.
      reference: the row that all others are compared with.
    """
    rows = []
    for metric in METRICS:
        values = {
            name: np.array([[getattr(e, metric) for e in group] for group in members])
            for name, members in groups.items()
        }
        for name in groups:
            rows.append(_row(metric, name, values[name], reference, values[reference]))
    for test in _TESTS:
        adjusted = statistics.holm([row[test] for row in rows])
        for row, value in zip(rows, adjusted):
            row[f"{test}_holm"] = value
    for row in rows:
        row["star"] = statistics.star(row["p_student"])
    return rows


def _row(metric, name, values, reference, reference_values) -> dict[str, Any]:
    """A row from float `[num_members, num_seeds]` each."""
    row = {"metric": metric, "schedule": name, "reference": reference}
    row.update(statistics.compare_members(values, reference_values))
    if name == reference:
        row.update(dict.fromkeys(("p_paired", *statistics.INDEPENDENT), float("nan")))
    return row


def markdown(groups: Groups, rows: list[dict[str, Any]], reference: str) -> str:
    """Returns a Markdown table a metric that was measured, mean (deviation) over seeds a row.

    Args:
      groups: by row, the episodes `[num_members][num_seeds]`.
      rows: those of `statistics_rows`.
      reference: the row that all others are compared with.
    """
    by_key = {(row["schedule"], row["metric"]): row for row in rows}
    tables = []
    for metric in METRICS:
        if all(np.isnan(by_key[name, metric]["mean"]) for name in groups):
            continue  # The toy task has no accuracy.
        losses = () if tables else ("best_validation_loss", "mean_validation_loss")
        columns = [name.replace("_", " ") for name in (*losses, metric)]
        cells = [["schedule", *columns, *_COMPARED]]
        for name, members in groups.items():
            means = [_mean_and_deviations(members, c) for c in (*losses, metric)]
            row = by_key[name, metric]
            compared = [""] * len(_COMPARED) if name == reference else _compared(row)
            cells.append([name, *means, *compared])
        tables.append(markdown_table(cells))
    return "\n".join([*tables, _note(groups, rows, reference)])


def _note(groups, rows, reference):
    num_tests = sum(not np.isnan(row["p_paired"]) for row in rows)
    note = (
        f"Mean (standard deviation) of {len(groups[reference][0])} runs. Difference: from "
        f"{reference}, run by run on the same seeds, with its bootstrap 95% interval; p: paired "
        f"t-test, Holm-corrected for all {num_tests} comparisons; two-sample: the paper's t-test, "
        "uncorrected, * where p < 0.05.\n"
    )
    pooled = [f"{name} ({len(m)})" for name, m in groups.items() if len(m) > 1]
    if pooled:
        note += (
            f"\nOf several controllers, {', '.join(pooled)}: the mean over them, in brackets the "
            "deviation of one over seeds and that of their means; the comparison is of their "
            "mean on each seed, so it speaks of these controllers.\n"
        )
    diverged = {
        name: sum(episode.diverged for group in members for episode in group)
        for name, members in groups.items()
    }
    if any(diverged.values()):
        counts = ", ".join(f"{name} ({n})" for name, n in diverged.items() if n)
        note += (
            f"\nRuns that diverged: {counts}. Their losses from there on are the task's cap; tested "
            "are the weights of the best validation loss, as ever.\n"
        )
    return note


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


def _mean_and_deviations(members, column):
    values = np.array([[getattr(e, column) for e in group] for group in members])
    return with_deviations(
        values.mean(), statistics.within(values), statistics.between(values)
    )
