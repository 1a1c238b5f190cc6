"""Whether a table of runs is whole: how many rows it should hold, and that no schedule lacks a seed."""

from __future__ import annotations

import pandas as pd

from learned_lr.report.reading import Run


def check_number(
    run: Run, file_name: str, found: int, expected: int | None, unit: str
) -> None:
    """Notes a table that holds another number of rows than its run asks for.

    Args:
      run: the run directory.
      file_name: its table.
      found: the number of rows.
      expected: what the config asks for; None if that can't be told.
      unit: what a row is, in the plural.
    """
    if expected is None and not run.is_finished:
        run.note(f"{file_name} holds {found} of an unknown number of {unit}")
    elif expected is not None and found != expected:
        run.note(f"{file_name} holds {found} of {expected} {unit}")


def note_unequal(run: Run, rows: pd.DataFrame) -> None:
    """Notes schedules with fewer seeds than others."""
    counts = rows.groupby("schedule", sort=False).size()
    if len(counts) and counts.min() != counts.max():
        usual = counts.max()
        odd = [f"{name} {count}" for name, count in counts.items() if count != usual]
        run.note(
            f"schedules have unequal numbers of seeds: {usual}, but {', '.join(odd)}"
        )


def without_repeats(run: Run, file_name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Returns a table's rows, one a schedule and seed; notes those left out."""
    repeated = rows.duplicated(["schedule", "seed"])
    if repeated.any():
        run.note(
            f"{file_name} has {repeated.sum()} rows of a schedule and seed that it already "
            "has, left out"
        )
    return rows[~repeated]
