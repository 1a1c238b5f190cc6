"""Data in memory, and the order in which a training run draws its minibatches."""

import numpy as np
import tensorflow as tf


def resident(images: np.ndarray, labels: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (uint8 images, int32 labels) as tensors that stay in memory."""
    return tf.constant(images, tf.uint8), tf.constant(labels, tf.int32)


def order(seed: int, num_images: int, batch_size: int, num_steps: int) -> np.ndarray:
    """Returns int32 `[num_steps, batch_size]`: a fresh permutation an epoch, remainder dropped."""
    rng = np.random.default_rng([seed, 1])
    per_epoch = num_images // batch_size
    epochs = [
        rng.permutation(num_images)[: per_epoch * batch_size]
        for _ in range(-(-num_steps // per_epoch))
    ]
    order = np.concatenate(epochs).reshape(-1, batch_size)
    return order[:num_steps].astype(np.int32)
