"""What comparisons with the callback and without it share: their seeds, and a table of their runs. No Keras."""

from __future__ import annotations

import math

from learned_lr.control import pretrained
from learned_lr.report import statistics
from learned_lr.report.tables import markdown_table

SEEDS = (0, 1, 2)
# A run with the callback is named after the controller that is the package's default.
PLAIN, LEARNED = "plain", pretrained.DEFAULT
# What is found on test data, and whether more is better.
FIGURES = {
    "loss": False,
    "accuracy": True,
    "mean absolute error": False,
    "ROC AUC": True,
    "average precision": True,
}


def new_warnings(rows, example: str) -> list[str]:
    """Returns the warnings of each run with the callback that no run without it has, a text a seed that has any."""
    by_method = {
        method: [
            row["warnings"].splitlines()
            for row in rows
            if (row["example"], row["method"]) == (example, method)
        ]
        for method in (PLAIN, LEARNED)
    }
    usual = {text for texts in by_method[PLAIN] for text in texts}
    new = [[t for t in texts if t not in usual] for texts in by_method[LEARNED]]
    return ["\n".join(texts) for texts in new if texts]


def table_of(rows, examples, counts=()) -> str:
    """Returns the Markdown table: mean (standard deviation) over seeds without and with the callback, and p.

    "Better" and "worse" go by the p that is Holm-corrected for all rows of the table.

    Args:
      rows: of a CSV table, with the columns example, method, seed, warnings and any of FIGURES.
      examples: those to be shown, in order.
      counts: further columns: in how many runs with the callback they are above 0.
    """
    lines, p_values, verdicts = [], [], []
    for example in examples:
        seen = [len(new_warnings(rows, example))]
        for column in counts:
            runs = (
                r for r in rows if (r["example"], r["method"]) == (example, LEARNED)
            )
            seen.append(sum(float(row[column]) > 0 for row in runs))
        seen_cells = [f"{number} of {len(SEEDS)}" for number in seen]
        for name, is_more_better in FIGURES.items():
            samples = {
                method: [
                    float(row[name])
                    for seed in SEEDS
                    for row in rows
                    if (row["example"], row["method"], row["seed"])
                    == (example, method, str(seed))
                    and row.get(name)
                ]
                for method in (PLAIN, LEARNED)
            }
            if any(len(values) < len(SEEDS) for values in samples.values()):
                continue  # Not a figure of this program, or not all runs are done.
            compared = statistics.compare(samples[LEARNED], samples[PLAIN])
            cells = [
                f"{mean:.4f} ({deviation:.4f})"
                for mean, deviation in (
                    (compared.reference_mean, compared.reference_standard_deviation),
                    (compared.mean, compared.standard_deviation),
                )
            ]
            is_better = (compared.difference > 0) == is_more_better
            p_values.append(compared.p_student)
            verdicts.append("better" if is_better else "worse")
            lines.append([example, name, *cells, *seen_cells])
    table = [["example", "on test data", "without", "with"]]
    table[0] += ["p", "p (Holm)", "with it", "warned", *counts]
    corrected = statistics.holm(p_values)
    for line, p, p_holm, verdict in zip(lines, p_values, corrected, verdicts):
        # p is NaN where nothing spreads.
        verdict = verdict if p_holm < statistics.SIGNIFICANCE else "level"
        p_cells = ["" if math.isnan(p) else f"{value:.2g}" for value in (p, p_holm)]
        table.append([*line[:4], *p_cells, verdict, *line[4:]])
    return markdown_table(table)
