"""A controller with a base schedule: the rate that every single step was trained at, and who else sets it."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from learned_lr import Controller, LearnedLearningRate
from learned_lr.control.base_schedules import BaseSchedule

_EPOCHS, _STEPS, _INTERVAL = 4, 10, 4
_NUM_STEPS = _EPOCHS * _STEPS
_BASE = BaseSchedule(warmup_fraction=0.2, final_fraction=0.1)
_INPUTS = np.eye(_NUM_STEPS, dtype=np.float32)
_TARGETS = np.zeros((_NUM_STEPS, 1), np.float32)


def _learned(**arguments):
    controller = Controller.load("fashion_mnist_lenet5")
    spec = dataclasses.replace(controller.spec, base_schedule=_BASE)
    arguments = {"control_interval": _INTERVAL, "verbose": 0, **arguments}
    return LearnedLearningRate(Controller(spec, controller.weights), **arguments)


def _loss(targets, predictions):
    return 1 + predictions


def _one_weight_a_step(compiled, rate=0.5, **arguments):
    """A model of which step s trains nothing but the weight s, whose gradient is 1: it ends at minus the rate of s."""
    model = [
        keras.layers.Input((_NUM_STEPS,)),
        keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
    ]
    model = compiled(model, keras.optimizers.SGD(rate), _loss, **arguments)
    model.set_weights([np.zeros((_NUM_STEPS, 1))])
    return model


def _fit(model, *callbacks, first_step=0, **arguments):
    arguments = {
        "epochs": _EPOCHS,
        "steps_per_epoch": _STEPS,
        "validation_data": (_INPUTS, _TARGETS),
        "verbose": 0,
        **arguments,
    }

    def batches():
        for step in range(first_step, _NUM_STEPS):
            yield _INPUTS[step, None], _TARGETS[step, None]

    return model.fit(batches(), callbacks=list(callbacks), **arguments)


def _trained_rates(model):
    return -model.get_weights()[0].ravel()


def _planned_rates(callback):
    assert callback.schedule.steps == tuple(range(_NUM_STEPS))
    return np.array(callback.schedule.learning_rates)


def _multipliers():
    return np.array([_BASE.multiplier(step, _NUM_STEPS) for step in range(_NUM_STEPS)])


@pytest.fixture
def whole(compiled):
    """The rates of a run that nothing interrupted."""
    model = _one_weight_a_step(compiled)
    _fit(model, _learned())
    return _trained_rates(model)


def test_every_step_trains_at_its_own_rate(compiled):
    model, callback = _one_weight_a_step(compiled), _learned()
    history = _fit(model, callback).history
    rates = _planned_rates(callback)
    np.testing.assert_array_equal(_trained_rates(model), rates.astype(np.float32))
    levels = rates / _multipliers()
    decided = levels[::_INTERVAL]
    np.testing.assert_allclose(levels, np.repeat(decided, _INTERVAL), rtol=1e-12)
    assert len(set(decided)) == _NUM_STEPS // _INTERVAL
    # The rate in force at an epoch's end is that of the step that would come next.
    expected = [callback.schedule.at(step) for step in (10, 20, 30)]
    np.testing.assert_allclose(history["learning_rate"][:3], expected, rtol=1e-6)
    assert history["learning_rate"][3] == rates[-1]
