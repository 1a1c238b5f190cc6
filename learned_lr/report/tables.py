"""Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells as a Markdown table with aligned columns; the first is the header."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
        for row in rows
    ]
    lines.insert(1, "|-" + "-|-".join("-" * width for width in widths) + "-|")
    return "".join(f"{line}\n" for line in lines)
