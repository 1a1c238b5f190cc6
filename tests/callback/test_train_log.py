"""The train loss of an interval, whatever `train_step` logs and whatever weighs it."""

from __future__ import annotations

import keras
import numpy as np
import own_models
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends, own_steps, train_log
from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.callback.running_fit import FitArguments
from learned_lr.callback.train_log import TrainLog

layers = keras.layers
_INTERVAL = 3


class Logged(keras.callbacks.Callback):
    """Keeps the loss in the log of each training batch."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))


@pytest.fixture
def observed(monkeypatch):
    """The train losses that the controller was shown, but for that of the untrained model."""
    found, observe = [], ControlledRun.observe

    def record(self, train_loss, *others):
        if self.step:
            found.append(train_loss)
        observe(self, train_loss, *others)

    monkeypatch.setattr(ControlledRun, "observe", record)
    return found


def _model(kind, loss="sparse_categorical_crossentropy", **arguments):
    inner = [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10, "softmax")]
    model = kind(inner)
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(0, 0.1, w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.SGD(), loss, **arguments)
    return model


def _fit(model, digits, *callbacks, **arguments):
    x, y, *held_out = digits
    model.fit(
        x[:160],
        y[:160],
        batch_size=16,
        epochs=2,
        shuffle=False,
        verbose=0,
        validation_data=tuple(part[:64] for part in held_out),
        callbacks=list(callbacks),
        **arguments,
    )


def _learned(**arguments):
    return LearnedLearningRate(control_interval=_INTERVAL, verbose=0, **arguments)


def test_losses_of_single_minibatches(digits, observed):
    """Taken for running means they would give other losses, negative ones among them."""
    logged, callback = Logged(), _learned()
    _fit(_model(own_models.PlainTrainStep), digits, callback, logged)
    assert callback._run.losses.is_running_mean is False
    expected = np.mean(np.reshape(logged.losses[:18], (-1, _INTERVAL)), axis=1)
    np.testing.assert_allclose(observed, expected, rtol=1e-6)
    assert callback.num_explosions == 0


@pytest.mark.parametrize("kind", [keras.Sequential, own_models.TrackingTrainStep])
def test_running_means(digits, observed, kind):
    logged, callback = Logged(), _learned()
    _fit(_model(kind), digits, callback, logged)
    assert callback._run.losses.is_running_mean is True
    means = np.reshape(logged.losses, (2, 10))
    single = np.diff(means * np.arange(1, 11), prepend=0.0).ravel()
    expected = np.mean(np.reshape(single[:18], (-1, _INTERVAL)), axis=1)
    np.testing.assert_allclose(observed, expected, rtol=1e-4)


def test_minibatches_weigh_as_many_examples_as_they_have(digits, observed):
    """Keras' running mean is one of examples; by the number of minibatches a difference of two may be below 0."""
    x, y, *held_out = digits
    y = np.where(np.arange(len(y)) < 48, 0, y)  # Easy where minibatches are small.
    ends = np.cumsum([8] * 6 + [64] * 3)

    def minibatches():
        while True:
            for start, end in zip([0, *ends], ends):
                yield x[start:end], y[start:end]

    logged, callback = Logged(), _learned()
    model = _model(keras.Sequential)
    model.fit(
        minibatches(),
        steps_per_epoch=9,
        epochs=2,
        verbose=0,
        validation_data=tuple(held_out),
        callbacks=[callback, logged],
    )
    sums = np.reshape(logged.losses, (2, 9)) * ends
    single = np.diff(sums, prepend=0.0).reshape(-1, _INTERVAL).sum(axis=1)
    sizes = np.diff([0, *ends]).reshape(-1, _INTERVAL).sum(axis=1)
    expected = single / np.tile(sizes, 2)
    np.testing.assert_allclose(observed, expected[: len(observed)], rtol=1e-4)
    assert len(observed) >= 5


