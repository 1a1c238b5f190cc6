"""The path of the weights: by hand, from samples, through a loop, and what is refused."""

from __future__ import annotations

import dataclasses
import math
import warnings

import ml_dtypes
import numpy as np
import pytest

from learned_lr.control import weight_path
from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.controller import Controller
from learned_lr.control.measurements import Measurement
from learned_lr.control.observations import ObservationBuilder, ObservationSpec
from learned_lr.control.weight_path import WeightPath, sample

NOTHING = dict.fromkeys(weight_path.FEATURES, 0.0)


def _path(*runs):
    path, found = WeightPath(), []
    path.start(sample(runs[0]))
    for weights in runs:
        found.append(path.add(sample(weights)))
    return found


def test_by_hand():
    kernel, bias = np.array([[3.0, 0.0], [0.0, 4.0]]), np.zeros(2)
    found = _path(
        [kernel, bias],
        [kernel + [[0, 1], [0, 0]], bias],  # d = (0, 1, 0, 0; 0, 0)
        [kernel + [[0, 1], [1, 0]], bias + [1, 0]],  # d = (0, 0, 1, 0; 1, 0)
        [kernel + [[0, 0], [1, 0]], bias + [1, 0]],  # d = (0, -1, 0, 0; 0, 0)
    )
    assert found[0] == NOTHING
    expected = [
        # |t| / 5, cos(d, d before), cos(d, t), |d| / |w| of the kernel alone
        (1 / 5, 0, 1, 1 / 26**0.5),
        (3**0.5 / 5, 0, 2 / 6**0.5, 1 / 27**0.5),
        (2**0.5 / 5, 0, 0, 1 / 26**0.5),
    ]
    for values, (distance, previous, total, change) in zip(found[1:], expected):
        wanted = (math.log(distance), previous, total, math.log(change))
        np.testing.assert_allclose(list(values.values())[:4], wanted, atol=1e-6)
        assert values["least_kernel_change"] == values["greatest_kernel_change"]


def test_a_network_that_swings_to_and_fro():
    weights = [np.ones((4, 4)) * (1 + 0.1 * (i % 2)) for i in range(5)]
    found = [values["weight_change_cosine"] for values in _path(*zip(weights))]
    np.testing.assert_allclose(found, [0, 0, -1, -1, -1], atol=1e-6)


def test_greatest_and_least_are_of_kernels_unless_there_is_none():
    start = [np.ones((2, 2)), np.ones((2, 2)), np.ones(2)]
    later = [start[0] * 2, start[1] * 1.1, start[2] * 50]
    for kernels, expected in ((slice(3), (0.5, 0.1 / 1.1)), (slice(2, 3), (0.98,) * 2)):
        values = _path(start[kernels], later[kernels])[1]
        found = values["greatest_kernel_change"], values["least_kernel_change"]
        np.testing.assert_allclose(np.exp(found), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 3, 64, 100), (784, 10), (100_000,), (2000, 2)])
def test_a_sample_is_of_all_columns_and_rows(shape):
    size, found = math.prod(shape), weight_path.stride(shape)
    assert math.gcd(found, size) == 1
    assert size / 4000 <= found <= size / 1500 + 10
    columns = np.arange(size)[::found] % shape[-1]
    assert len(set(columns.tolist())) > min(shape[-1], 1000) / 2
    (entries,) = weight_path.num_entries((shape,))
    assert len(sample([np.zeros(shape)]).values) == entries <= 2001


def test_a_sample_tells_what_all_weights_would():
    generator = np.random.default_rng(0)
    start = [generator.normal(0, 0.05, (400, 300)), generator.normal(0, 1, (300, 10))]
    steps = [[generator.normal(0, 1e-3, w.shape) + 1e-3 for w in start] for _ in "123"]
    runs = [start]
    for step in steps:
        runs.append([w + d for w, d in zip(runs[-1], step)])
    values = _path(*runs)[-1]
    first, before, now = (
        np.concatenate([w.ravel() for w in runs[i]]) for i in (0, 2, 3)
    )
    d, t = now - before, now - first
    distance = math.log(np.linalg.norm(t) / np.linalg.norm(first))
    assert values["weight_distance"] == pytest.approx(distance, abs=0.03)
    cosine = d @ t / np.linalg.norm(d) / np.linalg.norm(t)
    assert values["weight_distance_cosine"] == pytest.approx(cosine, abs=0.03)


@pytest.mark.parametrize(
    "later",
    [
        [np.full((2, 2), math.nan)],
        [np.full((2, 2), math.inf)],
        [np.ones((2, 3))],
        [np.ones((4, 1))],
        [np.ones((2, 2)), np.ones(1)],
        [np.ones((2, 2))],
    ],
)
def test_no_change_that_can_be_told(later):
    start = [np.ones((2, 2))]
    assert _path(start, later)[1] == NOTHING
    # And the path goes on.
    assert _path(start, later, [w + 1 for w in start])[2].keys() == NOTHING.keys()


def test_no_weights_are_refused():
    for weights in ([], [np.zeros((0, 3))]):
        with pytest.raises(ValueError, match="at least one array of weights"):
            sample(weights)


class _Parameter(np.ndarray):
    """An array that says of itself whether it is trained, as PyTorch's do."""

    requires_grad = True


class _Frozen(_Parameter):
    requires_grad = False


