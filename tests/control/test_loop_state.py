"""States of a loop: those of another controller are refused, and each kind of file has them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.controller import Controller, ControllerSpec


def _observe(loop, num, start=0):
    generator = np.random.default_rng(start)
    rates = []
    for i in range(start, start + num):
        losses = generator.uniform(0.8, 1.2, 2) * 0.9**i
        rates.append(
            loop.observe(
                *losses,
                predictions=generator.dirichlet(np.ones(10), 64),
                final_kernel=generator.normal(0, 0.1, (32, 10)),
                weights=[generator.normal(0, 1, (5, 4)), np.ones(4)],
            )
        )
    return rates


@pytest.mark.parametrize(
    ("own", "other"),
    [("many_tasks", "trapezoid"), ("cifar10_relative", "fashion_mnist_relative")],
)
def test_a_state_of_another_controller_is_refused(own, other):
    loop = ControlLoop(other, 100)
    _observe(loop, 3)
    state = loop.state()
    mine = ControlLoop(own, 100)
    with pytest.raises(ValueError, match="with another controller, so make the loop"):
        mine.restore(state)
    assert mine.training_step is None
    ControlLoop(other, 100).restore(state)


def test_a_normalizer_of_the_run_is_no_other_controllers():
    adapted = ControlLoop("trapezoid", 100, num_normalizer_decisions=2)
    _observe(adapted, 1)
    early = adapted.state()
    _observe(adapted, 3, start=1)
    late = adapted.state()
    again = ControlLoop("trapezoid", 100, num_normalizer_decisions=2)
    again.restore(late)
    # Back to the time before the run had one of its own.
    again.restore(early)
    own = Controller.load("trapezoid").normalizer
    np.testing.assert_array_equal(again.controller.normalizer, own)
    assert _observe(again, 3, start=1) == _observe_from(early)
    with pytest.raises(ValueError, match="another controller"):
        ControlLoop("trapezoid", 100).restore({**late, "observations": np.zeros(0)})


def _observe_from(state):
    loop = ControlLoop("trapezoid", 100, num_normalizer_decisions=2)
    loop.restore(state)
    return _observe(loop, 3, start=1)


def _lstm():
    """An LSTM that looks at predictions, so that a state has them."""
    spec = Controller.load("fashion_mnist_lenet5").spec
    spec = ControllerSpec("lstm", 3, "tanh", spec.observation, spec.scaling, 1e-3, 4, 100)  # fmt: skip
    generator = np.random.default_rng(0)
    shapes = spec.weight_shapes().items()
    weights = {n: np.float32(np.abs(generator.normal(size=shape))) for n, shape in shapes}  # fmt: skip
    return Controller(spec, weights)


def _as_json(state, path):
    path.write_text(json.dumps({name: a.tolist() for name, a in state.items()}))
    return json.loads(path.read_text())


def _as_npz(state, path):
    np.savez(path.with_suffix(".npz"), **state)
    return np.load(path.with_suffix(".npz"))


class _Tensor:
    """One of another framework, which numpy can read."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array


def _as_tensors(state, path):
    return {name: _Tensor(array) for name, array in state.items()}


@pytest.mark.parametrize("keep", [_as_json, _as_npz, _as_tensors])
@pytest.mark.parametrize("controller", [_lstm(), "default"])
@pytest.mark.parametrize("at", [1, 4, 7])
def test_a_run_goes_on_bit_for_bit_from_any_file(tmp_path, keep, controller, at):
    def make():
        return ControlLoop(controller, 100, num_normalizer_decisions=6)

    whole, first, second = make(), make(), make()
    for loop in (whole, first):
        _observe(loop, at)
    second.restore(keep(first.state(), tmp_path / "state"))
    assert _observe(second, 10, start=at) == _observe(whole, 10, start=at)
    assert second.schedule == whole.schedule


def test_a_loop_goes_back_to_before_its_start():
    loop = ControlLoop("default", 100)
    untouched = loop.state()
    expected = _observe(loop, 3)
    loop.restore(untouched)
    for name, value in loop.state().items():
        np.testing.assert_array_equal(value, untouched[name])
    assert _observe(loop, 3) == expected


def test_a_state_of_a_run_of_another_length_is_refused():
    loop, longer = ControlLoop("default", 100), ControlLoop("default", 200)
    longer.restore(loop.state())  # Before its first decision it is of any.
    expected = _observe(loop, 3)
    with pytest.raises(ValueError, match="of 200 training steps, found one of 100"):
        longer.restore(loop.state())
    again = ControlLoop("default", 100)
    again.restore(loop.state())
    for one in (again, loop):
        one.set_length(200, training_step=12)
    assert expected and again.schedule == loop.schedule


def test_what_is_no_state_is_told():
    loop = ControlLoop("trapezoid", 100)
    _observe(loop, 1)
    state = loop.state()
    for wrong in ("fast", [1, 2], None, object()):
        with pytest.raises(ValueError, match="Expected .*level.* found"):
            loop.restore({**state, "level": wrong})


@pytest.mark.parametrize("is_braked", [False, True])
def test_the_bounds_of_a_restored_loop_are_its_own(is_braked):
    loop = ControlLoop("default", 100, max_learning_rate=0.03)
    _observe(loop, 3)
    if is_braked:
        loop.brake()
    state = loop.state()
    wider, lower = (
        ControlLoop("default", 100, max_learning_rate=bound) for bound in (0.5, 1e-5)
    )
    wider.restore(state)
    assert wider.scaling.max_learning_rate == (
        loop.scaling.max_learning_rate if is_braked else 0.5
    )
    with pytest.raises(ValueError, match="max_learning_rate = 1e-05, found a level of"):
        lower.restore(state)
    assert lower.training_step is None and lower.scaling.max_learning_rate == 1e-5
    higher = ControlLoop("default", 100, min_learning_rate=0.1, max_learning_rate=0.5)
    with pytest.raises(ValueError, match="min_learning_rate = 0.1, found a level of"):
        higher.restore(state)
    between = ControlLoop("default", 100, max_learning_rate=loop.level * 1.01)
    between.restore(state)
    assert between.scaling.max_learning_rate <= loop.level * 1.01
    _observe(between, 5, start=3)
    assert max(between.schedule.learning_rates[12:]) <= loop.level * 1.01


def test_what_a_state_lacks_is_named():
    loop = ControlLoop("default", 100)
    state = {**loop.state(), "more": np.zeros(1)}
    del state["rows"]
    with pytest.raises(ValueError, match=r"\['rows'\] missing and \['more'\] beside"):
        loop.restore(state)
