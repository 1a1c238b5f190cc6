"""Collected episodes: pure in their arguments, as numbers and as bytes."""

from __future__ import annotations

import dataclasses
import zipfile

import numpy as np
import pytest

from learned_lr.agents.collection import CollectedEpisode, collect_episode, loss_cap
from learned_lr.agents.environment import EnvironmentConfig

CONFIG = EnvironmentConfig(max_scale=3.0)


def _assert_equal(found, expected):
    """Bit for bit but for the timings, with NaN equal to itself."""
    values = dataclasses.asdict(found), dataclasses.asdict(expected)
    for value in values:
        assert value["episode"].pop("duration_sec") > 0
        assert value["episode"].pop("cpu_sec") > 0
    np.testing.assert_equal(*values)


@pytest.mark.parametrize("network", ["mlp", "lstm"])
def test_an_episode_depends_on_its_arguments_alone(task, random_controller, network):
    controller = random_controller(task, CONFIG, network)
    first = collect_episode(controller, task, CONFIG, 3)
    other = collect_episode(controller, task, CONFIG, 4)
    _assert_equal(collect_episode(controller, task, CONFIG, 3), first)
    assert not np.any(other.actions == first.actions)
    assert not np.any(other.observations[0, :2] == first.observations[0, :2])


def test_what_is_collected(task, random_controller):
    controller = random_controller(task, CONFIG)
    found = collect_episode(controller, task, CONFIG, 3)
    assert found.observations.shape == (7, 8)
    assert found.episode.seed == 3
    assert found.deviation == controller.action_deviation
    for observation, mean in zip(found.observations, found.means):
        assert controller.act(observation)[0] == mean
    noise = np.random.default_rng([3, 2]).standard_normal(6)
    expected = found.means + found.deviation * noise
    np.testing.assert_allclose(found.actions, expected, rtol=1e-6, atol=1e-7)
    assert np.abs(found.actions).max() > 1
    rates = 1e-3 * 3.0 ** np.cumsum(np.clip(found.actions, -1, 1))
    np.testing.assert_allclose(
        found.episode.column("learning_rate")[1:], rates, rtol=1e-5
    )
    losses = found.episode.column("validation_loss")[1:]
    np.testing.assert_allclose(found.rewards, -np.log(losses), rtol=1e-6, atol=1e-7)
    for name in ("observations", "actions", "means", "rewards"):
        assert getattr(found, name).dtype == np.float32


def test_noise_and_multiplier_may_be_given(task, random_controller):
    controller = random_controller(task, CONFIG)
    first = collect_episode(controller, task, CONFIG, 3)
    noise = np.random.default_rng([3, 2]).standard_normal(task.num_decisions)
    _assert_equal(collect_episode(controller, task, CONFIG, 3, 1.0, noise), first)
    found = collect_episode(controller, task, CONFIG, 3, 0.5, -noise)
    np.testing.assert_array_equal(found.observations[0], first.observations[0])
    expected = found.means - found.deviation * noise
    np.testing.assert_allclose(found.actions, expected, rtol=1e-6, atol=1e-7)
    # The network trains at half of what the agent sees.
    rates = 0.5e-3 * 3.0 ** np.cumsum(np.clip(found.actions, -1, 1))
    np.testing.assert_allclose(
        found.episode.column("learning_rate")[1:], rates, rtol=1e-5
    )


def test_an_episode_comes_back_from_its_bytes(quadratic, random_controller):
    collected = collect_episode(
        random_controller(quadratic, CONFIG), quadratic, CONFIG, 3
    )
    content = collected.to_bytes()
    _assert_equal(CollectedEpisode.from_bytes(content), collected)
    assert collected.to_bytes() == content


def test_a_damaged_episode_is_refused(quadratic, random_controller):
    collected = collect_episode(
        random_controller(quadratic, CONFIG), quadratic, CONFIG, 3
    )
    with pytest.raises(zipfile.BadZipFile, match="not a zip file"):
        CollectedEpisode.from_bytes(collected.to_bytes()[:100])


def test_the_cap_of_the_losses(task):
    # 1.5 ln 10
    expected = {"tiny": 3.4538776394910684, "quadratic": 100.0}
    assert loss_cap(task) == pytest.approx(expected[task.name], rel=1e-15)
