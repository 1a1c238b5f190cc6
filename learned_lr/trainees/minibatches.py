"""Data in memory, and the order in which a training run draws its minibatches."""

from __future__ import annotations

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


def rows(data: tuple[tf.Tensor, ...], indices: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns the rows of each tensor at `indices`, int32 `[batch]`."""
    return tuple(tf.gather(tensor, indices) for tensor in data)


def scaled(images: tf.Tensor, input_scaling: str) -> tf.Tensor:
    """Returns uint8 images as a network's inputs, float32, scaled as `Task.input_scaling` says."""
    inputs = tf.cast(images, tf.float32)
    if input_scaling == "standardized":
        return tf.image.per_image_standardization(inputs)
    return inputs / 255.0


def mapped(function, images: tf.Tensor, batch_size: int) -> tf.Tensor:
    """Applies a function of a batch to all images, in a loop of the graph.

    Args:
      function: from `[batch, ...]` to float32 `[batch, outputs]`.
      images: `[num, ...]`.
      batch_size: int > 0; the last batch may be smaller.

    Returns:
      float32 `[num, outputs]`.
    """
    num_images = images.shape[0]
    num_batches = -(-num_images // batch_size)
    batches = tf.TensorArray(tf.float32, num_batches, infer_shape=False)
    for i in tf.range(num_batches):
        end = tf.minimum((i + 1) * batch_size, num_images)
        batches = batches.write(i, function(images[i * batch_size : end]))
    return batches.concat()
