"""From an action of the controller to the next learning rate. Must not know networks or environments."""

from __future__ import annotations

import dataclasses
import math

from learned_lr.control.checks import check_number, check_positive


@dataclasses.dataclass(frozen=True)
class LearningRateScaling:
    """Scales the learning rate by a bounded factor and keeps it within bounds.

    An action `a` in [-1, 1] means `learning_rate * max_scale ** a`, so 0 keeps the rate and the factor stays in
    [1 / max_scale, max_scale]. The paper (section 2.2) scales the previous rate by the network output; the exponent
    makes the factor positive and warm-up and decay symmetric.

    Attributes:
      max_scale: float > 1, the largest factor in one decision.
      min_learning_rate: float > 0, lower bound of the learning rate.
      max_learning_rate: float >= min_learning_rate, upper bound of the learning rate.
    """

    max_scale: float = 1.5
    min_learning_rate: float = 1e-7
    max_learning_rate: float = 1.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_number(field.name, getattr(self, field.name))
        if not self.max_scale > 1:
            raise ValueError(f"Expected max_scale > 1, found {self.max_scale!r}.")
        if not 0 < self.min_learning_rate <= self.max_learning_rate:
            raise ValueError(
                "Expected 0 < min_learning_rate <= max_learning_rate, found "
                f"{self.min_learning_rate!r} and {self.max_learning_rate!r}."
            )
        check_positive("min_learning_rate", self.min_learning_rate)
        # A float32 of numpy's would make rates of its kind, which no state keeps.
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, float(getattr(self, field.name)))

    def next_learning_rate(self, learning_rate: float, action: float) -> float:
        """Returns the learning rate of the next interval.

        Args:
          learning_rate: float > 0, the rate now in force.
          action: float; values outside [-1, 1] are clipped (a Gaussian policy has no bounds).

        Returns:
          A Python float within the bounds.

        Raises:
          ValueError: if the action is not finite.
        """
        action = float(action)
        if not math.isfinite(action):
            raise ValueError(f"Expected a finite action, found {action!r}.")
        # lr' = clip(lr * max_scale^clip(a, -1, 1), min_lr, max_lr)
        scaled = float(learning_rate) * self.max_scale ** min(max(action, -1.0), 1.0)
        return min(max(scaled, self.min_learning_rate), self.max_learning_rate)
