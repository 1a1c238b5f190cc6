"""Optimizers and callbacks beside which the rate can't be controlled."""

from __future__ import annotations

import keras
import numpy as np
import own_models
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends, refusals


def _fit(model, digits, *callbacks):
    x, y, *validation = digits
    model.fit(
        x,
        y,
        epochs=3,
        batch_size=64,
        verbose=0,
        validation_data=tuple(validation),
        callbacks=list(callbacks),
    )


def _quiet():
    return LearnedLearningRate(verbose=0)


def test_plain_rates_pass():
    refusals.check_plain_rate(keras.optimizers.Adam(1e-3))
    refusals.check_plain_rate(keras.optimizers.SGD(0.1, momentum=0.9))


def test_schedules_are_refused():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    with pytest.raises(ValueError, match="found a schedule in SGD"):
        refusals.check_plain_rate(keras.optimizers.SGD(schedule))


def test_plain_rate_inside_a_loss_scaling_optimizer():
    module = getattr(keras, "mixed_precision", None)
    wrapper = getattr(module, "LossScaleOptimizer", None)
    wrapper = wrapper or keras.optimizers.LossScaleOptimizer
    refusals.check_plain_rate(wrapper(keras.optimizers.Adam(1e-3)))
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    with pytest.raises(ValueError, match="found a schedule in Adam"):
        refusals.check_plain_rate(wrapper(keras.optimizers.Adam(schedule)))


@pytest.mark.skipif(not backends.IS_KERAS_2, reason="Keras 3 has no such optimizers")
def test_a_decay_of_a_legacy_optimizer_is_refused(digits, compiled):
    legacy = keras.optimizers.legacy
    refusals.check_plain_rate(legacy.SGD(0.01))
    model = compiled(optimizer=legacy.SGD(0.01, decay=0.1))
    with pytest.raises(ValueError, match="found decay=0.1 in SGD"):
        _fit(model, digits, _quiet())
    assert int(backends.to_numpy(model.optimizer.iterations)) == 0


@pytest.mark.skipif(
    not backends.IS_KERAS_2, reason="Keras 3 has the rate in each config"
)
def test_an_optimizer_whose_config_lacks_the_rate():
    class Own(keras.optimizers.Optimizer):
        def __init__(self, learning_rate):
            super().__init__(name="Own")
            self._learning_rate = self._build_learning_rate(learning_rate)

    refusals.check_plain_rate(Own(0.1))
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    with pytest.raises(ValueError, match="found a schedule in Own"):
        refusals.check_plain_rate(Own(schedule))


def test_missing_optimizer_is_named():
    with pytest.raises(ValueError, match="found one without an optimizer"):
        refusals.check_plain_rate(None)


def test_rivals():
    class Own(keras.callbacks.Callback):
        pass

    own, stopping = Own(), keras.callbacks.EarlyStopping()
    refusals.check_rivals(own, [own, stopping])
    refusals.check_rivals(own, [])
    with pytest.raises(ValueError, match="found Own as well"):
        refusals.check_rivals(own, [own, Own()])
    with pytest.raises(ValueError, match="found Own as well"):
        refusals.check_rivals(own, [own, stopping, own])
    with pytest.raises(ValueError, match="found ReduceLROnPlateau as well"):
        refusals.check_rivals(own, [keras.callbacks.ReduceLROnPlateau(), own])


def test_optimizer_with_a_schedule(digits, compiled):
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.9)
    model = compiled(optimizer=keras.optimizers.Adam(schedule))
    before = model.get_weights()
    with pytest.raises(
        ValueError, match="found a schedule in Adam: compile it without"
    ):
        _fit(model, digits, _quiet())
    for expected, found in zip(before, model.get_weights()):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"), reason="not in this Keras"
)
def test_an_optimizer_of_several(digits, compiled):
    map_ = keras.optimizers.OptimizerMap(keras.optimizers.Adam())
    model = compiled(optimizer=keras.optimizers.MultiOptimizer(map_))
    with pytest.raises(ValueError, match="found MultiOptimizer, which has none"):
        _fit(model, digits, _quiet())


@pytest.mark.parametrize("kind", ["metrics", "weighted_metrics"])
def test_a_metric_by_the_name_of_the_loss(digits, compiled, kind):
    metric = keras.metrics.SparseCategoricalAccuracy

    def loss(y_true, y_pred):
        return 100.0 + 0.0 * y_pred[..., 0]

    for named in (metric(name="loss"), loss):
        model = compiled(**{kind: ["accuracy", named]})
        before = model.get_weights()
        with pytest.raises(ValueError, match="found one named 'loss'"):
            _fit(model, digits, _quiet())
        np.testing.assert_array_equal(model.get_weights()[0], before[0])
    _fit(compiled(**{kind: ["accuracy", metric(name="a_loss")]}), digits, _quiet())


def test_a_metric_of_one_of_several_outputs_has_its_name_before_its_own():
    model = own_models.two_outputs()
    metric = keras.metrics.MeanSquaredError(name="loss")
    model.compile("adam", "mse", metrics={"a": [metric]})
    refusals.check_metrics(model)
    # A subclassed one has no outputs before it is called.
    model = type("Model", (keras.Model,), {})()
    losses = {"a": "mse", "b": "mse"}
    model.compile("adam", losses, metrics={"a": [metric]})
    refusals.check_metrics(model)


@pytest.mark.parametrize("name", ["Adafactor", "Ftrl"])
def test_an_optimizer_that_controllers_failed_with(digits, compiled, name):
    model = compiled(optimizer=getattr(keras.optimizers, name)())
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"found {name}.*train without the callback"):
        _fit(model, digits, _quiet())
    np.testing.assert_equal(model.get_weights(), before)


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.callbacks.ReduceLROnPlateau(),
        lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3),
        lambda: LearnedLearningRate(verbose=0),
    ],
    ids=["ReduceLROnPlateau", "LearningRateScheduler", "LearnedLearningRate"],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_two_callbacks_that_set_the_rate(digits, compiled, make, is_first):
    callbacks = [_quiet(), make()] if is_first else [make(), _quiet()]
    name = type(callbacks[is_first]).__name__
    with pytest.raises(ValueError, match=f"found {name} as well: remove one"):
        _fit(compiled(), digits, *callbacks)


class _HomeMade(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            self.model.optimizer.learning_rate = 0.5


def test_home_made_callback_that_sets_the_rate(digits, compiled):
    with pytest.raises(ValueError, match="found 0.5: something else sets it, too"):
        _fit(compiled(), digits, _quiet(), _HomeMade())


def test_model_of_the_other_keras():
    """TensorFlow 2.16 and newer have tf_keras beside Keras 3, with TF_USE_LEGACY_KERAS=1 as tf.keras."""
    kind = type("Sequential", (), {"__module__": "tf_keras.src.engine.sequential"})
    own = type("Classifier", (kind,), {})
    callback = LearnedLearningRate(verbose=0)
    for model in (kind(), own()):
        name = type(model).__name__
        message = f"of the package keras, found {name} of tf_keras: build and compile it with keras {keras.__version__}"
        with pytest.raises(ValueError, match=message):
            callback.set_model(model)
