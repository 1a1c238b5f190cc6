"""Exported controllers: the same actions as the TF-Agents policy they come from."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from learned_lr.control.controller import Controller


def _greedy_actions(trainer, observations):
    """The means of `[num_episodes, num_steps, num_features]`, a step at a time."""
    policy = trainer.agent.policy
    num_episodes, num_steps = observations.shape[:2]
    state, actions = policy.get_initial_state(num_episodes), []
    for step in range(num_steps):
        kind = ts.StepType.MID if step else ts.StepType.FIRST
        time_step = ts.TimeStep(
            tf.fill([num_episodes], tf.constant(kind)),
            tf.zeros(num_episodes),
            tf.ones(num_episodes),
            tf.constant(observations[:, step]),
        )
        action, state, _ = policy.action(time_step, state)
        actions.append(action.numpy())
    return np.stack(actions, axis=1)


def _controller_actions(controller, observations):
    rows = []
    for episode in observations:
        state, row = controller.initial_state(), []
        for observation in episode:
            action, state = controller.act(observation, state)
            row.append(action)
        rows.append(row)
    return np.asarray(rows)


def test_the_controller_acts_as_the_greedy_policy(training, tmp_path):
    observations = np.stack([episode.observations for episode in training.episodes[1]])
    expected = _greedy_actions(training.trainer, observations)
    training.trainer.controller().save(str(tmp_path))
    found = _controller_actions(Controller.load(str(tmp_path)), observations)
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)
    assert np.ptp(expected) > 0.01
    collected = np.stack([episode.means for episode in training.episodes[1]])
    assert np.abs(expected[:, :-1] - collected).max() > 0.01


def test_an_untrained_controller_with_relu_does_too(training):
    observations = np.stack([episode.observations for episode in training.episodes[0]])
    trainer = training.new_trainer(5, activation="relu")
    trainer.agent.update_observation_normalizer(tf.constant(observations))
    expected = _greedy_actions(trainer, observations)
    found = _controller_actions(trainer.controller(), observations)
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)
    assert np.ptp(expected) > 0.01


def test_the_normaliser_is_the_one_of_tf_agents(training):
    weights = training.trainer.controller().weights
    observations = training.episodes[1][0].observations
    normalizer = training.trainer.agent._observation_normalizer
    expected = normalizer.normalize(tf.constant(observations)).numpy()
    deviation = np.sqrt(weights["normalizer_variance"] + 1e-3)
    found = (observations - weights["normalizer_mean"]) / deviation
    np.testing.assert_allclose(np.clip(found, -5, 5), expected, atol=2e-5)
    assert np.abs(expected).max() > 0.5
    # The first update sees its observations before it learns, and each takes in its own.
    first, second = (
        np.concatenate([episode.observations for episode in episodes])
        for episodes in training.episodes
    )
    seen = np.concatenate([first, first, second]).astype(np.float64)
    np.testing.assert_allclose(weights["normalizer_mean"], seen.mean(0), atol=1e-4)
    np.testing.assert_allclose(weights["normalizer_variance"], seen.var(0), atol=1e-4)


def test_the_deviation_is_the_one_of_tf_agents(training):
    observation = tf.constant(training.episodes[1][0].observations[:1])
    time_step = ts.restart(observation, batch_size=1)
    policy = training.trainer.agent.collect_policy
    distribution = policy.distribution(time_step, policy.get_initial_state(1)).action
    found = training.trainer.controller().action_deviation
    assert found == pytest.approx(float(distribution.stddev()[0]), rel=1e-6)
    assert abs(found - 0.35) > 0.01


def test_the_spec_says_where_it_comes_from(training):
    spec = training.trainer.controller({"seed": 3}).spec
    assert (spec.num_units, spec.source_tasks) == (8, ("quadratic",))
    assert spec.observation == training.environment_config.observation_spec(100.0)
    assert spec.scaling == training.environment_config.scaling()
    assert (spec.trainee_steps_per_action, spec.num_trainee_steps) == (10, 60)
    assert (spec.initial_learning_rate, spec.act_before_first_interval) == (1e-3, True)
    assert spec.provenance == {"seed": 3}


@pytest.mark.parametrize("deviation", [0.05, 0.35, 1.0])
def test_the_first_policy_has_the_deviation_asked_for(training, deviation):
    trainer = training.new_trainer(0, initial_action_deviation=deviation)
    found = trainer.controller().action_deviation
    assert found == pytest.approx(deviation, rel=1e-5)
