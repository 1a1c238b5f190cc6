"""What is done about an explosion: back to good weights, and after some in a row an end of training."""

from __future__ import annotations

import warnings

import keras

from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.callback.weights import Snapshot

# Decisions between two copies of the weights to go back to; each costs about as much as an optimizer step's update.
_SNAPSHOT_INTERVAL = 5
# So many explosions without a good interval between them, and training stops.
_MAX_EXPLOSIONS = 3


class Recovery:
    """Keeps a copy of good weights, and goes back to it when a run explodes."""

    def __init__(self, model: keras.Model):
        """Copies the weights that training starts from.

        Raises:
          ValueError: if they are not finite.
        """
        self._model = model
        self._snapshot = Snapshot(model)
        if not self._snapshot.is_finite():
            raise ValueError(
                "Expected a model with finite weights to train, found NaN or infinity in them."
            )

    def keep(self, num_decisions: int) -> bool:
        """Copies the weights once in several decisions.

        Args:
          num_decisions: int, the decisions before this one.

        Returns:
          False if there is a weight that is not finite; the copy from before stays then.
        """
        # The weights before the first decision are those of the start.
        if num_decisions == 0 or num_decisions % _SNAPSHOT_INTERVAL:
            return True
        # A NaN weight may hide behind a ReLU, which turns it into 0 on some backends.
        snapshot = Snapshot(self._model)
        is_good = snapshot.is_finite()
        if is_good:
            self._snapshot = snapshot
        return is_good

    def recover(self, run: ControlledRun) -> None:
        """Goes back to the good weights, cuts the run's rate, and says so; the optimizer still has the old one."""
        exploded = run.loop.rate_at(run.step)
        self._snapshot.restore(self._model)
        self._model.reset_metrics()
        run.explode()
        if run.num_explosions == 1:
            warnings.warn(
                f"The loss exploded at training step {run.step} with the learning rate "
                f"{exploded:g}: the weights are those of an earlier step again, and the rate "
                f"is {run.loop.learning_rate:g}.",
                stacklevel=3,
            )
        if run.num_explosions_in_a_row == _MAX_EXPLOSIONS:
            self._model.stop_training = True
            warnings.warn(
                f"Training stops: the loss exploded {_MAX_EXPLOSIONS} times in a row, down to "
                f"the learning rate {exploded:g}. The weights are the last good ones. Are "
                "there NaNs in the training data?",
                stacklevel=3,
            )
