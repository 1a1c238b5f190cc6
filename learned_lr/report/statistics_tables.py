"""An evaluation's statistics as a table: every schedule against the reference."""

from __future__ import annotations

import math

from learned_lr.report.blocks import Bold, Table
from learned_lr.report.evaluations import METRICS, Evaluation
from learned_lr.report.tables import number, with_deviations

_P_NAMES = {
    "p_paired_holm": "p",
    "p_paired": "p uncorrected",
    "p_student": "p two-sample",
    "p_welch": "p Welch",
}
_COMPARISON = ("difference [95%]", *_P_NAMES.values(), "g")
_MEAN_NOTE = "Mean (standard deviation) over seeds."
_NOTE = (
    f"{_MEAN_NOTE} Difference: mean over seeds, run by run, with its bootstrap 95% interval; "
    "p: paired t-test over seeds, Holm-corrected for all comparisons of both metrics; "
    "uncorrected: the same without the correction; two-sample: the paper's t-test, * better, "
    "† worse at p < 0.05; Welch: that without equal variances; g: Hedges' effect size."
)
_POOL_NOTE = (
    " Of several controllers in one row: the mean over them, in brackets the deviation of one over "
    "seeds and that of their means; the tests are of their mean on each seed, so they speak of "
    "these controllers, and those that take runs for independent are left out."
)


def statistics_table(
    evaluation: Evaluation, metric: str, is_explained: bool = True
) -> Table:
    """Returns the table of a metric, the reference in bold.

    Without `statistics.csv` it has the means of the runs alone.

    Args:
      evaluation: an evaluation with at least one run.
      metric: 'test_loss' or 'test_accuracy'.
      is_explained: whether it says what its columns are, and what made it; where tables
        stand together, one of them says it for all.
    """
    run, label, reference = evaluation.run, METRICS[metric], evaluation.reference
    is_compared = len(evaluation.statistics) > 0
    rows, values = [], []
    for name in evaluation.names:
        cells = [name, str(len(evaluation.of(name)))]
        cells += _cells(evaluation, metric, name, is_compared)
        known = evaluation.statistic(metric, name)
        values.append(known or {"metric": metric, "schedule": name})
        is_bold = is_compared and name == reference
        rows.append([Bold(cell) for cell in cells] if is_bold else cells)
    against = f", against {reference}" if is_compared else ""
    note = _NOTE if is_compared else _MEAN_NOTE
    if is_compared and (evaluation.rows["member"] != evaluation.rows["schedule"]).any():
        note += _POOL_NOTE
    diverged = evaluation.rows[evaluation.rows["diverged"] == "True"]
    if len(diverged):
        counts = diverged.groupby("schedule", sort=False).size()
        named = ", ".join(f"{name} ({count})" for name, count in counts.items())
        note += f" Runs that diverged: {named}."
    return Table(
        f"{run.slug}_{metric}",
        f"{label.capitalize()} on {run.task}{against}",
        ["schedule", "n", label, *(_COMPARISON if is_compared else ())],
        rows,
        values,
        note if is_explained else "",
        [run] if is_explained else [],
    )


def _cells(evaluation, metric, name, is_compared):
    row = evaluation.statistic(metric, name)
    blank = [""] * len(_COMPARISON) if is_compared else []
    if not row:
        sample = evaluation.of(name)[metric]
        return [with_deviations(sample.mean(), sample.std(ddof=1)), *blank]
    mean = with_deviations(
        row["mean"],
        row["standard_deviation"],
        row.get("deviation_between", math.nan),
    )
    if name == evaluation.reference:
        return [mean, *blank]
    low, high = row["difference_low"], row["difference_high"]
    interval = "" if math.isnan(low) else f" [{low:+.4f}, {high:+.4f}]"
    p_values = {test: number(row.get(test, math.nan), ".2g") for test in _P_NAMES}
    p_values["p_student"] += evaluation.mark(metric, name)
    return [
        mean,
        number(row["difference"], "+.4f") + interval,
        *p_values.values(),
        number(row.get("effect_size", math.nan), "+.2f"),
    ]
