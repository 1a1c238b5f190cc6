"""Schedules: whole curves against literal arrays."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from learned_lr.control.measurements import Measurement
from learned_lr.trainees import schedules
from learned_lr.trainees.tasks import QuadraticTask

MEASUREMENT = Measurement(2.3, 2.3, 0.01, 0.0, 0.0, 0.05)


def _curve(schedule, num_trainee_steps=100, interval=10):
    next_learning_rate = schedule.start(
        QuadraticTask(num_trainee_steps=num_trainee_steps)
    )
    return [
        next_learning_rate(step, MEASUREMENT)
        for step in range(0, num_trainee_steps, interval)
    ]


CURVES = {
    "constant 0.01": (schedules.Constant(0.01), [0.01] * 10),
    "step decay 0.1, 30, 0.5": (
        schedules.StepDecay(0.1, 30, 0.5),
        [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125],
    ),
    # The third interval starts at step 20, before the decay at 25.
    "step decay 0.1, 25, 0.1": (
        schedules.StepDecay(0.1, 25, 0.1),
        [0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.001, 0.0001, 0.0001],
    ),
    # (1 + cos(pi n / 10)) / 2
    "cosine 1, warm-up 0": (
        schedules.WarmupCosine(1.0),
        [1.0, 0.9755282581, 0.9045084972, 0.7938926261, 0.6545084972]
        + [0.5, 0.3454915028, 0.2061073739, 0.0954915028, 0.0244717419],
    ),
    # (t + 1) / 20 twice, then a cosine over 80 steps from 1 to 0.2, times 0.5
    "cosine 0.5, warm-up 20, to 0.2": (
        schedules.WarmupCosine(0.5, 20, 0.2),
        [0.025, 0.275, 0.5, 0.4847759065, 0.4414213562, 0.3765366865]
        + [0.3, 0.2234633135, 0.1585786438, 0.1152240935],
    ),
    "cosine 1, warm-up 0, to 0.5": (
        schedules.WarmupCosine(1.0, 0, 0.5),
        [1.0, 0.9877641291, 0.9522542486, 0.8969463131, 0.8272542486]
        + [0.75, 0.6727457514, 0.6030536869, 0.5477457514, 0.5122358709],
    ),
    # (t + 1) / 20 twice, then eight steps of an eighth down.
    "linear 0.5, warm-up 20": (
        schedules.WarmupLinear(0.5, 20),
        [0.025, 0.275, 0.5, 0.4375, 0.375, 0.3125, 0.25, 0.1875, 0.125, 0.0625],
    ),
    # A tenth root of 0.01 is 0.63095734448.
    "exponential 1, 0.01": (
        schedules.Exponential(1.0, 0.01),
        [1.0, 0.6309573445, 0.3981071706, 0.2511886432, 0.1584893192]
        + [0.1, 0.0630957344, 0.0398107171, 0.0251188643, 0.0158489319],
    ),
    # From 0.1 up over 40 steps, from 1 down to 0.01 over 60: cosines at n/4 and n/6 of pi.
    "one cycle 1, 0.4": (
        schedules.OneCycle(1.0, 0.4, 10.0, 10.0),
        [0.1, 0.2318019485, 0.55, 0.8681980515, 1.0, 0.9336825749]
        + [0.7525, 0.505, 0.2575, 0.0763174251],
    ),
    "recorded": (
        schedules.RecordedRates((0, 10, 20, 70), (0.1, 0.2, 0.3, 0.4), "recorded"),
        [0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.4, 0.4, 0.4],
    ),
}


@pytest.mark.parametrize("name", CURVES)
def test_whole_curve(name):
    schedule, expected = CURVES[name]
    assert schedule.name == name
    np.testing.assert_allclose(_curve(schedule), expected, rtol=1e-8)


@pytest.mark.parametrize("name", CURVES)
def test_pickled_curve(name):
    schedule = CURVES[name][0]
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy == schedule
    assert _curve(copy) == _curve(schedule)


def test_recorded_rates_move_within_an_interval():
    recorded = schedules.RecordedRates((0, 15, 17, 20), (0.1, 0.2, 0.3, 0.4))
    first, second, third = _curve(recorded, num_trainee_steps=30)
    assert (first, third) == (0.1, 0.4)
    assert second.tolist() == [0.1] * 5 + [0.2] * 2 + [0.3] * 3


def test_replay_from_csv(tmp_path):
    path = tmp_path / "schedule.csv"
    path.write_text(
        "learning_rate,note,trainee_step\n0.1,a,0\n0.05,b,30\n1e-3,c,60.0\n"
    )
    schedule = schedules.RecordedRates.from_csv(str(path), label="by hand")
    assert schedule == schedules.RecordedRates(
        (0, 30, 60), (0.1, 0.05, 1e-3), "by hand"
    )
    assert _curve(schedule) == [0.1] * 3 + [0.05] * 3 + [1e-3] * 4


@pytest.mark.parametrize(
    "content, message",
    [
        ("trainee_step,rate\n0,0.1\n", r"found \['trainee_step', 'rate'\]"),
        ("trainee_step,learning_rate\n", "found an empty table"),
        ("", "found an empty table"),
        ("trainee_step,learning_rate\n0,0.1\n5,-1\n", "learning_rate > 0, found -1.0"),
    ],
)
def test_a_csv_that_does_not_fit_is_refused(tmp_path, content, message):
    path = tmp_path / "schedule.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        schedules.RecordedRates.from_csv(str(path))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: schedules.Constant(0.0), "learning_rate > 0, found 0.0"),
        (lambda: schedules.Constant(math.inf), "learning_rate > 0, found inf"),
        (lambda: schedules.Constant(math.nan), "learning_rate > 0, found nan"),
        (
            lambda: schedules.StepDecay(-1.0, 10, 0.5),
            "initial_learning_rate > 0, found -1.0",
        ),
        (lambda: schedules.StepDecay(1.0, 0, 0.5), "discount_step > 0, found 0"),
        (lambda: schedules.StepDecay(1.0, 10, 0.0), "discount_factor > 0, found 0.0"),
        (lambda: schedules.WarmupCosine(0.0), "peak_learning_rate > 0, found 0.0"),
        (
            lambda: schedules.WarmupCosine(1.0, -1),
            r"num_warmup_steps >= 0 and final_fraction in \[0, 1\], found -1 and 0.0",
        ),
        (lambda: schedules.WarmupCosine(1.0, 0, 1.5), "found 0 and 1.5"),
        (lambda: schedules.WarmupLinear(1.0, -1), "num_warmup_steps >= 0, found -1"),
        (
            lambda: schedules.WarmupCosine(1.0, 100).start(
                QuadraticTask(num_trainee_steps=100)
            ),
            "num_warmup_steps < 100, found 100",
        ),
        (lambda: schedules.Exponential(0.1, 0.0), "final_fraction > 0, found 0.0"),
        (lambda: schedules.OneCycle(0.1, 1.0), r"warmup_fraction in \(0, 1\), found 1"),
        (lambda: schedules.OneCycle(0.1, 0.3, 0.0), "initial_divisor > 0"),
        (lambda: schedules.RecordedRates((), ()), "at least one, found 0 and 0"),
        (lambda: schedules.RecordedRates((0, 1), (0.1,)), "found 1 and 2"),
        (
            lambda: schedules.RecordedRates((1, 2), (0.1, 0.1)),
            r"ascending steps from 0, found \(1, 2\)",
        ),
        (lambda: schedules.RecordedRates((0, 0), (0.1, 0.1)), "ascending steps from 0"),
        (lambda: schedules.RecordedRates((0,), (0.0,)), "learning_rate > 0, found 0.0"),
    ],
)
def test_a_schedule_that_is_none_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
