"""PPO: what an update reads, how far it moves each variable, and that it repeats bit for bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.agents.ppo import ppo_utils

from learned_lr.agents import ppo
from learned_lr.agents.collection import CollectedEpisode, collect_episode
from learned_lr.agents.environment import EnvironmentConfig
from learned_lr.agents.experience import experience_of, kl_divergence
from learned_lr.trainees.episode import Episode

CONFIG = EnvironmentConfig(max_scale=3.0)
SMALL = ppo.PPOConfig(num_units=4, num_epochs=1)


@pytest.fixture(scope="module", name="episodes")
def _episodes(quadratic, random_controller):
    controller = random_controller(quadratic, CONFIG)
    return [collect_episode(controller, quadratic, CONFIG, seed) for seed in (0, 1)]


def _trainer(task, seed=0, **values):
    config = dataclasses.replace(SMALL, **values)
    return ppo.PPOTrainer(config, CONFIG, task, 100.0, seed)


def _variables(trainer):
    """All that an update reads or writes, as bytes."""
    agent = trainer.agent
    normalizers = agent._observation_normalizer, agent._reward_normalizer
    groups = [
        agent.actor_net.variables,
        agent._value_net.variables,
        trainer.optimizer.actor_adam.variables,
        trainer.optimizer.critic_adam.variables,
        trainer.reward_normalizer.variables,
        [
            variable
            for n in normalizers
            if n
            for variable in tf.nest.flatten(n.variables)
        ],
        [agent.train_step_counter],
    ]
    return [[variable.numpy().tobytes() for variable in group] for group in groups]


def test_a_first_update(quadratic, episodes):
    """Each variable moves at its own rate; the figures are those of the definitions."""
    rates = {"actor_learning_rate": 2e-3, "critic_learning_rate": 7e-3}
    trainer = _trainer(quadratic, entropy_regularization=0.1, **rates)
    networks = trainer.agent.actor_net, trainer.agent._value_net
    before = [[v.numpy() for v in net.trainable_variables] for net in networks]
    found = trainer.update(episodes)
    for net, values, rate in zip(networks, before, (2e-3, 7e-3)):
        for variable, value in zip(net.trainable_variables, values):
            # Adam's first step is rate * gradient / (|gradient| + epsilon).
            step = np.abs(variable.numpy() - value).max()
            assert step == pytest.approx(rate, rel=1e-2), variable.name
    assert int(trainer.agent.train_step_counter) == 1
    # -0.1 * entropy of a Gaussian, (1 + ln(2 pi)) / 2 + ln(sigma), of the policy before;
    # the mean is over 6 decisions and a boundary step that counts as 0.
    entropy = (1.4189385 + np.log(0.35)) * 6 / 7
    assert found["entropy_loss"] == pytest.approx(-0.1 * entropy, rel=1e-5)
    controller = trainer.controller()
    assert found["action_deviation"] == controller.action_deviation
    assert found["kl"] == kl_divergence(controller, episodes)


def test_an_unknown_variable_is_refused():
    known = [tf.Variable(1.0), tf.Variable(1.0)]
    optimizer = ppo.TwoRateAdam(known[:1], known[1:], 1e-3, 5e-3)
    other = tf.Variable(1.0, name="other")
    gradient = tf.constant(1.0)
    with pytest.raises(ValueError, match=r"actor and critic only, found \['other:0'\]"):
        optimizer.apply_gradients([(gradient, v) for v in (*known, other)])


def test_the_reward_normalizer_against_numpy():
    rng = np.random.default_rng(0)
    normalizer, seen = ppo.RewardNormalizer(), []
    for size in ((2, 5), (3, 7), (1, 1), (4, 2)):
        batch = rng.normal(-40.0, 3.0, size).astype(np.float32)
        seen.append(batch.ravel())
        normalizer.update(batch)
        everything = np.concatenate(seen).astype(np.float64)
        assert float(normalizer.count) == everything.size
        assert float(normalizer.mean) == pytest.approx(everything.mean(), rel=1e-12)
        found = normalizer.normalize(batch)
        expected = (batch - everything.mean()) / np.sqrt(everything.var() + 1e-8)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_equal_rewards_are_normalised_to_zero():
    normalizer = ppo.RewardNormalizer()
    normalizer.update(np.full((2, 3), -2.0))
    np.testing.assert_array_equal(normalizer.normalize(np.full(3, -2.0)), np.zeros(3))


def _hand_made(rewards, means, deviation):
    length = len(rewards)
    return CollectedEpisode(
        Episode(0, np.zeros((length + 1, 9)), False),
        np.zeros((length + 1, 8), np.float32),
        np.arange(1, length + 1, dtype=np.float32) / 10,
        np.asarray(means, np.float32),
        deviation,
        np.asarray(rewards, np.float32),
    )


def test_the_experience_by_hand():
    episodes = [_hand_made([-1, -2, -4], [0.1, 0.2, 0.3], 0.5)]
    episodes.append(_hand_made([-3, -5, -6], [0.4, 0.5, 0.6], 0.7))
    rewards = np.stack([episode.rewards for episode in episodes])
    found = experience_of(episodes, rewards)
    expected = {
        "step_type": [[0, 1, 1, 2]] * 2,
        "next_step_type": [[1, 1, 2, 0]] * 2,
        "reward": [[-1, -2, -4, 0], [-3, -5, -6, 0]],
        "discount": [[1, 1, 0, 1]] * 2,
        "action": np.float32([[0.1, 0.2, 0.3, 0]] * 2),
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(getattr(found, name), values)
    parameters = found.policy_info["dist_params"]
    np.testing.assert_array_equal(
        parameters["loc"], np.float32([[0.1, 0.2, 0.3, 0], [0.4, 0.5, 0.6, 0]])
    )
    np.testing.assert_array_equal(
        parameters["scale"], np.float32([[0.5, 0.5, 0.5, 1], [0.7, 0.7, 0.7, 1]])
    )


def test_all_decisions_count_and_the_end_is_worth_nothing(quadratic, episodes):
    """Generalised advantages and TD(lambda) returns of the agent, against their recursion."""
    trainer = _trainer(quadratic, discount_factor=0.9, lambda_value=0.8)
    rewards = np.stack([episode.rewards for episode in episodes])
    experience = experience_of(episodes, rewards)
    processed = trainer.agent._preprocess(experience)
    mask = ppo_utils.make_trajectory_mask(processed)
    np.testing.assert_array_equal(mask, [[1] * 6 + [0]] * 2)
    values = processed.policy_info["value_prediction"].numpy().astype(np.float64)
    values[:, -1] = 0.0
    expected, advantage = np.zeros((2, 6)), np.zeros(2)
    for t in reversed(range(6)):
        # delta = r + gamma V(t + 1) - V(t); A(t) = delta + gamma lambda A(t + 1)
        delta = rewards[:, t] + 0.9 * values[:, t + 1] - values[:, t]
        advantage = delta + 0.9 * 0.8 * advantage
        expected[:, t] = advantage
    found = processed.policy_info["advantage"].numpy()[:, :-1]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    found = processed.policy_info["return"].numpy()[:, :-1]
    np.testing.assert_allclose(found, expected + values[:, :-1], rtol=1e-4, atol=1e-5)


def test_the_divergence_of_two_policies_by_hand(quadratic, random_controller):
    controller = random_controller(quadratic, CONFIG)
    weights = {name: np.zeros_like(v) for name, v in controller.weights.items()}
    weights["action_deviation"] = np.float32([0.25])
    new = type(controller)(controller.spec, weights)
    # new mean 0: ln(0.25 / 0.5) + (0.5^2 + m^2) / (2 * 0.25^2) - 1 / 2, m = 0.1, 0.3
    episode = _hand_made([0.0, 0.0], [0.1, 0.3], 0.5)
    expected = np.log(0.5) + (0.25 + (0.01 + 0.09) / 2) / 0.125 - 0.5
    assert kl_divergence(new, [episode]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("actor", ["mlp", "lstm"])
def test_a_policy_does_not_diverge_from_itself(quadratic, random_controller, actor):
    controller = random_controller(quadratic, CONFIG, actor)
    episodes = [collect_episode(controller, quadratic, CONFIG, s) for s in (0, 1)]
    assert kl_divergence(controller, episodes) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("actor", ["mlp", "lstm"])
def test_training_from_a_controller(quadratic, random_controller, actor):
    controller = random_controller(quadratic, CONFIG, actor, seed=3)
    config = dataclasses.replace(SMALL, actor=actor, initial_action_deviation=0.2)
    trainer = ppo.PPOTrainer(config, CONFIG, quadratic, 100.0, 0, controller)
    first = trainer.controller()
    assert first.action_deviation == pytest.approx(0.2)
    episodes = [collect_episode(first, quadratic, CONFIG, seed) for seed in (0, 1)]
    trainer.update(episodes)
    second = trainer.controller()
    for name, weights in controller.weights.items():
        if name != "action_deviation":
            np.testing.assert_array_equal(first.weights[name], weights)
        is_normalizer = name.startswith("normalizer")
        assert (
            np.array_equal(first.weights[name], second.weights[name]) == is_normalizer
        )


@pytest.mark.parametrize("actor", ["mlp", "lstm"])
def test_a_first_policy_at_the_base_schedule(quadratic, actor):
    """Untrained, it does next to nothing, and it can still learn."""
    config = dataclasses.replace(SMALL, actor=actor, init_means_output_factor=1e-12)
    trainer = ppo.PPOTrainer(config, CONFIG, quadratic, 100.0, 0)
    first = trainer.controller()
    episodes = [collect_episode(first, quadratic, CONFIG, seed) for seed in (0, 1)]
    # The factor is that of a variance.
    assert np.max(np.abs(_greedy_actions(first, episodes[0]))) < 1e-5
    assert first.action_deviation == pytest.approx(config.initial_action_deviation)
    trainer.update(episodes)
    assert np.max(np.abs(_greedy_actions(trainer.controller(), episodes[0]))) > 1e-4


def _greedy_actions(controller, episode):
    state, actions = controller.initial_state(), []
    for observation in episode.observations:
        action, state = controller.act(observation, state)
        actions.append(action)
    return np.asarray(actions)


def test_a_controller_of_another_network_is_refused(quadratic, random_controller):
    controller = random_controller(quadratic, CONFIG)
    config = dataclasses.replace(SMALL, num_units=5)
    with pytest.raises(
        ValueError, match="network and observations, found mlp, 4, tanh"
    ):
        ppo.PPOTrainer(config, CONFIG, quadratic, 100.0, 0, controller)
    config = dataclasses.replace(CONFIG, transform="relative")
    with pytest.raises(ValueError, match="found mlp, 4, tanh and .*'log'"):
        ppo.PPOTrainer(SMALL, config, quadratic, 100.0, 0, controller)


def test_the_first_update_sees_normalized_rewards(quadratic, episodes):
    trainer = _trainer(quadratic, reward_normalization="scaled")
    seen = []
    train = trainer._train

    def look(experience):
        seen.append(
            trainer.agent._reward_normalizer.normalize(experience.reward).numpy()
        )
        return train(experience)

    trainer._train = look
    trainer.update(episodes)
    # An empty normaliser has a variance of 0 and would clip them all at 10.
    assert np.abs(seen[0]).max() < 10
    assert np.ptp(seen[0]) > 1


def test_an_update_trains_on_centred_rewards(quadratic, episodes):
    trainer = _trainer(quadratic, reward_normalization="centered")
    seen = []
    train = trainer._train

    def look(experience):
        seen.append(experience.reward.numpy())
        return train(experience)

    trainer._train = look
    trainer.update(episodes)
    rewards = np.stack([episode.rewards for episode in episodes])
    expected = (rewards - rewards.mean()) / np.sqrt(rewards.var() + 1e-8)
    # A boundary step follows, which counts for nothing.
    np.testing.assert_allclose(seen[0][:, :-1], expected, rtol=1e-5)


def test_an_update_has_as_many_epochs_as_it_is_told(quadratic, episodes):
    trainer = _trainer(quadratic, num_epochs=3)
    trainer.update(episodes)
    assert int(trainer.agent.train_step_counter) == 3


def test_ratios_are_clipped_where_they_are_told_to(quadratic, episodes):
    """The first epoch moves the policy, the second one sees ratios other than 1."""
    values = {"num_epochs": 2, "actor_learning_rate": 0.05}
    narrow = _trainer(quadratic, importance_ratio_clipping=1e-6, **values)
    wide = _trainer(quadratic, importance_ratio_clipping=1e6, **values)
    # Of 6 decisions and a boundary step, whose ratio is masked.
    assert narrow.update(episodes)["clip_fraction"] >= 6 / 7 - 1e-6
    assert wide.update(episodes)["clip_fraction"] == 0
    weights = [trainer.controller().weights for trainer in (narrow, wide)]
    assert any(not np.array_equal(weights[0][n], weights[1][n]) for n in weights[0])


def test_updates_repeat_bit_for_bit(training):
    expected = _variables(training.trainer)
    twin = training.new_trainer(0)
    for episodes, figures in zip(training.episodes, training.figures):
        assert _variables(twin) != expected
        assert twin.update(episodes) == figures
    assert _variables(twin) == expected

    # After a restoration, neither an update in between nor the seed leaves a trace.
    twin.update(training.episodes[0])
    other = training.new_trainer(1)
    assert _variables(other)[0] != _variables(training.new_trainer(0))[0]
    for each in (twin, other):
        each.checkpoint.restore(training.first_checkpoint).assert_consumed()
    assert _variables(other) == _variables(twin) != expected
    assert twin.update(training.episodes[1]) == training.figures[1]
    assert _variables(twin) == expected


@pytest.mark.parametrize(
    "values, message",
    [
        ({"actor": "gru"}, r"ppo.actor to be one of \['mlp', 'lstm'\], found 'gru'"),
        ({"activation": "elu"}, "ppo.activation to be one of .* found 'elu'"),
        ({"reward_normalization": "none"}, "ppo.reward_normalization to be one of"),
        ({"num_epochs": 0}, "Expected ppo.num_epochs > 0 and finite, found 0"),
        (
            {"actor_learning_rate": -1.0},
            "ppo.actor_learning_rate > 0 and finite, found -1.0",
        ),
        (
            {"critic_learning_rate": 0.0},
            "ppo.critic_learning_rate > 0 and finite, found 0.0",
        ),
        ({"initial_action_deviation": 0.0}, "ppo.initial_action_deviation > 0"),
        ({"importance_ratio_clipping": 0.0}, "ppo.importance_ratio_clipping > 0"),
        ({"discount_factor": 1.5}, r"ppo.discount_factor in \[0, 1\], found 1.5"),
        ({"lambda_value": -0.1}, r"ppo.lambda_value in \[0, 1\], found -0.1"),
    ],
)
def test_a_configuration_that_is_none_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        ppo.PPOConfig(**values)
