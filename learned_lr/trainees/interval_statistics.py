"""What the graph of an interval returns, as one array of floats, and the measurement that it means."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from learned_lr.control import weight_path
from learned_lr.control.measurements import NUM_NUMBERS, Measurement
from learned_lr.control.weight_path import WeightSample


def with_weights(numbers: tf.Tensor, variables) -> tf.Tensor:
    """Returns an interval's statistics.

    Args:
      numbers: float32 `[NUM_NUMBERS]`, those of a measurement in its order, with 1 for finite or 0 in place of `diverged`.
      variables: the network's that are trained.

    Returns:
      float32, the numbers and after them a sample of the weights.
    """
    samples = [
        tf.cast(tf.reshape(v, [-1])[:: weight_path.stride(v.shape)], tf.float32)
        for v in variables
    ]
    return tf.concat([numbers, *samples], 0)


def measurement(
    statistics: np.ndarray, variables, cap: float, last: Measurement | None
) -> Measurement:
    """Returns the measurement of an interval.

    Args:
      statistics: float32, as `with_weights` returns them.
      variables: those whose weights are sampled in them.
      cap: losses are clipped to it; those of a run that has diverged are it.
      last: the measurement before, whose other values a run that diverges keeps; None for none.
    """
    *numbers, finite = statistics[:NUM_NUMBERS].tolist()
    shapes = tuple(tuple(v.shape.as_list()) for v in variables)
    weights = WeightSample(statistics[NUM_NUMBERS:], shapes)
    if finite:
        losses = [min(loss, cap) for loss in numbers[:2]]
        return Measurement(*losses, *numbers[2:], weights=weights)
    last = last or Measurement(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, weights=weights)
    return last._replace(
        train_loss=cap,
        validation_loss=cap,
        prediction_change_variance=0.0,
        validation_accuracy=0.0,
        diverged=True,
    )
