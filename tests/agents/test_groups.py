"""Groups of episodes: noise in antithetic pairs, and rewards that are comparable between tasks."""

from __future__ import annotations

import numpy as np
import pytest

from learned_lr.agents import groups
from learned_lr.agents.collection import CollectedEpisode


def _episode(*rewards):
    """An episode without what a group leaves alone."""
    return CollectedEpisode(None, None, None, None, 0.1, np.array(rewards, np.float32))


def test_noise_comes_in_antithetic_pairs():
    found = groups.antithetic_noise(3, 2, 7)
    assert found.shape == (4, 7)
    np.testing.assert_array_equal(found[2:], -found[:2])
    assert len(np.unique(found)) == 28
    assert not np.any(found == groups.antithetic_noise(4, 2, 7))


@pytest.mark.parametrize("spread", [2.0, 0.05, 0.0])
def test_rewards_are_less_the_other_pairs_mean_in_spreads(spread):
    group = [_episode(first, 4.0) for first in (1.0, 3.0, 9.0, 2.0, 5.0, 7.0)]
    found = groups.against_other_pairs(group, spread)
    # Pairs are (1, 2), (3, 5) and (9, 7): means 1.5, 4, 8. A spread of chance alone counts as 0.05.
    unit = max(spread, 0.05)
    expected = np.array([1 - 6, 3 - 4.75, 9 - 2.75, 2 - 6, 5 - 4.75, 7 - 2.75]) / unit
    np.testing.assert_allclose([e.rewards[0] for e in found], expected, rtol=1e-6)
    assert [e.rewards[1] for e in found] == [0.0] * 6
    assert {e.rewards.dtype for e in found} == {np.dtype(np.float32)}
    assert group[0].rewards.tolist() == [1.0, 4.0]


@pytest.mark.parametrize("num_episodes", [0, 2, 5])
def test_no_two_pairs_are_refused(num_episodes):
    episodes = [_episode(1.0, 2.0)] * num_episodes
    with pytest.raises(ValueError, match=f"two pairs .* found {num_episodes} episodes"):
        groups.against_other_pairs(episodes, 1.0)


def test_policy_gradients_are_whole():
    # Rewards of an action's square and of its product with the one before: mirrored noise earns the same, so that a
    # baseline with the mirror image in it would take its part.
    num_pairs, num_groups = 2, 4000
    noise = np.stack(
        [groups.antithetic_noise(n, num_pairs, 2) for n in range(num_groups)]
    )
    of_square, of_product = [], []
    for one in noise:
        first, second = one.T
        group = [_episode(a * a, a * b) for a, b in zip(first, second)]
        rewards = np.stack([e.rewards for e in groups.against_other_pairs(group, 1.0)])
        # d/d deviation of E[a^2] and d/d gain of E[a b], b answering to a, at deviation 1.
        of_square.append(np.mean(rewards[:, 0] * (first**2 - 1)))
        of_product.append(np.mean(rewards[:, 1] * second * first))
    assert np.mean(of_square) == pytest.approx(2.0, abs=0.25)
    assert np.mean(of_product) == pytest.approx(1.0, abs=0.15)
