"""Schedules: whatever picks a learning rate. Plain values, so that they travel to worker processes.

These follow a formula or a record; `adaptive_schedules` has those that react to the run.
A schedule's `start(task)` returns a function for one episode on a task, `next_learning_rate(trainee_step, measurement)`,
called at the start of every interval. It returns a rate, which is held for the interval, or an array of the rates of
the steps from this one on, as many as an interval has or more; one that needs more than a rate an `IntervalFn`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Callable, Protocol

import numpy as np

from learned_lr.control.measurements import Measurement
from learned_lr.control.rate_table import RateTable


class IntervalFn(Protocol):
    """Trains one interval of a trainee its own way.

    Attributes:
      learning_rate: float, the rate that the interval starts with.
    """

    learning_rate: float

    def __call__(self, trainee) -> tuple[Measurement, float]:
        """Returns (measurement, the learning rate of the interval's last step)."""


NextLearningRate = Callable[[int, Measurement], "float | np.ndarray | IntervalFn"]


def check_rate(name: str, value: float) -> None:
    """Raises ValueError unless the value is positive and finite."""
    if not 0 < value < math.inf:
        raise ValueError(f"Expected {name} > 0, found {value!r}.")


@dataclasses.dataclass(frozen=True)
class Constant:
    """The same learning rate at every step."""

    learning_rate: float

    def __post_init__(self):
        check_rate("learning_rate", self.learning_rate)

    @property
    def name(self) -> str:
        """A short name for tables."""
        return f"constant {self.learning_rate:g}"

    def start(self, task) -> NextLearningRate:
        """Begins an episode."""
        return lambda trainee_step, measurement: self.learning_rate


@dataclasses.dataclass(frozen=True)
class StepDecay:
    """Multiplies the rate by a factor every few steps (the paper's baseline, section 3.2).

    lr(t) = initial_learning_rate * discount_factor ** floor(t / discount_step)
    """

    initial_learning_rate: float
    discount_step: int
    discount_factor: float

    def __post_init__(self):
        check_rate("initial_learning_rate", self.initial_learning_rate)
        check_rate("discount_step", self.discount_step)
        check_rate("discount_factor", self.discount_factor)

    @property
    def name(self) -> str:
        """A short name for tables."""
        return (
            f"step decay {self.initial_learning_rate:g}, {self.discount_step}, "
            f"{self.discount_factor:g}"
        )

    def start(self, task) -> NextLearningRate:
        """Begins an episode; raises ValueError where the rate underflows or overflows within it."""
        check_rate("the rate of the last step", self._rate(task.num_trainee_steps - 1))
        return lambda trainee_step, measurement: self._rate(trainee_step)

    def _rate(self, trainee_step):
        decays = trainee_step // self.discount_step
        try:
            return self.initial_learning_rate * self.discount_factor**decays
        except OverflowError:
            return math.inf


@dataclasses.dataclass(frozen=True)
class WarmupCosine:
    """Linear warm-up to a peak, then half a cosine down to a fraction of it.

    lr(t) = peak * (t + 1) / warmup for t < warmup, then
    lr(t) = final + (peak - final) * (1 + cos(pi * (t - warmup) / (T - warmup))) / 2
    with final = final_fraction * peak (Loshchilov & Hutter, 2017, without restarts).
    """

    peak_learning_rate: float
    num_warmup_steps: int = 0
    final_fraction: float = 0.0

    def __post_init__(self):
        check_rate("peak_learning_rate", self.peak_learning_rate)
        if self.num_warmup_steps < 0 or not 0 <= self.final_fraction <= 1:
            raise ValueError(
                "Expected num_warmup_steps >= 0 and final_fraction in [0, 1], found "
                f"{self.num_warmup_steps!r} and {self.final_fraction!r}."
            )

    @property
    def name(self) -> str:
        """A short name for tables."""
        name = f"cosine {self.peak_learning_rate:g}, warm-up {self.num_warmup_steps}"
        return f"{name}, to {self.final_fraction:g}" if self.final_fraction else name

    def start(self, task) -> NextLearningRate:
        """Begins an episode."""
        peak = self.peak_learning_rate
        final = self.final_fraction * peak
        return _after_warmup(
            peak,
            self.num_warmup_steps,
            task.num_trainee_steps,
            lambda done: final + (peak - final) * (1 + math.cos(math.pi * done)) / 2,
        )


@dataclasses.dataclass(frozen=True)
class WarmupLinear:
    """Linear warm-up to a peak, then a straight line to zero at the end of the budget.

    lr(t) = peak * (t + 1) / warmup for t < warmup, then peak * (T - t) / (T - warmup)
    (Defazio et al., 2023, arXiv:2310.07831).
    """

    peak_learning_rate: float
    num_warmup_steps: int = 0

    def __post_init__(self):
        check_rate("peak_learning_rate", self.peak_learning_rate)
        if self.num_warmup_steps < 0:
            raise ValueError(
                f"Expected num_warmup_steps >= 0, found {self.num_warmup_steps!r}."
            )

    @property
    def name(self) -> str:
        """A short name for tables."""
        return f"linear {self.peak_learning_rate:g}, warm-up {self.num_warmup_steps}"

    def start(self, task) -> NextLearningRate:
        """Begins an episode."""
        peak = self.peak_learning_rate
        return _after_warmup(
            peak,
            self.num_warmup_steps,
            task.num_trainee_steps,
            lambda done: peak * (1 - done),
        )


@dataclasses.dataclass(frozen=True)
class Exponential:
    """Falls by the same factor at every step, to a fraction of the initial rate at the end.

    lr(t) = initial_learning_rate * final_fraction ** (t / T)
    """

    initial_learning_rate: float
    final_fraction: float

    def __post_init__(self):
        check_rate("initial_learning_rate", self.initial_learning_rate)
        check_rate("final_fraction", self.final_fraction)

    @property
    def name(self) -> str:
        """A short name for tables."""
        return f"exponential {self.initial_learning_rate:g}, {self.final_fraction:g}"

    def start(self, task) -> NextLearningRate:
        """Begins an episode."""

        def next_learning_rate(trainee_step, measurement):
            done = trainee_step / task.num_trainee_steps
            return self.initial_learning_rate * self.final_fraction**done

        return next_learning_rate


@dataclasses.dataclass(frozen=True)
class OneCycle:
    """Half a cosine up to a peak, half a cosine down to almost nothing (Smith & Topin, 2017).

    From peak / initial_divisor, over warmup_fraction of the budget, to the peak; then down
    to peak / initial_divisor / final_divisor. The defaults are those of PyTorch's OneCycleLR.
    """

    peak_learning_rate: float
    warmup_fraction: float = 0.3
    initial_divisor: float = 25.0
    final_divisor: float = 1e4

    def __post_init__(self):
        check_rate("peak_learning_rate", self.peak_learning_rate)
        check_rate("initial_divisor", self.initial_divisor)
        check_rate("final_divisor", self.final_divisor)
        if not 0 < self.warmup_fraction < 1:
            raise ValueError(
                f"Expected warmup_fraction in (0, 1), found {self.warmup_fraction!r}."
            )

    @property
    def name(self) -> str:
        """A short name for tables."""
        return f"one cycle {self.peak_learning_rate:g}, {self.warmup_fraction:g}"

    def start(self, task) -> NextLearningRate:
        """Begins an episode."""
        initial = self.peak_learning_rate / self.initial_divisor
        warmup = self.warmup_fraction

        def next_learning_rate(trainee_step, measurement):
            done = trainee_step / task.num_trainee_steps
            if done < warmup:
                start, end, part = initial, self.peak_learning_rate, done / warmup
            else:
                start, end = self.peak_learning_rate, initial / self.final_divisor
                part = (done - warmup) / (1 - warmup)
            return end + (start - end) * (1 + math.cos(math.pi * part)) / 2

        return next_learning_rate


@dataclasses.dataclass(frozen=True)
class RecordedRates:
    """Plays a recorded schedule: at each step the rate of the last recorded step not after it.

    Attributes:
      trainee_steps: ascending ints, the first of them 0.
      learning_rates: as many floats > 0.
      label: a name for tables.
    """

    trainee_steps: tuple[int, ...]
    learning_rates: tuple[float, ...]
    label: str = "replay"

    def __post_init__(self):
        table = RateTable(self.trainee_steps, self.learning_rates)
        object.__setattr__(self, "trainee_steps", table.steps)
        object.__setattr__(self, "learning_rates", table.learning_rates)

    @classmethod
    def from_csv(cls, path: str, label: str | None = None) -> RecordedRates:
        """Reads a CSV table with columns `trainee_step` and `learning_rate`."""
        table = RateTable.load(path)
        return cls(table.steps, table.learning_rates, label or "replay")

    @property
    def name(self) -> str:
        """A short name for tables."""
        return self.label

    def start(self, task) -> NextLearningRate:
        """Begins an episode."""
        table = RateTable(self.trainee_steps, self.learning_rates)

        def next_learning_rates(trainee_step, measurement):
            steps = range(trainee_step, trainee_step + task.trainee_steps_per_action)
            rates = [table.at(step) for step in steps]
            # One rate where it holds for the interval, as of the schedules that were recorded so.
            return rates[0] if len(set(rates)) == 1 else np.array(rates)

        return next_learning_rates


def _after_warmup(peak, warmup, num_trainee_steps, decay):
    """A linear warm-up, then `decay` of the fraction of the other steps that are done."""
    if warmup >= num_trainee_steps:
        raise ValueError(
            f"Expected num_warmup_steps < {num_trainee_steps}, found {warmup}."
        )

    def next_learning_rate(trainee_step, measurement):
        if trainee_step < warmup:
            return peak * (trainee_step + 1) / warmup
        return decay((trainee_step - warmup) / (num_trainee_steps - warmup))

    return next_learning_rate
