"""The measurement of an interval, and how it comes from what a training loop has at hand: predictions, a kernel, weights.

May import numpy; must not know controllers or rates.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from learned_lr.control import weight_path
from learned_lr.control.weight_path import WeightSample

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Measurement(NamedTuple):
    """What one control interval of a training run gives; all values are Python floats.

    Attributes:
      train_loss: mean loss of the interval's minibatches (at reset: of the first minibatch, untrained).
      validation_loss: mean loss over the validation images.
      prediction_variance: variance of the predictions over validation images and classes.
      prediction_change_variance: variance of their change since the measurement before; 0 at reset.
      final_kernel_mean: mean of the final dense layer's kernel.
      final_kernel_variance: variance of the final dense layer's kernel.
      validation_accuracy: fraction of validation images classified correctly; NaN where there are no classes.
      diverged: True once a loss or a weight was not finite; the losses are then the task's cap.
      weights: a sample of the weights; None where no controller looks at them.
    """

    train_loss: float
    validation_loss: float
    prediction_variance: float
    prediction_change_variance: float
    final_kernel_mean: float
    final_kernel_variance: float
    validation_accuracy: float = math.nan
    diverged: bool = False
    weights: WeightSample | None = None

    @property
    def numbers(self) -> tuple[float, ...]:
        """All but the weights, `NUM_NUMBERS` of them."""
        return self[:-1]


NUM_NUMBERS = len(Measurement._fields) - 1


_PREDICTION_FEATURES = {"prediction_variance", "prediction_change_variance"}
_KERNEL_FEATURES = {"final_kernel_mean", "final_kernel_variance"}
_WEIGHT_FEATURES = frozenset(weight_path.FEATURES)


def look_inside(features: Iterable[str]) -> bool:
    """Returns whether a feature is of the predictions or of the final kernel."""
    return bool((_PREDICTION_FEATURES | _KERNEL_FEATURES).intersection(features))


def look_at_weights(features: Iterable[str]) -> bool:
    """Returns whether a feature is of the weights' path."""
    return not _WEIGHT_FEATURES.isdisjoint(features)


class MeasurementBuilder:
    """Turns losses and arrays of one training run into measurements; nothing but the latest predictions is kept.

    Attributes:
      previous_predictions: float32 array, the predictions of the measurement before; None before the first.
    """

    def __init__(self, features: Iterable[str]):
        """Starts a run whose controller looks at these features."""
        self._features = frozenset(features)
        self.previous_predictions: np.ndarray | None = None
        self._is_restored = False

    def restore(self, previous_predictions: np.ndarray | None) -> None:
        """Goes on from the `previous_predictions` of an interrupted run.

        If the predictions of this run have another shape, because its examples are others or
        the file was damaged, their first change counts as 0, as at the start of a run, and a
        warning says so: hours of training are worth more than one feature of one decision.
        """
        previous = previous_predictions
        if previous is not None:
            previous = np.asarray(previous, np.float32)
        self.previous_predictions = previous
        self._is_restored = True

    def build(
        self,
        train_loss: float,
        validation_loss: float,
        predictions: ArrayLike | None,
        final_kernel: ArrayLike | None,
        weights: Iterable[Any] | WeightSample | None = None,
    ) -> Measurement:
        """Returns the measurement, and keeps the predictions for the next.

        Args:
          train_loss: float, finite.
          validation_loss: float, finite.
          predictions: float array of one shape at every call; None if the controller doesn't look at them.
          final_kernel: float array; None likewise.
          weights: the trainable weight arrays, or a sample of them; None likewise.

        Raises:
          ValueError: if what a feature needs is missing, or the predictions have another shape than before.
        """
        self._check_features(predictions, final_kernel, weights)
        variance = change = 0.0
        if predictions is not None:
            predictions = np.array(predictions, np.float32)
            change = self._prediction_change(predictions)
            variance = float(np.var(predictions, dtype=np.float64))
        moments = (0.0, 0.0)
        if final_kernel is not None:
            kernel = np.asarray(final_kernel, np.float64)
            moments = float(np.mean(kernel)), float(np.var(kernel))
        sample: WeightSample | None = None
        if weights is not None and look_at_weights(self._features):
            sample = (
                weights
                if isinstance(weights, WeightSample)
                else weight_path.sample(weights)
            )
        losses = float(train_loss), float(validation_loss)
        if predictions is not None:  # Not before all else has been taken.
            self.previous_predictions, self._is_restored = predictions, False
        return Measurement(*losses, variance, change, *moments, weights=sample)

    def _check_features(
        self, predictions: object, kernel: object, weights: object
    ) -> None:
        needed = (
            ("predictions", predictions, _PREDICTION_FEATURES),
            ("final dense kernel", kernel, _KERNEL_FEATURES),
            ("trainable weights", weights, _WEIGHT_FEATURES),
        )
        missing = {
            name: sorted(self._features & features)
            for name, value, features in needed
            if value is None and not self._features.isdisjoint(features)
        }
        if not missing:
            return
        looked_at = ", ".join(name for names in missing.values() for name in names)
        other = "trapezoid" if "trainable weights" in missing else "default"
        raise ValueError(
            f"Expected what the controller looks at ({looked_at}); found no {' and no '.join(missing)}. "
            f"The controller {other!r} needs neither."
        )

    def _prediction_change(self, predictions: np.ndarray) -> float:
        previous = self.previous_predictions
        if previous is None:
            return 0.0
        if self._is_restored and previous.shape != predictions.shape:
            warnings.warn(
                f"The restored run has predictions of shape {previous.shape}, this one of "
                f"{predictions.shape}: their first change counts as 0.",
                stacklevel=2,
            )
            return 0.0
        if previous.shape != predictions.shape:
            raise ValueError(
                f"Expected predictions of shape {previous.shape}, as before, found "
                f"{predictions.shape}: the examples must be the same at every call."
            )
        return float(np.var(predictions - previous, dtype=np.float64))
