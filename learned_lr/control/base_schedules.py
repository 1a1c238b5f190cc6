"""What a controller's actions scale: a schedule of the rate over the run, a step at a time.

A run has a level, which decisions move, and the rate of a step is the level times the base schedule's multiplier;
without a base schedule the rate is the level, as in the paper. May import numpy; must not know controllers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from learned_lr.control.checks import check_number, check_positive
from learned_lr.control.rate_table import RateTable


@dataclasses.dataclass(frozen=True)
class BaseSchedule:
    """Linear warm-up to 1, then half a cosine down to nearly 0 at the last step (Loshchilov & Hutter, 2017).

    multiplier(s) = (s + 1) / W for s < W, with W = max(1, round(warmup_fraction * N)) of N steps, then
    multiplier(s) = f + (1 - f) * (1 + cos(pi * (s - W + 1) / (N - W))) / 2 with f = final_fraction

    Attributes:
      warmup_fraction: float in [0, 1), the part of the run that warm-up takes.
      final_fraction: float in (0, 1], the multiplier of the last step.
    """

    warmup_fraction: float = 0.05
    final_fraction: float = 1e-3

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_number(field.name, getattr(self, field.name))
        if not 0 <= self.warmup_fraction < 1 or not 0 < self.final_fraction <= 1:
            raise ValueError(
                "Expected warmup_fraction in [0, 1) and final_fraction in (0, 1], found "
                f"{self.warmup_fraction!r} and {self.final_fraction!r}."
            )
        check_positive("final_fraction", self.final_fraction)

    def multiplier(self, step: int, num_steps: int) -> float:
        """Returns the multiplier of a training step, in (0, 1].

        Args:
          step: int >= 0; what comes after the last step has the multiplier of that.
          num_steps: int > 0, training steps of the run.
        """
        warmup = self._num_warmup_steps(num_steps)
        if step < warmup:
            return (step + 1) / warmup
        done = min((step - warmup + 1) / max(num_steps - warmup, 1), 1.0)
        final = self.final_fraction
        return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2

    def largest_from(self, step: int, num_steps: int) -> float:
        """Returns the largest multiplier of all steps from this one on."""
        if step < self._num_warmup_steps(num_steps):
            return 1.0
        return self.multiplier(step, num_steps)

    def _num_warmup_steps(self, num_steps: int) -> int:
        return max(1, round(self.warmup_fraction * num_steps))


def rate_at(
    base: BaseSchedule | None, level: float, step: int, num_steps: int
) -> float:
    """Returns the learning rate of a training step: the level times the base schedule's multiplier, if there is one."""
    return level if base is None else level * base.multiplier(step, num_steps)


def rates_from(
    base: BaseSchedule | None, level: float, step: int, interval: int, num_steps: int
) -> float | np.ndarray:
    """Returns the learning rates of an interval, for what trains it.

    Args:
      base: the base schedule; None for none.
      level: float > 0, the level of the interval.
      step: int >= 0, the first training step of the interval.
      interval: int > 0, its training steps.
      num_steps: int > 0, training steps of the run.

    Returns:
      float32 `[interval]`, a rate a step; without a base schedule the one rate, a float.
    """
    if base is None:
        return level
    steps = range(step, step + interval)
    return np.array([rate_at(base, level, s, num_steps) for s in steps], np.float32)


def rate_table(
    base: BaseSchedule | None, rows: Sequence[tuple[int, float, int]], interval: int
) -> RateTable:
    """Returns the rates of a run as a table: an entry a decision, or one a step where there is a base schedule.

    Args:
      base: the base schedule; None for none.
      rows: at least one (training step, level, training steps of the run) a decision; of two with one step, the later
        counts. What came before the first, where a run starts in its middle, has its level, too.
      interval: int > 0, training steps that the last level holds for.
    """
    rows = [(0, *rows[0][1:]), *rows[1:]]
    if base is None:
        rates = {step: level for step, level, _ in rows}
    else:
        rates = {}
        ends = [step for step, _, _ in rows[1:]]
        last, _, num_steps = rows[-1]
        ends.append(max(min(last + interval, num_steps), last + 1))
        for (start, level, num_steps), end in zip(rows, ends):
            for step in range(start, end):
                rates[step] = rate_at(base, level, step, num_steps)
    return RateTable(tuple(rates), tuple(rates.values()))
