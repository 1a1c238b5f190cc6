"""What a controller's actions scale: a schedule of the rate over the run, a step at a time.

A run has a level, which decisions move, and the rate of a step is the level times the base schedule's multiplier;
without a base schedule the rate is the level, as in the paper. May import numpy; must not know controllers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from learned_lr.control.checks import check_number, check_positive, check_step
from learned_lr.control.rate_table import RateTable

DECAYS = ("cosine", "linear")


@dataclasses.dataclass(frozen=True)
class BaseSchedule:
    """Linear warm-up to 1, a hold, then a fall to nearly 0 at the last step.

    multiplier(s) = (s + 1) / W for s < W, with W = max(1, round(warmup_fraction * N)) of N steps;
    1 for s < W + H, with H = round(hold_fraction * N); then
    multiplier(s) = f + (1 - f) * g((s - W - H + 1) / (N - W - H)) with f = final_fraction, and
    g(x) = (1 + cos(pi * x)) / 2 (Loshchilov & Hutter, 2017) or 1 - x (a trapezoid: Haegele et al., 2024, arXiv:2405.18392)

    Attributes:
      warmup_fraction: float in [0, 1), the part of the run that warm-up takes.
      final_fraction: float in (0, 1], the multiplier of the last step.
      hold_fraction: float in [0, 1 - warmup_fraction), the part of the run between warm-up and fall.
      decay: 'cosine' or 'linear', the shape of the fall.
    """

    warmup_fraction: float = 0.05
    final_fraction: float = 1e-3
    hold_fraction: float = 0.0
    decay: str = "cosine"

    def __post_init__(self) -> None:
        for name in ("warmup_fraction", "final_fraction", "hold_fraction"):
            check_number(name, getattr(self, name))
        if not 0 <= self.warmup_fraction < 1 or not 0 < self.final_fraction <= 1:
            raise ValueError(
                "Expected warmup_fraction in [0, 1) and final_fraction in (0, 1], found "
                f"{self.warmup_fraction!r} and {self.final_fraction!r}."
            )
        check_positive("final_fraction", self.final_fraction)
        if not 0 <= self.hold_fraction < 1 - self.warmup_fraction:
            raise ValueError(
                "Expected hold_fraction >= 0 that leaves a part of the run beside warmup_fraction = "
                f"{self.warmup_fraction!r}, found {self.hold_fraction!r}."
            )
        if self.decay not in DECAYS:
            raise ValueError(f"Expected decay out of {DECAYS}, found {self.decay!r}.")

    def multiplier(self, step: int, num_steps: int) -> float:
        """Returns the multiplier of a training step, in (0, 1].

        Args:
          step: int >= 0; what comes after the last step has the multiplier of that.
          num_steps: int > 0, training steps of the run.
        """
        warmup, fall = self._warmup_and_fall(num_steps)
        if step < warmup:
            return (step + 1) / warmup
        if step < fall:
            return 1.0
        done = min((step - fall + 1) / max(num_steps - fall, 1), 1.0)
        left = (
            1 - done if self.decay == "linear" else (1 + math.cos(math.pi * done)) / 2
        )
        return self.final_fraction + (1 - self.final_fraction) * left

    def largest_from(self, step: int, num_steps: int) -> float:
        """Returns the largest multiplier of all steps from this one on."""
        if step < self._warmup_and_fall(num_steps)[0]:
            return 1.0
        return self.multiplier(step, num_steps)

    def describe(self) -> str:
        """Returns it in words."""
        hold = f", a hold of {self.hold_fraction:g}" if self.hold_fraction else ""
        fall = {"cosine": "a cosine", "linear": "a straight line"}[self.decay]
        return (
            f"a warm-up of {self.warmup_fraction:g} of the run{hold} and {fall} to "
            f"{self.final_fraction:g}"
        )

    def _warmup_and_fall(self, num_steps: int) -> tuple[int, int]:
        """The number of steps of warm-up, and the first step of the fall."""
        warmup = max(1, round(self.warmup_fraction * num_steps))
        return warmup, warmup + round(self.hold_fraction * num_steps)


def rate_at(
    base: BaseSchedule | None, level: float, step: int, num_steps: int
) -> float:
    """Returns the learning rate of a training step: the level times the base schedule's multiplier, if there is one.

    Raises:
      ValueError: unless the step is 0 or above.
    """
    check_step(step)
    return float(level if base is None else level * base.multiplier(step, num_steps))


def part_of_largest(base: BaseSchedule | None, step: int, num_steps: int) -> float:
    """Returns a step's multiplier over the largest from it on, in (0, 1]; 1 without a base schedule."""
    if base is None:
        return 1.0
    return base.multiplier(step, num_steps) / base.largest_from(step, num_steps)


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
    base: BaseSchedule | None, rows: Sequence[tuple[int, float, int]], end: int
) -> RateTable:
    """Returns the rates of a run as a table: an entry a decision, or one a step where there is a base schedule.

    Args:
      base: the base schedule; None for none.
      rows: at least one (training step, level, training steps of the run) a decision, and one where the length changes;
        of two with one step, the later counts. What came before the first, where a run starts in its middle, has its
        level, too.
      end: int > 0, the number of steps in a table that has an entry a step; more if the last row begins later.
    """
    rows = [(0, *rows[0][1:]), *rows[1:]]
    if base is None:
        rates = {step: level for step, level, _ in rows}
    else:
        rates = {}
        ends = [step for step, _, _ in rows[1:]]
        ends.append(max(end, rows[-1][0] + 1))
        for (start, level, num_steps), stop in zip(rows, ends):
            for step in range(start, stop):
                rates[step] = rate_at(base, level, step, num_steps)
    return RateTable(tuple(rates), tuple(rates.values()))
