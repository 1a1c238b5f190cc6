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


def against_other_pairs(
    group: Sequence[CollectedEpisode], spread: float
) -> list[CollectedEpisode]:
    """Returns a group's episodes with rewards that are comparable between tasks.

    (reward - mean over the group's other pairs at the same decision) / max(spread, 0.05)

    All episodes share a task, a seed and a hidden multiplier, so that what is left of the rewards is what the actions
    made of them (arXiv:2402.03300 has such a baseline for episodes with one reward each). An episode's own mirror image
    has no part in its baseline: it depends on the same noise, and with it what the policy gradient says of the
    deviation and of answers to earlier noise would weigh 1 - 1 / (number of pairs) of the rest.

    Args:
      group: the episodes, at least two pairs, ordered as `antithetic_noise` is.
      spread: float, how far apart the logarithms of losses lie on the task from rate to rate.

    Raises:
      ValueError: if there are no two pairs.
    """
    if len(group) < 4 or len(group) % 2:
        raise ValueError(
            f"Expected at least two pairs of episodes, each pair's baseline being the others, found {len(group)} episodes."
        )
    rewards = np.stack([episode.rewards for episode in group])
    num_pairs = len(group) // 2
    pairs = rewards.reshape(2, num_pairs, -1).mean(axis=0)
    others = (pairs.sum(axis=0) - pairs) / (num_pairs - 1)
    rewards = (rewards - np.concatenate([others, others])) / max(spread, _LEAST_SPREAD)
    return [
        dataclasses.replace(episode, rewards=own.astype(np.float32))
        for episode, own in zip(group, rewards)
    ]
