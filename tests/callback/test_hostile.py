"""Runs that go wrong, and models that are unlike the others: each ends well or says what is expected."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends
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
    assert len([w for w in warned if "The loss exploded" in str(w.message)]) == 1
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
    assert history.history["val_loss"][-1] < history.history["val_loss"][0]


def test_model_without_a_dense_layer(digits, compiled):
    model = compiled(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(10, 3),
            layers.GlobalAveragePooling2D(),
            layers.Softmax(),
        ]
    )
    with pytest.raises(ValueError, match="found no final dense kernel"):
        _fit(model, digits, _quiet())


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
    callback = _quiet(validation_batch=256)
    _fit(model, (x, y, x_validation, y_validation), callback, epochs=1)
    found, predictions = callback._fit.sample.measure()
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
    callback = _quiet(validation_batch=256)
    with pytest.raises(ValueError, match="found no predictions and no final dense"):
        _fit(model, data, callback)
    found, predictions = callback._fit.sample.measure()
    expected = model.evaluate(*data[2:], batch_size=64, verbose=0, return_dict=True)
    assert predictions is None
    assert found == pytest.approx(expected["loss"], rel=1e-5)


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


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"validation_batch": 0}, "validation_batch >= 1, found 0"),
        ({"control_interval": 0}, "control_interval"),
        ({"num_training_steps": -1}, "num_training_steps"),
        ({"initial_learning_rate": 0.0}, "initial_learning_rate"),
        ({"brake_factor": 0.5}, "brake_factor > 1, found 0.5"),
    ],
)
def test_numbers_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        LearnedLearningRate(**arguments)


def test_schedule_before_fit():
    with pytest.raises(ValueError, match="Expected a fit"):
        _ = LearnedLearningRate().schedule
