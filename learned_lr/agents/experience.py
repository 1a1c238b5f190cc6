"""From collected episodes to the trajectory that a TF-Agents agent learns from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory as trajectories

from learned_lr.agents.collection import CollectedEpisode
from learned_lr.control.controller import Controller


def experience_of(
    episodes: Sequence[CollectedEpisode], rewards: np.ndarray
) -> trajectories.Trajectory:
    """Returns a `Trajectory` `[num_episodes, num_decisions + 1]` that ends in a boundary step.

    Args:
      episodes: of one length.
      rewards: float `[num_episodes, num_decisions]`, as the agent shall see them.
    """
    num_episodes, length = rewards.shape

    def padded(rows, last=0.0):
        rows = np.asarray(rows, np.float32)
        return np.concatenate([rows, np.full((num_episodes, 1), last, np.float32)], 1)

    middle = np.full(length - 1, ts.StepType.MID, np.int32)
    first, last = [int(ts.StepType.FIRST)], [int(ts.StepType.LAST)]
    step_type = np.concatenate([first, middle, last]).astype(np.int32)
    next_step_type = np.concatenate([middle, last, first]).astype(np.int32)
    discount = np.ones((num_episodes, length), np.float32)
    discount[:, -1] = 0.0
    deviations = np.asarray([[episode.deviation] * length for episode in episodes])
    trajectory = trajectories.Trajectory(
        step_type=np.tile(step_type, (num_episodes, 1)),
        observation=np.stack([episode.observations for episode in episodes]),
        action=padded([episode.actions for episode in episodes]),
        policy_info={
            "dist_params": {
                "loc": padded([episode.means for episode in episodes]),
                "scale": padded(deviations, last=1.0),
            }
        },
        next_step_type=np.tile(next_step_type, (num_episodes, 1)),
        reward=padded(rewards),
        discount=padded(discount, last=1.0),
    )
    return tf.nest.map_structure(tf.convert_to_tensor, trajectory)


def kl_divergence(
    controller: Controller, episodes: Sequence[CollectedEpisode]
) -> float:
    """Returns the mean KL(old || new) over all decisions, of Gaussians.

    log(s1 / s0) + (s0^2 + (m0 - m1)^2) / (2 s1^2) - 1/2

    Args:
      controller: the new policy.
      episodes: as the old one collected them.
    """
    new, terms = controller.action_deviation, []
    for episode in episodes:
        state, old = controller.initial_state(), episode.deviation
        for observation, mean in zip(episode.observations, episode.means):
            new_mean, state = controller.act(observation, state)
            shift = (old**2 + (mean - new_mean) ** 2) / (2 * new**2)
            terms.append(np.log(new / old) + shift - 0.5)
    return float(np.mean(terms))
