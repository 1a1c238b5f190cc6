"""From what a training loop has at hand, predictions and a kernel, to the measurement of an interval.

May import numpy; must not know controllers or rates.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from learned_lr.control.observations import Measurement

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_PREDICTION_FEATURES = {"prediction_variance", "prediction_change_variance"}
_KERNEL_FEATURES = {"final_kernel_mean", "final_kernel_variance"}


def look_inside(features: Iterable[str]) -> bool:
    """Returns whether a feature is of the predictions or of the final kernel; all others are known anyway."""
    return bool((_PREDICTION_FEATURES | _KERNEL_FEATURES).intersection(features))


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
        self.previous_predictions = previous_predictions
        self._is_restored = True

    def build(
        self,
        train_loss: float,
        validation_loss: float,
        predictions: ArrayLike | None,
        final_kernel: ArrayLike | None,
    ) -> Measurement:
        """Returns the measurement, and keeps the predictions for the next.

        Args:
          train_loss: float, finite.
          validation_loss: float, finite.
          predictions: float array of one shape at every call; None if the controller doesn't look at them.
          final_kernel: float array; None likewise.

        Raises:
          ValueError: if what a feature needs is missing, or the predictions have another shape than before.
        """
        self._check_features(predictions, final_kernel)
        variance = change = 0.0
        if predictions is not None:
            predictions = np.array(predictions, np.float32)
            change = self._prediction_change(predictions)
            variance = float(np.var(predictions, dtype=np.float64))
            self.previous_predictions = predictions
        moments = (0.0, 0.0)
        if final_kernel is not None:
            kernel = np.asarray(final_kernel, np.float64)
            moments = float(np.mean(kernel)), float(np.var(kernel))
        return Measurement(
            float(train_loss), float(validation_loss), variance, change, *moments
        )

    def _check_features(
        self, predictions: ArrayLike | None, final_kernel: ArrayLike | None
    ) -> None:
        missing: set[str] = set()
        if predictions is None:
            missing |= self._features & _PREDICTION_FEATURES
        if final_kernel is None:
            missing |= self._features & _KERNEL_FEATURES
        if missing:
            raise ValueError(
                f"Expected what the controller looks at ({', '.join(sorted(missing))}); "
                f"found {'no predictions' if predictions is None else ''}"
                f"{' and ' if predictions is None and final_kernel is None else ''}"
                f"{'no final dense kernel' if final_kernel is None else ''}. "
                "The controller 'default' needs neither."
            )

    def _prediction_change(self, predictions: np.ndarray) -> float:
        previous = self.previous_predictions
        is_restored, self._is_restored = self._is_restored, False
        if previous is None:
            return 0.0
        if is_restored and previous.shape != predictions.shape:
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
