"""Tells when something else resets a model's metrics while its fit lasts, as `evaluate` in the middle of an epoch does."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import keras

_NAME = "reset_metrics"


class _Watched:
    """A model's `reset_metrics` that tells before it resets, as long as who is told lives."""

    def __init__(self, original: Callable[[], None], told: Callable[[], None]):
        self.original = original
        self._told = weakref.WeakMethod(told)

    def __call__(self) -> None:
        told = self._told()
        if told is not None:
            told()
        self.original()


def watch(model: keras.Model, told: Callable[[], None]) -> None:
    """Calls a method of an object before each reset, until `leave` or the object's end."""
    leave(model)
    # Past Keras, which tracks what is set.
    object.__setattr__(model, _NAME, _Watched(model.reset_metrics, told))


def leave(model: keras.Model) -> None:
    """Watches no more."""
    if isinstance(vars(model).get(_NAME), _Watched):
        object.__delattr__(model, _NAME)


def reset(model: keras.Model) -> None:
    """Resets the metrics without a word."""
    method = model.reset_metrics
    method.original() if isinstance(method, _Watched) else method()
