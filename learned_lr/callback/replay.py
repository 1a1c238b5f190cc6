"""Recorded learning rates as a plain Keras schedule, which measures nothing."""

from __future__ import annotations

import os

import keras

from learned_lr.callback import keras_models
from learned_lr.control.rate_table import RateTable


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

    def __init__(self, source):
        """Takes the rates.

        Args:
          source: path of a CSV table with the columns `trainee_step` and `learning_rate`, or
            a `RateTable`.

        Raises:
          ValueError: if it isn't such a table.
        """
        super().__init__()
        is_path = isinstance(source, (str, os.PathLike))
        self.table = RateTable.load(source) if is_path else source

    def __call__(self, step):
        """Returns the rate of a step, a float32 scalar; the last one holds for ever."""
        return keras_models.lookup(self.table.steps, self.table.learning_rates, step)

    def get_config(self):
        """Returns the rates, for a saved model."""
        return {
            "steps": list(self.table.steps),
            "learning_rates": list(self.table.learning_rates),
        }

    @classmethod
    def from_config(cls, config):
        """Makes the schedule that `get_config` described."""
        return cls(RateTable(tuple(config["steps"]), tuple(config["learning_rates"])))
