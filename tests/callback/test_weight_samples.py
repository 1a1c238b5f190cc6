"""What a controller sees of the weights: the same on every stack, and at every decision those of that moment."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from learned_lr import Controller, LearnedLearningRate
from learned_lr.callback import backends, weights
from learned_lr.control import weight_path
from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.observations import ObservationSpec


def _arrays(model):
    backends.sync(model)
    return [np.array(backends.to_numpy(v)) for v in model.trainable_variables]


def _controller():
    """One that looks at the weights alone and follows its base schedule."""
    spec = Controller.load("trapezoid").spec
    observation = ObservationSpec(weight_path.FEATURES, "relative")
    spec = dataclasses.replace(spec, observation=observation)
    shapes = spec.weight_shapes().items()
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes}
    for name in ("normalizer_variance", "action_deviation"):
        arrays[name] += 1
    return Controller(spec, arrays)


@pytest.mark.parametrize("max_copied", [10, 100_000])
def test_a_sample_on_the_device_is_that_in_host_memory(
    compiled, monkeypatch, max_copied
):
    monkeypatch.setattr(weights, "_MAX_COPIED", max_copied)
    layers = [
        keras.layers.Input((8, 8, 1)),
        keras.layers.Conv2D(20, 3),
        keras.layers.BatchNormalization(),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ]
    model = compiled(layers)
    model.layers[0].trainable = False
    found = weights.sample(model)
    assert found == weight_path.sample(_arrays(model))
    assert found.shapes == ((20,), (20,), (720, 10), (10,))
    assert found.values.dtype == np.float32


def test_a_model_without_trainable_weights_has_an_empty_sample(compiled):
    model = compiled()
    model.trainable = False
    found = weights.sample(model)
    assert (found.shapes, found.values.tolist()) == ((), [])
    path = weight_path.WeightPath()
    path.start(found)
    assert set(path.add(found).values()) == {0.0}


def test_each_decision_sees_the_weights_of_its_moment(compiled, digits, monkeypatch):
    x, y, *validation = digits
    model, expected, found = compiled(), [], []
    observe, sample = ControlLoop.observe, weights.sample

    def noting(loop, *arguments):
        found.append(arguments[-1])
        return observe(loop, *arguments)

    def copying(model):
        expected.append(_arrays(model))
        return sample(model)

    monkeypatch.setattr(ControlLoop, "observe", noting)
    monkeypatch.setattr(weights, "sample", copying)
    callback = LearnedLearningRate(
        _controller(), tuple(validation), control_interval=5, verbose=0
    )
    model.fit(x, y, batch_size=64, epochs=2, callbacks=[callback], verbose=0)
    assert len(found) == 4
    assert found == list(map(weight_path.sample, expected))
    assert not any(np.array_equal(a.values, b.values) for a, b in zip(found, found[1:]))


def test_a_controller_of_losses_costs_no_look_at_the_weights(
    compiled, digits, monkeypatch
):
    x, y, *validation = digits
    monkeypatch.setattr(weights, "sample", None)
    callback = LearnedLearningRate("trapezoid", tuple(validation), verbose=0)
    model = compiled()
    model.fit(x, y, batch_size=64, epochs=1, callbacks=[callback], verbose=0)
    assert len(callback.schedule.steps) == 10
