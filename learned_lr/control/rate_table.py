"""A schedule as it was run: steps, and the learning rates from there on."""

from __future__ import annotations

import bisect
import csv
import dataclasses
import os

from learned_lr.control.checks import check_count, check_number, check_step

COLUMNS = ("trainee_step", "learning_rate")


class RateTableError(ValueError):
    """A table of rates that can't be used: what was expected and what was found."""


@dataclasses.dataclass(frozen=True)
class RateTable:
    """Learning rates over training steps; each holds until the next entry.

    Attributes:
      steps: ascending ints below 2^31, the first of them 0: the step each rate begins with.
      learning_rates: as many floats > 0, finite in float32.

    Raises:
      RateTableError: if they are others.
    """

    steps: tuple[int, ...]
    learning_rates: tuple[float, ...]

    def __post_init__(self) -> None:
        steps, rates = tuple(map(_whole, self.steps)), tuple(self.learning_rates)
        try:
            _check(steps, rates)
        except ValueError as error:
            raise RateTableError(str(error)) from error
        object.__setattr__(self, "steps", tuple(map(int, steps)))
        object.__setattr__(self, "learning_rates", tuple(map(float, rates)))

    def at(self, step: int) -> float:
        """Returns the rate of a step; the last one holds for ever.

        Raises:
          ValueError: unless the step is 0 or above.
        """
        check_step(step)
        return self.learning_rates[bisect.bisect_right(self.steps, step) - 1]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a CSV table with the columns `trainee_step` and `learning_rate`."""
        temporary = f"{os.fspath(path)}.tmp"
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(zip(self.steps, map(repr, self.learning_rates)))
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RateTable:
        """Reads a CSV table with those two columns, and perhaps others.

        Raises:
          RateTableError: if it is no such table, or its numbers are none of a `RateTable`.
          OSError: if it can't be read.
        """
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except (csv.Error, UnicodeDecodeError) as error:
            raise RateTableError(
                f"Expected a CSV table in {path}, found something else: {error}."
            ) from error
        if not rows or not set(COLUMNS) <= set(rows[0]):
            raise RateTableError(
                f"Expected columns {' and '.join(COLUMNS)} in {path}, found "
                f"{list(rows[0]) if rows else 'an empty table'}."
            )
        steps, rates = (
            [_number(row[name], name, path) for row in rows] for name in COLUMNS
        )
        try:
            return cls(tuple(steps), tuple(rates))  # type: ignore[arg-type]
        except RateTableError as error:
            raise RateTableError(f"{path}: {error}") from error


def _whole(step: float) -> float:
    """10.0 is the step 10, too, as tables of floats have it."""
    return int(step) if isinstance(step, float) and step.is_integer() else step


def _check(steps: tuple[float, ...], rates: tuple[float, ...]) -> None:
    if len(steps) != len(rates) or not steps:
        raise ValueError(
            "Expected as many learning rates as steps, and at least one, found "
            f"{len(rates)} and {len(steps)}."
        )
    for step in steps:
        check_count("each step", step, 0)
    if steps[0] != 0 or any(a >= b for a, b in zip(steps, steps[1:])):
        raise ValueError(f"Expected ascending steps from 0, found {steps[:5]}...")
    for rate in rates:
        check_number("each learning_rate", rate)
        if not rate > 0:
            raise ValueError(f"Expected each learning_rate > 0, found {rate!r}.")


def _number(text: str | None, name: str, path: str | os.PathLike[str]) -> float:
    try:
        return float(text or "")
    except (TypeError, ValueError) as error:
        raise RateTableError(
            f"Expected numbers as {name} in {path}, found {text!r}."
        ) from error
