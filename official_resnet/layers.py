"""Stock Keras layers with the settings that every official ResNet shares.

It holds single layers only; how they form blocks is said in `blocks`.
"""

from __future__ import annotations

import collections

import tensorflow as tf


class LayerStack:
    """Applies stock Keras layers and names them in the order of their creation.

    The names are those that a fresh TensorFlow graph gives ("conv2d", "conv2d_1",
    ...), counted for each model alone. They do not depend on what else the process
    has built, so the weights of two models, or of a checkpoint, pair up by name.

    Tensors are float32 (or the compute dtype of the global Keras policy) of shape
    [batch, height, width, channels].

    Args:
      batch_norm_momentum: share of the old moving statistics kept by an update.
      batch_norm_epsilon: number added to the variance.
    """

    def __init__(self, batch_norm_momentum: float, batch_norm_epsilon: float):
        self._batch_norm_momentum = batch_norm_momentum
        self._batch_norm_epsilon = batch_norm_epsilon
        self._num_created = collections.Counter()

    def convolution(
        self, inputs: tf.Tensor, num_filters: int, kernel_size: int, stride: int
    ) -> tf.Tensor:
        """Convolves without bias, padding by an amount free of the image size.

        "Same" padding of a strided convolution depends on the image size. The
        official model instead pads with `kernel_size - 1` zeros and slides over
        what is there; with stride 1 the two agree. A strided 1x1 convolution is
        built as every stride-th pixel, then stride 1: the same numbers.

        Returns:
          [batch, ceil(height / stride), ceil(width / stride), num_filters].
        """
        if stride > 1 and kernel_size == 1:
            # On a CPU with few input channels (< 16), oneDNN's weight gradient of
            # the strided form writes past its buffer: wrong numbers or a crash
            # (github.com/uxlfoundation/oneDNN/issues/6035).
            inputs = tf.keras.layers.AveragePooling2D(
                1, strides=stride, name=self._next_name("average_pooling2d")
            )(inputs)
            stride = 1
        elif stride > 1:
            num_before = (kernel_size - 1) // 2
            num_after = kernel_size - 1 - num_before
            inputs = tf.keras.layers.ZeroPadding2D(
                ((num_before, num_after), (num_before, num_after)),
                name=self._next_name("zero_padding2d"),
            )(inputs)
        return tf.keras.layers.Conv2D(
            num_filters,
            kernel_size,
            strides=stride,
            padding="same" if stride == 1 else "valid",
            use_bias=False,
            # The default of tf.variance_scaling_initializer in TensorFlow 1.
            kernel_initializer=tf.keras.initializers.VarianceScaling(
                scale=1.0, mode="fan_in", distribution="truncated_normal"
            ),
            name=self._next_name("conv2d"),
        )(inputs)

    def batch_norm(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalises each channel, with scale and offset.

        The moving variance takes the unbiased variance of the batch (n - 1 in the
        denominator), as in the official model: both use the fused kernel, the
        layer's default for four axes.
        """
        return tf.keras.layers.BatchNormalization(
            momentum=self._batch_norm_momentum,
            epsilon=self._batch_norm_epsilon,
            name=self._next_name("batch_normalization"),
        )(inputs)

    def relu(self, inputs: tf.Tensor) -> tf.Tensor:
        """max(inputs, 0), of the shape of `inputs`."""
        return tf.keras.layers.ReLU(name=self._next_name("re_lu"))(inputs)

    def batch_norm_relu(self, inputs: tf.Tensor) -> tf.Tensor:
        """`batch_norm`, then `relu`."""
        return self.relu(self.batch_norm(inputs))

    def add(self, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """The sum of two tensors of one shape."""
        return tf.keras.layers.Add(name=self._next_name("add"))([first, second])

    def max_pool(self, inputs: tf.Tensor, pool_size: int, stride: int) -> tf.Tensor:
        """Largest value of each window, padded to ceil(size / stride) windows."""
        return tf.keras.layers.MaxPooling2D(
            pool_size,
            strides=stride,
            padding="same",
            name=self._next_name("max_pooling2d"),
        )(inputs)

    def logits(self, inputs: tf.Tensor, num_classes: int) -> tf.Tensor:
        """Averages over height and width and applies a dense layer.

        Returns:
          float32 [batch, num_classes], float32 under a mixed-precision policy too.
        """
        features = tf.keras.layers.GlobalAveragePooling2D(
            name=self._next_name("global_average_pooling2d")
        )(inputs)
        return tf.keras.layers.Dense(
            num_classes, dtype="float32", name=self._next_name("dense")
        )(features)

    def _next_name(self, kind: str) -> str:
        index = self._num_created[kind]
        self._num_created[kind] += 1
        return f"{kind}_{index}" if index else kind
