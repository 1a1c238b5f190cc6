"""Copies of weights and of the optimizer's state, and the way back to them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from learned_lr.callback import backends, optimizers, weights
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


def _of_kind(model, part):
    """The optimizer's variables with this in their names, as arrays."""
    found = optimizers.variables(model.optimizer)
    found = [v for v in found if part in getattr(v, "path", v.name)]
    return [np.array(backends.to_numpy(v)) for v in found]


def test_averages_begin_with_the_weights_again(digits, compiled):
    model = compiled(optimizer=keras.optimizers.Adam(use_ema=True))
    before, snapshot = model.get_weights(), Snapshot(model)
    _train(model, digits)
    snapshot.restore(model)
    found = _of_kind(model, "average")
    assert len(found) == len(before)
    for average, weight in zip(found, before):
        np.testing.assert_array_equal(average, weight)
    _train(model, digits)  # Nothing that is shared is in the way.


# On JAX a second `fit` with use_ema=True fails in Keras itself, with or without a copy in between.
@pytest.mark.backends("tensorflow", "torch")
def test_averages_of_later_are_put_back(digits, compiled):
    model = compiled(optimizer=keras.optimizers.Adam(0.1, use_ema=True))
    _train(model, digits)
    before, snapshot = _of_kind(model, "average"), Snapshot(model)
    _train(model, digits)
    snapshot.restore(model)
    for found, expected in zip(_of_kind(model, "average"), before):
        np.testing.assert_array_equal(found, expected)


def test_accumulators_go_back_to_where_they_begin(digits, compiled):
    optimizer = keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.25)
    model = compiled(optimizer=optimizer)
    snapshot = Snapshot(model)
    _train(model, digits)
    assert np.max(_of_kind(model, "accumulator")[0]) > 0.25
    snapshot.restore(model)
    for found in _of_kind(model, "accumulator"):
        np.testing.assert_array_equal(found, np.full_like(found, 0.25))


@pytest.mark.skipif(backends.IS_KERAS_2, reason="Keras 2 accumulates no gradients")
def test_accumulated_gradients_and_their_count(digits, compiled):
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=2)
    model = compiled(optimizer=optimizer)
    snapshot = Snapshot(model)
    _train(model, digits)
    snapshot.restore(model)
    assert int(backends.to_numpy(optimizer._iterations)) == 3
    accumulators = _of_kind(model, "gradient_accumulator")
    assert len(accumulators) == 4 and not any(map(np.any, accumulators))
    # A gradient may be NaN where the loss and the weights are finite.
    variable = next(
        v for v in optimizer.variables if v.path.endswith("kernel_gradient_accumulator")
    )
    variable.assign(np.full(tuple(variable.shape), np.nan, np.float32))
    assert weights.are_finite(model) and not Snapshot(model).is_finite()
