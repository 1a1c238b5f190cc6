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
def test_rewards_are_less_their_groups_mean_in_spreads(spread):
    group = [_episode(1.0, 4.0), _episode(3.0, 2.0)]
    found = groups.against_their_mean(group, spread)
    # A spread of chance alone counts as 0.05.
    unit = max(spread, 0.05)
    expected = np.array([[-1.0, 1.0], [1.0, -1.0]]) / unit
    np.testing.assert_allclose([e.rewards for e in found], expected, rtol=1e-6)
    assert {e.rewards.dtype for e in found} == {np.dtype(np.float32)}
    assert group[0].rewards.tolist() == [1.0, 4.0]
