"""The loss measured in the middle of a training is the one that `evaluate` finds on the same rows."""

from __future__ import annotations

import keras
import numpy as np
import own_models
import pytest

from learned_lr.callback import backends

layers = keras.layers
_SPARSE = "sparse_categorical_crossentropy"


def _outputs(kind):
    """Two outputs, in a dict or a list."""
    inputs = layers.Input((8, 8, 1))
    x = layers.Dense(16, "relu")(layers.Flatten()(inputs))
    digit = layers.Dense(10, "softmax", name="digit")(x)
    size = layers.Dense(1, name="size")(x)
    outputs = {"digit": digit, "size": size} if kind is dict else [digit, size]
    return keras.Model(inputs, outputs)


def _sequence():
    """Tokens of which zeros are masked, and a prediction each."""
    last = [layers.Embedding(10, 4, mask_zero=True), layers.Dense(10, "softmax")]
    return keras.Sequential([layers.Input((8,), dtype="int32"), *last])


def _added():
    class Penalised(layers.Layer):
        def call(self, inputs):
            self.add_loss(0.01 * own_models.mean(own_models.square(inputs)))
            return inputs

    return own_models.network(Penalised(), layers.Dense(10, "softmax"))


def _mixed():
    policy = "mixed_bfloat16"
    return keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(16, "relu", dtype=policy),
            layers.Dense(10, "softmax", dtype=policy),
        ]
    )


def _one_hot(y):
    return np.eye(10, dtype=np.float32)[y]


def _number(y):
    return y.astype(np.float32)[:, None]


def _both(kind):
    def targets(y):
        return {"digit": y, "size": _number(y)} if kind is dict else [y, _number(y)]

    return targets


def _tokens(x):
    return (x[:, 3, :, 0] * 9).astype(np.int32)


def _repeated(y):
    return np.tile(y[:, None], 8)


def _temporal(y):
    return (
        np.linspace(0.1, 5.0, 8, dtype=np.float32) * own_models.weights_of(y)[:, None]
    )


def _square(y, p):
    return own_models.mean(own_models.square(y - p), axis=-1)


def _scores():
    return own_models.network(layers.Dense(1))


_CASES = {
    "probabilities": own_models.Case(own_models.classifier, {"loss": _SPARSE}),
    "metrics": own_models.Case(
        own_models.classifier, {"loss": _SPARSE, "metrics": ["accuracy"]}
    ),
    "logits": own_models.Case(
        lambda: own_models.network(layers.Dense(10)),
        {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True)},
    ),
    "logits of a function": own_models.Case(
        lambda: own_models.network(layers.Dense(10)),
        {
            "loss": lambda y, p: keras.losses.sparse_categorical_crossentropy(
                y, p, from_logits=True
            )
        },
    ),
    "function": own_models.Case(_scores, {"loss": _square}, _number),
    "function of a scalar": own_models.Case(
        _scores, {"loss": lambda y, p: own_models.mean(_square(y, p))}, _number
    ),
    "function of flat targets": own_models.Case(
        _scores, {"loss": _square}, lambda y: y * 1.0
    ),
    "flat targets": own_models.Case(_scores, {"loss": "mae"}, lambda y: y * 1.0),
    "label smoothing": own_models.Case(
        own_models.classifier,
        {"loss": keras.losses.CategoricalCrossentropy(label_smoothing=0.2)},
        _one_hot,
    ),
    "sum": own_models.Case(
        own_models.classifier,
        {"loss": keras.losses.SparseCategoricalCrossentropy(reduction="sum")},
    ),
    "regularizer": own_models.Case(
        lambda: own_models.network(
            layers.Dense(10, "softmax", kernel_regularizer="l2")
        ),
        {"loss": _SPARSE},
    ),
    "add_loss": own_models.Case(_added, {"loss": _SPARSE}),
    "mixed precision": own_models.Case(_mixed, {"loss": _SPARSE}),
    "dict": own_models.Case(
        lambda: _outputs(dict),
        {
            "loss": {"digit": _SPARSE, "size": "mse"},
            "loss_weights": {"digit": 2.0, "size": 0.1},
        },
        _both(dict),
    ),
    "list": own_models.Case(
        lambda: _outputs(list),
        {"loss": [_SPARSE, "mse"], "loss_weights": [0.3, 2.0]},
        _both(list),
    ),
    "one loss of two outputs": own_models.Case(
        lambda: _outputs(dict), {"loss": {"digit": _SPARSE}}, _both(dict)
    ),
    "weights": own_models.Case(
        own_models.classifier, {"loss": _SPARSE}, weights=own_models.weights_of
    ),
    "weights of outputs": own_models.Case(
        lambda: _outputs(dict),
        {"loss": {"digit": _SPARSE, "size": "mse"}},
        _both(dict),
        lambda y: {
            "digit": own_models.weights_of(y),
            "size": own_models.weights_of(9 - y),
        },
    ),
    "masked tokens": own_models.Case(
        _sequence, {"loss": _SPARSE}, _repeated, inputs=_tokens
    ),
    "temporal weights": own_models.Case(
        _sequence, {"loss": _SPARSE}, _repeated, _temporal, _tokens
    ),
    "own compute_loss": own_models.Case(
        lambda: own_models.classifier(own_models.OwnComputeLoss), {"loss": _SPARSE}
    ),
    "own train_step": own_models.Case(
        lambda: own_models.classifier(own_models.TrackingTrainStep), {"loss": _SPARSE}
    ),
    "plain train_step": own_models.Case(
        lambda: own_models.classifier(own_models.PlainTrainStep), {"loss": _SPARSE}
    ),
    "loss added inside, no targets": own_models.Case(
        own_models.Autoencoder, {"loss": None}, lambda y: None
    ),
}

if not backends.IS_KERAS_2:
    _CASES["weighted mean"] = own_models.Case(
        own_models.classifier,
        {
            "loss": keras.losses.SparseCategoricalCrossentropy(
                reduction="mean_with_sample_weight"
            )
        },
        weights=own_models.weights_of,
    )


@pytest.mark.parametrize("name", _CASES)
def test_loss_is_that_of_evaluate(digits, name):
    case, callback = _CASES[name], own_models.learned()
    model = case.model()
    model.compile("adam", **case.compiled)
    own_models.fit(model, case, own_models.small(digits), callback)
    found, _ = callback.last_fit.sample.measure()
    expected = own_models.evaluated(model, case, own_models.small(digits))
    assert found == pytest.approx(expected, rel=1e-6)
