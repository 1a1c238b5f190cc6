"""Digits and small models, for every Keras: these tests run in environments without TF-Agents as well."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import sklearn.datasets

from learned_lr.callback import backends


def pytest_collection_modifyitems(items):
    """Skips what a backend can't do: `@pytest.mark.backends('tensorflow', 'jax')`."""
    for item in items:
        for mark in item.iter_markers("backends"):
            if backends.name() not in mark.args:
                item.add_marker(pytest.mark.skip(f"only for {', '.join(mark.args)}"))


@pytest.fixture(scope="session")
def digits():
    """(x, y, x_validation, y_validation), images float32 `[n, 8, 8, 1]` in [0, 1]."""
    data = sklearn.datasets.load_digits()
    x = (data.images / 16).astype(np.float32)[..., None]
    y = data.target.astype(np.int32)
    return x[:640], y[:640], x[640:896], y[640:896]


@pytest.fixture(autouse=True)
def _same_seeds():
    keras.utils.set_random_seed(0)
    yield
    keras.backend.clear_session()


@pytest.fixture(scope="session")
def compiled():
    """Makes a compiled model: by default two dense layers on images, weights from numpy."""

    def make(layers=None, optimizer="adam", loss=None, **arguments):
        if layers is None:
            layers = [
                keras.layers.Input((8, 8, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(16, activation="relu"),
                keras.layers.Dense(10, activation="softmax"),
            ]
        model = keras.Sequential(layers) if isinstance(layers, list) else layers
        generator = np.random.default_rng(0)
        for variable in model.trainable_variables:
            if len(variable.shape) > 1:
                fan_in = np.prod(variable.shape[:-1])
                values = generator.normal(0, fan_in**-0.5, tuple(variable.shape))
                variable.assign(values.astype(np.float32))
        loss = "sparse_categorical_crossentropy" if loss is None else loss
        model.compile(optimizer, loss, **arguments)
        return model

    return make
