"""What comparisons with the callback and without it share: their seeds, and a table of their runs. No Keras."""

from __future__ import annotations

import math
from typing import NamedTuple

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
    found = []
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
            verdict = "better" if is_better else "worse"
            found.append(
                _Row([example, name, *cells], compared.p_student, verdict, seen_cells)
            )
    header = ["example", "on test data", "without", "with"]
    header += ["p", "p (Holm)", "with it", "warned", *counts]
    corrected = statistics.holm([row.p for row in found])
    lines = [row.cells(p_holm) for row, p_holm in zip(found, corrected)]
    return markdown_table([header, *lines])


class _Row(NamedTuple):
    """A row of the table before all p-values are known."""

    compared: list[str]
    p: float  # NaN where nothing spreads.
    verdict: str
    seen: list[str]

    def cells(self, p_holm):
        verdict = self.verdict if p_holm < statistics.SIGNIFICANCE else "level"
        both = ["" if math.isnan(self.p) else f"{p:.2g}" for p in (self.p, p_holm)]
        return [*self.compared, *both, verdict, *self.seen]
