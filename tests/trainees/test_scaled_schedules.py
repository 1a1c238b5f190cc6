"""The base schedule at a peak and multiplied schedules; rates a step, through whole intervals."""

from __future__ import annotations

import numpy as np
import pytest

from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.trainees import episode as episodes
from learned_lr.trainees import schedules
from learned_lr.trainees.interval_rates import interval_rates
from learned_lr.trainees.scaled_schedules import BaseAtPeak, Multiplied
from learned_lr.trainees.tasks import QuadraticTask

BASE = BaseSchedule(warmup_fraction=0.25, final_fraction=0.1)
# Steps 0 to 7: two of warm-up, then (1 + 9 cos^2(pi n / 12)) / 10 with n = 1 ... 6.
CURVE = [0.5, 1.0] + [0.1 + 0.9 * np.cos(np.pi * n / 12) ** 2 for n in range(1, 7)]


def test_base_at_a_peak():
    schedule = BaseAtPeak(0.2, BASE)
    next_rates = schedule.start(
        QuadraticTask(num_trainee_steps=8, trainee_steps_per_action=1)
    )
    for step in range(8):
        expected = 0.2 * np.array(CURVE[step:])
        assert next_rates(step, None) == pytest.approx(expected)
    assert schedule.name == "base 0.2, warm-up 0.25, to 0.1"
    assert BaseAtPeak(0.2).base == BaseSchedule()


def test_a_multiplied_schedule():
    for schedule in (schedules.Constant(0.3), BaseAtPeak(0.2, BASE)):
        found = Multiplied(schedule, 4.0).start(
            QuadraticTask(num_trainee_steps=8, trainee_steps_per_action=1)
        )(3, None)
        assert found == pytest.approx(
            4
            * schedule.start(
                QuadraticTask(num_trainee_steps=8, trainee_steps_per_action=1)
            )(3, None)
        )
    assert Multiplied(schedules.Constant(0.3), 4.0).name == "constant 0.3, times 4"
    with pytest.raises(ValueError, match="Expected multiplier > 0, found 0"):
        Multiplied(schedules.Constant(0.3), 0)
    with pytest.raises(ValueError, match="Expected peak_learning_rate > 0, found -1"):
        BaseAtPeak(-1)


@pytest.mark.parametrize("kind", ["toy", "network"])
def test_an_episode_follows_the_steps(tiny_task, kind):
    budget = {"num_trainee_steps": 8, "trainee_steps_per_action": 4}
    task = QuadraticTask(**budget) if kind == "toy" else tiny_task(**budget)
    found = episodes.run_episode(task, BaseAtPeak(0.2, BASE), 5)
    trainee = episodes.trainee_for(task)
    trainee.reset(5)
    rows = [trainee.measure()]
    rows += [
        trainee.train(0.2 * np.array(CURVE[start : start + 4])) for start in (0, 4)
    ]
    # CURVE is the same function of the step, by another formula.
    np.testing.assert_allclose(
        found.trajectory[:, 2:],
        [list(row.numbers[:-1]) for row in rows],
        rtol=1e-5,
        atol=1e-9,
    )
    # The rate of the first step, then of each interval's last one.
    expected = [0.2 * CURVE[step] for step in (0, 3, 7)]
    assert found.column("learning_rate") == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["toy", "network"])
def test_a_rate_a_step_is_a_rate_of_each(tiny_task, kind):
    def final(interval, rates):
        budget = {"num_trainee_steps": 8, "trainee_steps_per_action": interval}
        task = QuadraticTask(**budget) if kind == "toy" else tiny_task(**budget)
        trainee = episodes.trainee_for(task)
        trainee.reset(1)
        trainee.measure()
        return [trainee.train(rate) for rate in rates][-1]

    moving = final(4, [np.array([0.1, 0.2, 0.05, 0.3]), np.array([0.3, 0.1, 0.1, 0.2])])
    held = final(1, [0.1, 0.2, 0.05, 0.3, 0.3, 0.1, 0.1, 0.2])
    assert moving.validation_loss == held.validation_loss
    assert moving.final_kernel_mean == held.final_kernel_mean
    # One rate is as many equal ones, to the bit.
    assert final(4, [0.1, 0.2]) == final(4, [np.full(4, 0.1), np.full(4, 0.2)])


def test_rates_of_an_interval():
    assert interval_rates(0.1, 3).tolist() == [0.1] * 3
    assert interval_rates([0.1, 0.2], 2).tolist() == [0.1, 0.2]


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (0.0, "Expected a learning rate > 0, found 0.0"),
        ([0.1, -0.1], "Expected a learning rate > 0"),
        ([0.1, np.inf], "Expected a learning rate > 0"),
        ([0.1, 0.1, 0.1], r"one for each of 2 steps, found shape \(3,\)"),
    ],
)
def test_rates_that_cannot_be(tiny_task, rates, message):
    with pytest.raises(ValueError, match=message):
        interval_rates(rates, 2)
    budget = {"num_trainee_steps": 4, "trainee_steps_per_action": 2}
    for task in (QuadraticTask(**budget), tiny_task(**budget)):
        with pytest.raises(ValueError, match=message):
            episodes.trainee_for(task).train(rates)
