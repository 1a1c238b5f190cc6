"""The environment: specs, rewards and ends by literal numbers, and agreement with `run_episode`."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from tf_agents.environments import utils as environment_utils

from learned_lr.agents.environment import EnvironmentConfig, LearningRateEnvironment
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.observations import OPTIONAL_FEATURES, TRANSFORMS
from learned_lr.trainees import adaptive_schedules, scaled_schedules, schedules
from learned_lr.trainees.episode import run_episode

CAPS = {"tiny": 1.5 * math.log(10), "quadratic": 100.0}


def _play(environment, actions):
    """Returns the time steps of one episode."""
    return [environment.reset()] + [
        environment.step(np.float32(action)) for action in actions
    ]


@pytest.mark.parametrize("reward", ["validation_loss", "log_validation_loss"])
def test_tf_agents_finds_it_valid(task, reward):
    config = EnvironmentConfig(reward=reward, max_scale=10.0)
    environment = LearningRateEnvironment(task, config)
    environment_utils.validate_py_environment(environment, episodes=3)


def test_specs_by_hand(task):
    config = EnvironmentConfig(
        ("validation_loss", "learning_rate", "progress"),
        min_learning_rate=1e-5,
        max_learning_rate=0.1,
    )
    environment = LearningRateEnvironment(task, config)
    cap = CAPS[task.name]
    observation = environment.observation_spec()
    assert (observation.name, observation.shape) == ("observation", (3,))
    expected = [-13.815511, -11.512925, 0.0], [math.log(cap), -2.3025851, 1.0]
    np.testing.assert_allclose(observation.minimum, expected[0], rtol=1e-6)
    np.testing.assert_allclose(observation.maximum, expected[1], rtol=1e-6)
    action = environment.action_spec()
    assert (action.name, action.shape) == ("log_scale", ())
    assert (action.minimum, action.maximum) == (-1.0, 1.0)
    reward = environment.reward_spec()
    assert (reward.name, reward.shape) == ("reward", ())
    # -ln(cap) to -ln(1e-6)
    assert reward.minimum == np.float32(-math.log(cap))
    assert reward.maximum == pytest.approx(13.815511, rel=1e-6)
    paper = EnvironmentConfig(reward="validation_loss")
    reward = LearningRateEnvironment(task, paper).reward_spec()
    assert (reward.minimum, reward.maximum) == (np.float32(-cap), 0.0)


def test_decreases_sum_to_the_final_loss(task):
    config = EnvironmentConfig(reward="log_validation_loss_decrease", max_scale=4.0)
    environment = LearningRateEnvironment(task, config, seed=7)
    steps = _play(environment, [1.0, 0.5, -1.0, 0.3, 0.0, 1.0])
    losses = np.log(environment.episode().column("validation_loss"))
    rewards = [float(step.reward) for step in steps[1:]]
    np.testing.assert_allclose(rewards, -np.diff(losses), atol=1e-6)
    spec = environment.reward_spec()
    assert spec.maximum == pytest.approx(math.log(CAPS[task.name] / 1e-6), rel=1e-6)
    assert spec.minimum == -spec.maximum


def test_decreases_of_the_best_sum_to_the_best_loss(task):
    config = EnvironmentConfig(
        reward="log_best_validation_loss_decrease",
        max_scale=1000.0,
        max_learning_rate=1000.0,
    )
    environment = LearningRateEnvironment(task, config, seed=7)
    for actions in ([0.2, 0.1, 0.0, 1.0, 1.0, -1.0], [0.1] * 6):
        steps = _play(environment, actions)
        rewards = np.array([float(step.reward) for step in steps[1:]])
        losses = environment.episode().column("validation_loss")
        best = np.log(np.minimum.accumulate(losses))
        np.testing.assert_allclose(rewards, -np.diff(best), atol=1e-6)
        if actions[-1] < 0:  # A rate that hurts costs nothing, and earns nothing.
            assert losses[-1] > losses.min()
            assert rewards[-1] == 0
    # The second episode starts anew.
    assert rewards[0] > 0


def test_configuration_of_a_controller(task, random_controller):
    config = EnvironmentConfig(
        ("validation_loss", "progress"),
        "relative",
        "validation_loss",
        0.02,
        3.0,
        1e-5,
        0.5,
        act_before_first_interval=False,
        base_schedule=BaseSchedule(0.1),
        initial_sgd_learning_rate=0.2,
    )
    spec = random_controller(task, config).spec
    assert EnvironmentConfig.of_controller(spec, "validation_loss") == config


@pytest.mark.parametrize("act_first", [True, False])
def test_rewards_learning_rates_and_discounts(task, act_first):
    actions = [0.5, -0.25, 3.0, -3.0, 0.0, 0.1][: 6 if act_first else 5]
    played = {}
    for reward in ("validation_loss", "log_validation_loss"):
        config = EnvironmentConfig(
            reward=reward,
            transform="raw",
            max_scale=2.0,
            act_before_first_interval=act_first,
        )
        environment = LearningRateEnvironment(task, config, seed=7)
        played[reward] = _play(environment, actions), environment.episode()
    steps, episode = played["validation_loss"]
    log_steps, log_episode = played["log_validation_loss"]
    np.testing.assert_array_equal(episode.trajectory, log_episode.trajectory)

    # The third and fourth action are clipped to 1 and -1.
    exponents = np.cumsum(np.clip(actions, -1, 1))
    expected = 1e-3 * 2.0**exponents
    expected = [expected[0] if act_first else 1e-3, *([] if act_first else [1e-3])]
    expected = np.append(expected, 1e-3 * 2.0**exponents)
    np.testing.assert_allclose(episode.column("learning_rate"), expected, rtol=1e-6)

    losses = episode.column("validation_loss")[-len(actions) :]
    rewards = [step.reward for step in steps]
    np.testing.assert_array_equal(rewards, np.float32([0, *-losses]))
    rewards = [step.reward for step in log_steps]
    np.testing.assert_allclose(rewards, [0, *-np.log(losses)], rtol=1e-6)

    assert [float(step.discount) for step in steps] == [1.0] * len(actions) + [0.0]
    assert [int(step.step_type) for step in steps] == [0] + [1] * (len(actions) - 1) + [
        2
    ]
    # validation loss, learning rate and progress of the last interval
    found = np.stack([step.observation for step in steps])[:, [1, 6, 7]]
    rows = episode.trajectory[-len(steps) :, [3, 1, 0]] / [1, 1, task.num_trainee_steps]
    rows[0, 1] = 1e-3
    np.testing.assert_array_equal(found, rows.astype(np.float32))


def test_seeds_count_up_from_the_one_given(quadratic):
    environment = LearningRateEnvironment(quadratic, seed=5)
    actions, starts = [0.3] * 6, []
    for number in range(3):
        if number == 2:
            environment.seed(5)
        _play(environment, actions)
        episode = environment.episode()
        starts.append((episode.seed, episode.trajectory.tobytes()))
    assert [seed for seed, _ in starts] == [5, 6, 5]
    assert starts[0] == starts[2]
    assert starts[0][1] != starts[1][1]


def test_a_step_after_the_last_begins_the_next_episode(quadratic):
    environment = LearningRateEnvironment(quadratic, seed=5)
    last = _play(environment, [0.0] * 6)[-1]
    assert last.is_last()
    first = environment.step(np.float32(1.0))
    assert first.is_first()
    assert environment.episode().seed == 6
    other = LearningRateEnvironment(quadratic, seed=6).reset()
    np.testing.assert_array_equal(first.observation, other.observation)


def test_the_best_weights_are_tested_when_asked_for(task):
    environment = LearningRateEnvironment(task, seed=1)
    _play(environment, [0.5] * 6)
    assert math.isnan(environment.episode().test_loss)
    found = environment.episode(test=True)
    steps = found.column("trainee_step")[:-1]
    schedule = schedules.RecordedRates(
        tuple(steps), tuple(found.column("learning_rate")[1:])
    )
    expected = run_episode(task, schedule, 1)
    assert found.test_loss == expected.test_loss
    np.testing.assert_equal(found.test_accuracy, expected.test_accuracy)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("act_first", [True, False])
@pytest.mark.parametrize("network", ["mlp", "lstm"])
def test_the_mean_action_gives_the_episode_of_the_learned_schedule(
    task, random_controller, transform, act_first, network
):
    config = EnvironmentConfig(
        transform=transform, act_before_first_interval=act_first, max_scale=4.0
    )
    controller = random_controller(task, config, network)
    environment = LearningRateEnvironment(task, config, seed=11)
    time_step, state = environment.reset(), controller.initial_state()
    while not time_step.is_last():
        action, state = controller.act(time_step.observation, state)
        time_step = environment.step(np.float32(action))
    expected = run_episode(task, adaptive_schedules.Learned(controller), 11)
    found = environment.episode(test=True)
    np.testing.assert_array_equal(found.trajectory, expected.trajectory)
    np.testing.assert_equal(
        (found.seed, found.diverged, found.test_loss, found.test_accuracy),
        (11, expected.diverged, expected.test_loss, expected.test_accuracy),
    )
    assert len(set(found.column("learning_rate")[1:])) == 6


@pytest.mark.parametrize("network", ["mlp", "lstm"])
def test_with_a_base_and_trends_the_mean_action_gives_the_learned_schedule(
    task, random_controller, network
):
    config = EnvironmentConfig(
        ("validation_loss", "learning_rate", *OPTIONAL_FEATURES),
        "relative",
        max_scale=4.0,
        base_schedule=BaseSchedule(0.1, 0.01),
        initial_sgd_learning_rate=0.01,
    )
    controller = random_controller(task, config, network)
    environment = LearningRateEnvironment(task, config, seed=11)
    time_step, state = environment.reset(), controller.initial_state()
    while not time_step.is_last():
        action, state = controller.act(time_step.observation, state)
        time_step = environment.step(np.float32(action))
    expected = run_episode(task, adaptive_schedules.Learned(controller), 11, test=False)
    found = environment.episode()
    np.testing.assert_array_equal(found.trajectory, expected.trajectory)
    assert len(set(found.column("learning_rate")[1:])) == 6


def test_where_a_loss_is_0_the_level_stays_as_in_the_learned_schedule(
    quadratic, random_controller
):
    task = dataclasses.replace(quadratic, noise=0.0, num_trainee_steps=120)
    config = EnvironmentConfig(("train_loss", "progress"), "relative", max_scale=4.0)
    controller = random_controller(task, config)
    environment = LearningRateEnvironment(task, config, seed=11)
    # Two at first, 21 of the first interval; then it is at the minimum.
    losses = iter([1.0] * 23)
    environment._trainee._loss = lambda: next(losses, 0.0)
    time_step, state, levels = environment.reset(), controller.initial_state(), []
    while not time_step.is_last():
        action, state = controller.act(time_step.observation, state)
        time_step = environment.step(np.float32(action or 0.5))
        levels.append(environment.level)
    assert len(set(levels[:2])) == 2 and len(set(levels[1:])) == 1


@pytest.mark.parametrize(
    "own, expected", [(None, [1e-3, 1e-3, 1e-3]), (0.02, [0.02, 1e-3, 0.02])]
)
def test_sgd_starts_at_a_level_of_its_own(task, quadratic, own, expected):
    config = EnvironmentConfig(("learning_rate",), "relative", initial_sgd_learning_rate=own)  # fmt: skip
    tasks = [quadratic]
    if task is not quadratic:
        tasks += [dataclasses.replace(task, optimizer=o) for o in ("adam", "sgd")]
    for member, level in zip(tasks, expected):
        environment = LearningRateEnvironment(member, config)
        observation = environment.reset().observation
        assert environment.level == level
        assert observation == 0  # In units of the level it starts from.


def test_action_0_follows_the_base(task):
    base = BaseSchedule()
    config = EnvironmentConfig(
        transform="relative", initial_learning_rate=0.02, base_schedule=base
    )
    environment = LearningRateEnvironment(task, config, seed=11)
    _play(environment, [0.0] * 6)
    schedule = scaled_schedules.BaseAtPeak(0.02, base)
    expected = run_episode(task, schedule, 11, test=False)
    np.testing.assert_allclose(
        environment.episode().trajectory, expected.trajectory, rtol=1e-5
    )


@pytest.mark.parametrize("base", [None, BaseSchedule(0.1, 0.01)])
def test_hidden_multiplier_scales_the_rate_and_is_not_seen(quadratic, base):
    config = EnvironmentConfig(("learning_rate",), "relative", base_schedule=base)
    actions = [0.5, -1.0, 0.25, 0.0, 1.0, 1.0]
    plain = LearningRateEnvironment(quadratic, config, 5)
    hidden = LearningRateEnvironment(quadratic, config, 5, rate_multiplier=4.0)
    expected, found = _play(plain, actions), _play(hidden, actions)
    for one, other in zip(expected, found):
        np.testing.assert_array_equal(one.observation, other.observation)
    rates = plain.episode().column("learning_rate")
    scaled = hidden.episode().column("learning_rate")
    np.testing.assert_allclose(scaled, 4.0 * rates, rtol=1e-6)
    losses = [e.episode().column("validation_loss") for e in (plain, hidden)]
    assert np.all(losses[1][1:] < losses[0][1:])  # The rates are far below the best.


def test_an_episode_before_the_first_reset_is_refused(quadratic):
    with pytest.raises(ValueError, match=r"Expected reset\(\) before episode\(\)"):
        LearningRateEnvironment(quadratic).episode()


@pytest.mark.parametrize(
    "values, message",
    [
        ({"reward": "accuracy"}, "environment.reward to be one of .* found 'accuracy'"),
        (
            {"initial_learning_rate": 2.0},
            r"initial_learning_rate in \[1e-07, 1.0\], found 2.0",
        ),
        ({"initial_learning_rate": 1e-8}, "found 1e-08"),
        (
            {"initial_sgd_learning_rate": 2.0},
            r"initial_sgd_learning_rate in \[1e-07, 1.0\], found 2.0",
        ),
        ({"max_scale": 1.0}, "Expected max_scale > 1, found 1.0"),
        ({"min_learning_rate": 0.0}, "Expected 0 < min_learning_rate"),
        ({"min_learning_rate": 2.0}, "Expected 0 < min_learning_rate .* found 2.0 and"),
        ({"features": ("loss",)}, "Expected distinct features out of"),
        ({"transform": "sqrt"}, "Expected transform to be one of"),
    ],
)
def test_a_configuration_that_is_none_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        EnvironmentConfig(**values)
