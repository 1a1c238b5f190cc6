"""Controllers and rate tables that are wrong inside, checksum and all: refused in one way, or harmless."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import warnings

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from mutations import (
    NUMBERS,
    damaged_arrays,
    damaged_bytes,
    damaged_documents,
    mutations,
)

from learned_lr import controller_info
from learned_lr.control import array_archives
from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.controller import Controller, ControllerError, ControllerSpec
from learned_lr.control.observations import FEATURES, ObservationSpec
from learned_lr.control.rate_table import RateTable, RateTableError

_NUM_STEPS = 60


@functools.lru_cache
def _controller(network):
    """A small one; the LSTM scales a base schedule, looks at everything and calls for a relu."""
    is_lstm = network == "lstm"
    spec = ControllerSpec(
        network=network,
        num_units=3,
        activation="tanh" if is_lstm else "relu",
        observation=ObservationSpec(
            (*FEATURES, "progress", "validation_loss_rise", "num_training_steps"),
            "relative" if is_lstm else "raw",
        ),
        scaling=LearningRateScaling(),
        initial_learning_rate=1e-3,
        trainee_steps_per_action=10,
        num_trainee_steps=100,
        source_tasks=["digits"],
        provenance={"seed": 1, "versions": {"numpy": "1"}},
        base_schedule=BaseSchedule() if is_lstm else None,
        initial_sgd_learning_rate=0.1 if is_lstm else None,
    )
    rng = np.random.default_rng(0)
    return Controller(
        spec,
        {
            name: np.abs(rng.normal(size=shape)).astype(np.float32)
            for name, shape in spec.weight_shapes().items()
        },
    )


def _check_run(controller):
    """A run whose losses are what losses can be; all rates are finite and above 0."""
    loop = ControlLoop(controller, _NUM_STEPS)
    measured = [(2.0, 2.1), (1e-30, 0.5), (1e30, 1e30), (-3.0, 0.0), (0.1, 1e-12)]
    for step, losses in enumerate(measured):
        predictions = np.full((4, 2), losses[0], np.float32)
        rate = loop.observe(*losses, predictions, np.ones((3, 2)), 7 * step)
        assert 0 < rate < math.inf
    assert 0 < loop.brake() < math.inf
    assert all(0 < rate < math.inf for rate in loop.schedule.learning_rates)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


def _load(folder, spec_text, weights, is_described=False):
    """Loads it, and runs what was loaded."""
    (folder / "spec.json").write_bytes(spec_text)
    (folder / "weights.npz").write_bytes(weights)
    try:
        controller = Controller.load(folder)
    except ControllerError as error:
        assert "Expected " in str(error) and ", found" in str(error)
        return
    with warnings.catch_warnings():
        # Overflows are clipped.
        warnings.simplefilter("ignore", RuntimeWarning)
        _check_run(controller)
        if is_described:
            controller_info.describe(controller)


def _spec_of(controller, weights):
    return controller.spec.document(hashlib.sha256(weights).hexdigest())


@pytest.mark.parametrize("network", ["mlp", "lstm"])
def test_undamaged(folder, network):
    weights = array_archives.pack(_controller(network).weights)
    _check_run(_controller(network))
    _load(folder, json.dumps(_spec_of(_controller(network), weights)).encode(), weights)


@pytest.mark.parametrize("network", ["mlp", "lstm"])
@mutations
@hypothesis.given(data=st.data())
def test_other_values_in_a_spec(folder, network, data):
    weights = array_archives.pack(_controller(network).weights)
    spec = data.draw(damaged_documents(_spec_of(_controller(network), weights)))
    _load(folder, json.dumps(spec).encode(), weights, is_described=True)


@mutations
@hypothesis.given(data=st.data())
def test_other_bytes_in_a_spec(folder, data):
    weights = array_archives.pack(_controller("lstm").weights)
    spec = json.dumps(_spec_of(_controller("lstm"), weights)).encode()
    _load(folder, data.draw(damaged_bytes(spec)), weights)


def test_a_spec_that_nests_without_end(tmp_path):
    (tmp_path / "spec.json").write_text("[" * 100_000)
    with pytest.raises(ControllerError, match="Expected JSON in"):
        Controller.load(str(tmp_path))


@pytest.mark.parametrize("network", ["mlp", "lstm"])
@mutations
@hypothesis.given(data=st.data())
def test_other_weights(folder, network, data):
    controller = _controller(network)
    weights = array_archives.pack(data.draw(damaged_arrays(controller.weights)))
    _load(folder, json.dumps(_spec_of(controller, weights)).encode(), weights)


@mutations
@hypothesis.given(data=st.data())
def test_other_bytes_in_weights(folder, data):
    controller = _controller("mlp")
    content = array_archives.pack(controller.weights)
    # The headers and the directory of the archive matter as much as what it holds.
    head = data.draw(damaged_bytes(content[:400]))
    weights = data.draw(
        st.sampled_from(
            (head + content[400:], content[:-400] + head, content[:900] + head)
        )
        | damaged_bytes(content)
    )
    _load(folder, json.dumps(_spec_of(controller, weights)).encode(), weights)


_TABLE = b"trainee_step,learning_rate\n0,0.001\n10,0.0333\n30,7e-4\n"


def _load_table(folder, content):
    (folder / "lr.csv").write_bytes(content)
    try:
        table = RateTable.load(folder / "lr.csv")
    except RateTableError as error:
        assert "Expected " in str(error) and ", found" in str(error)
        return
    assert all(type(step) is int for step in table.steps)
    for step in (0, 9, 10, 10**6):
        with np.errstate(over="raise"):
            assert 0 <= np.float32(table.at(step)) < math.inf


@mutations
@hypothesis.given(content=damaged_bytes(_TABLE))
def test_other_bytes_in_a_rate_table(folder, content):
    _load_table(folder, content)


_CELLS = st.one_of(
    st.sampled_from(
        [*map(str, NUMBERS[:-11]), *map(repr, NUMBERS[-8:]), "", "1e999", '"']
    ),
    st.floats().map(repr),
    st.text(max_size=4),
)


@mutations
@hypothesis.given(rows=st.lists(st.lists(_CELLS, max_size=3), max_size=4))
def test_other_cells_in_a_rate_table(folder, rows):
    lines = [b"trainee_step,learning_rate", b"0,0.1"]
    lines += [",".join(row).encode("utf-8", "surrogatepass") for row in rows]
    _load_table(folder, b"\n".join(lines))
