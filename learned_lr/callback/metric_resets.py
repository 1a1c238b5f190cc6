"""Tells when something else resets a model's metrics while its fit lasts, as `evaluate` in the middle of an epoch does."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import keras

_NAME = "reset_metrics"


class _Watched:
    """A model's `reset_metrics` that tells before it resets, as long as who is told lives."""

    def __init__(
        self,
        original: Callable[[], None],
        is_of_class: bool,
        told: Callable[[], None],
    ):
        self.original, self.is_of_class = original, is_of_class
        self._told = weakref.WeakMethod(told)

    def __call__(self) -> None:
        told = self._told()
        if told is not None:
            told()
        self.original()


def watch(model: keras.Model, told: Callable[[], None]) -> None:
    """Calls a method of an object before each reset, until `leave` or the object's end."""
    leave(model)
    is_of_class = _NAME not in vars(model)
    _set(model, _Watched(model.reset_metrics, is_of_class, told))


def leave(model: keras.Model) -> None:
    """Watches no more; a method that was the model's own, not its class's, is so again."""
    watched = vars(model).get(_NAME)
    if not isinstance(watched, _Watched):
        return
    if watched.is_of_class:
        object.__delattr__(model, _NAME)
    else:
        _set(model, watched.original)


def reset(model: keras.Model) -> None:
    """Resets the metrics without a word."""
    method = model.reset_metrics
    method.original() if isinstance(method, _Watched) else method()


def _set(model: keras.Model, method: Callable[[], None]) -> None:
    """Sets it past Keras, which tracks what is set."""
    object.__setattr__(model, _NAME, method)
