"""Base schedules and levels: curves, rates, brakes and restored runs against literal numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.base_schedules import BaseSchedule, rate_table, rates_from
from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.controller import Controller, ControllerError, ControllerSpec
from learned_lr.control.measurements import Measurement
from learned_lr.control.observations import ObservationSpec
from learned_lr.control.rate_table import RateTable

# Two steps of warm-up of ten, then from 1 over cos(pi / 8), cos(pi / 4), ... to 0.1.
BASE = BaseSchedule(warmup_fraction=0.2, final_fraction=0.1)
CURVE = [0.5, 1.0, 0.96574579, 0.86819805, 0.722207545, 0.55, 0.377792455, 0.23180195]
CURVE += [0.13425421, 0.1]
MEASUREMENT = Measurement(2.3, 2.3, 0.01, 0.0, 0.0, 0.05)


def test_curve_by_hand():
    found = [BASE.multiplier(step, 10) for step in range(10)]
    np.testing.assert_allclose(found, CURVE, rtol=1e-7)
    assert BASE.multiplier(25, 10) == 0.1
    largest = [BASE.largest_from(step, 10) for step in range(10)]
    np.testing.assert_allclose(largest, [1.0, *CURVE[1:]], rtol=1e-7)


@pytest.mark.parametrize(
    ("warmup", "final", "num_steps", "expected"),
    [
        (0.05, 1e-3, 1, [1.0]),
        (0.05, 1e-3, 2, [1.0, 1e-3]),
        (0.0, 1e-3, 3, [1.0, 0.5005, 1e-3]),
        (0.9, 1e-3, 4, [0.25, 0.5, 0.75, 1.0]),
        (0.25, 1.0, 4, [1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_short_runs(warmup, final, num_steps, expected):
    base = BaseSchedule(warmup, final)
    found = [base.multiplier(step, num_steps) for step in range(num_steps)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_trapezoid_by_hand():
    base = BaseSchedule(0.2, 0.1, hold_fraction=0.3, decay="linear")
    found = [base.multiplier(step, 10) for step in range(12)]
    expected = [0.5, 1, 1, 1, 1, 0.82, 0.64, 0.46, 0.28, 0.1, 0.1, 0.1]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    largest = [base.largest_from(step, 10) for step in range(10)]
    np.testing.assert_allclose(largest, [1.0, *expected[1:10]], rtol=1e-12)
    cosine = BaseSchedule(0.2, 0.1, hold_fraction=0.3)
    fall = [cosine.multiplier(step, 10) for step in range(4, 10)]
    np.testing.assert_allclose(
        fall, 0.1 + 0.45 * (1 + np.cos(np.pi * np.arange(6) / 5)), rtol=1e-12
    )
    assert base.describe() == (
        "a warm-up of 0.2 of the run, a hold of 0.3 and a straight line to 0.1"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hold_fraction": -0.1}, "hold_fraction >= 0 .* found -0.1"),
        ({"hold_fraction": 0.95}, "beside warmup_fraction = 0.05, found 0.95"),
        ({"hold_fraction": "0.1"}, "hold_fraction to be a finite number"),
        ({"decay": "exponential"}, "decay out of .* found 'exponential'"),
    ],
)
def test_a_trapezoid_that_is_none_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        BaseSchedule(**fields)


@pytest.mark.parametrize(("warmup", "final"), [(-0.1, 0.1), (1.0, 0.1), (0.1, 0.0)])
def test_a_schedule_that_is_none_is_refused(warmup, final):
    with pytest.raises(ValueError, match=r"Expected warmup_fraction in \[0, 1\)"):
        BaseSchedule(warmup, final)


def test_rates_of_an_interval():
    found = rates_from(BASE, 0.02, 1, 3, 10)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [0.02, 0.0193149152, 0.017363961], rtol=1e-6)
    assert rates_from(None, 0.02, 1, 3, 10) == 0.02


def _controller(base, scale=2.0):
    """Its action is tanh(-log(level / initial level) + progress)."""
    spec = ControllerSpec(
        network="mlp",
        num_units=1,
        activation="relu",
        observation=ObservationSpec(("learning_rate", "progress"), "relative"),
        scaling=LearningRateScaling(scale, 1e-6, 1.0),
        initial_learning_rate=0.01,
        trainee_steps_per_action=1,
        num_trainee_steps=5,
        base_schedule=base,
    )
    weights = {
        "normalizer_mean": [0.0, 0.0],
        "normalizer_variance": [0.999, 0.999],
        "hidden_kernel": [[-1.0], [1.0]],
        "hidden_bias": [5.0],
        "action_kernel": [[1.0]],
        "action_bias": [-5.0],
        "action_deviation": [0.1],
    }
    return Controller(spec, {name: np.float32(w) for name, w in weights.items()})


def _levels():
    """The levels of five decisions of the controller, by its formula."""
    level, levels = 0.01, []
    for progress in (0.0, 0.2, 0.4, 0.6, 0.8):
        level *= 2.0 ** np.tanh(progress - np.log(level / 0.01))
        levels.append(level)
    return np.array(levels)


def test_loop_moves_the_level_and_the_base_the_rate():
    loop = ControlLoop(_controller(BASE), 10)
    found = []
    for step in range(10):
        if loop.is_due(step):
            rate = loop.decide(MEASUREMENT, step)
            assert rate == loop.learning_rate == loop.rate_at(step)
        found.append(loop.rate_at(step))
    levels = np.repeat(_levels(), 2)
    np.testing.assert_allclose(found, levels * CURVE, rtol=1e-6)
    assert levels[-1] > 1.3 * levels[0]
    assert loop.schedule.steps == tuple(range(10))
    assert loop.schedule.learning_rates == tuple(found)


def test_without_a_base_the_rate_is_the_level():
    loop = ControlLoop(_controller(None), 10)
    rates = [loop.decide(MEASUREMENT, step) for step in range(0, 10, 2)]
    np.testing.assert_allclose(rates, _levels(), rtol=1e-6)
    assert loop.rate_at(9) == loop.level == rates[-1]
    assert loop.schedule.steps == (0, 2, 4, 6, 8)


@pytest.mark.parametrize("at", [0, 1, 3])
def test_restored_run_goes_on_bit_for_bit(at):
    measurements = [MEASUREMENT._replace(train_loss=2.3 / (i + 1)) for i in range(5)]
    whole = ControlLoop(_controller(BASE), 10)
    expected = [whole.decide(m, 2 * i) for i, m in enumerate(measurements)]
    first, second = (ControlLoop(_controller(BASE), 10) for _ in range(2))
    for i in range(at):
        first.decide(measurements[i], 2 * i)
    second.restore(first.state())
    found = [second.decide(measurements[i], 2 * i) for i in range(at, 5)]
    assert found == expected[at:]
    assert second.schedule == whole.schedule
    assert second.rate_at(9) == whole.rate_at(9)


def test_brake_while_the_base_falls():
    loop = ControlLoop(_controller(BASE), 10)
    loop.decide(MEASUREMENT, 0)
    level = loop.level
    # At step 5 the multiplier is 0.55, and later ones are less.
    assert loop.brake(5) == pytest.approx(0.055 * level)
    assert loop.scaling.max_learning_rate == pytest.approx(0.2 * level)
    rates = loop.schedule.learning_rates
    assert rates[4] == pytest.approx(0.722207545 * level)
    assert rates[5] == pytest.approx(0.055 * level)


def test_brake_in_warmup_counts_what_is_still_to_come():
    base = BaseSchedule(warmup_fraction=0.5)
    loop = ControlLoop(_controller(base), 40)
    loop.decide(MEASUREMENT, 0)
    level = loop.level
    exploded = loop.rate_at(3)
    assert exploded == pytest.approx(0.2 * level)
    assert loop.brake(3) == pytest.approx(0.02 * level)
    assert loop.scaling.max_learning_rate == pytest.approx(0.1 * level)
    rates = []
    for step in range(8, 40):
        if loop.is_due(step):
            loop.decide(MEASUREMENT, step)
        rates.append(loop.rate_at(step))
    assert 0.2 * exploded < max(rates[:4]) <= 0.5 * exploded * (1 + 1e-12)


def test_another_length_stretches_what_is_left_of_the_base():
    loop = ControlLoop(_controller(BASE), 10)
    loop.decide(MEASUREMENT, 0)
    loop.set_length(20, training_step=2)
    assert loop.control_interval == 4
    # Four steps of warm-up of twenty: step 2 is the third.
    assert loop.rate_at(2) == pytest.approx(0.75 * loop.level)
    loop.decide(MEASUREMENT, 4)
    rates = loop.schedule.learning_rates
    # What ran before keeps the rates it had.
    np.testing.assert_allclose(np.array(rates[:4]) / rates[0], [1.0, 2.0, 1.5, 2.0], rtol=1e-6)  # fmt: skip
    assert len(rates) == 20


def test_table_of_a_last_interval_that_the_run_cuts_off():
    table = rate_table(BASE, [(0, 1.0, 10), (6, 2.0, 10)], 10)
    assert table.steps == tuple(range(10))
    np.testing.assert_allclose(table.learning_rates, np.array(CURVE) * ([1.0] * 6 + [2.0] * 4), rtol=1e-7)  # fmt: skip


def test_table_of_a_run_that_starts_in_its_middle():
    rows = [(4, 1.0, 10), (6, 2.0, 10)]
    assert rate_table(None, rows, 10) == RateTable((0, 6), (1.0, 2.0))
    table = rate_table(BASE, rows, 10)
    assert table.steps == tuple(range(10))
    np.testing.assert_allclose(table.learning_rates, np.array(CURVE) * ([1.0] * 6 + [2.0] * 4), rtol=1e-7)  # fmt: skip


@pytest.mark.parametrize("base", [None, BASE])
def test_save_and_load(tmp_path, base):
    _controller(base).save(str(tmp_path))
    found = Controller.load(str(tmp_path)).spec
    assert found == _controller(base).spec
    assert found.base_schedule == base


@pytest.mark.parametrize("entry", ["base_schedule", "initial_sgd_learning_rate"])
def test_an_earlier_spec_lacks_what_came_later(tmp_path, entry):
    _controller(None).save(str(tmp_path))
    path = tmp_path / "spec.json"
    text = path.read_text()
    assert f'  "{entry}": null,\n' in text
    path.write_text(text.replace(f'  "{entry}": null,\n', ""))
    assert Controller.load(str(tmp_path)).spec == _controller(None).spec


def test_an_earlier_base_schedule_is_a_cosine_without_a_hold(tmp_path):
    _controller(BASE).save(str(tmp_path))
    path = tmp_path / "spec.json"
    document = json.loads(path.read_text())
    for entry, value in (("hold_fraction", 0.0), ("decay", "cosine")):
        assert document["base_schedule"].pop(entry) == value
    path.write_text(json.dumps(document))
    assert Controller.load(str(tmp_path)).spec.base_schedule == BASE


def test_a_base_schedule_that_is_none_is_refused_on_loading(tmp_path):
    _controller(BASE).save(str(tmp_path))
    path = tmp_path / "spec.json"
    path.write_text(
        path.read_text().replace('"warmup_fraction": 0.2', '"warmup_fraction": 2')
    )
    with pytest.raises(ControllerError, match="Expected warmup_fraction in"):
        Controller.load(str(tmp_path))
