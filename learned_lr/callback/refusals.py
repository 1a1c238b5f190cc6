"""What a fit is refused for before a step is trained: whatever else would set the learning rate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from learned_lr.callback import optimizers


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
    if not optimizers.has_plain_rate(optimizer):
        raise ValueError(
            "Expected an optimizer whose learning_rate is a number, found a schedule in "
            f"{type(optimizers.inner(optimizer)).__name__}: compile it without one, the "
            "callback sets the rate."
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
