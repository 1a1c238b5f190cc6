"""A network that a rate kills is brought back to life, in every Keras."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from learned_lr import Controller, LearnedLearningRate
from learned_lr.control.base_schedules import BaseSchedule

layers = keras.layers
_NUM_DECISIONS, _INTERVAL = 25, 8


def _lenet():
    model = [
        layers.Input((8, 8, 1)),
        layers.Conv2D(6, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(32, "relu"),
        layers.Dense(16, "relu"),
        layers.Dense(10, "softmax"),
    ]
    model = keras.Sequential(model)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def _always_up():
    """A controller that wants the highest rate at each decision, and a warm-up and cosine."""
    controller = Controller.load("fashion_mnist_lenet5")
    spec = dataclasses.replace(controller.spec, base_schedule=BaseSchedule())
    weights = {**controller.weights}
    name = next(n for n in weights if n.endswith("bias") and weights[n].shape == (1,))
    weights[name] = weights[name] + 100
    return Controller(spec, weights)


def _fit(model, digits, rate, brake_factor):
    x, y, *validation = digits
    callback = LearnedLearningRate(
        _always_up(),
        initial_learning_rate=rate,
        max_learning_rate=rate,
        control_interval=_INTERVAL,
        brake_factor=brake_factor,
        verbose=0,
    )
    model.fit(
        x,
        y,
        epochs=_NUM_DECISIONS * _INTERVAL // 20,
        batch_size=32,
        validation_data=tuple(validation),
        callbacks=[callback],
        verbose=0,
    )
    return callback, model.evaluate(*validation, verbose=0)


@pytest.mark.parametrize("rate", [0.3])
def test_dead_lenet_learns_after_all(digits, rate):
    dead, loss = _fit(_lenet(), digits, rate, None)
    assert loss > 2.25 and dead.num_explosions == 0
    keras.utils.set_random_seed(0)
    with pytest.warns(UserWarning, match="has risen and stays high, or never fell, at"):
        callback, loss = _fit(_lenet(), digits, rate, 5.0)
    assert loss < 2.1
    assert 1 <= callback.num_explosions <= 4
    assert np.all(np.array(callback.schedule.learning_rates) <= rate * (1 + 1e-9))
