"""Steps of a run, and its table of rates: late decisions, another length, and what is refused at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.rate_table import RateTable


def _train(loop, steps, is_asked=lambda step: True):
    """A training whose losses fall; returns the rate of each step."""
    rates = []
    for step in steps:
        if is_asked(step) and loop.is_due(step):
            loop.observe(2 / (1 + step), 2.5 / (1 + step), training_step=step)
        rates.append(loop.rate_at(step))
    return rates


def test_decisions_at_the_ends_of_epochs_leave_a_whole_table():
    loop = ControlLoop("trapezoid", 100, control_interval=4)
    rates = _train(loop, range(100), lambda step: step % 30 == 0)
    # The latest decision is at step 90; the next was due at 94.
    assert loop.schedule == RateTable(tuple(range(100)), tuple(rates))
    assert loop.schedule_until(95).learning_rates == tuple(rates[:95])
    assert loop.schedule_until(0).learning_rates == tuple(rates[:91])


def test_a_table_has_the_rates_of_a_run_that_became_longer():
    loop = ControlLoop("trapezoid", 50)
    rates = _train(loop, range(50))
    loop.set_length(100, training_step=50)
    # The next decision is due at 52: till then the rates are those of the new length, a hundred times as high.
    rates += _train(loop, range(50, 100))
    assert rates[50] > 100 * rates[49]
    assert loop.schedule == RateTable(tuple(range(100)), tuple(rates))


def test_a_restored_run_that_becomes_longer_is_like_one_that_went_on():
    whole, first = (ControlLoop("trapezoid", 50) for _ in range(2))
    for loop in (whole, first):
        _train(loop, range(30))
    whole.set_length(100, training_step=30)
    second = ControlLoop("trapezoid", 50)
    second.restore(first.state())
    second.set_length(100, training_step=30)
    third = ControlLoop("trapezoid", 100)
    third.restore(second.state())
    expected = _train(whole, range(30, 100))
    for loop in (second, third):
        assert _train(loop, range(30, 100)) == expected
        assert loop.schedule == whole.schedule


class _Counter:
    """A tensor that counts updates in place, as optimizers have one."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


def test_a_step_is_kept_as_it_was():
    loop = ControlLoop("trapezoid", 100)
    counter = _Counter(0)
    loop.observe(2.0, 2.0, training_step=counter)
    counter.value = 4
    assert loop.is_due(4)
    loop.observe(1.0, 1.0, training_step=counter)
    counter.value = 8
    assert loop.is_due(8)
    loop.brake(counter)
    counter.value = 9
    assert loop.training_step == 8
    assert loop.schedule_until(0).steps == tuple(range(9))


@pytest.mark.parametrize("call", ["observe", "brake", "set_length"])
@pytest.mark.parametrize(
    ("step", "message"),
    [
        (3, ">= 4, that of the call before, found 3"),
        (-1, "to be an int >= 0, found -1"),
        (8.0, "to be an int >= 0, found 8.0"),
        (True, "to be an int >= 0, found True"),
        (np.True_, "to be an int >= 0, found "),
        ("8", "to be an int >= 0, found '8'"),
        (2**31, "to be an int >= 0, found 2147483648"),
    ],
)
def test_steps_that_can_not_be_are_refused_at_once(call, step, message):
    loop = ControlLoop("trapezoid", 100)
    _train(loop, range(5))
    before = loop.state()
    arguments = {"observe": (2.0, 2.0), "brake": (), "set_length": (200,)}[call]
    with pytest.raises(ValueError, match=f"training_step {message}"):
        getattr(loop, call)(*arguments, training_step=step)
    after = loop.state()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)
    assert (loop.num_training_steps, loop.control_interval) == (100, 4)


@pytest.mark.parametrize("length", [0, -5, 10.5, 500.0, None, "7", True])
def test_a_length_that_is_none_is_refused(length):
    loop = ControlLoop("trapezoid", 100)
    with pytest.raises(ValueError, match="num_training_steps to be an int >= 1"):
        loop.set_length(length)
    assert loop.num_training_steps == 100


def test_a_brake_may_come_before_the_first_decision():
    whole, first = (ControlLoop("trapezoid", 100) for _ in range(2))
    for loop in (whole, first):
        assert loop.brake() == pytest.approx(1e-4 / 20)
    second = ControlLoop("trapezoid", 100)
    second.restore(first.state())
    assert not second.is_due(3)
    assert second.is_due(4)
    expected = _train(whole, range(4, 100))
    assert _train(second, range(4, 100)) == expected
    assert second.schedule == whole.schedule
    # The rates from the brake on until there is a loss are those of the cut level.
    assert whole.schedule.at(3) == pytest.approx(1e-4 / 5)


def test_a_bound_of_another_kind_of_number_changes_no_rate():
    loops = [
        ControlLoop("trapezoid", 100, max_learning_rate=bound)
        for bound in (np.float32(1.1e-3), float(np.float32(1.1e-3)))
    ]
    for loop in loops:
        _train(loop, range(30))
    assert [type(loop.level) for loop in loops] == [float, float]
    assert loops[0].level == loops[0].scaling.max_learning_rate
    restored = ControlLoop("trapezoid", 100, max_learning_rate=np.float32(1.1e-3))
    restored.restore(loops[0].state())
    rates = [repr(loop.rate_at(31)) for loop in (*loops, restored)]
    assert rates[0] == rates[1] == rates[2]


def test_without_a_base_schedule_a_row_is_a_decision():
    loop = ControlLoop("trapezoid", 100)
    spec = dataclasses.replace(loop.controller.spec, base_schedule=None)
    loop = ControlLoop(type(loop.controller)(spec, loop.controller.weights), 100)
    _train(loop, range(10))
    assert loop.schedule.steps == loop.schedule_until(5).steps == (0, 4, 8)
