"""Warnings at the start of a run, and an end that loses nothing, in every Keras."""

from __future__ import annotations

import contextlib
import re
import warnings

import keras
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends, run_hints
from learned_lr.callback.brake import SafetyBrake
from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.control.control_loop import ControlLoop

_NEW_RUNS = "second run of one epoch"


def _fit(model, digits, callback, **arguments):
    x, y, *validation = digits
    arguments = {"epochs": 1, "batch_size": 128, "verbose": 0, **arguments}
    data = tuple(validation)
    return model.fit(x, y, validation_data=data, callbacks=[callback], **arguments)


def _learned(**arguments):
    return LearnedLearningRate(verbose=0, **arguments)


def test_the_second_run_of_one_epoch_is_told_once(digits, compiled):
    model = compiled()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for _ in range(4):
            _fit(model, digits, _learned())
    assert len([w for w in warned if _NEW_RUNS in str(w.message)]) == 1
    with warnings.catch_warnings():
        warnings.filterwarnings("error", f".*{_NEW_RUNS}")
        one, model = _learned(num_training_steps=15), compiled()
        for _ in range(3):
            _fit(model, digits, one)
        for _ in range(2):
            _fit(model, digits, _learned(), epochs=2)


def test_a_run_of_one_epoch_after_the_other_is_told_once(digits, compiled):
    model, callback = compiled(), _learned()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for epoch in range(4):
            _fit(model, digits, callback, initial_epoch=epoch, epochs=epoch + 1)
    told = "goes on for one epoch, .* give one callback num_training_steps"
    assert len([w for w in warned if re.search(told, str(w.message))]) == 1


@pytest.mark.parametrize(
    "epochs, patience, length, is_told",
    [
        (200, 50, None, True),
        (80, 3, None, True),
        (79, 3, None, False),
        (199, 10, None, False),
        (200, 10, 999, False),
    ],
)
def test_early_stopping_of_a_long_run(compiled, epochs, patience, length, is_told):
    stopping = keras.callbacks.EarlyStopping(patience=patience)
    optimizer, params = compiled().optimizer, {"epochs": epochs}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        run = ControlledRun(ControlLoop("default", 999), SafetyBrake())
        run_hints.warn(optimizer, [stopping], params, length, 0, run)
    assert [f"plans for all {epochs} epochs" in str(w.message) for w in warned] == [
        True
    ] * is_told


def _said(model, digits, *callbacks, **arguments):
    """What is warned of in a fit of five steps an epoch."""
    x, y, *validation = digits
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with contextlib.suppress(KeyboardInterrupt):
            model.fit(
                x, y, validation_data=tuple(validation), batch_size=128, verbose=0,
                callbacks=list(callbacks), **arguments,
            )  # fmt: skip
    return [str(w.message) for w in warned if "LearnedLearningRate" in str(w.message)]


def test_a_fit_beyond_the_steps_of_its_run(digits, compiled):
    callback, model = _learned(num_training_steps=10), compiled()
    assert _said(model, digits, callback, epochs=2) == []
    (after,) = _said(model, digits, callback, epochs=2)
    assert "num_training_steps=10, of which 10 are done" in after
    (within,) = _said(compiled(), digits, _learned(num_training_steps=9), epochs=2)
    assert "num_training_steps=9, of which 0 are done" in within
    stopping = keras.callbacks.EarlyStopping(patience=0)
    said = _said(compiled(), digits, _learned(num_training_steps=9), stopping, epochs=2)
    assert said == []


class _Interrupts(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


def test_a_run_that_begins_anew_after_an_interruption(digits, compiled):
    callback, model = _learned(num_training_steps=20), compiled()
    assert _said(model, digits, callback, _Interrupts(), epochs=4) == []
    (said,) = _said(model, digits, callback, epochs=2)
    assert "begins a new run" in said
    assert _said(model, digits, callback, epochs=2) == []
    # Another model has nothing to go on with.
    assert _said(compiled(), digits, callback, epochs=4) == []


def test_a_state_that_stays_loses_no_history(digits, compiled, tmp_path):
    # A folder of that name can't be removed as a file.
    (tmp_path / "learned_learning_rate" / "999999999999.npz").mkdir(parents=True)
    with pytest.warns(UserWarning, match="could not remove its state"):
        history = _fit(compiled(), digits, _learned(backup_dir=str(tmp_path)))
    assert len(history.history["loss"]) == 1


class _TrainedByAnother(keras.Sequential):
    """The optimizer that it is compiled with makes no update."""

    def train_step(self, data):
        return {"loss": self.compiled_loss(data[1], self(data[0]))}


@pytest.mark.skipif(not backends.IS_KERAS_2, reason="a train_step of Keras 2")
def test_an_optimizer_that_trains_nothing_is_told_once(digits, compiled):
    idle = "Expected updates by the optimizer .* found none in 10 steps"
    for make, is_told in ((_TrainedByAnother, True), (keras.Sequential, False)):
        ends = [keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
        model = compiled(make([keras.layers.Input((8, 8, 1)), *ends]))
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            _fit(model, digits, _learned(), epochs=6)
        found = [w for w in warned if re.match(idle, str(w.message))]
        assert len(found) == is_told
