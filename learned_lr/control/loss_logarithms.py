"""Losses as a controller takes them: finite numbers, by their logarithms. No numpy."""

from __future__ import annotations

import math
import warnings

# Below these values a logarithm says nothing: losses and variances of probabilities are noise there.
LOG_FLOOR = 1e-6


def log(value: float, floor: float) -> float:
    """log(value), held above the floor; NaN and infinity pass through."""
    return value if math.isnan(value) else math.log(max(value, floor))


def log_ratio(value: float, reference: float, floor: float = LOG_FLOOR) -> float:
    """log(value / reference), with both held above the floor; NaN and infinity pass through."""
    floor = min(floor, abs(reference)) or floor
    return log(value, floor) - log(reference, floor)


def check_finite(train_loss: float, validation_loss: float, training_step: int) -> None:
    """Raises ValueError unless both losses are numbers, and finite."""
    for name, loss in (("train", train_loss), ("validation", validation_loss)):
        try:
            is_finite = math.isfinite(loss)
        except TypeError as error:
            raise ValueError(
                f"Expected a {name} loss that is one number, found {loss!r}."
            ) from error
        if not is_finite:
            raise ValueError(
                f"Expected a finite {name} loss, found {loss!r} at training step "
                f"{training_step}. Restore earlier weights and call brake()."
            )


class NoLogarithm:
    """Warns, once, that a decision is left out since a loss is 0 or below, or the one that it is compared with."""

    def __init__(self, has_base: bool):
        """Takes whether the controller has a base schedule."""
        self._goes_on = (
            "the rate follows the base schedule" if has_base else "the rate stays"
        )
        self._has_warned = False

    def warn(
        self, train_loss: float, validation_loss: float, training_step: int
    ) -> None:
        """Takes the losses of the decision and its step."""
        if self._has_warned:
            return
        self._has_warned = True
        warnings.warn(
            f"Expected losses above 0, found a train loss of {train_loss:g} and a validation loss "
            f"of {validation_loss:g} at training step {training_step}: the controller compares "
            "losses by their logarithms, so it does not act where one is 0 or below, and "
            f"{self._goes_on}. A constant added to the loss that keeps it above 0 lets it act.",
            stacklevel=5,
        )
