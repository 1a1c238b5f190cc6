"""One run under control: steps, bounds, brake, state, and what is refused."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.controller import Controller


def _measurements(num, seed=0):
    generator = np.random.default_rng(seed)
    return [
        {
            "train_loss": 2.3 * 0.9**i * generator.uniform(0.8, 1.2),
            "validation_loss": 2.3 * 0.9**i * generator.uniform(0.8, 1.2),
            "predictions": generator.dirichlet(np.ones(10), 64),
            "final_kernel": generator.normal(0, 0.1, (32, 10)),
        }
        for i in range(num)
    ]


def _run(loop, measurements):
    return [loop.observe(**m) for m in measurements]


@pytest.mark.parametrize("own, expected", [(None, 1e-3), (0.02, 0.02), (5.0, 1.0)])
def test_sgd_starts_at_a_level_of_its_own(own, expected):
    plain = Controller.load("fashion_mnist_lenet5")
    spec = dataclasses.replace(plain.spec, initial_sgd_learning_rate=own)
    controller = Controller(spec, plain.weights)
    assert ControlLoop(controller, 100).level == 1e-3
    assert ControlLoop(controller, 100, is_sgd=True).level == expected
    assert ControlLoop(controller, 100, None, 0.5, is_sgd=True).level == 0.5


@pytest.mark.parametrize("num_steps, interval", [(1000, 10), (100, 1), (30000, 300)])
def test_interval_scales_with_the_run(num_steps, interval):
    assert ControlLoop("fashion_mnist_lenet5", num_steps).control_interval == interval


def test_is_due_at_the_start_and_every_interval_but_not_at_the_end():
    loop = ControlLoop("fashion_mnist_lenet5", 30, control_interval=10)
    due = []
    for step, measurement in zip(range(31), _measurements(31)):
        if loop.is_due(step):
            loop.observe(**measurement)
            due.append(step)
    assert due == [0, 10, 20]
    assert loop.schedule.steps == (0, 10, 20)


def test_rates_stay_in_bounds_and_move_by_the_scale_at_most():
    loop = ControlLoop(
        "fashion_mnist_lenet5",
        1000,
        initial_learning_rate=1e-3,
        min_learning_rate=9e-4,
        max_learning_rate=1.1e-3,
    )
    rates = np.array(_run(loop, _measurements(40)))
    assert rates.min() >= 9e-4
    assert rates.max() <= 1.1e-3
    free = ControlLoop("fashion_mnist_lenet5", 1000)
    rates = np.array([1e-3, *_run(free, _measurements(40))])
    scale = free.controller.spec.scaling.max_scale * (1 + 1e-9)
    assert np.all(rates[1:] <= rates[:-1] * scale)
    assert np.all(rates[1:] >= rates[:-1] / scale)


def test_brake_cuts_and_its_bound_gives_way():
    loop = ControlLoop("fashion_mnist_lenet5", 1000, initial_learning_rate=5e-3)
    maximum = loop.scaling.max_learning_rate
    exploded = _run(loop, _measurements(5))[-1]
    for num_brakes in (1, 2, 3):
        level = loop.level
        step = loop.training_step + 7
        assert loop.brake(step) == pytest.approx(level / 10)
        assert loop.schedule.at(step - 1) == level
        assert loop.schedule.at(step) == pytest.approx(level / 10)
        ceilings = []
        for _ in range(60):
            ceilings.append(loop.scaling.max_learning_rate)
            assert _run(loop, _measurements(1))[0] <= ceilings[-1]
        expected = level / 5 * 2 ** (np.arange(60) / (2 * num_brakes))
        np.testing.assert_allclose(ceilings, np.minimum(expected, maximum))
    assert exploded < maximum


@pytest.mark.parametrize("at", [0, 1, 7, 20])
def test_restored_run_goes_on_bit_for_bit(at, tmp_path):
    measurements = _measurements(21)
    whole = ControlLoop("fashion_mnist_lenet5", 1000, num_normalizer_decisions=10)
    expected = _run(whole, measurements)
    first = ControlLoop("fashion_mnist_lenet5", 1000, num_normalizer_decisions=10)
    _run(first, measurements[:at])
    np.savez(tmp_path / "state.npz", **first.state())
    second = ControlLoop("fashion_mnist_lenet5", 1000, num_normalizer_decisions=10)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        second.restore(dict(state))
    assert _run(second, measurements[at:]) == expected[at:]
    assert second.schedule == whole.schedule


@pytest.mark.parametrize("loss", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["train_loss", "validation_loss"])
def test_non_finite_loss_is_refused_with_the_way_out(name, loss):
    (measurement,) = _measurements(1)
    with pytest.raises(ValueError, match=r"call brake\(\)"):
        ControlLoop("fashion_mnist_lenet5", 10).observe(**{**measurement, name: loss})


@pytest.mark.parametrize(
    "name, message",
    [("predictions", "no predictions"), ("final_kernel", "no final dense kernel")],
)
def test_missing_features_are_named(name, message):
    (measurement,) = _measurements(1)
    with pytest.raises(ValueError, match=message):
        ControlLoop("fashion_mnist_lenet5", 10).observe(**{**measurement, name: None})


def test_other_examples_in_mid_run_are_noticed():
    first, second = _measurements(2)
    loop = ControlLoop("fashion_mnist_lenet5", 10)
    loop.observe(**first)
    with pytest.raises(ValueError, match=r"\(64, 10\), as before, found \(63, 10\)"):
        loop.observe(**{**second, "predictions": second["predictions"][:63]})


def test_what_is_refused_leaves_no_predictions_behind():
    first, second = _measurements(2)
    loop, other = (ControlLoop("fashion_mnist_lenet5", 10) for _ in range(2))
    for run in (loop, other):
        run.observe(**first)
    with pytest.raises(ValueError, match="could not convert"):
        loop.observe(**{**second, "final_kernel": "kernel"})
    assert loop.observe(**second) == other.observe(**second)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_training_steps": 0}, "num_training_steps"),
        ({"num_training_steps": 10.5}, "num_training_steps"),
        ({"control_interval": 0}, "control_interval"),
        ({"initial_learning_rate": 0.0}, "initial_learning_rate"),
        ({"initial_learning_rate": math.nan}, "initial_learning_rate"),
        ({"min_learning_rate": 0.1, "max_learning_rate": 0.01}, "learning_rate"),
        ({"num_normalizer_decisions": -1}, "num_normalizer_decisions"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ControlLoop("fashion_mnist_lenet5", **{"num_training_steps": 100, **arguments})


def test_schedule_before_the_first_decision():
    with pytest.raises(ValueError, match="Expected a decision"):
        _ = ControlLoop("fashion_mnist_lenet5", 10).schedule


def test_light_side_imports_nothing_heavy():
    code = """
import sys
import learned_lr
learned_lr.ControlLoop("fashion_mnist_lenet5", 10)
heavy = {"tensorflow", "keras", "jax", "torch", "tf_agents", "gin"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_brake_before_the_first_observation_moves_no_step():
    loop = ControlLoop("trapezoid", 100)
    loop.brake()
    loop.observe(2.0, 2.0)
    assert loop.training_step == 0


@pytest.mark.parametrize("step", [-1, math.nan])
def test_a_rate_of_no_step_is_refused(step):
    loop = ControlLoop("fashion_mnist_lenet5", 100)
    with pytest.raises(ValueError, match="Expected a training step >= 0, found"):
        loop.rate_at(step)


@pytest.mark.parametrize("loss", ["2.3", None, [2.3], 1j, np.ones(2)])
def test_a_loss_that_is_no_number_is_refused(loss):
    loop = ControlLoop("trapezoid", 100)
    with pytest.raises(ValueError, match="Expected a validation loss that is one numb"):
        loop.observe(2.3, loss)
