"""What is done about an explosion: back to good weights, and after some in a row an end of training."""

from __future__ import annotations

import math
import warnings

import keras

from learned_lr.callback import metric_resets
from learned_lr.callback.brake import DEATH, EXPLOSION, FAR_ABOVE_START
from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.callback.weights import Snapshot

# Decisions between two copies of the weights to go back to; each costs about as much as an optimizer step's update.
_SNAPSHOT_INTERVAL = 5
# Only what is lower than the best by this factor is better: a dead network's loss moves by a percent, too.
_BETTER = 0.97
# So many explosions without a good interval between them, and training stops.
_MAX_EXPLOSIONS = 3
# So many warnings of a run; what helped twice without an end needs no third.
_MAX_WARNINGS = 2


_WHAT = {
    EXPLOSION: "exploded",
    FAR_ABOVE_START: "rose far above that of the untrained model",
    DEATH: "has risen and stays high, or never fell,",
}


class Recovery:
    """Keeps copies of good weights, and goes back to one when a run goes wrong.

    After an explosion to the latest copy, since what is best by its validation loss may be long ago; else to the best.
    """

    def __init__(self, model: keras.Model):
        """Copies the weights that training starts from.

        Raises:
          ValueError: if they are not finite.
        """
        self._model = model
        self._latest = self._best = Snapshot(model)
        self._best_loss = math.nan
        if not self._latest.is_finite():
            raise ValueError(
                "Expected a model with finite weights to train, found NaN or infinity in them, or "
                "in the state of its optimizer."
            )

    def keep(self, num_decisions: int, validation_loss: float) -> bool:
        """Copies the weights when the validation loss is clearly the lowest so far, and once in several decisions.

        Args:
          num_decisions: int, the decisions before this one.
          validation_loss: float, what the weights have now.

        Returns:
          False if there is a weight that is not finite; the copies from before stay then.
        """
        lower = self._best_loss - (1 - _BETTER) * abs(self._best_loss)
        # Of a run that goes on, the best so far was another fit's.
        is_best = math.isnan(self._best_loss) or validation_loss < lower
        # The weights before the first decision are those of the start.
        is_first = num_decisions == 0
        is_due = not is_first and num_decisions % _SNAPSHOT_INTERVAL == 0
        if not is_first and not self._latest.is_whole(self._model):
            # A layer that only training calls, a discriminator for example, has made its weights since.
            is_due = is_best = True
        if is_first:
            self._best_loss = validation_loss
        if is_first or not (is_best or is_due):
            return True
        # A NaN weight may hide behind a ReLU, which turns it into 0 on some backends.
        snapshot = Snapshot(self._model)
        is_good = snapshot.is_finite()
        if is_good and is_due:
            self._latest = snapshot
        if is_good and is_best:
            self._best, self._best_loss = snapshot, validation_loss
        return is_good

    def recover(self, run: ControlledRun, alarm: str = EXPLOSION) -> None:
        """Goes back to good weights, cuts the run's rate, and says so; the optimizer still has the old one.

        Args:
          run: that of the model.
          alarm: what `SafetyBrake.alarm` returned.
        """
        exploded = run.loop.rate_at(run.step)
        is_explosion = alarm == EXPLOSION
        (self._latest if is_explosion else self._best).restore(self._model)
        metric_resets.reset(self._model)
        run.explode(is_explosion)
        if run.num_explosions <= _MAX_WARNINGS:
            of = "an earlier step" if is_explosion else "the lowest validation loss"
            again = "" if run.num_explosions == 1 else " again"
            lower = " A lower max_learning_rate may help." if again else ""
            warnings.warn(
                f"The loss {_WHAT[alarm]}{again} at training step {run.step} with the learning rate "
                f"{exploded:g}: the weights are those of {of} again, and the rate "
                f"is {run.loop.learning_rate:g}.{lower}",
                stacklevel=3,
            )
        if is_explosion and run.num_explosions_in_a_row == _MAX_EXPLOSIONS:
            self._model.stop_training = True
            warnings.warn(
                f"Training stops: the loss exploded {_MAX_EXPLOSIONS} times in a row, down to "
                f"the learning rate {exploded:g}. The weights are the last good ones. Are "
                "there NaNs in the training data?",
                stacklevel=3,
            )
