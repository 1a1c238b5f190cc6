"""Schedules that react: against Keras' own rule, hand-made controllers, and gradients by hand."""

from __future__ import annotations

import dataclasses
import math
import pickle
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.controller import Controller, ControllerSpec
from learned_lr.control.measurements import Measurement
from learned_lr.control.observations import ObservationSpec
from learned_lr.trainees import adaptive_schedules, schedules
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.tasks import QuadraticTask

MEASUREMENT = Measurement(2.3, 2.3, 0.01, 0.0, 0.0, 0.05)


def _curve(schedule, num_trainee_steps=100, interval=10):
    next_learning_rate = schedule.start(
        QuadraticTask(num_trainee_steps=num_trainee_steps)
    )
    return [
        next_learning_rate(step, MEASUREMENT)
        for step in range(0, num_trainee_steps, interval)
    ]


class _Optimizer:
    """What Keras' callback needs of an optimizer."""

    def __init__(self, learning_rate):
        self.learning_rate = self.lr = tf.Variable(learning_rate)


@pytest.mark.parametrize("patience", [1, 2, 4])
def test_plateau_is_that_of_keras(patience):
    rng = np.random.default_rng(0)
    losses = np.concatenate([np.linspace(2, 1, 8), 1 + 0.1 * rng.random(30)])
    schedule = adaptive_schedules.ReduceOnPlateau(0.5, 0.3, patience, 0.01, 1e-4)
    callback = keras.callbacks.ReduceLROnPlateau(
        factor=0.3, patience=patience, min_delta=0.01, min_lr=1e-4
    )
    optimizer = _Optimizer(0.5)
    callback.set_model(types.SimpleNamespace(optimizer=optimizer))
    callback.on_train_begin()
    next_learning_rate = schedule.start(QuadraticTask(num_trainee_steps=1000))
    found, expected = [], []
    for epoch, loss in enumerate(losses):
        measurement = MEASUREMENT._replace(validation_loss=loss)
        found.append(next_learning_rate(10 * epoch, measurement))
        callback.on_epoch_end(epoch, {"val_loss": loss})
        expected.append(float(optimizer.lr))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(set(found)) >= 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: adaptive_schedules.ReduceOnPlateau(0.0),
        lambda: adaptive_schedules.ReduceOnPlateau(0.1, 1.0),
        lambda: adaptive_schedules.ReduceOnPlateau(0.1, 0.1, 0),
        lambda: adaptive_schedules.Hypergradient(-1.0),
        lambda: adaptive_schedules.Hypergradient(0.1, math.nan),
    ],
)
def test_a_schedule_that_is_none_is_refused(make):
    with pytest.raises(ValueError, match="Expected .* found"):
        make()


def test_hypergradient_of_nothing_is_a_constant(tiny_task):
    task = tiny_task()
    expected = run_episode(task, schedules.Constant(0.01), 3)
    found = run_episode(task, adaptive_schedules.Hypergradient(0.01, 0.0), 3)
    np.testing.assert_allclose(found.trajectory, expected.trajectory, rtol=1e-6)
    assert found.test_loss == expected.test_loss


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_hypergradient_by_hand(tiny_task, optimizer):
    """An eager loop with a fresh optimizer, from the trainee's own initial weights."""
    task = tiny_task(optimizer=optimizer)
    beta, rate = 1e-3, 0.01
    episode = run_episode(task, adaptive_schedules.Hypergradient(rate, beta), 3)

    trainee = task.make_trainee()
    trainee.reset(3)
    variables = trainee.model.trainable_variables
    images, labels = trainee._train_data
    directions, expected = [0.0] * len(variables), [rate]
    for step, indices in enumerate(trainee._order):
        inputs = tf.cast(tf.gather(images, indices), tf.float32) / 255.0
        with tf.GradientTape() as tape:
            logits = trainee.model(inputs, training=True)
            loss = tf.reduce_mean(
                keras.losses.sparse_categorical_crossentropy(
                    tf.gather(labels, indices), logits, from_logits=True
                )
            )
        gradients = tape.gradient(loss, variables)
        products = zip(gradients, directions)
        rate += beta * float(sum(np.sum(g.numpy() * u) for g, u in products))
        before = [v.numpy() for v in variables]
        trainee.optimizer.learning_rate.assign(rate)
        trainee.optimizer.apply_gradients(zip(gradients, variables))
        directions = [(b - v.numpy()) / rate for b, v in zip(before, variables)]
        if (step + 1) % task.trainee_steps_per_action == 0:
            expected.append(rate)
    np.testing.assert_allclose(
        episode.column("learning_rate"), expected, rtol=1e-4, atol=1e-7
    )
    assert abs(expected[-1] / 0.01 - 1) > 0.01


