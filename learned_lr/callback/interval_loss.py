"""The mean loss of an interval, out of the running means that Keras logs over an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


class IntervalLoss:
    """Sums the losses of minibatches, all counting alike, also a short one at an epoch's end.

    Attributes:
      total: float, the sum of the interval's losses that have been read.
      num_steps: int, how many these are.
    """

    def __init__(self, total: float = 0.0, num_steps: int = 0):
        """Starts with what an interrupted interval had."""
        self.total = total
        self.num_steps = num_steps
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """The running mean starts anew."""
        self._metric_steps = self._read_steps = 0
        self._metric_total = 0.0

    def count(self, num_steps: int) -> None:
        """Counts minibatches as they are trained on."""
        self._metric_steps += num_steps

    def read(self, logs: Mapping[str, Any] | None) -> None:
        """Takes the running mean of the loss out of the logs.

        Raises:
          ValueError: if there is none.
        """
        if self._metric_steps == self._read_steps:
            return
        if not logs or "loss" not in logs:
            raise ValueError(
                "Expected a loss in the logs of training, found "
                f"{sorted(logs or {})}: a train_step of your own must return it."
            )
        metric_total = float(logs["loss"]) * self._metric_steps
        self.total += metric_total - self._metric_total
        self.num_steps += self._metric_steps - self._read_steps
        self._metric_total, self._read_steps = metric_total, self._metric_steps

    def is_finite(self) -> bool:
        """Whether no loss so far was NaN or infinite."""
        return math.isfinite(self.total)

    def mean(self) -> float:
        """The mean of the interval's losses; NaN before any was read."""
        return self.total / self.num_steps if self.num_steps else math.nan

    def begin_interval(self) -> None:
        """The sum starts anew; the epoch's running mean goes on."""
        self.total, self.num_steps = 0.0, 0

    def state(self) -> np.ndarray:
        """The arguments that make it again, float64 `[2]`."""
        return np.array([self.total, self.num_steps])
