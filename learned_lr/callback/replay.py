"""Recorded learning rates as a plain Keras schedule, which measures nothing."""

from __future__ import annotations

import os
from typing import Any

import keras
import numpy as np

from learned_lr.callback import backends
from learned_lr.control.rate_table import RateTable, RateTableError


@keras.utils.register_keras_serializable(package="learned_lr")
class Replay(keras.optimizers.schedules.LearningRateSchedule):
    """Runs the learning rates again that a `LearnedLearningRate` or a `ControlLoop` chose.

    Example:
      callback.schedule.save("lr.csv")
      model.compile(keras.optimizers.Adam(Replay("lr.csv")), ...)

    It is saved with the model, rates and all.

    Attributes:
      table: the `RateTable`.
    """

    def __init__(self, source: RateTable | str | os.PathLike):
        """Takes the rates.

        Args:
          source: path of a CSV table with the columns `trainee_step` and `learning_rate`, or
            a `RateTable`.

        Raises:
          ValueError: if it isn't such a table.
        """
        super().__init__()
        if isinstance(source, (str, os.PathLike)):
            source = RateTable.load(os.fspath(source))
        if not isinstance(source, RateTable):
            raise RateTableError(
                f"Expected a RateTable, as `schedule` is one, or the path of a table, found a {type(source).__name__}."
            )
        self.table = source
        # Arrays, since a table may have an entry a step, and PyTorch looks it up at every step.
        self._steps = np.array(source.steps, np.int32)
        self._learning_rates = np.array(source.learning_rates, np.float32)

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step, a float32 scalar tensor; the last one holds for ever."""
        return _lookup(self._steps, self._learning_rates, step)

    def get_config(self) -> dict[str, list]:
        """Returns the rates, for a saved model."""
        return {
            "steps": list(self.table.steps),
            "learning_rates": list(self.table.learning_rates),
        }

    @classmethod
    def from_config(cls, config: dict[str, list]) -> Replay:
        """Makes the schedule that `get_config` described."""
        return cls(RateTable(tuple(config["steps"]), tuple(config["learning_rates"])))


def _lookup(steps: np.ndarray, values: np.ndarray, step: Any) -> Any:
    """The float32 value of the last of the ascending steps that is not after this one."""
    if backends.IS_KERAS_2:
        import tensorflow as tf

        is_reached = tf.constant(steps) <= tf.cast(step, tf.int32)
        index = tf.reduce_sum(tf.cast(is_reached, tf.int32)) - 1
        return tf.gather(tf.constant(values), index)
    ops = keras.ops
    is_reached = ops.convert_to_tensor(steps) <= ops.cast(step, "int32")
    index = ops.sum(ops.cast(is_reached, "int32")) - 1
    return ops.take(ops.convert_to_tensor(values), index)
