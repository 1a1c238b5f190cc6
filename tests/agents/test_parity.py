"""One controller, three ways to run it: the environment with its policy, `run_episode`, Keras' `fit`."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from learned_lr import LearnedLearningRate
from learned_lr.agents.collection import collect_episode
from learned_lr.agents.environment import EnvironmentConfig, LearningRateEnvironment
from learned_lr.agents.ppo import PPOConfig, PPOTrainer
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.trainees import building, minibatches, reduced_data
from learned_lr.trainees.adaptive_schedules import Learned
from learned_lr.trainees.episode import run_episode, trainee_for
from learned_lr.trainees.tasks import Task

pytestmark = pytest.mark.smoke

TASK = Task(
    "parity",
    "digits",
    "lenet5",
    batch_size=64,
    num_trainee_steps=60,
    trainee_steps_per_action=5,
    num_validation_images=100,
    validation_batch_size=100,
)
SEED = 7


BASE = BaseSchedule(0.1, 0.01)


@pytest.fixture(
    scope="module",
    params=[("mlp", None), ("lstm", None), ("mlp", BASE)],
    ids=["mlp", "lstm", "base schedule"],
)
def trainer(request):
    """A trainer after one update, far enough from zero to move the rate."""
    network, base = request.param
    config = PPOConfig(network, num_units=8, num_epochs=2, actor_learning_rate=0.2)
    environment_config = EnvironmentConfig(base_schedule=base)
    cap = trainee_for(TASK).loss_cap
    trainer = PPOTrainer(config, environment_config, TASK, cap, 0)
    controller = trainer.controller()
    trainer.update(
        [collect_episode(controller, TASK, environment_config, s) for s in (0, 1)]
    )
    return trainer


@pytest.fixture(scope="module")
def rates(trainer):
    """The rates of `run_episode` under the exported controller, at the end of each interval, `[num_decisions]`."""
    episode = run_episode(TASK, Learned(trainer.controller()), SEED, test=False)
    return episode.column("learning_rate")[1:]


def test_rates_move(rates):
    assert np.ptp(rates) > 1e-4


def test_environment_with_the_greedy_policy_has_the_rates_of_run_episode(
    trainer, rates
):
    config = EnvironmentConfig(base_schedule=trainer.controller().spec.base_schedule)
    environment = LearningRateEnvironment(TASK, config, seed=SEED)
    policy = trainer.agent.policy
    state = policy.get_initial_state(1)
    time_step = environment.reset()
    while not time_step.is_last():
        batched = tf.nest.map_structure(lambda a: tf.constant(a)[None], time_step)
        action, state, _ = policy.action(batched, state)
        time_step = environment.step(action.numpy()[0])
    found = environment.episode().column("learning_rate")[1:]
    np.testing.assert_allclose(found, rates, rtol=1e-6)


def _fit(controller, **arguments):
    """Trains with `fit` on the minibatches of the trainee; returns the callback."""
    data = reduced_data.load(TASK)
    trainee = trainee_for(TASK)
    trainee.reset(SEED)
    model = tf.keras.models.clone_model(trainee.model)
    model.set_weights(trainee.model.get_weights())
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(building.build_optimizer(TASK), loss, jit_compile=False)
    order = minibatches.order(SEED, len(data.train_labels), 64, 60).ravel()
    images = (data.train_images[order] / 255.0).astype(np.float32)
    labels = data.train_labels[order].astype(np.int32)
    callback = LearnedLearningRate(
        controller,
        validation_batch=len(data.validation_labels),
        control_interval=5,
        training_sample=(images[:64], labels[:64]),
        verbose=0,
    )
    validation = (data.validation_images / 255.0).astype(np.float32)
    model.fit(
        images,
        labels,
        batch_size=64,
        shuffle=False,
        validation_data=(validation, data.validation_labels.astype(np.int32)),
        callbacks=[callback],
        verbose=0,
        **arguments,
    )
    return callback


def test_fit_with_the_callback_has_the_rates_of_run_episode(trainer, rates):
    schedule = _fit(trainer.controller()).schedule
    found = [schedule.at(step) for step in range(4, 60, 5)]
    np.testing.assert_allclose(found, rates, rtol=1e-6)
    has_base = trainer.controller().spec.base_schedule is not None
    assert schedule.steps == tuple(range(0, 60, 1 if has_base else 5))
