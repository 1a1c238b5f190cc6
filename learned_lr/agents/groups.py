"""Groups of episodes that differ in the noise on their actions alone: what PPO over a family of tasks learns from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from learned_lr.agents.collection import CollectedEpisode

# Where all of a task's rates do alike, differences between its runs are chance.
_LEAST_SPREAD = 0.05


def antithetic_noise(seed: int, num_pairs: int, num_decisions: int) -> np.ndarray:
    """Returns float64 `[2 * num_pairs, num_decisions]`, standard normal; the second half is minus the first."""
    rng = np.random.default_rng([seed, 5])
    half = rng.standard_normal((num_pairs, num_decisions))
    return np.concatenate([half, -half])


def against_their_mean(
    group: Sequence[CollectedEpisode], spread: float
) -> list[CollectedEpisode]:
    """Returns a group's episodes with rewards that are comparable between tasks.

    (reward - mean over the group at the same decision) / max(spread, 0.05)

    All episodes share a task, a seed and a hidden multiplier, so that what is left of the rewards is what the actions
    made of them (arXiv:2402.03300 has the same baseline for episodes with one reward each).

    The mean holds each episode's own mirror image: of a policy gradient, what speaks of the deviation and of answers to
    earlier noise is scaled by 1 - 1 / (number of pairs) against the rest, which is whole.

    Args:
      group: the episodes.
      spread: float, how far apart the logarithms of losses lie on the task from rate to rate.
    """
    rewards = np.stack([episode.rewards for episode in group])
    rewards = (rewards - rewards.mean(axis=0)) / max(spread, _LEAST_SPREAD)
    return [
        dataclasses.replace(episode, rewards=own.astype(np.float32))
        for episode, own in zip(group, rewards)
    ]
