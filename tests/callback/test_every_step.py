"""A controller with a base schedule: the rate that every single step was trained at, and who else sets it."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from learned_lr import Controller, LearnedLearningRate, Replay
from learned_lr.callback import backends
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.rate_table import RateTable

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


def _fit(model, *callbacks, first_step=0, inputs=_INPUTS, **arguments):
    arguments = {
        "epochs": _EPOCHS,
        "steps_per_epoch": _STEPS,
        "validation_data": (_INPUTS, _TARGETS),
        "verbose": 0,
        **arguments,
    }

    def batches():
        for step in range(first_step, _NUM_STEPS):
            yield inputs[step, None], _TARGETS[step, None]

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


class _LooksAtTheModel(keras.callbacks.Callback):
    """On JAX Keras then brings the model's variables up to date."""

    def on_train_batch_begin(self, batch, logs=None):
        assert self.model is not None


@pytest.mark.parametrize("is_last", [True, False])
def test_another_callback_looks_at_the_model_at_every_step(compiled, is_last):
    model, callback = _one_weight_a_step(compiled), _learned()
    callbacks = [callback, _LooksAtTheModel()]
    _fit(model, *(callbacks if is_last else reversed(callbacks)))
    expected = _planned_rates(callback).astype(np.float32)
    np.testing.assert_array_equal(_trained_rates(model), expected)


def test_an_optimizer_inside_another(compiled):
    module = getattr(keras, "mixed_precision", None)
    wrapper = getattr(module, "LossScaleOptimizer", None)
    wrapper = wrapper or keras.optimizers.LossScaleOptimizer
    model, callback = _one_weight_a_step(compiled), _learned()
    model.compile(wrapper(keras.optimizers.SGD(0.5)), _loss)
    _fit(model, callback)
    expected = _planned_rates(callback).astype(np.float32)
    np.testing.assert_array_equal(_trained_rates(model), expected)


@pytest.mark.backends("tensorflow", "jax")
def test_an_execution_of_several_steps_has_the_rate_of_its_middle(compiled):
    model = _one_weight_a_step(compiled, steps_per_execution=7)
    callback = _learned()
    model.fit(
        _INPUTS,
        _TARGETS,
        batch_size=1,
        shuffle=False,
        validation_data=(_INPUTS, _TARGETS),
        callbacks=[callback],
        verbose=0,
    )
    # Five executions of seven steps; five are left for the last one.
    middles = [*np.repeat([3, 10, 17, 24, 31], 7), *[37] * 5]
    expected = _planned_rates(callback)[middles].astype(np.float32)
    np.testing.assert_array_equal(_trained_rates(model), expected)


@pytest.mark.skipif(not backends.IS_KERAS_2, reason="only Keras 2 can change it")
def test_executions_that_change_in_an_epoch(compiled):
    """As they do while Keras looks for the best number of steps ('auto')."""
    model, callback = _one_weight_a_step(compiled, steps_per_execution=7), _learned()

    def shorten(batch, _):
        if batch > 12:
            model.steps_per_execution = 1

    arguments = {"batch_size": 1, "shuffle": False, "verbose": 0}
    model.fit(
        *(_INPUTS, _TARGETS),
        validation_data=(_INPUTS, _TARGETS),
        callbacks=[
            callback,
            keras.callbacks.LambdaCallback(on_train_batch_end=shorten),
        ],
        **arguments,
    )
    # The first single step has the rate of an execution that would have gone on.
    middles = [*[3] * 7, *[10] * 7, 17, *range(15, _NUM_STEPS)]
    expected = _planned_rates(callback)[middles].astype(np.float32)
    np.testing.assert_array_equal(_trained_rates(model), expected)


def test_one_run_in_two_fits(compiled, whole):
    model, callback = _one_weight_a_step(compiled), _learned(num_training_steps=40)
    _fit(model, callback, epochs=2)
    _fit(model, callback, epochs=2, first_step=20)
    np.testing.assert_allclose(_trained_rates(model), whole, rtol=1e-5)


def test_a_run_that_a_second_fit_makes_longer(compiled):
    # The second fit begins between two decisions.
    model, callback = _one_weight_a_step(compiled), _learned(control_interval=7)
    _fit(model, callback, epochs=2)
    _fit(model, callback, initial_epoch=2, first_step=20)
    expected = _planned_rates(callback).astype(np.float32)
    np.testing.assert_array_equal(_trained_rates(model), expected)
    # From the end of the fall of one up to that of the other.
    assert expected[20] > 5 * expected[19]


class _Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch) == (2, 6):
            raise KeyboardInterrupt


