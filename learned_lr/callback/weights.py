"""The weights of a model in the middle of its training: brought up to date, copied, put back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import keras
import numpy as np

from learned_lr.callback import backends, optimizers
from learned_lr.control import weight_path
from learned_lr.control.weight_path import WeightSample

# Entries. A larger array is thinned out on its device, a smaller one in host memory, where a copy costs less.
_MAX_COPIED = 100_000


def are_finite(model: keras.Model) -> bool:
    """Whether no weight is NaN or infinite."""
    backends.sync(model)
    return _is_finite(map(backends.to_numpy, model.weights))


def sample(model: keras.Model) -> WeightSample:
    """Returns a sample of the trainable weights, which have to be in sync; empty for a model without."""
    variables = model.trainable_variables
    shapes = tuple(tuple(variable.shape) for variable in variables)
    parts = [np.zeros(0, np.float32)]
    for variable, shape in zip(variables, shapes):
        step = weight_path.stride(shape)
        if np.prod(shape) <= _MAX_COPIED:
            part = backends.to_numpy(variable).reshape(-1)[::step]
        else:
            part = backends.to_numpy(backends.thinned(variable, step))
        parts.append(part)
    return WeightSample(np.concatenate(parts).astype(np.float32, copy=False), shapes)


class Snapshot:
    """The weights of a model and the state of its optimizer at one moment, to go back to."""

    def __init__(self, model: keras.Model):
        """Copies everything into host memory."""
        backends.sync(model)
        # Else what it makes at its first step, accumulators above 0 among it, would have no value to go back to.
        optimizers.build(model)
        self._is_untrained = optimizers.num_updates(model.optimizer) == 0
        # With their variables: a layer that is made later may come before others in the model's list.
        self._weights = [(v, np.array(backends.to_numpy(v))) for v in model.weights]
        self._optimizer = [
            np.array(backends.to_numpy(v))
            for v in optimizers.variables(model.optimizer)
        ]

    def restore(self, model: keras.Model) -> None:
        """Puts it back; what the optimizer had not made yet at that moment becomes zero."""
        backends.sync(model)
        for variable, value in self._weights:
            variable.assign(value)
        variables = optimizers.variables(model.optimizer)
        for variable, value in itertools.zip_longest(variables, self._optimizer):
            if value is None:
                value = np.zeros(
                    tuple(variable.shape), backends.to_numpy(variable).dtype
                )
            variable.assign(value)
        if self._is_untrained:
            optimizers.begin_averages(model.optimizer)

    def is_finite(self) -> bool:
        """Whether nothing is NaN or infinite; gradients that accumulate may be before any weight is."""
        weights = (value for _, value in self._weights)
        return _is_finite(weights) and _is_finite(self._optimizer)

    def is_whole(self, model: keras.Model) -> bool:
        """Whether it has all weights that a model has by now."""
        return len(self._weights) == len(model.weights)


def _is_finite(arrays: Iterable[np.ndarray]) -> bool:
    return all(np.all(np.isfinite(a)) for a in arrays if a.dtype.kind == "f")
