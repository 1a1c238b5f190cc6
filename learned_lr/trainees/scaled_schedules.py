"""Schedules that scale another: a base schedule at a peak, and any schedule times a hidden multiplier."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.trainees.schedules import NextLearningRate, check_rate


@dataclasses.dataclass(frozen=True)
class BaseAtPeak:
    """The base schedule of a controller at a fixed peak: what action 0 does. Moves every step.

    lr(t) = peak_learning_rate * base.multiplier(t, T)
    """

    peak_learning_rate: float
    base: BaseSchedule = dataclasses.field(default_factory=BaseSchedule)

    def __post_init__(self):
        check_rate("peak_learning_rate", self.peak_learning_rate)

    @property
    def name(self) -> str:
        """A short name for tables."""
        return (
            f"base {self.peak_learning_rate:g}, warm-up {self.base.warmup_fraction:g}, "
            f"to {self.base.final_fraction:g}"
        )

    def start(self, task) -> NextLearningRate:
        """Begins an episode."""
        multipliers = [
            self.base.multiplier(step, task.num_trainee_steps)
            for step in range(task.num_trainee_steps)
        ]
        rates = self.peak_learning_rate * np.asarray(multipliers)
        return lambda trainee_step, measurement: rates[trainee_step:]


@dataclasses.dataclass(frozen=True)
class Multiplied:
    """Another schedule's rates times a constant that it doesn't know of.

    Attributes:
      schedule: any schedule that returns rates.
      multiplier: float > 0.
    """

    schedule: Any
    multiplier: float

    def __post_init__(self):
        check_rate("multiplier", self.multiplier)

    @property
    def name(self) -> str:
        """A short name for tables."""
        return f"{self.schedule.name}, times {self.multiplier:g}"

    def start(self, task) -> NextLearningRate:
        """Begins an episode."""
        next_learning_rate = self.schedule.start(task)
        return lambda trainee_step, measurement: (
            self.multiplier * next_learning_rate(trainee_step, measurement)
        )
