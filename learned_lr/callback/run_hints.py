"""Warnings about a run that begins and will not be what its controller plans for."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import keras

# A run this long beside an EarlyStopping, in epochs, or in times of its patience, is seldom meant to end by itself.
_MANY_EPOCHS, _MANY_PATIENCES = 200, 20
# By optimizer: how many runs of one epoch have begun.
_NUM_SHORT_RUNS: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


def warn(
    optimizer: Any,
    callbacks: Iterable[keras.callbacks.Callback],
    params: Mapping[str, Any],
    num_training_steps: int | None,
    epoch: int,
    learning_rate: float,
) -> None:
    """Warns about a new run that is to be cut short, or to be one of many.

    Args:
      optimizer: that of the model.
      callbacks: those of the fit.
      params: what `fit` tells its callbacks.
      num_training_steps: the length of the run, if the user named one.
      epoch: int, the epoch that begins.
      learning_rate: float, where it starts.
    """
    if epoch > 0:
        warnings.warn(
            f"LearnedLearningRate begins at epoch {epoch} without a state to go on from: "
            f"it starts at the rate {learning_rate:g}.",
            stacklevel=3,
        )
    epochs = params.get("epochs") or 0
    if num_training_steps is not None or epoch > 0:
        return
    for other in callbacks:
        if not isinstance(other, keras.callbacks.EarlyStopping):
            continue
        if epochs >= min(_MANY_EPOCHS, _MANY_PATIENCES * (other.patience + 1)):
            warnings.warn(
                f"LearnedLearningRate plans for all {epochs} epochs, of which EarlyStopping may "
                "leave few, and with them few decisions: give fit the epochs you expect, or "
                "the callback num_training_steps.",
                stacklevel=3,
            )
            break
    if epochs == 1:
        _NUM_SHORT_RUNS[optimizer] = _NUM_SHORT_RUNS.get(optimizer, 0) + 1
        if _NUM_SHORT_RUNS[optimizer] == 2:
            warnings.warn(
                "LearnedLearningRate begins a second run of one epoch on the same model: each fit "
                "starts anew, at the initial rate. For one run of many fits give one "
                "callback num_training_steps, the steps of all of them, and use it in each.",
                stacklevel=3,
            )
