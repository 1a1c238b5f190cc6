"""Controllers: actions against formulas written out by hand, and artifacts that come back bit for bit."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.controller import Controller, ControllerError, ControllerSpec
from learned_lr.control.observations import ObservationSpec


def _spec(network="mlp", num_units=2, activation="tanh", **values):
    features = ("validation_loss", "learning_rate", "progress")[:num_units]
    return ControllerSpec(
        network=network,
        num_units=num_units,
        activation=activation,
        observation=ObservationSpec(features, "relative", 3.5, 1e-6, 0.5),
        scaling=LearningRateScaling(2.0, 1e-6, 0.5),
        initial_learning_rate=1e-3,
        trainee_steps_per_action=10,
        num_trainee_steps=1000,
        **values,
    )


def _random_controller(network, seed=0):
    spec = _spec(network, 3, source_tasks=["a", "b"], provenance={"seed": 4, "x": 0.1})
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in spec.weight_shapes().items()
    }
    for name in ("normalizer_variance", "action_deviation"):
        weights[name] = np.abs(weights[name])
    return Controller(spec, weights)


def _hand_made_mlp(activation):
    weights = {
        # 0.999 and TF-Agents' epsilon of 0.001 make a deviation of 1.
        "normalizer_mean": [0.5, 0.5],
        "normalizer_variance": [0.999, 0.999],
        "hidden_kernel": [[1.0, 2.0], [0.5, -1.0]],
        "hidden_bias": [-1.0, 0.5],
        "action_kernel": [[0.5], [-0.25]],
        "action_bias": [0.1],
        "action_deviation": [0.35],
    }
    weights = {name: np.float32(value) for name, value in weights.items()}
    return Controller(_spec(activation=activation), weights)


@pytest.mark.parametrize(
    "activation, observation, expected",
    [
        # inputs (1, -1), hidden layer before its activation (-0.5, 3.5)
        ("tanh", (1.5, -0.5), math.tanh(0.5 * -0.46211716 - 0.25 * 0.99817790 + 0.1)),
        ("relu", (1.5, -0.5), math.tanh(-0.25 * 3.5 + 0.1)),
        # inputs clipped to (5, -5), hidden layer (1.5, 15.5)
        ("relu", (1e4, -1e4), math.tanh(0.5 * 1.5 - 0.25 * 15.5 + 0.1)),
    ],
)
def test_mlp_by_hand(activation, observation, expected):
    controller = _hand_made_mlp(activation)
    action, state = controller.act(np.float32(observation), controller.initial_state())
    assert action == pytest.approx(expected, abs=2e-7)
    assert state == ()
    assert controller.action_deviation == pytest.approx(0.35, rel=1e-7)


def _lstm_action(weights, observation, hidden, cell):
    """A controller with an LSTM, one scalar at a time in double precision."""
    units = len(hidden)
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    inputs = [
        min(max((x - m) / math.sqrt(v + 1e-3), -5.0), 5.0)
        for x, m, v in zip(observation, w["normalizer_mean"], w["normalizer_variance"])
    ]
    gates = [
        sum(x * w["lstm_kernel"][i, j] for i, x in enumerate(inputs))
        + sum(h * w["lstm_recurrent_kernel"][i, j] for i, h in enumerate(hidden))
        + w["lstm_bias"][j]
        for j in range(4 * units)
    ]
    new_hidden, new_cell = [], []
    for j in range(units):
        take, keep, candidate, show = (gates[j + k * units] for k in range(4))
        c = cell[j] / (1 + math.exp(-keep)) + math.tanh(candidate) / (
            1 + math.exp(-take)
        )
        new_cell.append(c)
        new_hidden.append(math.tanh(c) / (1 + math.exp(-show)))
    output = sum(h * k for h, k in zip(new_hidden, w["action_kernel"][:, 0]))
    return math.tanh(output + w["action_bias"][0]), new_hidden, new_cell


def test_lstm_against_its_formula():
    controller = _random_controller("lstm")
    state = controller.initial_state()
    hidden, cell = [0.0] * 3, [0.0] * 3
    for observation in np.random.default_rng(1).normal(size=(20, 3)):
        action, state = controller.act(observation, state)
        expected, hidden, cell = _lstm_action(
            controller.weights, np.float32(observation), hidden, cell
        )
        assert action == pytest.approx(expected, abs=1e-6)
        np.testing.assert_allclose(state, (hidden, cell), atol=1e-6)


def test_act_leaves_the_state_it_was_given():
    controller = _random_controller("lstm")
    observation = np.ones(3, np.float32)
    _, state = controller.act(observation, controller.initial_state())
    kept = [part.copy() for part in state]
    first, _ = controller.act(observation, state)
    second, _ = controller.act(observation, state)
    assert first == second
    np.testing.assert_array_equal(state, kept)


def test_large_weights_do_not_overflow():
    controller = _random_controller("lstm")
    weights = {name: value * 1e4 for name, value in controller.weights.items()}
    with np.errstate(over="raise", invalid="raise"):
        action, _ = Controller(controller.spec, weights).act(
            np.ones(3), controller.initial_state()
        )
    assert abs(action) == 1.0


@pytest.mark.parametrize("network", ["mlp", "lstm"])
def test_save_and_load_bit_for_bit(network, tmp_path):
    saved = _random_controller(network)
    saved.save(str(tmp_path / "new" / "controller"))
    loaded = Controller.load(str(tmp_path / "new" / "controller"))
    assert loaded.spec == saved.spec
    for name, shape in saved.spec.weight_shapes().items():
        assert loaded.weights[name].dtype == np.float32
        assert loaded.weights[name].shape == shape
        assert loaded.weights[name].tobytes() == saved.weights[name].tobytes()
    states = saved.initial_state(), loaded.initial_state()
    for observation in np.random.default_rng(2).normal(size=(5, 3)):
        expected, found = (
            controller.act(observation, state)
            for controller, state in zip((saved, loaded), states)
        )
        assert found[0] == expected[0]
        states = expected[1], found[1]


def test_files_have_the_same_bytes_every_time(tmp_path):
    controller = _random_controller("mlp")
    files = controller.files()
    assert sorted(files) == ["spec.json", "weights.npz"]
    reversed_weights = dict(reversed(controller.weights.items()))
    assert Controller(controller.spec, reversed_weights).files() == files
    controller.save(str(tmp_path))
    assert Controller.load(str(tmp_path)).files() == files
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert _random_controller("mlp", seed=1).files() != files


def _with(controller, **changed):
    weights = {**controller.weights, **changed}
    return Controller(
        controller.spec, {k: v for k, v in weights.items() if v is not None}
    )


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"hidden_bias": None}, r"Expected weights named .*, found \['action_bias'"),
        ({"extra": np.zeros(1)}, "Expected weights named .*'extra'"),
        (
            {"hidden_kernel": np.zeros((3, 2))},
            r"weight 'hidden_kernel' of shape \(3, 3\), found \(3, 2\)",
        ),
        (
            {"action_bias": np.float32([np.nan])},
            "finite values in weight 'action_bias'",
        ),
        ({"hidden_bias": np.float32([0, np.inf, 0])}, "in weight 'hidden_bias'"),
        ({"hidden_bias": np.array([0, 1e300, 0])}, "infinity, in float32 at least"),
        (
            {"hidden_bias": np.float32([0, -1e13, 0])},
            "within 1e.12 of 0 in weight 'hid",
        ),
        ({"hidden_bias": np.zeros(3, np.int32)}, "floats in weight .* found int32"),
        (
            {"normalizer_variance": np.float32([1, -1, 1])},
            "values >= 0 in weight 'norm",
        ),
        (
            {"action_deviation": np.zeros(1, np.float32)},
            "value > 0 in weight 'action_d",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(ControllerError, match=message):
        _with(_random_controller("mlp"), **changed)


def test_an_observation_of_another_length_is_refused():
    with pytest.raises(ControllerError, match=r"of shape \(3,\), found \(4,\)"):
        _random_controller("mlp").act(np.zeros(4))


def test_a_network_or_activation_that_is_none_is_refused():
    with pytest.raises(
        ControllerError, match=r"network to be one of \['mlp', 'lstm'\], found 'gru'"
    ):
        _spec(network="gru")
    with pytest.raises(ControllerError, match="activation to be one of .* found 'elu'"):
        _spec(activation="elu")


def _edited(directory, **entries):
    path = directory / "spec.json"
    document = json.loads(path.read_text())
    for name, value in entries.items():
        *section, key = name.split(".")
        part = document[section[0]] if section else document
        part[key] = value
        if value == "left out":
            del part[key]
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "entries, message",
    [
        ({"format_version": 2}, "Expected format_version 1 in .*, found 2"),
        ({"format_version": "left out"}, "format_version 1 in .*, found None"),
        ({"num_units": "left out"}, "Expected the entries .*'num_units'.*, found"),
        ({"colour": 1}, "Expected the entries .*, found .*'colour'"),
        ({"num_units": 4}, r"'hidden_kernel' of shape \(3, 4\), found \(3, 3\)"),
        ({"network": "lstm"}, "Expected weights named .*'lstm_bias'"),
        ({"network": "gru"}, "valid controller spec, found: .* found 'gru'"),
        ({"observation.features": ["x"]}, "found: Expected distinct features"),
        ({"observation.features": "progress"}, "features to be a list of names"),
        ({"observation.max_loss": math.inf}, "max_loss to be a finite number"),
        (
            {"observation.max_loss": 1e19},
            "max_loss and max_learning_rate <= 1e.18, found",
        ),
        ({"observation.min_learning_rate": 2.0}, "Expected 0 < min_learning_rate <="),
        ({"scaling.max_scale": 0}, "found: Expected max_scale > 1"),
        ({"scaling.max_scale": True}, "max_scale to be a finite number.* found True"),
        (
            {"scaling.colour": 1},
            r"the entries \['max_.*\] in scaling, found .*'colour'",
        ),
        ({"scaling.max_scale": "left out"}, r"in scaling, found \['max_learning_rate'"),
        ({"scaling": [1]}, r"in scaling, found \[1\]"),
        ({"base_schedule": {}}, r"'warmup_fraction'\] in base_schedule, found \[\]"),
        ({"format_version": True}, "Expected format_version 1 in .*, found True"),
        ({"num_units": 3.0}, "Expected num_units to be an int >= 1, found 3.0"),
        ({"num_trainee_steps": True}, "num_trainee_steps to be an int .* found True"),
        ({"num_trainee_steps": 0}, "num_trainee_steps to be an int >= 1, found 0"),
        ({"num_trainee_steps": 10**400}, "num_trainee_steps to be an int >= 1"),
        (
            {"num_trainee_steps": 5},
            "steps_per_action <= num_trainee_steps = 5, found 10",
        ),
        ({"initial_learning_rate": math.nan}, "initial_learning_rate to be a finite"),
        ({"initial_learning_rate": 10**400}, "initial_learning_rate to be a finite"),
        ({"initial_learning_rate": 1e-60}, "rate > 0, in float32 too, found 1e-60"),
        (
            {"initial_sgd_learning_rate": -0.1},
            "initial_sgd_learning_rate > 0, .*found -0",
        ),
        ({"act_before_first_interval": 1}, "interval to be a bool, found 1"),
        (
            {"source_tasks": "digits"},
            "source_tasks to be a list or tuple, found 'digits'",
        ),
        ({"source_tasks": ["a", 1]}, "each of source_tasks to be a str, found 1"),
        ({"provenance": [1]}, r"provenance to be a dict, found \[1\]"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused(tmp_path, entries, message):
    _random_controller("mlp").save(str(tmp_path))
    _edited(tmp_path, **entries)
    with pytest.raises(ControllerError, match=message):
        Controller.load(str(tmp_path))


@pytest.mark.parametrize("content", ["", "{", "[1]", "not json"])
def test_a_spec_that_is_no_json_object_is_refused(tmp_path, content):
    _random_controller("mlp").save(str(tmp_path))
    (tmp_path / "spec.json").write_text(content)
    with pytest.raises(ControllerError, match="Expected (JSON|format_version 1) in"):
        Controller.load(str(tmp_path))


@pytest.mark.parametrize("name", ["spec.json", "weights.npz"])
def test_a_missing_file_is_named(tmp_path, name):
    _random_controller("mlp").save(str(tmp_path))
    (tmp_path / name).unlink()
    with pytest.raises(ControllerError, match=f"{name}, found none: No such file"):
        Controller.load(str(tmp_path))


@pytest.mark.parametrize("num_bytes", [0, 1, 500])
def test_truncated_weights_are_refused(tmp_path, num_bytes):
    _random_controller("mlp").save(str(tmp_path))
    path = tmp_path / "weights.npz"
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(
        ControllerError, match="SHA-256 .* found .*truncated, damaged or of another"
    ):
        Controller.load(str(tmp_path))


def test_weights_of_another_controller_are_refused(tmp_path):
    _random_controller("mlp").save(str(tmp_path))
    other = _random_controller("mlp", seed=1).files()["weights.npz"]
    (tmp_path / "weights.npz").write_bytes(other)
    with pytest.raises(ControllerError, match="of another controller"):
        Controller.load(str(tmp_path))
