"""What the train loss in Keras' logs is: a running mean or a minibatch's own, and how it compares with the held-out one."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from learned_lr.callback import backends, nested_structures, own_steps
from learned_lr.callback.running_fit import FitArguments


@dataclasses.dataclass(frozen=True)
class TrainLog:
    """What must be known to read a train loss.

    Attributes:
      is_running_mean: whether it is the running mean of the epoch, which Keras' own `train_step` logs; None for one of the
        user's, of which that is found out after two steps.
      scale: float > 0, what it is multiplied by: the mean weight of held-out examples over that of training examples.
      is_of_metrics: whether Keras' own `fit` logs what the model's metrics hold; a loop of the user's may sum losses itself.
    """

    is_running_mean: bool | None = True
    scale: float = 1.0
    is_of_metrics: bool = False


def find(model: keras.Model, fit: FitArguments, targets: Any, weights: Any) -> TrainLog:
    """Returns what the train loss of a fit will be.

    Args:
      model: a compiled Keras model.
      fit: the arguments of its fit.
      targets: numpy arrays, those of the held-out examples; None for none.
      weights: numpy arrays, likewise.
    """
    names = "train_step", "make_train_function"
    is_own = any(own_steps.is_own(model, name) for name in names)
    # A loop of the user's own logs a running mean, as it was told to.
    is_found_out = is_own and bool(fit.callbacks)
    return TrainLog(
        None if is_found_out else True,
        _scale(model, fit, targets, weights),
        bool(fit.callbacks) and not own_steps.is_own(model, "fit"),
    )


def _scale(model: keras.Model, fit: FitArguments, targets: Any, weights: Any) -> float:
    """Weights scale a loss, and those of classes the train loss alone."""
    losses = nested_structures.leaves(model.loss)
    if any(getattr(x, "reduction", "") == "mean_with_sample_weight" for x in losses):
        return 1.0
    if fit.targets is None and not fit.class_weight:
        return 1.0  # A pipeline, whose weights can't be seen.
    num_outputs = len(nested_structures.leaves(fit.targets))
    train, held_out = (_mean(w, num_outputs) for w in (fit.sample_weight, weights))
    if train is None or held_out is None:
        return 1.0
    if fit.class_weight:
        classes = targets if fit.targets is None else fit.targets
        train *= _mean_class_weight(fit.class_weight, classes)
    return held_out / train if min(held_out, train) > 0 else 1.0


def _mean(weights: Any, num_outputs: int) -> float | None:
    """The mean weight; None where outputs have different ones, whose shares of the loss can't be seen."""
    arrays = nested_structures.leaves(weights)
    means = [float(np.mean(backends.to_numpy(array))) for array in arrays]
    if isinstance(weights, (dict, list, tuple)):
        means += [1.0] * (num_outputs - len(means))  # Outputs without weights.
    if not means:
        return 1.0
    return means[0] if max(means) <= 1.01 * min(means) else None


def _mean_class_weight(weights: dict[int, float], targets: Any) -> float:
    """Targets are classes, or one-hot, as Keras takes them with class weights."""
    array = backends.to_numpy(nested_structures.leaves(targets)[0])
    if array.ndim > 1 and array.shape[-1] > 1:
        array = np.argmax(array, axis=-1)
    classes, counts = np.unique(np.round(array).astype(np.int64), return_counts=True)
    found = [weights.get(int(label), 1.0) for label in classes]
    return float(np.average(found, weights=counts))