def test_backup_and_restore(compiled, whole, tmp_path):
    def backup():
        return keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))

    with pytest.raises(KeyboardInterrupt):
        _fit(_one_weight_a_step(compiled), _learned(), backup(), _Kill())
    model = _one_weight_a_step(compiled)
    _fit(model, _learned(), backup(), first_step=20)
    np.testing.assert_allclose(_trained_rates(model), whole, rtol=1e-5)


@pytest.mark.parametrize("num_steps", [1, 5])
def test_replay_trains_every_step_at_its_rate_again(compiled, tmp_path, num_steps):
    if num_steps > 1 and backends.name() == "torch":
        pytest.skip("PyTorch has no executions of several steps")
    callback = _learned()
    _fit(_one_weight_a_step(compiled), callback)
    callback.schedule.save(str(tmp_path / "lr.csv"))
    table = RateTable.load(str(tmp_path / "lr.csv"))
    model = _one_weight_a_step(compiled, Replay(table), steps_per_execution=num_steps)
    _fit(model)
    expected = _planned_rates(callback).astype(np.float32)
    np.testing.assert_array_equal(_trained_rates(model), expected)


def _rival(moment):
    """A callback that sets the rate itself, at each such moment from the second epoch on."""

    def set_rate(self, index, logs=None):
        self._seen = getattr(self, "_seen", 0) + 1
        if self._seen > (1 if "epoch" in moment else _STEPS):
            self.model.optimizer.learning_rate = 0.25

    return type("Rival", (keras.callbacks.Callback,), {moment: set_rate})()


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    "moment",
    ["on_epoch_begin", "on_epoch_end", "on_train_batch_begin", "on_train_batch_end"],
)
def test_whatever_else_sets_the_rate_is_found(compiled, moment, is_first):
    callbacks = [_rival(moment), _learned()]
    with pytest.raises(ValueError, match="found 0.25: something else sets it, too"):
        _fit(_one_weight_a_step(compiled), *callbacks[:: 1 if is_first else -1])


def test_a_run_that_starts_in_its_middle(compiled):
    model, callback = _one_weight_a_step(compiled), _learned(verbose=1)
    with pytest.warns(UserWarning, match="begins at epoch 2 without a state"):
        _fit(model, callback, initial_epoch=2, first_step=20)
    expected = _planned_rates(callback).astype(np.float32)
    np.testing.assert_array_equal(_trained_rates(model)[20:], expected[20:])


def test_brake(compiled):
    model, callback = _one_weight_a_step(compiled), _learned()
    inputs = _INPUTS.copy()
    inputs[5] = np.nan
    with pytest.warns(UserWarning, match="exploded at training step 8 with"):
        _fit(model, callback, inputs=inputs)
    rates = _planned_rates(callback)
    levels = rates / _multipliers()
    np.testing.assert_allclose(levels[8:12], 0.1 * levels[7], rtol=1e-6)
    # Back to the weights of the start, and on at a tenth.
    expected = np.concatenate([np.zeros(8), rates[8:]]).astype(np.float32)
    np.testing.assert_array_equal(_trained_rates(model), expected)


def test_early_stop_and_the_line_at_the_end(compiled, capsys):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    model, callback = _one_weight_a_step(compiled), _learned(verbose=1)
    _fit(model, callback, Stop())
    rates = np.array(callback.schedule.learning_rates)
    expected = np.append(rates[:20], np.zeros(20)).astype(np.float32)
    np.testing.assert_array_equal(_trained_rates(model), expected)
    # The sixth is that of the last step's end.
    line = f"6 decisions, rates up to {max(rates[:20]):.2e}, {rates[19]:.2e} at the end"
    assert line in capsys.readouterr().out


def test_a_loop_of_ones_own(compiled):
    model = _one_weight_a_step(compiled)
    callback = _learned(validation_data=(_INPUTS, _TARGETS))
    callbacks = keras.callbacks.CallbackList(
        [callback], model=model, epochs=1, steps=_NUM_STEPS
    )
    with pytest.warns(UserWarning, match="among the callbacks of a fit"):
        callbacks.on_train_begin()
    callbacks.on_epoch_begin(0)
    for step in range(_NUM_STEPS):
        callbacks.on_train_batch_begin(step)
        loss = model.train_on_batch(_INPUTS[step, None], _TARGETS[step, None])
        callbacks.on_train_batch_end(step, {"loss": float(loss)})
    callbacks.on_epoch_end(0, {"loss": float(loss)})
    callbacks.on_train_end()
    expected = _planned_rates(callback).astype(np.float32)
    np.testing.assert_array_equal(_trained_rates(model), expected)
