"""When a training run has exploded: a loss that is not finite, or far above its running mean."""

from __future__ import annotations

import math

_DECAY = 0.8


class SafetyBrake:
    """Tells an explosion from noise: both losses must have jumped.

    Attributes:
      factor: float > 1, how many times its running mean a loss must be.
      means: the running means (train loss, validation loss); None before the first losses.
    """

    def __init__(self, factor: float = 5.0):
        """Checks the factor.

        Raises:
          ValueError: unless it is above 1.
        """
        if not factor > 1:
            raise ValueError(f"Expected brake_factor > 1, found {factor!r}.")
        self.factor = factor
        self.means: tuple[float, float] | None = None

    def is_explosion(self, train_loss: float, validation_loss: float) -> bool:
        """Whether these losses are an explosion; if not, they enter the running means."""
        losses = train_loss, validation_loss
        if not all(map(math.isfinite, losses)):
            return True
        if self.means is None:
            self.means = losses
            return False
        if all(loss > self.factor * abs(m) for loss, m in zip(losses, self.means)):
            return True
        train_mean, validation_mean = (
            _DECAY * m + (1 - _DECAY) * loss for loss, m in zip(losses, self.means)
        )
        self.means = train_mean, validation_mean
        return False