def test_hypergradient_starts_anew_after_a_reset(tiny_task):
    task, schedule = tiny_task(), adaptive_schedules.Hypergradient(0.01, 1e-3)
    first = run_episode(task, schedule, 3)
    run_episode(task, schedule, 4)
    again = run_episode(task, schedule, 3)
    np.testing.assert_array_equal(again.trajectory, first.trajectory)


def test_hypergradient_on_the_quadratic():
    task = QuadraticTask(num_trainee_steps=40)
    found = run_episode(task, adaptive_schedules.Hypergradient(0.01, 1e-3), 0)
    rates = found.column("learning_rate")
    assert rates[-1] > 2 * rates[0]


def _controller(
    act_before_first_interval, action_bias=0.0, base=None, feature="progress"
):
    """Its action is tanh(feature - 0.5 + action_bias), but for the hidden layer's ReLU."""
    spec = ControllerSpec(
        network="mlp",
        num_units=1,
        activation="relu",
        observation=ObservationSpec((feature,), "raw"),
        scaling=LearningRateScaling(2.0, 1e-4, 1.0),
        initial_learning_rate=0.01,
        trainee_steps_per_action=10,
        num_trainee_steps=40,
        act_before_first_interval=act_before_first_interval,
        base_schedule=base,
    )
    weights = {
        "normalizer_mean": [0.0],
        "normalizer_variance": [0.999],
        "hidden_kernel": [[1.0]],
        "hidden_bias": [0.0],
        "action_kernel": [[1.0]],
        "action_bias": [action_bias - 0.5],
        "action_deviation": [0.1],
    }
    return Controller(
        spec, {name: np.float32(value) for name, value in weights.items()}
    )


@pytest.mark.parametrize("act_before_first_interval", [True, False])
def test_learned_by_hand(act_before_first_interval):
    # tanh(-0.5), tanh(-0.25), tanh(0), tanh(0.25)
    actions = [-0.46211716, -0.24491866, 0.0, 0.24491866]
    if not act_before_first_interval:
        actions[0] = 0.0
    expected = 0.01 * 2.0 ** np.cumsum(actions)
    schedule = adaptive_schedules.Learned(_controller(act_before_first_interval))
    assert schedule.name == "learned"
    np.testing.assert_allclose(_curve(schedule, 40), expected, rtol=1e-6)
    np.testing.assert_array_equal(_curve(schedule, 40), _curve(schedule, 40))


def test_learned_from_another_initial_rate():
    schedule = adaptive_schedules.Learned(_controller(True), 0.02, "mine")
    expected = _curve(adaptive_schedules.Learned(_controller(True)), 40)
    assert schedule.name == "mine"
    np.testing.assert_allclose(
        _curve(schedule, 40), 2 * np.asarray(expected), rtol=1e-12
    )


def test_learned_keeps_to_the_bounds_of_its_spec():
    curve = _curve(
        adaptive_schedules.Learned(_controller(True, action_bias=-20.0)), 400
    )
    assert curve[0] == pytest.approx(0.005)
    assert curve[-1] == 1e-4


