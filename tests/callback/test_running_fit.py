"""Where `fit` can be seen, and a loud word where it can't."""

from __future__ import annotations

import pathlib
import warnings

import keras
import numpy as np
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.callback import running_fit
from learned_lr.control.rate_table import RateTable

layers = keras.layers
# The rates of `fit`, which a loop of one's own must get, too.
_GOLDEN = RateTable.load(str(pathlib.Path(__file__).parent / "golden_rates.csv"))
_EPOCHS, _STEPS, _BATCH_SIZE = 4, 20, 32
_NOT_SEEN = "Expected LearnedLearningRate among the callbacks of a fit"


def _learned(**arguments):
    return LearnedLearningRate(
        "fashion_mnist_lenet5", control_interval=10, verbose=0, **arguments
    )


def _train(model, digits, callbacks, first_epoch=0):
    """A training loop of one's own, which calls callbacks as `fit` does."""
    x, y, *_ = digits
    callbacks.on_train_begin()
    for epoch in range(first_epoch, _EPOCHS):
        total = 0.0
        callbacks.on_epoch_begin(epoch)
        for step in range(_STEPS):
            rows = np.s_[step * _BATCH_SIZE : (step + 1) * _BATCH_SIZE]
            callbacks.on_train_batch_begin(step)
            total += float(model.train_on_batch(x[rows], y[rows]))
            logs = {"loss": total / (step + 1)}  # The epoch's running mean.
            callbacks.on_train_batch_end(step, logs)
        callbacks.on_epoch_end(epoch, logs)
    callbacks.on_train_end()


def _train_with_a_list(model, digits, *callbacks, first_epoch=0):
    callbacks = keras.callbacks.CallbackList(
        list(callbacks), model=model, epochs=_EPOCHS, steps=_STEPS
    )
    _train(model, digits, callbacks, first_epoch)


class _Inside(keras.callbacks.Callback):
    """A callback that hands everything on to another, which `fit` then knows nothing of."""

    def __init__(self, inner):
        super().__init__()
        self._inner = inner

    def set_model(self, model):
        super().set_model(model)
        self._inner.set_model(model)

    def set_params(self, params):
        super().set_params(params)
        self._inner.set_params(params)

    def on_train_begin(self, logs=None):
        self._inner.on_train_begin(logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._inner.on_epoch_begin(epoch, logs)

    def on_train_batch_begin(self, batch, logs=None):
        self._inner.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self._inner.on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._inner.on_epoch_end(epoch, logs)

    def on_train_end(self, logs=None):
        self._inner.on_train_end(logs)


def _fit(model, digits, *callbacks, **arguments):
    x, y, *validation = digits
    arguments = {
        "epochs": _EPOCHS,
        "batch_size": _BATCH_SIZE,
        "shuffle": False,
        "verbose": 0,
        "validation_data": tuple(validation),
        **arguments,
    }
    return model.fit(x, y, callbacks=list(callbacks), **arguments)


_UNSEEN = pytest.mark.parametrize(
    "train, found",
    [
        (_train_with_a_list, r"found no fit\(\) of its model that runs"),
        (
            lambda model, digits, callback: _fit(model, digits, _Inside(callback)),
            "whose callbacks are others: _Inside, ",
        ),
    ],
    ids=["own loop", "inside another callback"],
)


def _assert_golden(callback):
    steps, rates = callback.schedule.steps, callback.schedule.learning_rates
    assert steps == _GOLDEN.steps
    np.testing.assert_allclose(rates, _GOLDEN.learning_rates, rtol=1e-4)


@_UNSEEN
def test_without_data_of_its_own_a_fit_must_be_seen(digits, compiled, train, found):
    model = compiled()
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"{_NOT_SEEN}.*{found}.*validation_data= of"):
        train(model, digits, _learned())
    for expected, weights in zip(before, model.get_weights()):
        np.testing.assert_array_equal(weights, expected)


@_UNSEEN
def test_with_data_of_its_own_it_warns_once(digits, compiled, train, found):
    callback = _learned(validation_data=digits[2:])
    with pytest.warns(UserWarning, match=f"{_NOT_SEEN}.*{found}") as warned:
        train(compiled(), digits, callback)
    (message,) = [str(w.message) for w in warned if _NOT_SEEN in str(w.message)]
    assert "set the learning rate" in message
    assert "BackupAndRestore (backup_dir= names it)" in message
    assert "validation_batch=" in message
    _assert_golden(callback)