def test_frozen_parameters_are_left_out():
    kernel, base = np.full((2, 2), 2.0), np.ones((3, 3))
    found = sample(iter([base.view(_Frozen), kernel.view(_Parameter)]))
    assert found == sample([kernel])
    # Detached tensors are all that there is.
    weights = [base.view(_Frozen), kernel.view(_Frozen)]
    assert sample(weights) == sample([base, kernel])


def test_kinds_of_numbers_that_have_none_in_common():
    kinds = (ml_dtypes.bfloat16, np.float16, ml_dtypes.float8_e4m3fn, np.int8)
    found = sample([np.array([[1.5, -2.0]]).astype(kind) for kind in kinds])
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, [*[1.5, -2] * 3, 1, -2])


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_start_that_is_not_finite_is_refused(value):
    loop = ControlLoop("default", 100)
    mask = np.array([0.0, value])
    with pytest.raises(ValueError, match="Expected finite weights at the start"):
        loop.observe(2.0, 2.0, weights=[np.ones((2, 2)), mask])
    # Other shapes would be another start.
    path = WeightPath()
    path.start(sample([np.ones((2, 2))]))
    assert path.add(sample([np.ones((2, 2)), mask])) == NOTHING
    assert path.add(sample([np.full((2, 2), 2.0)]))["weight_distance"] == 0
    assert path.add(sample([np.full((2, 2), 3.0)]))["weight_change_cosine"] == 1


def test_an_observation_has_them_by_name():
    spec = ObservationSpec(("progress", "weight_change_cosine", "weight_distance"))
    builder = ObservationBuilder(spec)
    measurements = [
        Measurement(*[1.0] * 6, weights=sample([np.full((2, 2), value)]))
        for value in (1.0, 1.5, 2.0)
    ]
    builder.start(measurements[0], 0.1)
    found = [builder.build(m, 0.1, 0.5) for m in measurements]
    expected = [(0.5, 0, 0), (0.5, 0, math.log(0.5)), (0.5, 1, 0)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.raises(ValueError, match="Expected weights"):
        builder.build(Measurement(*[1.0] * 6), 0.1, 0.5)


def _controller():
    """One that raises the rate while the weights go straight on, and has much to say about each change."""
    spec = Controller.load("trapezoid").spec
    observation = ObservationSpec(weight_path.FEATURES, "relative")
    spec = dataclasses.replace(spec, observation=observation, num_units=1)
    weights = {
        name: np.zeros(shape, np.float32)
        for name, shape in spec.weight_shapes().items()
    }
    weights["normalizer_variance"] += 1
    weights["action_deviation"] += 1
    weights["hidden_kernel"][:, 0] = [0.05, 0.3, 0.2, 0.07, -0.06]
    weights["action_kernel"] += 1
    return Controller(spec, weights)


def _runs(num):
    generator = np.random.default_rng(0)
    steps = generator.normal(0.01, 0.01, (num, 5, 4))
    return [[w, w[0]] for w in 1 + np.cumsum(steps, axis=0)]


@pytest.mark.parametrize("at", [0, 1, 2, 7])
def test_a_restored_loop_goes_on_bit_for_bit(at):
    controller, runs = _controller(), _runs(10)

    def go_on(loop, runs):
        return [loop.observe(1.0, 1.0, weights=weights) for weights in runs]

    whole = ControlLoop(controller, 250)
    expected = go_on(whole, runs)
    first, second = ControlLoop(controller, 250), ControlLoop(controller, 250)
    go_on(first, runs[:at])
    second.restore(first.state())
    assert go_on(second, runs[at:]) == expected[at:]
    assert len(set(expected)) == 10


def test_a_loop_asks_for_weights_by_name():
    loop = ControlLoop(_controller(), 250)
    with pytest.raises(ValueError, match="no trainable weights.*'trapezoid'"):
        loop.observe(1.0, 1.0)


@pytest.mark.parametrize(
    "path", [None, np.zeros((2, 24)), np.full((3, 24), math.nan), np.zeros(3)]
)
def test_a_state_with_another_path_is_refused(path):
    loop = ControlLoop(_controller(), 250)
    loop.observe(1.0, 1.0, weights=_runs(1)[0])
    state = {name: v for name, v in loop.state().items() if name != "weight_path"}
    if path is not None:
        state["weight_path"] = path
    with pytest.raises(ValueError, match="weight_path"):
        ControlLoop(_controller(), 250).restore(state)


@pytest.mark.parametrize(
    ("weights", "found"),
    [
        ({0: np.ones((2, 2)), 1: np.ones(2)}, "an item of type int"),
        ({"kernel": np.ones((2, 2))}, "an item of type str"),
        ([(np.ones((2, 2)), np.ones(2))], "an item of type tuple"),
        ([np.ones((2, 2)), None], "an item of type NoneType"),
        (np.ones((2, 2)), "one of type ndarray"),
    ],
)
def test_what_is_no_list_of_arrays_is_refused(weights, found):
    with pytest.raises(ValueError, match=f"of a dict or a tree its leaves, .*{found}"):
        sample(weights)


def test_other_arrays_than_before_are_told():
    loop = ControlLoop("default", 100)
    kernel, bias = np.ones((4, 3)), np.zeros(3)
    loop.observe(1.0, 1.0, weights=[kernel, bias])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop.observe(1.0, 1.0, weights=[kernel * 2, bias])
    with pytest.warns(
        UserWarning,
        match=r"before, \(4, 3\), \(3,\) \(2 in all\), found \(3,\), .*order",
    ):
        loop.observe(1.0, 1.0, weights=[bias, kernel])
