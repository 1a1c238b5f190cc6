"""The mean loss of an interval, out of what Keras logs: running means over an epoch, or each minibatch's loss.

May know logs; must not know models, nor what is decided of the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from learned_lr.callback import backends


class IntervalLoss:
    """Sums the losses of minibatches, each weighing as many examples as it has, or 1 where that isn't known.

    Attributes:
      total: float, the sum of the interval's losses that have been read.
      weight: float, what these weigh.
      is_running_mean: whether the logged loss is the running mean of the epoch, as Keras' own `train_step` logs it, or
        that of the latest minibatch; None while that is not known. Then each log is kept.
      num_epoch_steps: int, minibatches of the epoch so far.
    """

    def __init__(
        self,
        total: float = 0.0,
        weight: float = 0.0,
        is_running_mean: bool | None = True,
    ):
        """Starts with what an interrupted interval had."""
        self.total = total
        self.weight = weight
        self.is_running_mean = is_running_mean
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """The running mean starts anew."""
        self.num_epoch_steps = self._read_steps = 0
        self._metric_total = self._metric_weight = 0.0
        self._is_of_examples = False
        self._logged: list[tuple[int, Any]] = []

    def count(self, num_steps: int, logs: Mapping[str, Any] | None = None) -> None:
        """Counts minibatches as they are trained on.

        Args:
          num_steps: int, those of one execution.
          logs: what was logged of them; may be left out where that is a running mean. Nothing waits for its values.

        Raises:
          ValueError: if each log is to be kept, and there is no loss in it.
        """
        self.num_epoch_steps += num_steps
        if not self.is_running_mean:
            loss = _loss(logs)
            # PyTorch would keep what it was computed from.
            loss = loss.detach() if hasattr(loss, "detach") else loss
            self._logged.append((num_steps, loss))

    def latest(self) -> float:
        """The loss in the latest log, of those that are kept."""
        return _number(self._logged[-1][1])

    def read(
        self,
        logs: Mapping[str, Any] | None,
        num_examples: Callable[[float], float | None] = lambda _: None,
    ) -> None:
        """Takes the losses out of the latest logs, or those that were kept.

        Args:
          logs: the latest.
          num_examples: function of a running mean that tells of how many of the epoch's examples it is; None where that
            isn't known.

        Raises:
          ValueError: if there is no loss.
        """
        if self.num_epoch_steps == self._read_steps:
            return
        mean = _number(_loss(logs))
        # After one step a running mean is the loss itself.
        is_single = self.is_running_mean is None and self.num_epoch_steps == 1
        if self.is_running_mean or is_single:
            weight = self._running_weight(mean, num_examples)
            if weight <= self._metric_weight:  # Something has reset the metric.
                self._metric_total = self._metric_weight = 0.0
            self.total += mean * weight - self._metric_total
            self.weight += weight - self._metric_weight
            self._metric_total, self._metric_weight = mean * weight, weight
        else:
            # Of an execution of several steps the last one speaks for all.
            self.total += sum(steps * _number(loss) for steps, loss in self._logged)
            self.weight += sum(steps for steps, _ in self._logged)
        self._read_steps = self.num_epoch_steps
        self._logged = []

    def _running_weight(
        self, mean: float, num_examples: Callable[[float], float | None]
    ) -> float:
        """What a running mean weighs: all of an epoch in examples, or all of it in minibatches."""
        found = None
        if self._is_of_examples or not self._read_steps:
            found = num_examples(mean)
        self._is_of_examples = self._is_of_examples or found is not None
        if found is None and self._read_steps:
            # Of examples, if the earlier ones were.
            found = self._metric_weight / self._read_steps * self.num_epoch_steps
        return found or self.num_epoch_steps

    def is_finite(self) -> bool:
        """Whether no loss so far was NaN or infinite."""
        return math.isfinite(self.total)

    def mean(self) -> float:
        """The mean of the interval's losses; NaN before any was read."""
        return self.total / self.weight if self.weight else math.nan

    def begin_interval(self) -> None:
        """The sum starts anew; the epoch's running mean goes on."""
        self.total = self.weight = 0.0

    def state(self) -> np.ndarray:
        """The arguments that make it again, float64 `[2]`."""
        return np.array([self.total, self.weight])


def _loss(logs: Mapping[str, Any] | None) -> Any:
    if not logs or "loss" not in logs:
        raise ValueError(
            "Expected a loss in the logs of training, found "
            f"{sorted(logs or {})}: a train_step of your own must return it as 'loss'."
        )
    return logs["loss"]


def _number(loss: Any) -> float:
    # A `train_step` of the user's own may return one of each example.
    return float(np.mean(backends.to_numpy(loss)))
