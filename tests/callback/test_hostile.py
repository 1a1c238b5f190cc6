"""Runs that go wrong, and models that are unlike the others: each ends well or says what is expected."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.control import pretrained
from learned_lr.control.controller import ControllerError

layers = keras.layers


def _fit(model, digits, *callbacks, **arguments):
    x, y, *validation = digits
    arguments = {
        "epochs": 3,
        "batch_size": 64,
        "verbose": 0,
        "validation_data": tuple(validation),
        **arguments,
    }
    return model.fit(x, y, callbacks=list(callbacks), **arguments)


def _quiet(**arguments):
    return LearnedLearningRate(verbose=0, **arguments)


def _is_finite(model):
    return all(np.all(np.isfinite(w)) for w in model.get_weights())


def test_exploding_loss_is_braked(digits, compiled):
    x, y, x_validation, y_validation = digits
    model = compiled(
        [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(1)],
        optimizer=keras.optimizers.SGD(),
        loss="mse",
    )  # fmt: skip
    callback = _quiet(
        initial_learning_rate=10.0, max_learning_rate=100.0, control_interval=2
    )
    with pytest.warns(UserWarning, match="The loss exploded") as warned:
        history = model.fit(
            x,
            y.astype(np.float32),
            epochs=10,
            batch_size=64,
            validation_data=(x_validation, y_validation.astype(np.float32)),
            callbacks=[callback],
            verbose=0,
        )
    said = [w for w in warned if "The loss exploded" in str(w.message)]
    assert len(said) == min(callback.num_explosions, 2)
    assert callback.num_explosions >= 1
    assert callback.schedule.learning_rates[-1] < 1.0
    assert _is_finite(model)
    assert np.isfinite(model.evaluate(x, y.astype(np.float32), verbose=0))
    assert history.history


def test_nan_inputs_stop_training_with_the_last_good_weights(digits, compiled):
    x, *others = digits
    x = x.copy()
    x[::64] = np.nan  # One in each minibatch.
    model = compiled()
    callback = _quiet(control_interval=1)
    with pytest.warns(UserWarning, match="NaNs in the training data"):
        history = _fit(model, (x, *others), callback, shuffle=False)
    assert _is_finite(model)
    assert len(history.epoch) == 1
    assert callback.num_explosions == 3


def test_nan_weights_never_leave_a_run_that_ends_early(digits, compiled):
    x, *others = digits
    x = x.copy()
    x[-64:] = np.nan  # The last minibatch of all, after the last decision.
    model = compiled()
    with pytest.warns(UserWarning, match="The loss exploded"):
        _fit(model, (x, *others), _quiet(), epochs=1, shuffle=False)
    assert _is_finite(model)


class Unbuilt(keras.Model):
    def __init__(self):
        super().__init__()
        self.flatten, self.dense = layers.Flatten(), layers.Dense(10, "softmax")

    def call(self, inputs):
        return self.dense(self.flatten(inputs))


class _Spoils(keras.callbacks.Callback):
    """Fills the weights with NaN, once, after the sixth minibatch."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 5:
            for variable in self.model.trainable_variables:
                variable.assign(np.full(tuple(variable.shape), np.nan, np.float32))


@pytest.mark.backends("tensorflow")
@pytest.mark.parametrize(
    "make",
    [Unbuilt, lambda: keras.Sequential([layers.Flatten(), layers.Dense(10, "softmax")])],
)  # fmt: skip
def test_a_model_that_is_built_by_its_first_call_is_healed(digits, make):
    model, callback = make(), _quiet(control_interval=4)
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match="The loss exploded"):
        _fit(model, digits, _Spoils(), callback, epochs=1)
    assert callback.num_explosions == 1
    assert _is_finite(model)


def test_nan_validation_is_refused(digits, compiled):
    x, y, x_validation, y_validation = digits
    with pytest.raises(ValueError, match="finite validation inputs"):
        _fit(compiled(), (x, y, x_validation * np.nan, y_validation), _quiet())


def test_one_validation_image(digits, compiled):
    x, y, x_validation, y_validation = digits
    callback = _quiet()
    model = compiled()
    _fit(model, (x, y, x_validation[:1], y_validation[:1]), callback)
    assert len(callback.schedule.learning_rates) > 10
    assert _is_finite(model)


def test_constant_labels(digits, compiled):
    x, y, x_validation, y_validation = digits
    callback = _quiet()
    model = compiled()
    history = _fit(model, (x, y * 0, x_validation, y_validation * 0), callback)
    assert callback.num_explosions == 0
    # It may be 0 after the first epoch already; untrained, it is about ln(10).
    assert history.history["val_loss"][-1] < 0.01


def test_model_without_a_dense_layer(digits, compiled):
    model = compiled(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(10, 3),
            layers.GlobalAveragePooling2D(),
            layers.Softmax(),
        ]
    )
    with pytest.raises(
        ValueError, match="found no final dense kernel.*'default' needs"
    ):
        _fit(model, digits, _quiet(controller="fashion_mnist_lenet5"))
    callback = _quiet()
    _fit(model, digits, callback)
    assert len(callback.schedule.learning_rates) > 1


def test_named_final_layer(digits, compiled):
    model = compiled(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(10, 3, name="head"),
            layers.GlobalAveragePooling2D(),
            layers.Softmax(),
        ]
    )
    callback = _quiet(final_layer="head")
    _fit(model, digits, callback)
    assert len(callback.schedule.learning_rates) > 10
    with pytest.raises(ValueError, match="No such layer: haed"):
        _fit(model, digits, _quiet(final_layer="haed"))