@pytest.mark.skipif(not backends.IS_KERAS_2, reason="written for one stack")
def test_a_metric_that_agrees_with_the_logged_loss_for_a_while(digits, observed):
    """Of an own step's mean of minibatches and a metric of examples, until the last minibatch, which is shorter."""
    import tensorflow as tf

    class Model(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                predictions = self(x, training=True)
                loss = tf.reduce_mean(keras.losses.mean_squared_error(y, predictions))
            self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
            self.tracker.update_state(loss)
            self.compiled_metrics.update_state(y, predictions)
            return {"loss": self.tracker.result()}

    logged, callback = Logged(), _learned()
    model = _model(Model, "mse", metrics=["mse"])
    model.tracker = keras.metrics.Mean(name="train_loss")
    x, targets = digits[0][:76], np.eye(10)[digits[1][:76]]
    model.fit(
        x,
        targets,
        batch_size=16,
        epochs=4,
        shuffle=False,
        verbose=0,
        validation_data=(x, targets),
        callbacks=[callback, logged],
    )
    sums = np.reshape(logged.losses, (4, 5)) * np.arange(1, 6)
    single = np.diff(sums, prepend=0.0).ravel()
    expected = single[:18].reshape(-1, _INTERVAL).mean(axis=1)
    np.testing.assert_allclose(observed[:6], expected, rtol=1e-3)
    assert len(observed) >= 6


@pytest.mark.backends("tensorflow", "jax")  # Keras refuses them on PyTorch.
def test_several_steps_an_execution(digits, observed):
    logged, callback = Logged(), _learned()
    model = _model(own_models.PlainTrainStep, steps_per_execution=2)
    _fit(model, digits, callback, logged)
    # A decision every second execution, with the last loss of each.
    expected = np.mean(np.reshape(logged.losses[:8], (-1, 2)), axis=1)
    np.testing.assert_allclose(observed, expected, rtol=1e-6)


class Nameless(own_models.PlainTrainStep):
    """Logs its loss under another name."""

    def train_step(self, *arguments):
        found = super().train_step(*arguments)
        if isinstance(found, tuple):
            return {"total": found[0]["loss"]}, found[1]
        return {"total": found["loss"]}


def test_missing_loss_is_told_after_one_step(digits):
    callback = _learned()
    with pytest.raises(ValueError, match="found .'total'.: a train_step of your own"):
        _fit(_model(Nameless), digits, callback)
    assert callback._run.step == 1


@pytest.mark.parametrize("name", ["class_weight", "sample_weight"])
def test_weights_leave_the_features_as_they_are(digits, observed, name):
    """Weights that are all 40 make a train loss 40 times as high, and say nothing of the training."""
    weights = dict.fromkeys(range(10), 40.0)
    if name == "sample_weight":
        weights = np.full(160, 40.0, np.float32)
    fixed = {f"{name}_learning_rate": 1e-6 for name in ("initial", "min", "max")}
    _fit(_model(keras.Sequential), digits, _learned(**fixed), **{name: weights})
    plain = observed[:]
    observed.clear()
    _fit(_model(keras.Sequential), digits, _learned(**fixed))
    np.testing.assert_allclose(plain, observed, rtol=1e-3)


_TARGETS = np.array([0, 0, 0, 1])
_TWO = {"a": _TARGETS, "b": _TARGETS}


@pytest.mark.parametrize(
    "arguments, held_out, expected",
    [
        ({}, None, 1.0),
        ({"targets": _TARGETS}, None, 1.0),
        ({"targets": _TARGETS, "class_weight": {0: 1.0, 1: 9.0}}, None, 1 / 3),
        # One-hot, and a class without a weight, which has 1.
        ({"targets": np.eye(2)[_TARGETS], "class_weight": {1: 9.0}}, None, 1 / 3),
        # A pipeline: the classes of the held-out examples, half and half.
        ({"class_weight": {0: 1.0, 1: 9.0}}, None, 1 / 5),
        ({"targets": _TARGETS, "sample_weight": np.full(4, 8.0)}, None, 1 / 8),
        ({"targets": _TARGETS, "sample_weight": np.full(4, 8.0)}, np.full(2, 4.0), 0.5),
        ({"targets": _TARGETS}, np.full((2, 3), 4.0), 4.0),
        ({}, np.full(2, 4.0), 1.0),  # A pipeline that may have weights, too.
        ({"targets": _TARGETS, "sample_weight": np.zeros(4)}, None, 1.0),
        # What part of the loss an output has can't be seen.
        ({"targets": _TWO, "sample_weight": {"b": np.full(4, 8.0)}}, None, 1.0),
        ({"targets": _TWO}, {"a": np.ones(2), "b": np.full(2, 8.0)}, 1.0),
        ({"targets": _TWO, "sample_weight": {n: np.full(4, 8.0) for n in _TWO}}, None, 1 / 8),
        ({"targets": _TWO, "sample_weight": np.full(4, 8.0)}, None, 1 / 8),
    ],
)  # fmt: skip
def test_scale(arguments, held_out, expected):
    fit = FitArguments(None, **arguments)
    found = train_log.find(_model(keras.Sequential), fit, np.array([0, 1]), held_out)
    assert found == TrainLog(True, pytest.approx(expected))


@pytest.mark.skipif(backends.IS_KERAS_2, reason="only in Keras 3")
def test_a_weighted_mean_has_no_scale():
    loss = keras.losses.SparseCategoricalCrossentropy(
        reduction="mean_with_sample_weight"
    )
    fit = FitArguments(None, targets=_TARGETS, sample_weight=np.full(4, 8.0))
    assert train_log.find(_model(keras.Sequential, loss), fit, None, None).scale == 1.0


def test_own_steps_are_told_from_those_of_keras():
    plain, own = _model(keras.Sequential), _model(own_models.PlainTestStep)
    names = "train_step", "test_step", "compute_loss"
    assert [own_steps.is_own(plain, name) for name in names] == [False] * 3
    assert [own_steps.is_own(own, name) for name in names] == [False, True, False]
