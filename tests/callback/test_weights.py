"""Copies of weights and of the optimizer's state, and the way back to them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from learned_lr.callback import backends, optimizers
from learned_lr.callback.weights import Snapshot


def _state(model):
    variables = [*model.weights, *optimizers.variables(model.optimizer)]
    return [np.array(backends.to_numpy(v)) for v in variables]


def _train(model, digits):
    model.fit(*digits[:2], batch_size=32, steps_per_epoch=3, verbose=0)


def test_everything_is_put_back(digits, compiled):
    model = compiled()
    _train(model, digits)
    before, snapshot = _state(model), Snapshot(model)
    _train(model, digits)
    assert not np.array_equal(_state(model)[0], before[0])
    snapshot.restore(model)
    for found, expected in zip(_state(model), before):
        np.testing.assert_array_equal(found, expected)


def test_moments_from_before_the_first_step_are_zero(digits, compiled):
    model = compiled()
    before, snapshot = model.get_weights(), Snapshot(model)
    _train(model, digits)
    snapshot.restore(model)
    for found, expected in zip(model.get_weights(), before):
        np.testing.assert_array_equal(found, expected)
    moments = [v for v in optimizers.variables(model.optimizer) if len(v.shape)]
    assert len(moments) == 8
    for moment in moments:
        assert not np.any(backends.to_numpy(moment))


def _of_dtype(dtype):
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(10, "softmax", dtype=dtype),
        ]
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_weights_are_noticed_and_healed(compiled, dtype, bad):
    model = compiled(_of_dtype(dtype))
    kernel, snapshot = model.layers[-1].kernel, Snapshot(model)
    assert snapshot.is_finite()
    before = np.array(backends.to_numpy(kernel))
    values = before.copy()
    values[3, 4] = bad
    kernel.assign(values)
    assert not Snapshot(model).is_finite()
    snapshot.restore(model)
    np.testing.assert_array_equal(backends.to_numpy(kernel), before)
