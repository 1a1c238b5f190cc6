"""A TF-Agents actor and its observation normaliser, read and written as a controller's weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

# A controller's names of the actor's first variables, in order.
_NETWORK_WEIGHTS = {
    "mlp": ("hidden_kernel", "hidden_bias"),
    "lstm": ("lstm_kernel", "lstm_recurrent_kernel", "lstm_bias"),
}


def read(kind: str, actor, normalizer) -> dict[str, np.ndarray]:
    """Returns the weights that a controller of the same policy has, by name.

    Args:
      kind: 'mlp' or 'lstm'.
      actor: an actor network of one layer, with a deviation that no observation changes.
      normalizer: a `StreamingTensorNormalizer`.
    """
    *network, deviation_bias = [v.numpy() for v in actor.variables]
    (mean,), (variance,) = normalizer._get_mean_var_estimates()
    return {
        **dict(zip(_names(kind), network)),
        "action_deviation": np.logaddexp(np.float32(0), deviation_bias),
        "normalizer_mean": mean.numpy(),
        "normalizer_variance": variance.numpy(),
    }


def write(kind: str, actor, normalizer, weights: Mapping[str, np.ndarray]) -> None:
    """Gives actor and normaliser a controller's weights, all but its deviation.

    Args:
      kind: 'mlp' or 'lstm'.
      actor: as `read` takes it.
      normalizer: likewise; it counts what it is given as one observation.
      weights: of a controller with the same network and features.
    """
    for variable, name in zip(actor.variables, _names(kind)):
        variable.assign(weights[name])
    (count,), (mean,), (sum_of_squares,), _ = map(tf.nest.flatten, normalizer.variables)
    count.assign(tf.ones_like(count))
    mean.assign(weights["normalizer_mean"])
    sum_of_squares.assign(weights["normalizer_variance"])


def _names(kind):
    return (*_NETWORK_WEIGHTS[kind], "action_kernel", "action_bias")
