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


def with_deviation(mean: float | None, deviation: float | None) -> str:
    """Returns a mean with its standard deviation, of which there is none of a single run; `UNKNOWN` without a mean."""
    text = number(mean, ".4f")
    is_whole = is_known(mean) and is_known(deviation)
    return f"{text} ± {deviation:.4f}" if is_whole else text


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells as a Markdown table with aligned columns; the first is the header."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
        for row in rows
    ]
    lines.insert(1, "|-" + "-|-".join("-" * width for width in widths) + "-|")
    return "".join(f"{line}\n" for line in lines)
