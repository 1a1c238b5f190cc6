"""Markdown tables, and what stands in a cell for a number that is not known."""

from __future__ import annotations

import math
from collections.abc import Sequence

UNKNOWN = "–"


def is_known(value: float | None) -> bool:
    """Whether there is a number: neither None nor NaN."""
    return value is not None and not math.isnan(value)


def number(value: float | None, form: str) -> str:
    """Returns a number as text, `UNKNOWN` for None or NaN."""
    return format(value, form) if is_known(value) else UNKNOWN


def plus_minus(
    mean: float | None, deviation: float | None, between: float | None = None
) -> str:
    """Returns a mean with what is known of how it varies, in the form of the paper's tables.

    Args:
      mean: `UNKNOWN` is returned without it.
      deviation: the standard deviation over runs; a single run has none.
      between: of several controllers, the standard deviation of their means.
    """
    text = number(mean, ".4f")
    if not is_known(mean):
        return text
    if is_known(deviation):
        text += f" ± {deviation:.4f}"
    if is_known(between):
        text += f" ({between:.4f})"
    return text


def with_deviations(mean: float | None, *deviations: float | None) -> str:
    """Returns a mean and in brackets its deviations up to the last that is known.

    Args:
      mean: `UNKNOWN` stands for it where there is none.
      *deviations: over runs and, of several controllers, between their means.
    """
    text = number(mean, ".4f")
    if not any(map(is_known, deviations)):
        return text
    last = max(i for i, value in enumerate(deviations) if is_known(value))
    known = [number(value, ".4f") for value in deviations[: last + 1]]
    return f"{text} ({', '.join(known)})"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells as a Markdown table with aligned columns; the first is the header."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
        for row in rows
    ]
    lines.insert(1, "|-" + "-|-".join("-" * width for width in widths) + "-|")
    return "".join(f"{line}\n" for line in lines)
