"""The levels that a run had: by the step each began with, and the length of the run then.

May import numpy; must not know controllers or measurements.
"""

from __future__ import annotations

import numpy as np

from learned_lr.control.base_schedules import BaseSchedule, rate_table
from learned_lr.control.checks import as_count
from learned_lr.control.rate_table import RateTable


class Levels:
    """Rows of (training step, level, training steps of the run), one a decision, brake or change of the length."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, int]] = []

    def add(self, training_step: int, level: float, num_training_steps: int) -> None:
        """Adds a row, whose step is none before the last one's."""
        self._rows.append((training_step, level, num_training_steps))

    def change_length(
        self, training_step: int | None, level: float, num_training_steps: int
    ) -> None:
        """Adds a row if there are some, and the length is another than in the last one."""
        if self._rows and self._rows[-1][2] != num_training_steps:
            self.add(self.checked(training_step), level, num_training_steps)

    def checked(self, training_step: int | None, default: int = 0) -> int:
        """Returns a step as Python's int, for a tensor's value may change later.

        Args:
          training_step: int >= 0, updates done; None for `default`, or the last row's step if that is later.
          default: int >= 0.

        Raises:
          ValueError: if it is something else, or before the last row's.
        """
        last = self._rows[-1][0] if self._rows else 0
        if training_step is None:
            return max(default, last)
        step = as_count("training_step", training_step, 0)
        if step < last:
            raise ValueError(
                f"Expected training_step >= {last}, that of the call before, found {step}; "
                "restore() goes back to a state of then."
            )
        return step

    def table(self, base: BaseSchedule | None, end: int) -> RateTable:
        """Returns the rates by the step each begins with; `base` and `end` as in `rate_table`.

        Raises:
          ValueError: if there is no row.
        """
        if not self._rows:
            raise ValueError("Expected a decision before schedule, found none.")
        return rate_table(base, self._rows, end)

    def state(self) -> np.ndarray:
        """Returns the rows, float64 `[num_rows, 3]`."""
        return np.reshape(np.array(self._rows, np.float64), (-1, 3))

    def restore(self, state: np.ndarray) -> None:
        """Goes on from what `state` returned."""
        self._rows = [(int(step), float(level), int(n)) for step, level, n in state]