def test_learned_with_a_base_moves_every_step():
    task = QuadraticTask(num_trainee_steps=40)
    base = BaseSchedule(warmup_fraction=0.25, final_fraction=0.5)
    schedule = adaptive_schedules.Learned(_controller(True, base=base))
    levels = 0.01 * 2.0 ** np.cumsum([-0.46211716, -0.24491866, 0.0, 0.24491866])
    next_learning_rates = schedule.start(QuadraticTask(num_trainee_steps=40))
    found = [next_learning_rates(step, MEASUREMENT) for step in (0, 10, 20, 30)]
    assert [len(rates) for rates in found] == [10] * 4
    np.testing.assert_allclose(found[0][:10], levels[0] * np.arange(0.1, 1.05, 0.1), rtol=1e-6)  # fmt: skip
    # 0.5 + 0.5 (1 + cos(pi (s - 9) / 30)) / 2: of the first, the last of each interval
    np.testing.assert_allclose(found[1][[0, 9]], levels[1] * np.array([0.9986305, 0.875]), rtol=1e-6)  # fmt: skip
    np.testing.assert_allclose(found[3][-1], 0.5 * levels[3], rtol=1e-6)
    episode = run_episode(task, schedule, 3)
    rates = episode.column("learning_rate")
    expected = levels[[0, 0, 1, 2, 3]] * [0.1, 1.0, 0.875, 0.625, 0.5]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_learned_with_a_base_decides_as_often_as_in_its_training():
    task = QuadraticTask(num_trainee_steps=80, trainee_steps_per_action=5)
    base = BaseSchedule(warmup_fraction=0.25, final_fraction=0.5)
    controller = _controller(True, -1.0, base, "train_loss")  # Of four decisions.
    coarse = dataclasses.replace(task, trainee_steps_per_action=20)
    losses = np.linspace(2, 1, 16)

    def rates(task, losses):
        next_rates = adaptive_schedules.Learned(controller).start(task)
        interval = task.trainee_steps_per_action
        return np.concatenate(
            [
                next_rates(step, MEASUREMENT._replace(train_loss=loss))[:interval]
                for step, loss in zip(range(0, 80, interval), losses)
            ]
        )

    # The mean of the first four after the untrained network's, and so on.
    means = [losses[0], *(losses[i : i + 4].mean() for i in (1, 5, 9))]
    np.testing.assert_allclose(rates(task, losses), rates(coarse, means), rtol=1e-6)


@pytest.mark.parametrize(
    ("num_steps", "interval", "expected"),
    # Four in its training. 13 of 52 steps are no multiple of 4: every 16.
    [(80, 20, 4), (80, 5, 4), (80, 40, 2), (52, 4, 4), (64, 8, 4), (48, 8, 3)],
)
def test_learned_with_a_base_decides_at_the_ends_of_intervals(
    num_steps, interval, expected
):
    task = QuadraticTask("toy", num_steps, interval)
    controller = _controller(True, 1.0, BaseSchedule(final_fraction=1.0))
    schedule = adaptive_schedules.Learned(controller)
    assert schedule.num_decisions(task) == expected
    next_rates, levels = schedule.start(task), []
    for step in range(0, num_steps, interval):
        # Each decision raises the level.
        levels.append(next_rates(step, MEASUREMENT)[-1])
    assert len(np.unique(levels)) == expected
    own = adaptive_schedules.Learned(_controller(True))
    assert own.num_decisions(task) == num_steps // interval


def test_learned_pickled():
    schedule = adaptive_schedules.Learned(_controller(True))
    copy = pickle.loads(pickle.dumps(schedule))
    assert _curve(copy, 40) == _curve(schedule, 40)


def test_normalizer_from_the_first_decisions():
    schedule = adaptive_schedules.Learned(_controller(True), num_normalizer_decisions=2)
    # Progress 0 and 0.25 as trained; mean 0.125, variance 0.015625 from the second on.
    deviation = math.sqrt(0.015625 + 1e-3)
    progress = [
        0.0,
        *(max((x - 0.125) / deviation, 0.0) for x in (0.25, 0.5, 0.75)),
    ]
    expected = 0.01 * 2.0 ** np.cumsum(np.tanh(np.array(progress) - 0.5))
    np.testing.assert_allclose(_curve(schedule, 40), expected, rtol=1e-5)
    # The next run starts from the trained normaliser.
    np.testing.assert_array_equal(_curve(schedule, 40), _curve(schedule, 40))
    with pytest.raises(ValueError, match="to be 0 or at least 2, .* found -1"):
        adaptive_schedules.Learned(_controller(True), None, "learned", -1)


@pytest.mark.parametrize("acts_at_once, most", [(True, 4), (False, 3)])
def test_a_normalizer_from_more_decisions_than_there_are_is_refused(acts_at_once, most):
    task = QuadraticTask(num_trainee_steps=40)
    controller = _controller(acts_at_once)
    enough, many = (
        adaptive_schedules.Learned(controller, num_normalizer_decisions=number)
        for number in (most, most + 1)
    )
    enough.start(task)
    with pytest.raises(ValueError, match=f"<= {most}, the observations of a run of"):
        many.start(task)