def test_backup_dir_serves_a_loop_of_ones_own(digits, compiled, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    def learned():
        return _learned(validation_data=digits[2:], backup_dir=str(tmp_path))

    model = compiled()
    with pytest.warns(UserWarning, match=_NOT_SEEN), pytest.raises(KeyboardInterrupt):
        _train_with_a_list(model, digits, learned(), Stop())
    assert list((tmp_path / "learned_learning_rate").glob("*.npz"))
    callback = learned()
    with pytest.warns(UserWarning, match=_NOT_SEEN):
        _train_with_a_list(model, digits, callback, first_epoch=1)
    _assert_golden(callback)


def test_rival_in_a_loop_of_ones_own_is_found_at_the_next_decision(digits, compiled):
    class HomeMade(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch:
                self.model.optimizer.learning_rate = 0.5

    callback = _learned(validation_data=digits[2:])
    with (
        pytest.warns(UserWarning, match=_NOT_SEEN),
        pytest.raises(ValueError, match="found 0.5: something else sets it, too"),
    ):
        _train_with_a_list(compiled(), digits, callback, HomeMade())


def test_loop_that_does_not_say_how_long_it_is(digits, compiled):
    def train(callback):
        model = compiled()
        with pytest.warns(UserWarning, match=_NOT_SEEN):
            _train(model, digits, keras.callbacks.CallbackList([callback], model=model))

    with pytest.raises(ValueError, match="give the callback num_training_steps"):
        train(_learned(validation_data=digits[2:]))
    callback = _learned(validation_data=digits[2:], num_training_steps=80)
    train(callback)
    _assert_golden(callback)


def test_loop_that_leaves_out_the_beginning(digits, compiled):
    callback = _learned(validation_data=digits[2:])
    callback.set_model(compiled())
    with pytest.raises(ValueError, match="on_train_begin.. before on_epoch_begin"):
        callback.on_epoch_begin(0)
    with pytest.raises(ValueError, match="on_train_begin.. and on_epoch_begin.. first"):
        callback.on_train_batch_end(0, {"loss": 1.0})


def test_loop_with_a_model_that_is_not_compiled(digits):
    model = keras.Sequential([layers.Input((8, 8, 1)), layers.Dense(10)])
    callback = _learned(validation_data=digits[2:])
    with pytest.raises(ValueError, match="found one without an optimizer"):
        _train_with_a_list(model, digits, callback)


# Public names: Keras 3 on TensorFlow trains no model of a class whose name begins with an underscore.
class FitPassesOn(keras.Sequential):
    def fit(self, *arguments, **named):
        return super().fit(*arguments, **named)


class FitOfItsOwn(keras.Sequential):
    def fit(self, x, y, validation_data=None, callbacks=(), **named):
        _train_with_a_list(self, (x, y), *callbacks)


class FitWithAList(keras.Sequential):
    def fit(self, x, y, validation_data=None, callbacks=(), **named):
        callbacks = keras.callbacks.CallbackList(
            list(callbacks), model=self, epochs=_EPOCHS, steps=_STEPS
        )
        _train(self, (x, y), callbacks)


@pytest.mark.parametrize("own", [FitPassesOn, FitOfItsOwn, FitWithAList])
def test_fit_of_a_subclass_is_seen(digits, compiled, own):
    def model():
        inner = [
            layers.Flatten(),
            layers.Dense(16, "relu"),
            layers.Dense(10, "softmax"),
        ]
        return compiled(own([layers.Input((8, 8, 1)), *inner]))

    callback = _learned()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", _NOT_SEEN)
        _fit(model(), digits, callback)
    _assert_golden(callback)
    with pytest.raises(ValueError, match="found ReduceLROnPlateau as well: remove one"):
        _fit(model(), digits, _learned(), keras.callbacks.ReduceLROnPlateau())


def test_fit_of_another_model_is_none_of_its_business(digits, compiled):
    class TrainsAnother(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            _train_with_a_list(compiled(), digits, _learned())

    with pytest.raises(ValueError, match=r"found no fit\(\) of its model that runs"):
        _fit(compiled(), digits, TrainsAnother())


def test_outside_of_any_training():
    callback = _learned()
    callback.set_model(keras.Sequential([keras.layers.Dense(1)]))
    with pytest.raises(ValueError, match=f"{_NOT_SEEN}.*found no fit"):
        running_fit.arguments(callback)
    with pytest.warns(UserWarning, match=_NOT_SEEN):
        found = running_fit.arguments(callback, "its own")
    assert found == running_fit.FitArguments("its own", (), 32)
