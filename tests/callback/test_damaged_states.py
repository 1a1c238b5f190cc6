"""States that are wrong inside: left out with a warning, or restored into a run whose rates are rates."""

from __future__ import annotations

import io
import math
import warnings

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from mutations import damaged_arrays, damaged_bytes, mutations

from learned_lr import LearnedLearningRate
from learned_lr.callback import run_start
from learned_lr.callback.brake import SafetyBrake
from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.callback.state_files import StateFiles
from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.controller import Controller, ControllerSpec
from learned_lr.control.observations import ObservationSpec

_NUM_STEPS = 400


def _controller():
    """An LSTM over a base schedule: every array of a state has something in it."""
    spec = ControllerSpec(
        network="lstm",
        num_units=2,
        activation="tanh",
        observation=ObservationSpec(transform="relative"),
        scaling=LearningRateScaling(),
        initial_learning_rate=1e-3,
        trainee_steps_per_action=10,
        num_trainee_steps=100,
        base_schedule=BaseSchedule(),
    )
    rng = np.random.default_rng(0)
    shapes = spec.weight_shapes().items()
    weights = {n: np.float32(np.abs(rng.normal(size=shape))) for n, shape in shapes}
    return Controller(spec, weights)


def _new_run():
    loop = ControlLoop(
        _controller(), _NUM_STEPS, control_interval=10, num_normalizer_decisions=9
    )
    return ControlledRun(loop, SafetyBrake())


def _train(run, num_decisions):
    """Decisions as a fit makes them; returns the rates."""
    rates = []
    for _ in range(num_decisions):
        losses = 2.0 / (1 + len(rates)), 2.5
        run.brake.alarm(*losses)
        run.observe(*losses, np.full((4, 10), 0.1 * len(rates)), np.ones((3, 10)))
        rates.append(run.loop.learning_rate)
        run.step += 10
        run.losses.begin_epoch()
        run.losses.count(1)
        run.losses.read({"loss": 1.5})
    return rates


@pytest.fixture(scope="module")
def states():
    """Two states of one run, and the rates that come after each."""
    run = _new_run()
    found = []
    for _ in range(2):
        _train(run, 3)
        found.append(run.state())
    return found


def _check(folder, states, newest):
    """Restores the newest of two states, damaged as it is; the older one is whole."""
    files = run_start.state_files(str(folder), [])
    files.save(30, states[0])
    folder = folder / "learned_learning_rate"
    (folder / "000000000060.npz").write_bytes(newest)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = run_start.start(_new_run, None, files, 61)
    damaged = [
        w for w in caught if "is damaged and left out: Expected " in str(w.message)
    ]
    if damaged:
        # Updates after the state were done.
        assert (run.num_decisions, run.step) == (3, 30 + 31)
    # What can't be told from a state is one, and can be written and restored again.
    _new_run().restore(run.state())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rates = _train(run, 5)
    assert all(0 < rate < math.inf for rate in rates)
    run.explode()
    assert 0 < run.loop.learning_rate < math.inf
    return bool(damaged)


def _npz(state):
    buffer = io.BytesIO()
    np.savez(buffer, **state)
    return buffer.getvalue()


def test_undamaged(tmp_path, states):
    assert not _check(tmp_path, states, _npz(states[1]))


@mutations
@hypothesis.given(data=st.data())
def test_other_arrays(tmp_path_factory, states, data):
    folder = tmp_path_factory.getbasetemp() / "arrays"
    _check(folder, states, _npz(data.draw(damaged_arrays(states[1]))))


