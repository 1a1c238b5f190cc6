"""Imitation: labels by hand, labelled episodes that repeat, and fits that find what the teacher does."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from learned_lr.agents import imitation
from learned_lr.agents.environment import EnvironmentConfig, LearningRateEnvironment
from learned_lr.agents.imitation import ImitationConfig, LabelledEpisodes
from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.controller_spec import ControllerSpec
from learned_lr.control.observations import ObservationSpec
from learned_lr.trainees.episode import Episode
from learned_lr.trainees.episode_groups import EpisodeGroup

ENVIRONMENT = EnvironmentConfig(
    ("validation_loss", "learning_rate", "progress"),
    "relative",
    initial_learning_rate=0.01,
    max_scale=2.0,
    base_schedule=BaseSchedule(),
)


LABELS = ("observations", "actions", "teacher_actions", "levels", "rate_multipliers")
MULTIPLIERS = {5: 2.5, 6: 0.5}


@pytest.mark.parametrize(
    ("target", "level", "expected"),
    [
        (0.02, 0.02, 0.0),
        (0.02, 0.01, 1.0),
        (0.02, 0.015, 0.4150375),  # log2(4 / 3)
        (0.02, 0.03, -0.5849625),  # log2(2 / 3)
        (0.08, 0.01, 1.0),
        (0.001, 0.01, -1.0),
    ],
)
def test_teacher_by_hand(target, level, expected):
    found = imitation.teacher_action(target, level, 2.0)
    assert found == pytest.approx(expected, abs=1e-7)


def _label(task, random_controller, *seeds, targets=(0.1,), deviation=0.3):
    controller = random_controller(task, ENVIRONMENT)
    runs = [(seed, MULTIPLIERS[seed]) for seed in seeds]
    return imitation.label_episodes(
        controller, task, ENVIRONMENT, deviation, targets, runs
    )


def test_labels_follow_the_levels_that_the_episode_had(task, random_controller):
    items = _label(task, random_controller, 5, 6)
    assert items.rate_multipliers.tolist() == [2.5, 0.5]
    for row, (seed, multiplier) in enumerate(MULTIPLIERS.items()):
        actions = items.actions[row]
        levels = 0.01 * 2.0 ** np.cumsum([0, *np.clip(actions, -1, 1)])
        expected = np.clip(np.log2(0.1 / (multiplier * levels[:-1])), -1, 1)
        np.testing.assert_allclose(items.teacher_actions[row], expected, rtol=1e-5)
        np.testing.assert_allclose(items.levels[row], levels[:-1], rtol=1e-5)
        # The last step has a thousandth of the last level, times the hidden multiplier.
        episode = items.group.episodes[row]
        rate = episode.column("learning_rate")[-1]
        assert rate == pytest.approx(1e-3 * multiplier * levels[-1], rel=1e-5)
        # What is labelled is what was seen: the environment gives the same to the same actions.
        environment = LearningRateEnvironment(task, ENVIRONMENT, seed, multiplier)
        observations = [environment.reset().observation]
        observations += [environment.step(action).observation for action in actions]
        np.testing.assert_array_equal(items.observations[row], observations[:-1])
        found = environment.episode().trajectory
        np.testing.assert_array_equal(episode.trajectory, found)
        assert episode.seed == seed


def test_labelled_episodes_are_a_pure_function(task, random_controller):
    both = _label(task, random_controller, 5, 6)
    for row, seed in enumerate((5, 6)):
        alone = _label(task, random_controller, seed)
        for name in LABELS:
            expected = getattr(both, name)[row : row + 1]
            np.testing.assert_array_equal(getattr(alone, name), expected)
        np.testing.assert_array_equal(
            alone.group.episodes[0].trajectory, both.group.episodes[row].trajectory
        )
    assert np.all(both.actions[0] != both.actions[1])


def test_without_noise_the_controller_acts(quadratic, random_controller):
    items = _label(quadratic, random_controller, 5, deviation=0.0)
    controller = random_controller(quadratic, ENVIRONMENT)
    expected = [controller.act(row)[0] for row in items.observations[0]]
    np.testing.assert_allclose(items.actions[0], expected, rtol=1e-6)


def test_a_target_a_decision(quadratic, random_controller):
    targets = (1e-5, 1e-5, 1e-5, 1.0, 1.0, 1.0)
    items = _label(quadratic, random_controller, 5, targets=targets)
    np.testing.assert_array_equal(items.teacher_actions, [[-1, -1, -1, 1, 1, 1]])
    with pytest.raises(ValueError, match="each of 6 decisions, found 2"):
        _label(quadratic, random_controller, 5, targets=(0.1, 0.2))


def test_labelled_episodes_to_bytes_and_back(quadratic, random_controller):
    items = _label(quadratic, random_controller, 5, 6)
    found = LabelledEpisodes.from_bytes(items.to_bytes())
    for name in LABELS:
        expected = getattr(items, name)
        assert getattr(found, name).dtype == expected.dtype
        np.testing.assert_array_equal(getattr(found, name), expected)
    for one, other in zip(found.group.episodes, items.group.episodes):
        np.testing.assert_array_equal(one.trajectory, other.trajectory)
        assert (one.seed, one.diverged, one.cpu_sec) == (
            other.seed,
            other.diverged,
            other.cpu_sec,
        )


SPEC = ControllerSpec(
    network="mlp",
    num_units=8,
    activation="tanh",
    observation=ObservationSpec(("validation_loss", "progress"), "relative"),
    scaling=LearningRateScaling(2.0),
    initial_learning_rate=0.01,
    trainee_steps_per_action=10,
    num_trainee_steps=60,
)
CONFIG = ImitationConfig(
    num_units=8,
    num_networks=1,
    num_fitting_steps=300,
    learning_rate=0.01,
    too_high_weight=1.0,
)


def _item(observations, teacher_actions):
    num = len(observations)
    group = EpisodeGroup((Episode(0, np.zeros((num + 1, 9)), False),))
    actions = np.asarray(teacher_actions, np.float32)[None]
    observations = np.asarray(observations, np.float32)[None]
    return LabelledEpisodes(
        group, observations, actions, actions, np.ones_like(actions), np.ones(1)
    )


def _lines(num=200, seed=0):
    """Observations, and actions that are a function of them."""
    rng = np.random.default_rng(seed)
    observations = rng.normal(size=(num, 2)) * [3.0, 0.2] + [-4.0, 0.5]
    actions = np.tanh(0.4 * (observations[:, 0] + 4.0) - 2.0 * observations[:, 1])
    return observations, actions


def test_fit_finds_a_function_of_the_observations():
    observations, actions = _lines()
    controller, figures = imitation.fit(
        SPEC, CONFIG, {"a": [_item(observations, actions)]}, 0
    )
    np.testing.assert_allclose(
        controller.weights["normalizer_mean"], observations.mean(0), rtol=1e-5
    )
    np.testing.assert_allclose(
        controller.weights["normalizer_variance"], observations.var(0), rtol=1e-5
    )
    assert controller.action_deviation == np.float32(0.3)
    fresh, expected = _lines(seed=1)
    found = [controller.act(row)[0] for row in fresh]
    assert np.mean((found - expected) ** 2) < 0.01 * expected.var()
    assert figures["explained_variance"] > 0.99
    found = np.array([controller.act(row)[0] for row in observations])
    loss = np.mean((found - actions) ** 2)
    assert figures["explained_variance"] == pytest.approx(
        1 - loss / actions.var(), abs=1e-4
    )
    assert figures["fitting_loss"] == pytest.approx(loss, rel=0.05)


def test_fit_repeats_and_depends_on_the_seed():
    episodes = {"a": [_item(*_lines())]}
    first, again, other = (
        imitation.fit(SPEC, CONFIG, episodes, seed)[0].files() for seed in (0, 0, 1)
    )
    assert again == first != other


def test_several_networks_are_averaged_before_the_last_tanh():
    observations, actions = _lines()
    actions = np.tanh(actions + np.random.default_rng(2).normal(size=len(actions)))
    episodes = {"a": [_item(observations, actions)]}
    config = dataclasses.replace(CONFIG, num_fitting_steps=20)
    several = dataclasses.replace(config, num_networks=3)
    spec = dataclasses.replace(SPEC, num_units=24)
    mean, figures = imitation.fit(spec, several, episodes, 1)
    # Seeds are numbers of networks: the run's times the networks, and then on.
    single = [imitation.fit(SPEC, config, episodes, number) for number in (3, 4, 5)]
    for row in observations[:20]:
        before = [np.arctanh(controller.act(row)[0]) for controller, _ in single]
        assert np.ptp(before) > 1e-3
        expected = np.tanh(np.mean(before))
        assert mean.act(row)[0] == pytest.approx(expected, abs=1e-5)
    losses = [found["fitting_loss"] for _, found in single]
    assert figures["fitting_loss"] == pytest.approx(np.mean(losses))


def test_tasks_weigh_the_same_whatever_their_number_of_decisions():
    ones, minus_ones = np.full(10, 0.6), np.full(90, -0.6)
    episodes = {
        "few": [_item(np.zeros((10, 2)), ones)],
        "many": [_item(np.zeros((45, 2)), minus_ones[:45])] * 2,
    }
    controller, _ = imitation.fit(SPEC, CONFIG, episodes, 0)
    assert controller.act(np.zeros(2))[0] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    # With weights w above and 1 below, w (x + 0.6) = 0.6 - x.
    ("weight", "expected"), [(1.0, 0.0), (2.0, -0.2), (5.0, -0.4)]
)  # fmt: skip
def test_too_high_costs_more_than_too_low(weight, expected):
    config = dataclasses.replace(CONFIG, too_high_weight=weight)
    actions = np.repeat([0.6, -0.6], 20)
    controller, _ = imitation.fit(
        SPEC, config, {"a": [_item(np.zeros((40, 2)), actions)]}, 0
    )
    assert controller.act(np.zeros(2))[0] == pytest.approx(expected, abs=1e-3)


def _fitted(**values):
    """The kernels of one small network that was fitted to lines."""
    config = dataclasses.replace(CONFIG, num_networks=1, **values)
    spec = dataclasses.replace(SPEC, num_units=config.num_units)
    episodes = {"a": [_item(*_lines())]}
    weights = imitation.fit(spec, config, episodes, 0)[0].weights
    return weights["hidden_kernel"], weights["action_kernel"]


def test_weight_decay_shrinks_the_kernels():
    norms = []
    for weight_decay in (0.0, 1.0, 1000.0):
        kernels = _fitted(weight_decay=weight_decay)
        norms.append(sum(float(np.sum(kernel**2)) for kernel in kernels))
    assert norms[0] > 2 * norms[1] > 4 * norms[2]


def test_the_rate_of_the_fit_falls_along_half_a_cosine(monkeypatch):
    schedules = []
    adam = tf.keras.optimizers.Adam

    def spy(schedule, **arguments):
        schedules.append(schedule)
        return adam(schedule, **arguments)

    monkeypatch.setattr(tf.keras.optimizers, "Adam", spy)
    _fitted(learning_rate=0.01, num_fitting_steps=200)
    rates = [float(schedules[0](step)) for step in (0, 50, 100, 200)]
    expected = [0.01, 0.01 * (1 + math.sqrt(0.5)) / 2, 0.005, 0.0]
    assert rates == pytest.approx(expected, abs=1e-8)


def test_untrained_controller_does_nothing():
    controller = imitation.untrained(SPEC, 0.5)
    assert controller.act(np.float32([3.0, -1.0]))[0] == 0.0
    assert controller.action_deviation == 0.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_units": 0}, "imitation.num_units > 0, found 0"),
        ({"num_networks": 0}, "imitation.num_networks > 0, found 0"),
        ({"too_high_weight": -1.0}, "imitation.too_high_weight > 0, found -1.0"),
        ({"action_deviation": 0.0}, "imitation.action_deviation > 0, found 0.0"),
        ({"weight_decay": -0.1}, "imitation.weight_decay >= 0, found -0.1"),
    ],
)
def test_a_configuration_that_is_none_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        ImitationConfig(**values)
