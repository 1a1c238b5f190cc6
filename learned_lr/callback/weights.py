"""The weights of a model in the middle of its training: brought up to date, copied, put back."""

from __future__ import annotations

import itertools

import keras
import numpy as np

from learned_lr.callback import backends, optimizers


class Snapshot:
    """The weights of a model and the state of its optimizer at one moment, to go back to."""

    def __init__(self, model: keras.Model):
        """Copies everything into host memory."""
        backends.sync(model)
        self._weights = [np.array(backends.to_numpy(v)) for v in model.weights]
        self._optimizer = [
            np.array(backends.to_numpy(v))
            for v in optimizers.variables(model.optimizer)
        ]

    def restore(self, model: keras.Model) -> None:
        """Puts it back; what the optimizer had not made yet at that moment becomes zero."""
        backends.sync(model)
        for variable, value in zip(model.weights, self._weights):
            variable.assign(value)
        variables = optimizers.variables(model.optimizer)
        for variable, value in itertools.zip_longest(variables, self._optimizer):
            if value is None:
                value = np.zeros(
                    tuple(variable.shape), backends.to_numpy(variable).dtype
                )
            variable.assign(value)

    def is_finite(self) -> bool:
        """Whether no weight is NaN or infinite."""
        return all(np.all(np.isfinite(w)) for w in self._weights if w.dtype.kind == "f")
