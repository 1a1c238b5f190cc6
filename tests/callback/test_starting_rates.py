"""Where a run starts: the compiled rate as a statement, the controller's own, and what an earlier fit left behind."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends, starting_rates

NONE = (None, None, None)


@pytest.mark.parametrize(
    "name, arguments, given, expected",
    [
        # Their classes' defaults say nothing.
        ("Adam", {}, NONE, NONE),
        ("AdamW", {}, NONE, NONE),
        ("RMSprop", {"learning_rate": 0.001}, NONE, NONE),
        ("SGD", {"momentum": 0.9}, NONE, NONE),
        ("Adam", {}, (None, 1e-5, 0.1), (None, 1e-5, 0.1)),
        # Any other rate is where it starts, and a factor of 30 how far it goes.
        ("Adam", {"learning_rate": 3e-5}, NONE, (3e-5, 1e-6, 9e-4)),
        ("SGD", {"learning_rate": 3e-3}, NONE, (3e-3, 1e-4, 0.09)),
        # A rate that may be a peak already is left upwards by three times at most.
        ("SGD", {"learning_rate": 0.03}, NONE, (0.03, 1e-3, 0.3)),
        ("SGD", {"learning_rate": 0.3, "momentum": 0.9}, NONE, (0.3, 0.01, 0.9)),
        ("Adam", {"learning_rate": 3e-3}, NONE, (3e-3, 1e-4, 0.03)),
        ("Adam", {"learning_rate": 0.03}, NONE, (0.03, 1e-3, 0.09)),
        ("Adam", {"learning_rate": 3e-5}, (None, None, 1e-2), (3e-5, 1e-6, 1e-2)),
        ("Adam", {"learning_rate": 3e-5}, (None, 1e-8, None), (3e-5, 1e-8, 9e-4)),
        ("Adam", {"learning_rate": 0.5}, (None, None, 0.1), (0.1, 0.5 / 30, 0.1)),
        # A bound beyond the other one that the compiled rate would have.
        ("Adam", {"learning_rate": 3e-3}, (None, None, 3e-5), (3e-5, 1e-6, 3e-5)),
        ("Adam", {"learning_rate": 3e-5}, (None, 0.01, None), (0.01, 0.01, 0.3)),
        # What the user says to the callback comes first.
        ("Adam", {"learning_rate": 3e-5}, (0.1, None, None), (0.1, None, None)),
        # Of these no controller knows what the default is worth.
        ("Adagrad", {}, NONE, (1e-3, 1e-3 / 30, 0.03)),
        ("Adadelta", {"learning_rate": 1.0}, NONE, (1.0, 1 / 30, 3.0)),
    ],
)
def test_what_a_run_starts_from(name, arguments, given, expected):
    optimizer = getattr(keras.optimizers, name)(**arguments)
    rate = float(backends.to_numpy(optimizer.learning_rate))
    found = starting_rates.find(optimizer, rate, *given)
    for value, other in zip(found[:3], expected):
        assert value == (other if other is None else pytest.approx(other, rel=1e-6))
    assert found.is_sgd == (name == "SGD")


def test_an_optimizer_without_a_default_is_taken_at_its_word():
    class SGD(keras.optimizers.SGD):
        def __init__(self, **arguments):
            super().__init__(0.01, **arguments)

    found = starting_rates.find(SGD(), 0.01, *NONE)
    assert found[:3] == pytest.approx((0.01, 0.01 / 30, 0.3))
    assert found.is_sgd


def test_a_fit_stays_near_the_compiled_rate_and_says_so(digits, compiled, capsys):
    model = compiled(optimizer=keras.optimizers.Adam(2e-6))
    callback = LearnedLearningRate(validation_data=digits[2:])
    model.fit(*digits[:2], epochs=3, batch_size=32, verbose=0, callbacks=[callback])
    rates = callback.schedule.learning_rates
    assert rates[0] < 1e-5 and max(rates) <= 6.1e-5  # Its own start is 1e-3.
    assert (
        "starts from the rate 2e-06 that Adam was compiled with, and what decisions scale stays between "
        "6.7e-08 and 6e-05." in capsys.readouterr().out
    )


def test_an_optimizer_that_no_controller_knows_is_warned_of(digits, compiled):
    model = compiled(optimizer=keras.optimizers.Lion(1e-4))
    callback = LearnedLearningRate(validation_data=digits[2:], verbose=0)
    with pytest.warns(UserWarning, match="has learned on Lion: compare with a run"):
        model.fit(*digits[:2], epochs=1, batch_size=32, verbose=0, callbacks=[callback])


@pytest.mark.parametrize("name", ["Adamax", "Adagrad", "Adadelta", "Muon"])
def test_optimizers_that_are_served_are_not_warned_of(name, recwarn):
    starting_rates.StartingRates(1e-3, 1e-4, 1e-2, name).tell(False)
    assert not recwarn
    starting_rates.StartingRates(1e-3, 1e-4, 1e-2, "Lion").tell(False)
    assert len(recwarn) == 1


class _Interruption(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 9:
            raise KeyboardInterrupt


@pytest.mark.parametrize("others", [[], [_Interruption]], ids=["whole", "interrupted"])
@pytest.mark.parametrize("rate", [1e-3, 2e-6])
def test_a_later_fit_starts_from_the_compiled_rate(digits, compiled, others, rate):
    def fit(model, *others):
        callback = LearnedLearningRate(validation_data=digits[2:], verbose=0)
        try:
            callbacks = [callback, *others]
            model.fit(
                *digits[:2],
                batch_size=32,
                shuffle=False,
                verbose=0,
                callbacks=callbacks,
            )
        except KeyboardInterrupt:
            pass
        return callback.schedule.learning_rates

    model = compiled(optimizer=keras.optimizers.SGD(rate))
    start = model.get_weights()
    expected = fit(model)
    model = compiled(optimizer=keras.optimizers.SGD(rate))
    fit(model, *(other() for other in others))
    found = float(backends.to_numpy(model.optimizer.learning_rate))
    assert (found == np.float32(rate)) == (not others)
    model.set_weights(start)
    np.testing.assert_allclose(fit(model), expected, rtol=1e-3)


def test_a_restored_fit_gives_the_compiled_rate_back(digits, compiled, tmp_path):
    def fit(*others):
        # As a new process has it: the rate in the backup is that of the middle of the run.
        model = compiled(optimizer=keras.optimizers.Adam(2e-3))
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        callback = LearnedLearningRate(validation_data=digits[2:], verbose=0)
        callbacks = [callback, backup, *others]
        arguments = {"epochs": 3, "batch_size": 32, "verbose": 0}
        model.fit(*digits[:2], callbacks=callbacks, **arguments)
        return model

    with pytest.raises(KeyboardInterrupt):
        fit(_InterruptionAfterAnEpoch())
    rate = fit().optimizer.learning_rate
    assert float(backends.to_numpy(rate)) == np.float32(2e-3)


class _InterruptionAfterAnEpoch(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def test_a_rate_that_was_changed_between_fits_is_a_statement(digits, compiled, capsys):
    model = compiled()
    for rate in (None, 2e-6):
        if rate is not None:
            model.optimizer.learning_rate = rate
        callback = LearnedLearningRate(validation_data=digits[2:])
        model.fit(*digits[:2], batch_size=32, verbose=0, callbacks=[callback])
        assert ("starts from the rate 2e-06" in capsys.readouterr().out) == bool(rate)
