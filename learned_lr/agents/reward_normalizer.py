"""Rewards centred and scaled by what was earned so far."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


class RewardNormalizer(tf.Module):
    """Running mean and deviation of all rewards so far (Welford's update, by batches)."""

    def __init__(self):
        super().__init__(name="reward_normalizer")
        self.count = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self.mean = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self.sum_of_squares = tf.Variable(0.0, dtype=tf.float64, trainable=False)

    def update(self, rewards: np.ndarray) -> None:
        """Takes in rewards of any shape."""
        rewards = np.asarray(rewards, np.float64)
        count, mean = float(self.count), float(self.mean)
        total = count + rewards.size
        difference = rewards.mean() - mean
        self.mean.assign(mean + difference * rewards.size / total)
        # M2 = M2_a + M2_b + (mean_b - mean_a)^2 n_a n_b / n
        self.sum_of_squares.assign_add(
            np.sum((rewards - rewards.mean()) ** 2)
            + difference**2 * count * rewards.size / total
        )
        self.count.assign(total)

    def normalize(self, rewards: np.ndarray) -> np.ndarray:
        """Returns float32 rewards with the running mean taken off, in running deviations."""
        variance = float(self.sum_of_squares) / max(float(self.count), 1.0)
        return ((rewards - float(self.mean)) / np.sqrt(variance + 1e-8)).astype(
            np.float32
        )
