"""What a fit is refused for before a step is trained: whatever else would set the learning rate, and what can't be measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import keras

from learned_lr.callback import backends, optimizers

_Part = TypeVar("_Part")


def begun(part: _Part | None, expected: str) -> _Part:
    """Returns what an earlier method of a callback has made.

    Raises:
      ValueError: if it has not been called, which a loop of the user's own may leave out.
    """
    if part is None:
        raise ValueError(
            f"Expected {expected}, as fit() calls them, found none of them."
        )
    return part


def check_plain_rate(optimizer: Any) -> None:
    """Checks that the learning rate can be set.

    Args:
      optimizer: that of the model; None for a model that isn't compiled.

    Raises:
      ValueError: unless the rate is a number: no schedule, no function.
    """
    if optimizer is None:
        raise ValueError(
            "Expected a compiled model, found one without an optimizer: compile it first."
        )
    if not hasattr(optimizers.inner(optimizer), "learning_rate"):
        raise ValueError(
            "Expected an optimizer with a learning_rate, found "
            f"{type(optimizers.inner(optimizer)).__name__}, which has none of its own: compile the "
            "model with one optimizer for all weights."
        )
    if not optimizers.has_plain_rate(optimizer):
        raise ValueError(
            "Expected an optimizer whose learning_rate is a number, found a schedule in "
            f"{type(optimizers.inner(optimizer)).__name__}: compile it without one, the "
            "callback sets the rate."
        )


def check_strategy(model: keras.Model) -> None:
    """Raises ValueError in Keras 2 for a model that is copied to several devices."""
    if not backends.IS_KERAS_2:
        return
    import tensorflow as tf

    strategy = model.distribute_strategy
    is_copied = isinstance(
        strategy,
        (
            tf.distribute.MirroredStrategy,
            tf.distribute.MultiWorkerMirroredStrategy,
            tf.distribute.TPUStrategy,
        ),
    )
    if is_copied:
        raise ValueError(
            f"Expected a model on one device, found one of {type(strategy).__name__}, whose metrics "
            "Keras 2 can't update outside of it: build the model without a strategy, or use Keras 3."
        )


def check_rivals(
    callback: keras.callbacks.Callback, callbacks: Iterable[keras.callbacks.Callback]
) -> None:
    """Raises ValueError if another of the callbacks sets the learning rate, too."""
    rivals = (
        keras.callbacks.LearningRateScheduler,
        keras.callbacks.ReduceLROnPlateau,
        type(callback),
    )
    for other in callbacks:
        if other is not callback and isinstance(other, rivals):
            raise ValueError(
                "Expected one callback that sets the learning rate, found "
                f"{type(other).__name__} as well: remove one of them."
            )
