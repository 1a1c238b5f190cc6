"""The safety brake tells explosions from noise."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from learned_lr import ControlLoop, LearnedLearningRate
from learned_lr.callback.brake import DEATH, EXPLOSION, FAR_ABOVE_START, SafetyBrake
from learned_lr.callback.controlled_run import ControlledRun


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_explodes_at_once(bad):
    assert SafetyBrake().alarm(bad, 1.0) == EXPLOSION
    assert SafetyBrake().alarm(1.0, bad) == EXPLOSION
    assert SafetyBrake(math.inf).alarm(1.0, bad) == EXPLOSION


def test_both_losses_must_jump():
    brake = SafetyBrake(5.0)
    assert brake.alarm(1.0, 1.0) is None
    assert brake.alarm(100.0, 1.0) is None
    brake = SafetyBrake(5.0)
    brake.alarm(1.0, 1.0)
    assert brake.alarm(5.1, 5.1) == EXPLOSION


def test_an_explosion_leaves_the_means_alone():
    brake = SafetyBrake(5.0)
    brake.alarm(1.0, 1.0)
    for _ in range(3):
        assert brake.alarm(50.0, 50.0) == EXPLOSION
    assert brake.means == (1.0, 1.0)


def test_noise_of_a_factor_two_is_no_explosion():
    brake, generator = SafetyBrake(5.0), np.random.default_rng(0)
    losses = 2.0 ** generator.uniform(-1, 1, (1000, 2))
    assert EXPLOSION not in {brake.alarm(*pair) for pair in losses}


def _alarms(*losses, brake=None):
    """The alarms of a run, from the untrained model on; one number stands for both losses."""
    brake = brake or SafetyBrake()
    return [brake.alarm(*(p if isinstance(p, tuple) else (p, p))) for p in losses]


@pytest.mark.parametrize(
    "last",
    [(4.7, 4.7), (5.1, 2.0)],  # Both above twice the start; the train loss alone.
)
def test_twice_the_untrained_loss_is_an_alarm(last):
    assert _alarms(2.3, 2.5, last) == [None, None, FAR_ABOVE_START]
    assert _alarms(2.3, 2.5, last, brake=SafetyBrake(math.inf))[-1] is None


def test_overfitting_and_a_lagging_batch_normalisation_are_none():
    assert not any(_alarms(2.3, 1.0, 0.5, *[(0.01, 9.0)] * 9))
    assert not any(_alarms(2.3, *[(2.2, 999.0)] * 9, *[(0.9, 99.0)] * 9))


def test_train_loss_of_another_scale_is_none():
    # Class weights, say: it is fifty times the validation loss from the first interval on.
    assert not any(_alarms(2.3, (115.0, 2.3), (90.0, 2.0), (40.0, 1.0), (20.0, 0.5)))


@pytest.mark.parametrize(
    "low, high, num",
    [(0.5, 0.8, 4), (1.0, 2.25, 2), (2.29, 2.31, 4)],
)
def test_what_stays_bad_is_a_slow_death(low, high, num):
    assert _alarms(2.3, low, *[high] * num) == [None] * (num + 1) + [DEATH]
    assert not any(_alarms(2.3, low, *[high] * (num - 1), low, *[high] * (num - 1)))


def test_more_decisions_are_more_in_a_row():
    def first_alarm(*arguments):
        brake = SafetyBrake(5.0, *arguments)
        return _alarms(2.3, 0.5, *[0.8] * 99, brake=brake).index(DEATH)

    assert [first_alarm(n) for n in (5, 25, 100)] == [5, 5, 17]
    assert [first_alarm(25, n) for n in (1, 2, 4, 9)] == [17, 9, 5, 5]


def test_slow_death_needs_both_losses_and_more_than_noise():
    assert not any(_alarms(2.3, 0.5, *[(0.5, 0.9)] * 9))
    assert not any(_alarms(2.3, 0.5, *[(0.9, 0.5)] * 9))
    assert not any(_alarms(2.3, (1e-4, 0.5), *[(1e-3, 0.9)] * 9))  # It has overfitted.


def test_what_no_brake_helps_is_the_level_of_the_run():
    brake = SafetyBrake()
    found = _alarms(2.3, 2.0, *[8.0] * 9, brake=brake)
    assert found[:5] == [None, None, *[FAR_ABOVE_START] * 3]
    assert not any(found[5:8])
    assert brake.alarm(17.0, 17.0) == FAR_ABOVE_START


def test_what_never_learns_is_no_alarm_after_three():
    assert sum(map(bool, _alarms(2.3, *[2.31] * 50))) == 3


def test_a_train_loss_that_falls_is_no_death_above_the_untrained_one_either():
    # Behind a batch normalisation, whose untrained loss is of inference mode.
    train = (0.332, 0.317, 0.289, 0.273, 0.267, 0.258, 0.255)
    assert not any(_alarms(0.251, *[(loss, 0.29) for loss in train]))
    slow = [(0.332 - 0.001 * n, 0.29) for n in range(4)]
    assert _alarms(0.251, *slow) == [None] * 4 + [DEATH]
    # What a rate has blown up falls once, to the loss of a constant.
    blown_up = (2.6, 2.31), *[(2.303, 2.31)] * 5
    assert _alarms(2.3, *blown_up) == [None] * 6 + [DEATH]


def test_weighted_losses_that_stay_above_their_start_are_no_alarm():
    losses = [0.55, *[(0.7, 0.65)] * 50]
    assert any(_alarms(*losses))
    assert not any(_alarms(*losses, brake=SafetyBrake(is_weighted=True)))
    exploded = _alarms(0.55, 0.5, 6.0, brake=SafetyBrake(is_weighted=True))
    assert exploded[-1] == EXPLOSION


def test_a_run_that_goes_on_has_the_patience_of_its_length_and_weights():
    brake = SafetyBrake(num_decisions=25, control_interval=40)
    brake.adapt(100, 40, False)
    expected = SafetyBrake(num_decisions=100, control_interval=40)
    losses = [2.3, 1.0, *[2.3] * 40]
    assert _alarms(*losses, brake=brake) == _alarms(*losses, brake=expected)
    assert _alarms(*losses, brake=brake) != _alarms(*losses)
    weighted = SafetyBrake()
    weighted.adapt(25, 40, True)
    assert not any(_alarms(0.55, *[(0.7, 0.65)] * 50, brake=weighted))


def test_a_run_tells_its_brake_how_long_it_is():
    run = ControlledRun(ControlLoop("default", 100), SafetyBrake())
    run.set_length(300, 2, False)
    losses = [2.3, 1.0, *[2.3] * 40]
    expected = SafetyBrake(num_decisions=150, control_interval=2)
    assert _alarms(*losses, brake=run.brake) == _alarms(*losses, brake=expected)
    assert run.loop.num_training_steps == 300


@pytest.mark.parametrize(
    ("weights", "is_weighted"),
    [
        ({}, False),
        ({"class_weight": {0: 1.0, 1: 3.0}}, True),
        ({"sample_weight": np.full(40, 2.0)}, True),
    ],
)
def test_the_callback_says_whether_losses_are_weighted(
    monkeypatch, weights, is_weighted
):
    found, adapt = [], SafetyBrake.adapt

    def spy(self, *arguments):
        found.append(arguments[-1])
        adapt(self, *arguments)

    monkeypatch.setattr(SafetyBrake, "adapt", spy)
    layers = [keras.Input((3,)), keras.layers.Dense(2, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    callback = LearnedLearningRate(validation_data=(x, y), verbose=0)
    model.fit(x, y, epochs=2, callbacks=[callback], verbose=0, **weights)
    assert found == [False, False, is_weighted]  # The first checks numbers alone.


def test_losses_below_zero_have_no_twice():
    assert not any(_alarms(-0.1, -0.2, -0.1, 0.15, 0.15))


def test_losses_that_swing_about_zero_are_none():
    """Their running mean comes near 0, of which everything is a multiple, and so does their best."""
    assert _alarms(*np.cos(np.arange(60.0))) == [None] * 60
    falling = 1 - 0.1 * np.arange(60.0) + 0.4 * np.cos(np.arange(60.0))
    assert _alarms(*falling) == [None] * 60


def test_losses_below_zero_may_explode_all_the_same():
    found = _alarms((3.0, 3.0), (-1.0, -1.0), (-2.0, -2.0), (40.0, 40.0))
    assert found == [None, None, None, EXPLOSION]


def test_a_start_of_zero_is_none():
    assert _alarms((0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (11.0, 11.0))[:3] == [None] * 3
    assert _alarms((0.0, 0.0), (1.0, 1.0), (11.0, 11.0))[2] == EXPLOSION


@pytest.mark.parametrize("at", range(1, 8))
def test_restored_brake_goes_on(at):
    losses = [2.3, 2.0, 0.5, 0.8, 0.8, 0.8, 0.8, 6.0]
    first, second = SafetyBrake(), SafetyBrake()
    expected = _alarms(*losses)
    assert set(expected) == {None, DEATH, FAR_ABOVE_START}
    _alarms(*losses[:at], brake=first)
    second.restore(first.state())
    assert _alarms(*losses[at:], brake=second) == expected[at:]


@pytest.mark.parametrize("factor", [1.0, 0.0, -3.0, math.nan])
def test_factors_up_to_one_are_refused(factor):
    with pytest.raises(ValueError, match="brake_factor > 1"):
        SafetyBrake(factor)