@pytest.mark.parametrize("name", ["weights.npz", "spec.json"])
@pytest.mark.parametrize("fraction", [0, 0.5])
def test_truncated_controller(tmp_path, name, fraction):
    folder = tmp_path / "controller"
    shutil.copytree(pretrained.find("default"), folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * fraction)])
    with pytest.raises(ControllerError, match=name):
        LearnedLearningRate(str(folder))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(digits, compiled, policy):
    module = keras.mixed_precision
    set_policy = getattr(module, "set_global_policy", None) or module.set_dtype_policy
    set_policy(policy)
    try:
        model = compiled(
            [
                layers.Input((8, 8, 1)),
                layers.Conv2D(4, 3),
                layers.BatchNormalization(),
                layers.Flatten(),
                layers.Dense(10),
                layers.Activation("softmax", dtype="float32"),
            ]
        )
        callback = _quiet()
        history = _fit(model, digits, callback)
    finally:
        set_policy("float32")
    assert len(callback.schedule.learning_rates) > 10
    assert callback.num_explosions == 0
    assert history.history["loss"][-1] < history.history["loss"][0]


def _batches(digits):
    x, y, *_ = digits
    while True:
        for start in range(0, 640, 64):
            yield x[start : start + 64], y[start : start + 64]


def test_data_of_unknown_length(digits, compiled):
    validation = digits[2:]

    def few():
        for _, batch in zip(range(20), _batches(digits)):
            yield batch

    with pytest.raises(ValueError, match="num_training_steps, or fit steps_per_epoch"):
        compiled().fit(
            few(), validation_data=validation, callbacks=[_quiet()], verbose=0
        )
    callback = _quiet(num_training_steps=20)
    compiled().fit(few(), validation_data=validation, callbacks=[callback], verbose=0)
    assert callback.schedule.steps == tuple(range(20))
    callback = _quiet()
    compiled().fit(
        _batches(digits),
        steps_per_epoch=10,
        epochs=2,
        validation_data=validation,
        callbacks=[callback],
        verbose=0,
    )
    assert callback.schedule.steps == tuple(range(20))


def test_no_validation_data(digits, compiled):
    with pytest.raises(ValueError, match="Expected held-out data to measure on"):
        _fit(compiled(), digits, _quiet(), validation_data=None)
    callback = _quiet()
    _fit(compiled(), digits, callback, validation_data=None, validation_split=0.2)
    assert callback.schedule.learning_rates


def test_fit_with_nothing_left_to_train(digits, compiled):
    callback = LearnedLearningRate()
    _fit(compiled(), digits, callback, epochs=3, initial_epoch=3)
    with pytest.raises(ValueError, match="Expected a fit"):
        _ = callback.schedule


def test_nan_weights_before_the_first_step_are_refused(digits, compiled):
    model = compiled()
    values = model.get_weights()
    values[0][0, 0] = np.nan
    model.set_weights(values)
    with pytest.raises(ValueError, match="finite weights to train"):
        _fit(model, digits, _quiet())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"validation_batch": 0}, "validation_batch to be an int >= 1, found 0"),
        ({"validation_batch": 2.5}, "validation_batch to be an int >= 1, found 2.5"),
        ({"control_interval": 0}, "control_interval"),
        ({"num_training_steps": -1}, "num_training_steps"),
        ({"num_training_steps": 0}, "num_training_steps"),
        ({"initial_learning_rate": 0.0}, "initial_learning_rate"),
        ({"brake_factor": 0.5}, "brake_factor > 1, found 0.5"),
        ({"brake_factor": 0}, "brake_factor > 1, found 0"),
        ({"brake_factor": "5"}, "brake_factor > 1, found '5'"),
        ({"initial_learning_rate": True}, "initial_learning_rate to be a .*True"),
        ({"initial_learning_rate": "1e-3"}, "initial_learning_rate to be a .*'1e-3'"),
        ({"max_learning_rate": 1e-8}, "give min_learning_rate as well"),
        ({"min_learning_rate": 2.0}, "give max_learning_rate as well"),
        ({"loss": "mse"}, "loss to be a function of .*, found 'mse'"),
        ({"training_sample": np.zeros(3)}, "training_sample to be .*, found a ndarray"),
        ({"training_sample": (1,)}, "training_sample to be .*, found a tuple of 1"),
        ({"controller": None}, "controller, its folder or its name, found NoneType"),
        ({"controller": 1e-3}, "controller, its folder or its name, found float"),
    ],
)
def test_arguments_that_no_run_can_begin_with(arguments, message):
    with pytest.raises(ValueError, match=message):
        LearnedLearningRate(**arguments)


def test_schedule_before_fit():
    with pytest.raises(ValueError, match="Expected a fit"):
        _ = LearnedLearningRate().schedule


class CallsWithoutTraining(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(10, "softmax")

    def call(self, x):
        return self.dense(keras.ops.reshape(x, (-1, 64)) if _OPS else x[:, :, 0, 0])


_OPS = hasattr(keras, "ops")


def test_call_without_a_training_argument(digits):
    model = CallsWithoutTraining()
    model.compile("adam", "sparse_categorical_crossentropy")
    callback = _quiet()
    _fit(model, digits, callback)
    assert len(callback.schedule.learning_rates) > 10
