"""Steps of the user's own in a training: what is measured of them, what is refused, and that nothing is left behind."""

from __future__ import annotations

import keras
import numpy as np
import own_models
import pytest

from learned_lr.callback import backends, own_steps

layers = keras.layers
_SPARSE = "sparse_categorical_crossentropy"
_PLAIN = own_models.Case(own_models.classifier, {"loss": _SPARSE})


def test_loss_of_each_minibatch_is_averaged(digits):
    """Of such a `test_step` `evaluate` shows the last minibatch alone."""
    model, case = own_models.classifier(own_models.PlainTestStep), _PLAIN
    model.compile("adam", **case.compiled)
    callback = own_models.learned()
    own_models.fit(model, case, own_models.small(digits), callback)
    twin = own_models.classifier()
    twin.compile("adam", **case.compiled)
    twin.set_weights(model.get_weights())
    expected = 2.0 * own_models.evaluated(twin, case, own_models.small(digits))
    assert callback.last_fit.sample.measure()[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["inputs", "batches"])
def test_data_without_targets(digits, kind):
    model, (x, _, x_validation, _) = own_models.Autoencoder(), own_models.small(digits)
    model.compile("adam")
    callback, data = own_models.learned(), (x_validation, None)
    if kind == "batches":
        tf = pytest.importorskip("tensorflow")
        data = tf.data.Dataset.from_tensor_slices(x_validation).batch(64)
    model.fit(x, batch_size=64, verbose=0, validation_data=data, callbacks=[callback])
    expected = model.evaluate(x_validation, batch_size=64, verbose=0)
    assert callback.last_fit.sample.measure()[0] == pytest.approx(expected, rel=1e-6)


_SUM = keras.losses.MeanSquaredError(reduction="sum")


class _Squares(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return own_models.square(y_true - y_pred)


@pytest.mark.parametrize(
    ("kind", "loss", "expected"),
    [
        (keras.Sequential, _SPARSE, False),
        (keras.Sequential, {"a": "mse", "b": keras.losses.mean_squared_error}, False),
        (keras.Sequential, keras.losses.MeanSquaredError(), False),
        (keras.Sequential, _SUM, True),
        (keras.Sequential, ["mse", _SUM], True),
        (keras.Sequential, lambda y, p: own_models.mean(y - p), True),
        (keras.Sequential, _Squares(), True),
        (own_models.OwnComputeLoss, _SPARSE, True),
        (own_models.PlainTrainStep, _SPARSE, True),
        (keras.Sequential, None, True),
        # Keras 2 has none.
        *([] if backends.IS_KERAS_2 else [(keras.Sequential, "dice", True)]),
    ],
)
def test_which_losses_may_depend_on_the_batch_size(kind, loss, expected):
    model = own_models.classifier(kind)
    model.compile("adam", loss)
    assert own_steps.may_depend_on_batch_size(model) is expected
    assert own_steps.may_depend_on_batch_size(model, _SUM)


def test_a_sum_is_measured_on_a_whole_minibatch(digits):
    x, y, *held_out = digits
    sizes = []
    for reduction in ("sum", "sum_over_batch_size"):
        model = own_models.classifier()
        loss = keras.losses.SparseCategoricalCrossentropy(reduction=reduction)
        model.compile("adam", loss)
        callback = own_models.Learned(verbose=0)
        arguments = {"validation_data": held_out, "callbacks": [callback]}
        model.fit(x, y, batch_size=128, epochs=2, verbose=0, **arguments)
        sizes.append(callback.last_fit.sample.num_examples)
    assert sizes == [128, 64]


_REFUSED = {
    "renamed": (
        own_models.RenamedTestStep,
        _SPARSE,
        "test_step of RenamedTestStep to return its 'loss', found .*'total'.*give the callback loss=",
    ),
    "no loss": (keras.Sequential, None, "compiled with a loss, found none: give the"),
    "no targets": (keras.Sequential, _SPARSE, "found inputs alone: give the callback"),
    "forgetful": (
        own_models.ForgetfulComputeLoss,
        _SPARSE,
        "of ForgetfulComputeLoss to return its 'loss', found ..: update a keras.metrics.Mean",
    ),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_refused_before_the_first_step(digits, name):
    if name == "forgetful" and not backends.IS_KERAS_2:
        pytest.skip("Keras 3 tracks what compute_loss returns")
    kind, loss, message = _REFUSED[name]
    model, case = own_models.classifier(kind), own_models.Case(None, {})
    model.compile("adam", loss)
    before = model.get_weights()
    callback = own_models.learned()
    if name == "no targets":
        callback = own_models.learned(validation_data=digits[2])
    with pytest.raises(ValueError, match=message):
        own_models.fit(model, case, own_models.small(digits), callback)
    for expected, found in zip(before, model.get_weights()):
        np.testing.assert_array_equal(found, expected)


def test_a_loss_of_the_callbacks_own(digits):
    """It takes the place of the model's, with the weights of the examples and the model's penalties."""
    case = own_models.Case(None, {}, lambda y: y[:, None] * 1.0, own_models.weights_of)
    model = own_models.network(layers.Dense(1, kernel_regularizer="l2"))
    model.compile("adam", "mae")
    callback = own_models.learned(loss=lambda y, p: (y - p) ** 2)
    own_models.fit(model, case, own_models.small(digits), callback)
    found, _ = callback.last_fit.sample.measure()
    model.compile("adam", "mse")
    expected = own_models.evaluated(model, case, own_models.small(digits))
    assert found == pytest.approx(expected, rel=1e-6)


class Noisy(layers.Layer):
    """Draws random numbers in every mode, as the middle of a variational autoencoder may."""

    def __init__(self):
        super().__init__()
        if not backends.IS_KERAS_2:
            self._seeds = keras.random.SeedGenerator(1)

    def call(self, inputs):
        if backends.IS_KERAS_2:
            return inputs
        noise = keras.random.normal((1, 16), seed=self._seeds)
        return inputs + 0.1 * noise


def test_metrics_and_seeds_are_put_back(digits, compiled):
    """At one fixed rate the logs are those of a training without the callback, to the last bit."""
    histories = []
    fixed = {f"{name}_learning_rate": 2e-3 for name in ("initial", "min", "max")}
    controller = (
        "fashion_mnist_lenet5"  # Without a base schedule, so that the rate stays.
    )
    for callbacks in (
        [],
        [own_models.learned(controller=controller, control_interval=1, **fixed)],
    ):
        keras.utils.set_random_seed(0)
        model = own_models.network(Noisy(), layers.Dense(10, "softmax"))
        for variable, value in zip(model.weights, compiled().get_weights()):
            variable.assign(value)
        model.compile(keras.optimizers.Adam(2e-3), _SPARSE, metrics=["accuracy"])
        x, y, x_validation, y_validation = own_models.small(digits)
        history = model.fit(
            x,
            y,
            batch_size=32,
            epochs=2,
            shuffle=False,
            verbose=0,
            validation_data=(x_validation, y_validation),
            callbacks=callbacks,
        )
        histories.append(history.history)
    for name in ("loss", "accuracy"):
        assert histories[0][name] == histories[1][name]
