"""The way back from an explosion, and the end after three."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

from learned_lr.callback.brake import DEATH, EXPLOSION, FAR_ABOVE_START, SafetyBrake
from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.callback.recovery import Recovery
from learned_lr.control.control_loop import ControlLoop


def _run():
    run = ControlledRun(ControlLoop("fashion_mnist_lenet5", 100), SafetyBrake())
    run.observe(2.0, 2.0, np.full((4, 10), 0.1), np.ones((3, 10)))
    return run


def _fill(model, value):
    model.set_weights([np.full_like(w, value) for w in model.get_weights()])


def _values(model):
    (value,) = {float(v) for w in model.get_weights() for v in w.ravel()}
    return value


def test_copies_every_fifth_decision_and_only_good_weights(compiled):
    model, run = compiled(), _run()
    _fill(model, 0.5)
    recovery = Recovery(model)
    # The decisions before; the value then; whether it is good; the value to go back to.
    for num_decisions, value, is_good, expected in [
        (0, 1.0, True, 0.5),
        (4, 2.0, True, 0.5),
        (5, 3.0, True, 3.0),
        (6, 4.0, True, 3.0),
        (10, np.nan, False, 3.0),
        (15, 6.0, True, 6.0),
    ]:
        _fill(model, value)
        assert recovery.keep(num_decisions, 1.0) == is_good
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            recovery.recover(run)
        assert _values(model) == expected


class _Two(keras.Model):
    """A judge that is made before the maker, and built after it."""

    def __init__(self):
        super().__init__()
        self.judge, self.maker = keras.layers.Dense(2), keras.layers.Dense(3)


@pytest.mark.parametrize("alarm", [EXPLOSION, DEATH])
def test_weights_that_training_makes_come_back_as_well(alarm):
    model, run = _Two(), _run()
    model.compile("sgd", "mse")
    model.maker.build((None, 4))
    recovery = Recovery(model)
    assert recovery.keep(0, 1.0)
    model.judge.build((None, 5))
    _fill(model, 0.5)
    assert recovery.keep(1, 1.1)
    _fill(model, np.nan)
    with pytest.warns(UserWarning):
        recovery.recover(run, alarm)
    assert _values(model) == 0.5


def test_weights_to_start_from_must_be_good(compiled):
    model = compiled()
    _fill(model, np.nan)
    with pytest.raises(ValueError, match="finite weights to train"):
        Recovery(model)


def test_rate_is_cut_and_the_third_time_ends_it(compiled):
    model, run = compiled(), _run()
    model.stop_training = False
    recovery, rates = Recovery(model), [run.loop.learning_rate]
    run.step = 12
    with pytest.warns(UserWarning, match="exploded at training step 12 with"):
        recovery.recover(run)
    rates.append(run.loop.learning_rate)
    with pytest.warns(UserWarning, match="exploded again at training step 12 with"):
        recovery.recover(run)
    rates.append(run.loop.learning_rate)
    assert not model.stop_training
    with pytest.warns(UserWarning, match="Training stops: the loss exploded 3 times"):
        recovery.recover(run)
    rates.append(run.loop.learning_rate)
    assert model.stop_training
    np.testing.assert_allclose(np.divide(rates[1:], rates[:-1]), 0.1)
    assert (run.num_explosions, run.num_explosions_in_a_row) == (3, 3)


def test_a_run_that_goes_on_has_its_best_weights_from_there_on(compiled):
    model, run = compiled(), _run()
    _fill(model, 9.0)
    recovery = Recovery(model)
    for num_decisions, loss in enumerate([1.5, 1.0, 0.5, 0.9, 1.2], start=11):
        _fill(model, loss)
        assert recovery.keep(num_decisions, loss)
    with pytest.warns(UserWarning, match="those of the lowest validation loss again"):
        recovery.recover(run, DEATH)
    assert _values(model) == 0.5


@pytest.mark.parametrize("alarm", [DEATH, FAR_ABOVE_START])
def test_a_death_goes_back_to_the_best_weights(compiled, alarm):
    model, run = compiled(), _run()
    recovery = Recovery(model)
    losses = [2.0, 1.0, 0.5, 0.7, 0.8, 0.9, 0.8]
    for num_decisions, loss in enumerate(losses):
        _fill(model, loss)
        assert recovery.keep(num_decisions, loss)
    _fill(model, 9.0)
    with pytest.warns(UserWarning, match="those of the lowest validation loss again"):
        recovery.recover(run, alarm)
    assert _values(model) == 0.5
    with pytest.warns(UserWarning, match="exploded again .* of an earlier step"):
        recovery.recover(run)
    assert _values(model) == pytest.approx(0.9)  # Of the sixth decision.


def test_two_warnings_and_no_end_unless_it_explodes(compiled):
    model, run = compiled(), _run()
    model.stop_training = False
    recovery = Recovery(model)
    with pytest.warns(UserWarning, match="has risen and stays high, or never fell, at"):
        recovery.recover(run, DEATH)
    with pytest.warns(UserWarning, match="fell, again .* lower max_learning_rate"):
        recovery.recover(run, DEATH)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            recovery.recover(run, DEATH)
    assert not model.stop_training
    assert run.num_explosions == 5
