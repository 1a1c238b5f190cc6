"""Imitation: labels by hand, and labelled episodes that repeat."""

from __future__ import annotations

import numpy as np
import pytest

from learned_lr.agents import imitation
from learned_lr.agents.environment import EnvironmentConfig, LearningRateEnvironment
from learned_lr.agents.imitation import ImitationConfig, LabelledEpisodes
from learned_lr.control.base_schedules import BaseSchedule

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


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"network": "gru"},
            "imitation.network to be one of .'mlp', 'lstm'., found 'gru'",
        ),
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
