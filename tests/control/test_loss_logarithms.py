"""Losses of 0 and below, whose logarithms say nothing: the controller leaves the level as it is, and says so once."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.loss_logarithms import log, log_ratio

_LENGTH = 100
_WEIGHTS = {"weights": [np.ones((4, 10))]}


def _run(losses, controller="default"):
    """Returns the levels after each decision, and the warnings."""
    loop = ControlLoop(controller, _LENGTH, control_interval=4)
    inside = _WEIGHTS
    if controller != "default":
        inside = {"predictions": np.ones((4, 10)), "final_kernel": np.ones((4, 10))}
    levels = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for pair in losses:
            loop.observe(*pair, **inside)
            levels.append(loop.level)
    said = [str(w.message) for w in warned if "losses above 0" in str(w.message)]
    return loop, levels, said


@pytest.mark.parametrize("controller", ["default", "fashion_mnist_lenet5"])
@pytest.mark.parametrize("first", [-1.0, 0.0])
def test_a_run_that_starts_there_keeps_its_level(controller, first):
    losses = [(first, first), *((first - 0.1 * i,) * 2 for i in range(1, 10))]
    loop, levels, said = _run(losses, controller)
    assert levels == [loop.initial_learning_rate] * 10
    (message,) = said
    assert (
        f"found a train loss of {first:g} and a validation loss of {first:g}" in message
    )
    goes_on = "follows the base schedule" if controller == "default" else "stays"
    assert f"the rate {goes_on}. A constant added to the loss" in message


def test_the_rate_follows_the_base_schedule():
    loop, *_ = _run([(-1.0, -1.0)])
    base = loop.controller.spec.base_schedule
    for step in (0, 3, 50, 99):
        expected = loop.initial_learning_rate * base.multiplier(step, _LENGTH)
        assert loop.rate_at(step) == pytest.approx(expected)


@pytest.mark.parametrize("bad", [(-0.5, 1.0), (1.0, -0.5), (0.0, 1.0), (1.0, 0.0)])
def test_it_acts_again_once_all_it_compares_is_above_zero(bad):
    good = [(2.0, 2.0), (1.5, 1.5)]
    _, levels, said = _run([*good, bad, (1.4, 1.4), (1.3, 1.3), (1.2, 1.2)])
    moved = [a != b for a, b in zip(levels, levels[1:])]
    # The trend of the decision after it compares with it; the best validation loss stays what it is.
    is_best_bad = bad[1] <= 0
    assert moved == [True, False, False] + [not is_best_bad] * 2
    assert len(said) == 1


def test_losses_above_zero_are_left_alone():
    assert _run([(1e-9 * 0.5**i,) * 2 for i in range(10)])[2] == []


def test_restored_loop_goes_on():
    losses = [(2.0, 2.0), (-1.0, -1.0), (1.0, 1.0), (0.9, 0.9)]
    _, levels, _ = _run(losses)
    loop, *_ = _run(losses[:2])
    again = ControlLoop("default", _LENGTH, control_interval=4)
    again.restore(loop.state())
    with pytest.warns(UserWarning, match="losses above 0"):
        again.observe(*losses[2], **_WEIGHTS)
    again.observe(*losses[3], **_WEIGHTS)
    assert again.level == levels[-1] == levels[0]


def test_logarithms():
    assert log(0.5, 1e-6) == math.log(0.5)
    assert log(-1.0, 1e-6) == math.log(1e-6)
    assert log_ratio(2.0, 0.5) == pytest.approx(math.log(4.0))
    assert math.isnan(log(math.nan, 1e-6))
