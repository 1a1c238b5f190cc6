"""The loss of a trainee and its accuracy, in the graph."""

from __future__ import annotations

import tensorflow as tf


def mean_loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns the mean cross entropy, a float32 scalar, of logits `[n, classes]` and int32 labels `[n]`."""
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def accuracy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns the fraction of the n examples whose greatest logit is their label's, a float32 scalar."""
    hits = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels)
    return tf.reduce_mean(tf.cast(hits, tf.float32))
