"""Tables of a run directory: CSV files that grow a row at a time, the same bytes from the same rows."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from typing import Any

from learned_lr.execution.run_directory import RunDirectory


class CsvTable:
    """A CSV table that grows a row at a time and can be cut back to a checkpoint."""

    def __init__(self, run: RunDirectory, name: str, columns: tuple[str, ...]):
        self._run, self._name, self.columns = run, name, columns

    def rows(self) -> list[dict[str, str]]:
        """Returns the whole rows, in order; a line torn by a kill doesn't count."""
        content = (self._run.read(self._name) or b"").decode()
        whole = content[: content.rfind("\n") + 1]
        return list(csv.DictReader(io.StringIO(whole)))

    def append(self, row: dict[str, Any]) -> None:
        """Adds a row and waits until it is on the disk.

        Raises:
          ValueError: if the row's columns are not the table's.
        """
        if set(row) != set(self.columns):
            raise ValueError(
                f"Expected the columns {self.columns} in {self._name}, found {sorted(row)}."
            )
        path = self._run.file(self._name)
        if not os.path.exists(path):
            self._run.write(self._name, _csv_line(self.columns))
        with open(path, "ab") as file:
            file.write(_csv_line([_cell(row[name]) for name in self.columns]))
            file.flush()
            os.fsync(file.fileno())

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Replaces all rows, atomically."""
        lines = [_csv_line(self.columns)]
        lines += [
            _csv_line([_cell(row[name]) for name in self.columns]) for row in rows
        ]
        self._run.write(self._name, b"".join(lines))

    def keep(self, condition: Callable[[dict[str, str]], bool]) -> None:
        """Keeps the rows that meet a condition, to the letter."""
        if self._run.read(self._name) is None:
            return
        kept = [row for row in self.rows() if condition(row)]
        lines = [_csv_line(self.columns)]
        lines += [_csv_line([row[name] for name in self.columns]) for row in kept]
        self._run.write(self._name, b"".join(lines))


def _csv_line(cells) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue().encode()


def _cell(value):
    # repr of a float is its shortest exact form: the same bits give the same bytes.
    return repr(float(value)) if isinstance(value, float) else value
