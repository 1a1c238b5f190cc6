"""Copies of a callback that has run, and a `fit` that is given one without a list, in every Keras."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

from learned_lr import LearnedLearningRate


def _fit(model, digits, callbacks):
    x, y, *validation = digits
    return model.fit(
        x,
        y,
        epochs=2,
        batch_size=64,
        shuffle=False,
        validation_data=tuple(validation),
        callbacks=callbacks,
        verbose=0,
    ).history


@pytest.fixture(name="used")
def _used(digits, compiled):
    callback = LearnedLearningRate(
        control_interval=4, initial_learning_rate=0.004, verbose=0
    )
    callback.history = _fit(compiled(), digits, [callback])
    return callback


def _pickled(callback):
    return pickle.loads(pickle.dumps(callback))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, _pickled])
def test_copy_has_the_arguments_and_no_run(digits, compiled, used, copied):
    rates = used.schedule.learning_rates
    new = copied(used)
    assert 0 < used.measuring_fraction < 1 and math.isnan(new.measuring_fraction)
    with pytest.raises(ValueError, match=r"Expected a fit\(\) before schedule"):
        _ = new.schedule
    history = _fit(compiled(), digits, [new])
    assert used.schedule.learning_rates == rates
    assert new.schedule.steps == used.schedule.steps
    np.testing.assert_allclose(new.schedule.learning_rates, rates, rtol=1e-5)
    np.testing.assert_allclose(history["loss"], used.history["loss"], rtol=1e-5)


def test_deep_copy_shares_the_data():
    data = np.zeros((4, 2)), np.zeros(4)
    callback = LearnedLearningRate(validation_data=data, verbose=0)
    new = copy.deepcopy({"a callback": callback})["a callback"]
    assert new is not callback
    assert new.validation_data is data and new.controller is callback.controller


def test_no_list_is_needed(digits, compiled, used):
    alone = LearnedLearningRate(
        control_interval=4, initial_learning_rate=0.004, verbose=0
    )
    history = _fit(compiled(), digits, alone)
    np.testing.assert_allclose(history["loss"], used.history["loss"], rtol=1e-5)
    rates = used.schedule.learning_rates
    np.testing.assert_allclose(alone.schedule.learning_rates, rates, rtol=1e-5)
