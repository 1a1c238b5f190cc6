"""The loss measured on a held-out sample is the compiled one, whatever the model."""

from __future__ import annotations

import math

import keras
import numpy as np
import own_models
import pytest

from learned_lr.callback import backends
from learned_lr.callback.held_out_sample import HeldOutSample, untrained_loss

layers = keras.layers


def _fit(model, digits, callback, epochs=1):
    x, y, *validation = digits
    model.fit(
        x,
        y,
        epochs=epochs,
        batch_size=64,
        verbose=0,
        validation_data=tuple(validation),
        callbacks=[callback],
    )


def _quiet(**arguments):
    return own_models.Learned(verbose=0, **arguments)


def _two_outputs():
    inputs = layers.Input((8, 8, 1))
    x = layers.Dense(16, "relu")(layers.Flatten()(inputs))
    digit = layers.Dense(10, "softmax", name="digit")(x)
    size = layers.Dense(1, name="size")(x)
    return inputs, digit, size


_CASES = {
    "probabilities": ([layers.Dense(10, "softmax")], "sparse_categorical_crossentropy"),
    "logits": (
        [layers.Dense(10)],
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ),
    "penalties": (
        [layers.Dense(10, "softmax", kernel_regularizer="l2")],
        "sparse_categorical_crossentropy",
    ),
    "regression": ([layers.Dense(1)], "mse"),
    "Huber": ([layers.Dense(1)], keras.losses.Huber()),
}


@pytest.mark.parametrize("case", _CASES)
def test_measured_loss_is_that_of_evaluate(digits, compiled, case):
    last, loss = _CASES[case]
    x, y, x_validation, y_validation = digits
    if case in ("regression", "Huber"):  # Targets (n,) for predictions (n, 1).
        y, y_validation = y.astype(np.float32), y_validation.astype(np.float32)
    copies = [type(layer).from_config(layer.get_config()) for layer in last]
    model = compiled([layers.Input((8, 8, 1)), layers.Flatten(), *copies], loss=loss)
    callback = _quiet(controller="fashion_mnist_lenet5", validation_batch=256)
    _fit(model, (x, y, x_validation, y_validation), callback, epochs=1)
    found, predictions = callback.last_fit.sample.measure()
    expected = model.evaluate(x_validation, y_validation, batch_size=64, verbose=0)
    assert found == pytest.approx(expected, rel=1e-5)
    assert predictions.dtype == np.float32
    if case == "logits":
        np.testing.assert_allclose(predictions.sum(1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("weights", [None, {"digit": 2.0, "size": 0.1}])
def test_several_outputs(digits, compiled, weights):
    """The loss is the compiled one; a controller that needs one output's statistics says so."""
    inputs, digit, size = _two_outputs()
    model = compiled(
        keras.Model(inputs, {"digit": digit, "size": size}),
        loss={"digit": "sparse_categorical_crossentropy", "size": "mse"},
        loss_weights=weights,
    )
    x, y, x_validation, y_validation = digits

    def targets(y):
        return {"digit": y, "size": y.astype(np.float32)[:, None]}

    data = x, targets(y), x_validation, targets(y_validation)
    callback = _quiet(controller="fashion_mnist_lenet5", validation_batch=256)
    with pytest.raises(ValueError, match="found no predictions and no final dense"):
        _fit(model, data, callback)
    callback = _quiet(validation_batch=256)  # The default needs none of them.
    _fit(model, data, callback)
    found, predictions = callback.last_fit.sample.measure()
    expected = model.evaluate(*data[2:], batch_size=64, verbose=0, return_dict=True)
    assert predictions is None
    assert found == pytest.approx(expected["loss"], rel=1e-5)


def test_loss_that_is_not_compiled_in(digits):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.flatten, self.head = layers.Flatten(), layers.Dense(10)

        def call(self, inputs, training=False):
            return self.head(self.flatten(inputs))

    model = Own()
    model(backends.to_tensor(digits[0][:1]))
    model.compile("adam")
    callback = _quiet()
    with pytest.raises(ValueError, match="give the callback loss="):
        _fit(model, digits, callback)


def test_untrained_loss(digits, compiled):
    model = compiled()
    sample = HeldOutSample(model, *digits[:2], batch_size=64)
    expected = model.evaluate(*digits[:2], batch_size=64, verbose=0)
    assert untrained_loss(2.5, None) == 2.5
    assert untrained_loss(2.5, sample) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="finite loss of the untrained model"):
        untrained_loss(math.nan, None)
    with pytest.raises(ValueError, match="the held-out examples, found inf"):
        untrained_loss(math.inf, sample)
