"""Learning-rate scaling: literal values, bounds, and the message of each thing that can be wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learned_lr.control.actions import LearningRateScaling


@pytest.mark.parametrize(
    "action, expected",
    [
        (0.0, 0.01),
        (1.0, 0.015),
        (-1.0, 0.006666666666666667),
        (0.5, 0.01224744871391589),
        (-0.25, 0.009036020036098449),
        (1.0001, 0.015),
        (50.0, 0.015),
        (-50.0, 0.006666666666666667),
    ],
)
def test_scales_by_a_clipped_power(action, expected):
    found = LearningRateScaling(max_scale=1.5).next_learning_rate(0.01, action)
    assert found == pytest.approx(expected, rel=1e-15)


def test_max_scale_is_the_base_of_the_power():
    scaling = LearningRateScaling(max_scale=10.0)
    assert scaling.next_learning_rate(1e-3, 1) == pytest.approx(1e-2, rel=1e-15)
    assert scaling.next_learning_rate(1e-3, -0.5) == pytest.approx(
        0.00031622776601683794, rel=1e-15
    )


def test_up_and_down_by_the_same_action_returns_to_the_start():
    scaling = LearningRateScaling()
    up = scaling.next_learning_rate(0.02, 0.7)
    assert scaling.next_learning_rate(up, -0.7) == pytest.approx(0.02, rel=1e-15)


@pytest.mark.parametrize("action, bound", [(1.0, 0.5), (-1.0, 1e-4)])
def test_stays_at_a_bound(action, bound):
    scaling = LearningRateScaling(2.0, 1e-4, 0.5)
    rate, rates = 1e-2, []
    for _ in range(10):
        rate = scaling.next_learning_rate(rate, action)
        rates.append(rate)
    assert rates[:3] == pytest.approx([1e-2 * 2 ** (action * n) for n in (1, 2, 3)])
    assert rates[-3:] == [bound] * 3


def test_a_rate_outside_comes_back_to_the_bounds():
    scaling = LearningRateScaling(1.5, 1e-4, 0.5)
    assert scaling.next_learning_rate(3.0, 0.0) == 0.5
    assert scaling.next_learning_rate(1e-9, 0.0) == 1e-4


def test_numpy_numbers_give_the_same_python_float():
    scaling = LearningRateScaling()
    found = scaling.next_learning_rate(np.float64(0.01), np.float32(0.5))
    assert type(found) is float
    assert found == scaling.next_learning_rate(0.01, 0.5)


@pytest.mark.parametrize("action", [math.nan, math.inf, -math.inf])
def test_an_action_that_is_not_finite_is_refused(action):
    with pytest.raises(ValueError, match=f"Expected a finite action, found {action}"):
        LearningRateScaling().next_learning_rate(0.01, action)


@pytest.mark.parametrize("max_scale", [1.0, 0.5, -2.0, math.nan, math.inf])
def test_a_max_scale_that_does_not_scale_is_refused(max_scale):
    with pytest.raises(ValueError, match=f"Expected max_scale .*, found {max_scale}"):
        LearningRateScaling(max_scale=max_scale)


@pytest.mark.parametrize(
    "low, high",
    [(0.0, 1.0), (-1e-3, 1.0), (0.2, 0.1), (1e-7, math.inf), (math.nan, 1.0)],
)
def test_bounds_that_are_none_are_refused(low, high):
    message = (
        f"0 < min_learning_rate <= max_learning_rate, found {low!r} and {high!r}"
        "|(min|max)_learning_rate to be a finite number, in float32 too, found (nan|inf)"
    )
    with pytest.raises(ValueError, match=message):
        LearningRateScaling(min_learning_rate=low, max_learning_rate=high)


def test_equal_bounds_fix_the_rate():
    scaling = LearningRateScaling(1.5, 0.1, 0.1)
    assert [scaling.next_learning_rate(0.1, a) for a in (-1, 0, 1)] == [0.1] * 3
