"""Five Keras models for images of 8x8 in ten classes, none of which a controller was trained on."""

from __future__ import annotations

import tensorflow as tf

layers = tf.keras.layers


def mlp():
    """Two hidden layers of 64."""
    return tf.keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(64, "relu"),
            layers.Dense(64, "relu"),
            layers.Dense(10, "softmax"),
        ]
    )


def wide_cnn():
    """Two convolutions of 64 filters, dropout before and after a dense layer of 256."""
    return tf.keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(256, "relu"),
            layers.Dropout(0.5),
            layers.Dense(10, "softmax"),
        ]
    )


def resnet(momentum=0.99):
    """Three residual blocks of 16 and 32 filters with batch normalisation; `momentum` is Keras' own."""
    inputs = layers.Input((8, 8, 1))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    for filters, strides in ((16, 1), (32, 2), (32, 1)):
        shortcut = x
        x = layers.Activation("relu")(layers.BatchNormalization(momentum=momentum)(x))
        if strides > 1:
            shortcut = layers.Conv2D(filters, 1, strides, use_bias=False)(x)
        x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization(momentum=momentum)(x))
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.Add()([shortcut, x])
    x = layers.Activation("relu")(layers.BatchNormalization(momentum=momentum)(x))
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(inputs, layers.Dense(10, "softmax")(x))


def logistic_regression():
    """One dense layer."""
    return tf.keras.Sequential(
        [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10, "softmax")]
    )


@tf.keras.utils.register_keras_serializable(package="unseen_models")
class Position(layers.Layer):
    """Adds a trained vector for each position."""

    def build(self, input_shape):
        """Makes the vectors, `[positions, width]`."""
        self.vectors = self.add_weight("vectors", input_shape[1:], initializer="normal")

    def call(self, inputs):
        """Adds them."""
        return inputs + self.vectors


def transformer():
    """Two blocks of attention with 4 heads over the 8 rows of an image, width 32."""
    inputs = layers.Input((8, 8, 1))
    x = Position()(layers.Dense(32)(layers.Reshape((8, 8))(inputs)))
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, 8)(y, y)])
        y = layers.Dense(64, "gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(32)(y)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return tf.keras.Model(inputs, layers.Dense(10, "softmax")(x))


MODELS = {
    f.__name__: f for f in (mlp, wide_cnn, resnet, logistic_regression, transformer)
}
