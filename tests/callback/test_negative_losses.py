"""Losses of 0 and below, as log-likelihoods have: no alarm, no action on logarithms that aren't, one warning."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import own_models

from learned_lr import LearnedLearningRate

layers = keras.layers


def _fit(digits, offset, **arguments):
    """Trains towards 0 with the mean square less an offset; returns (callback, train losses by epoch, warnings)."""

    def loss(y, p):
        return own_models.mean(own_models.square(y - p), axis=-1) - offset

    x, y, x_validation, y_validation = digits
    model = own_models.network(layers.Dense(1))
    model.compile(keras.optimizers.Adam(), loss)
    callback = LearnedLearningRate(verbose=0, **arguments)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        history = model.fit(
            x,
            0.0 * y[:, None],
            batch_size=32,
            epochs=3,
            verbose=0,
            validation_data=(x_validation, 0.0 * y_validation[:, None]),
            callbacks=[callback],
        )
    said = [str(w.message) for w in warned if "LearnedLearningRate" in str(w.message)]
    said += [
        str(w.message) for w in warned if "Expected losses above 0" in str(w.message)
    ]
    return callback, history.history["loss"], said


def test_a_run_below_zero_follows_the_base_schedule(digits):
    callback, losses, said = _fit(digits, 9.0)
    assert max(losses) < 0
    assert callback.num_explosions == 0
    (message,) = said
    assert "the rate follows the base schedule" in message
    base = callback.controller.spec.base_schedule
    level = callback.controller.spec.first_level(False)
    expected = [level * base.multiplier(step, 60) for step in range(60)]
    rates = callback.schedule.learning_rates
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_a_run_that_falls_below_zero_keeps_the_level_it_has_there(digits):
    callback, losses, said = _fit(digits, 1e-2, initial_learning_rate=1e-2)
    assert losses[0] > 0 > losses[-1]
    assert callback.num_explosions == 0
    assert len(said) == 1
    levels = callback._run.loop.state()["rows"][:, 1].tolist()
    assert len(set(levels)) > 1
    assert len(set(levels[-5:])) == 1
