"""The parts of a report, without how a page shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Union

from learned_lr.report.reading import Run


class Bold(str):
    """A cell to be set in bold."""


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading: level 2 starts a section, 3 a part of it."""

    text: str
    level: int = 2


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclasses.dataclass(frozen=True)
class Items:
    """A list of plain texts."""

    texts: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Code:
    """A shell command."""

    text: str


@dataclasses.dataclass(frozen=True)
class Table:
    """A table: cells as shown, and the exact values behind it.

    Attributes:
      name: its CSV file's name, without ending.
      caption: the sentence above it.
      header: column names.
      rows: cells as text.
      values: a dict a row, written to CSV.
      note: the sentence below it.
      runs: the run directories behind it.
      quiet: indices of rows to be set in grey.
      num_labels: leading columns that are text, set flush left.
    """

    name: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    values: Sequence[dict[str, Any]]
    note: str = ""
    runs: Sequence[Run] = ()
    quiet: frozenset[int] = frozenset()
    num_labels: int = 1


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
      name: its PNG file's name, without ending.
      png: the file's content.
      caption: the sentence below it; also its alternative text.
      runs: the run directories behind it.
    """

    name: str
    png: bytes
    caption: str
    runs: Sequence[Run] = ()


Block = Union[Heading, Paragraph, Items, Code, Table, Figure]