@mutations
@hypothesis.given(data=st.data())
def test_other_bytes(tmp_path_factory, states, data):
    folder = tmp_path_factory.getbasetemp() / "bytes"
    _check(folder, states, data.draw(damaged_bytes(_npz(states[1]))))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("counts", None, "the arrays counts and losses, found"),
        ("colour", 1, "the arrays counts and losses, found"),
        ("counts", [1, 2, 3], r"counts of shape \(4,\), found \(3,\)"),
        ("counts", [1.0, 2.0, 0.0, 0.0], "integers in counts, found float64"),
        ("counts", [-1, 2, 0, 0], "each of counts to be an int >= 0, found -1"),
        ("losses", [math.nan, 1.0], "finite values in losses"),
        ("losses", [1.0, -0.5], "a weight >= 0 of the losses, found -0.5"),
        ("counts", [49, 6, 0, 0], "at least 50 steps, .* in counts, found 49"),
        ("brake/means", [1.0], r"means of shape \(2,\), found \(1,\)"),
        ("brake/means", None, "the brake's arrays"),
        ("brake/start", np.zeros(0), "both of means and start or none"),
        ("brake/best", [math.nan, 1.0, 1.0, 1.0], "losses in best, found NaN"),
        ("brake/alarms", [0, 0, 0, 0, -1], "each of alarms to be an int >= 0"),
        ("loop/num_brakes", -1, "num_brakes to be an int >= 0, found -1"),
        ("loop/level", None, r"'level'\] missing"),
        ("loop/level", math.nan, "finite values in level"),
        ("loop/level", 0.0, "Expected level > 0"),
        ("loop/level", 9.0, "level <= max_learning_rate = 1.0, found 9.0"),
        ("loop/level", [1e-3], r"level of shape \(\), found \(1,\)"),
        ("loop/max_learning_rate", 1e-9, "level <= max_learning_rate = 1e-09"),
        ("loop/training_step", 51, "training_step = 50, of the last .*, found 51"),
        ("loop/training_step", 50.0, "integers in training_step, found float64"),
        (
            "loop/rows",
            np.zeros((0, 3)),
            "training_step = -1, of the last .*, found 50",
        ),
        ("loop/rows", [[0.5, 1, 9], [50, 1, 9]], "whole steps and lengths in rows"),
        ("loop/rows", [[9, 1, 9], [8, 1, 9], [50, 1, 9.0]], "ascending steps from 0"),
        ("loop/rows", [[50.0, -1.0, 400.0]], "each level in rows > 0"),
        (
            "loop/lstm_state",
            np.zeros((2, 3), "f4"),
            r"of shape \(2, 2\), found \(2, 3\)",
        ),
        (
            "loop/measurements",
            np.zeros(0),
            r"measurements of shape \(17,\), found \(0,\)",
        ),
        ("loop/measurements", np.full(17, math.nan), "finite values in the losses"),
        ("loop/observations", np.zeros((10, 7)), "at most 9 observations, found 10"),
        (
            "loop/observations",
            np.full((2, 7), 30.0),
            "observations within their bounds",
        ),
        ("loop/observations", np.zeros((2, 6)), r"of shape \(any, 7\), found \(2, 6\)"),
        ("loop/normalizer", np.full((2, 7), -1.0), "variances >= 0 in normalizer"),
    ],
)
def test_what_is_refused_changes_nothing(states, name, value, message):
    state = {**states[1], name: np.array(value)}
    if value is None:
        del state[name]
    run = _new_run()
    before = _npz(run.state())
    with pytest.raises(ValueError, match=message):
        run.restore(state)
    assert _npz(run.state()) == before


def test_a_run_that_became_longer_before_it_was_restored(states):
    run, same = _new_run(), _new_run()
    length = same.loop.num_training_steps
    run.loop.set_length(2 * length)
    for restored in (run, same):
        restored.restore(states[1])
        restored.set_length(3 * length, None, False)
    assert run.loop.num_training_steps == 3 * length
    assert run.schedule == same.schedule
    assert _npz(run.state()) == _npz(same.state())


@pytest.mark.parametrize("counts", [[49, 6, 0, 0], [60, 6, 0, 0]])
def test_a_refused_state_of_another_length_leaves_a_run_as_it_was(states, counts):
    run, other = _new_run(), _new_run()
    run.restore(states[1])
    other.loop.set_length(7 * other.loop.num_training_steps)
    _train(other, 3)
    before = _npz(run.state())
    state = {**states[1], **other.state(), "counts": np.array(counts)}
    state["loop/training_step"] = np.array(10**6)
    with pytest.raises(ValueError, match="training_step"):
        run.restore(state)
    assert _npz(run.state()) == before


def test_predictions_of_another_shape_cost_one_change_and_no_run(states):
    run, expected = _new_run(), _new_run()
    run.restore({**states[1], "loop/previous_predictions": np.zeros((2, 10), "f4")})
    state = dict(states[1])
    del state["loop/previous_predictions"]
    expected.restore(state)
    with pytest.warns(
        UserWarning, match=r"predictions of shape \(2, 10\), this one of"
    ):
        rates = _train(run, 3)
    assert rates == _train(expected, 3)


def test_without_a_whole_state_the_run_begins_anew(tmp_path, states):
    files = StateFiles(str(tmp_path))
    files.save(60, {**states[1], "counts": np.array([-1, 0, 0, 0])})
    new = _new_run()
    with pytest.warns(UserWarning, match="is damaged and left out: Expected each of"):
        assert files.load(60, new.restore) is None
    assert new.loop.training_step is None


def test_a_fit_begins_anew_where_its_only_state_is_damaged(tmp_path, compiled, digits):
    x, y, *validation = digits
    model = compiled()
    model.fit(x, y, batch_size=64, epochs=1, verbose=0)
    folder = tmp_path / "learned_learning_rate"
    folder.mkdir()
    (folder / "000000000010.npz").write_bytes(_npz({"counts": np.zeros(4, int)}))
    callback = LearnedLearningRate(
        validation_data=tuple(validation), backup_dir=str(tmp_path)
    )
    with pytest.warns(UserWarning) as caught:
        model.fit(
            *(x, y, 64),
            initial_epoch=1,
            epochs=3,
            verbose=0,
            callbacks=[callback],
        )
    messages = [str(warning.message) for warning in caught]
    assert any("000000000010.npz is damaged and left out" in m for m in messages)
    assert any("begins at epoch 1 without a state" in m for m in messages)
    assert all(0 < rate < math.inf for rate in callback.schedule.learning_rates)
