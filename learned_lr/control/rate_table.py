"""A schedule as it was run: steps, and the learning rates from there on."""

from __future__ import annotations

import bisect
import csv
import dataclasses
import math
import os

COLUMNS = ("trainee_step", "learning_rate")


@dataclasses.dataclass(frozen=True)
class RateTable:
    """Learning rates over training steps; each holds until the next entry.

    Attributes:
      steps: ascending ints, the first of them 0: the step each rate begins with.
      learning_rates: as many floats > 0.
    """

    steps: tuple[int, ...]
    learning_rates: tuple[float, ...]

    def __post_init__(self) -> None:
        steps, rates = tuple(self.steps), tuple(self.learning_rates)
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "learning_rates", rates)
        if len(steps) != len(rates) or not steps:
            raise ValueError(
                "Expected as many learning rates as steps, and at least one, found "
                f"{len(rates)} and {len(steps)}."
            )
        if steps[0] != 0 or any(a >= b for a, b in zip(steps, steps[1:])):
            raise ValueError(f"Expected ascending steps from 0, found {steps[:5]}...")
        wrong = [rate for rate in rates if not 0 < rate < math.inf]
        if wrong:
            raise ValueError(f"Expected learning_rate > 0, found {wrong[0]!r}.")

    def at(self, step: int) -> float:
        """Returns the rate of a step >= 0; the last one holds for ever."""
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
          ValueError: if a column is missing or a value is not a number.
          OSError: if it can't be read.
        """
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if not rows or not set(COLUMNS) <= set(rows[0]):
            raise ValueError(
                f"Expected columns {' and '.join(COLUMNS)} in {path}, found "
                f"{list(rows[0]) if rows else 'an empty table'}."
            )
        try:
            return cls(
                tuple(int(float(row["trainee_step"])) for row in rows),
                tuple(float(row["learning_rate"]) for row in rows),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"Expected a table of rates in {path}: {error}") from error
