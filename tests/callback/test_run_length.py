"""Lengths of runs."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends
from learned_lr.callback.run_length import going_on, run_length


@pytest.mark.parametrize(
    "params, num_training_steps, epoch, expected",
    [
        ({"steps": 20, "epochs": 4}, None, 0, (80, 0)),
        ({"steps": 20, "epochs": 4}, None, 3, (80, 60)),
        ({"steps": 20, "epochs": 4}, 500, 3, (500, 60)),
        ({"steps": None, "epochs": 4}, 500, 3, (500, 0)),
        ({}, 500, 0, (500, 0)),
        # Keras rounds a fraction up.
        ({"steps": 19.5, "epochs": 4}, None, 3, (80, 60)),
    ],
)
def test_length_and_what_is_done(params, num_training_steps, epoch, expected):
    assert run_length(params, num_training_steps, epoch) == expected


@pytest.mark.parametrize(
    "params, message",
    [
        ({}, "known number of steps an epoch"),
        ({"steps": None, "epochs": 4}, "give the callback num_training_steps, or fit"),
        ({"steps": 20}, "known number of epochs, found None: give the callback num_tr"),
    ],
)
def test_unknown_length(params, message):
    with pytest.raises(ValueError, match=message):
        run_length(params, None, 0)


@pytest.mark.parametrize(
    "step, save_freq, expected",
    [
        (100, None, 200),  # The epochs before were alike.
        (125, None, 225),
        (50, None, 150),  # They had half as many steps.
        (107, None, 207),  # The one before ended inside, and is run again.
        (107, "epoch", 207),
        (107, 7, 200),  # The epoch goes on where the backup was made.
        (127, 7, 227),
    ],
)
def test_length_of_a_run_that_goes_on(tmp_path, step, save_freq, expected):
    callbacks = [keras.callbacks.EarlyStopping()]
    if save_freq is not None:
        backup = keras.callbacks.BackupAndRestore
        callbacks.append(backup(str(tmp_path), save_freq=save_freq))
    assert going_on(200, 100, step, {"steps": 20, "epochs": 10}, callbacks) == expected


@pytest.mark.parametrize("batch_size", [8, 16, 64])
def test_a_run_ends_at_nearly_0_whatever_minibatches_the_next_fit_has(
    digits, batch_size
):
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = {"x": digits[0][:320], "y": digits[1][:320]}
    data |= {"validation_data": (digits[0][320:400], digits[1][320:400]), "verbose": 0}
    callback = LearnedLearningRate(verbose=0)
    callbacks = [callback]
    model.fit(**data, epochs=2, batch_size=32, callbacks=callbacks)
    model.fit(
        **data, epochs=4, initial_epoch=2, batch_size=batch_size, callbacks=callbacks
    )
    loop, length = callback._run.loop, 20 + 2 * 320 // batch_size
    assert callback._run.step == loop.num_training_steps == length
    rates = [loop.rate_at(step) for step in range(20, length)]
    assert rates[-1] < 0.15 * max(rates)


def test_states_are_kept_until_the_run_ends(digits, tmp_path):
    x, y, *validation_data = digits
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    kept = []
    for _ in range(2):
        # As another process would, with the model that the first one saved.
        callback = LearnedLearningRate(
            num_training_steps=40,
            validation_data=validation_data,
            backup_dir=str(tmp_path),
            verbose=0,
        )
        model.fit(x, y, batch_size=32, callbacks=[callback], verbose=0)
        kept.append([*tmp_path.rglob("*.npz")] != [])
    assert callback._run.step == 40
    assert kept == [True, False]


@pytest.mark.parametrize("count", [np.int64, np.int32])
def test_numbers_of_numpy(digits, compiled, count):
    """A run whose rates fall at last, which a hold before them hides."""
    x, y, *validation = digits
    callback = LearnedLearningRate(verbose=0)
    arguments = {"epochs": count(5), "steps_per_epoch": count(20), "verbose": 0}
    model, data = compiled(), {"validation_data": tuple(validation)}
    model.fit(
        np.resize(x, (3200, 8, 8, 1)),
        np.resize(y, 3200),
        callbacks=[callback],
        **data,
        **arguments,
    )
    assert len(callback.schedule.learning_rates) == 100
    assert all(type(rate) is float for rate in callback.schedule.learning_rates)


@pytest.mark.skipif(not backends.IS_KERAS_2, reason="Keras 3 takes none")
def test_a_fraction_of_steps(digits, compiled):
    x, y, *validation = digits
    callback = LearnedLearningRate(verbose=0)
    data = {"validation_data": tuple(validation), "steps_per_epoch": 640 / 36}
    compiled().fit(
        np.resize(x, (1280, 8, 8, 1)),
        np.resize(y, 1280),
        epochs=2,
        callbacks=[callback],
        verbose=0,
        **data,
    )
    assert len(callback.schedule.learning_rates) == 36
