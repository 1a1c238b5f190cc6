"""Small networks of newer kinds: on patches or rows of an image, and with dense or inverted blocks.

Each is a function (input_shape, num_classes[, width]) as those of `small_models`.
"""

from __future__ import annotations

import tensorflow as tf

layers = tf.keras.layers
ImageShape = tuple[int, int, int]


class PositionEmbedding(layers.Layer):
    """Adds a trained vector to each token, float32 `[batch, tokens, features]`."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.embeddings_initializer = tf.keras.initializers.RandomNormal(stddev=0.02)

    def build(self, input_shape):
        """Makes the vectors, `[tokens, features]`."""
        self.embeddings = self.add_weight(
            "embeddings", input_shape[1:], initializer=self.embeddings_initializer
        )

    def call(self, inputs):
        """Returns the sum, of the same shape."""
        return inputs + self.embeddings


def attention(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """A vision transformer: two pre-normalised blocks of 2 heads on patches of `width` (32 by default) features."""
    width = width or 32
    inputs = tf.keras.Input(input_shape)
    tokens = PositionEmbedding()(_patches(inputs, width))
    for _ in range(2):
        hidden = layers.LayerNormalization()(tokens)
        hidden = layers.MultiHeadAttention(2, width // 2)(hidden, hidden)
        tokens = layers.Add()([tokens, hidden])
        hidden = layers.LayerNormalization()(tokens)
        hidden = layers.Dense(2 * width, activation="gelu")(hidden)
        tokens = layers.Add()([tokens, layers.Dense(width)(hidden)])
    tokens = layers.LayerNormalization()(tokens)
    logits = layers.Dense(num_classes)(layers.GlobalAveragePooling1D()(tokens))
    return tf.keras.Model(inputs, logits, name="attention")


def mixer(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """An MLP-Mixer: two blocks of dense layers over patches, then over `width` (32 by default) features."""
    width = width or 32
    inputs = tf.keras.Input(input_shape)
    tokens = _patches(inputs, width)
    num_tokens = tokens.shape[1]
    for _ in range(2):
        hidden = layers.Permute((2, 1))(layers.LayerNormalization()(tokens))
        hidden = layers.Dense(2 * num_tokens, activation="gelu")(hidden)
        hidden = layers.Permute((2, 1))(layers.Dense(num_tokens)(hidden))
        tokens = layers.Add()([tokens, hidden])
        hidden = layers.LayerNormalization()(tokens)
        hidden = layers.Dense(2 * width, activation="gelu")(hidden)
        tokens = layers.Add()([tokens, layers.Dense(width)(hidden)])
    tokens = layers.LayerNormalization()(tokens)
    logits = layers.Dense(num_classes)(layers.GlobalAveragePooling1D()(tokens))
    return tf.keras.Model(inputs, logits, name="mixer")


def recurrent(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """A GRU of `width` units, 48 by default, that reads an image row by row."""
    height, columns, channels = input_shape
    inputs = tf.keras.Input(input_shape)
    rows = layers.Reshape((height, columns * channels))(inputs)
    # Unrolled: a loop within the loop over steps is slow on a CPU.
    features = layers.GRU(width or 48, unroll=True)(rows)
    logits = layers.Dense(num_classes)(features)
    return tf.keras.Model(inputs, logits, name="recurrent")


def dense_blocks(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """As DenseNet: four batch-normalised 3x3 convolutions, each adding `width` (8 by default) to all maps before it."""
    width = width or 8
    inputs = tf.keras.Input(input_shape)
    features = layers.Conv2D(2 * width, 3, 2, "same", use_bias=False)(inputs)
    for number in range(4):
        hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(features))
        hidden = layers.Conv2D(width, 3, padding="same", use_bias=False)(hidden)
        features = layers.Concatenate()([features, hidden])
        if number == 1:
            features = layers.AveragePooling2D()(features)
    features = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(features))
    logits = layers.Dense(num_classes)(layers.GlobalAveragePooling2D()(features))
    return tf.keras.Model(inputs, logits, name="dense_blocks")


def inverted_blocks(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """As ConvNeXt: two blocks of 5x5 depthwise, normalised, widened and narrowed maps, `width` (16 by default)."""
    width = width or 16
    inputs = tf.keras.Input(input_shape)
    features = layers.Conv2D(width, 2, 2, "same")(inputs)
    for _ in range(2):
        hidden = layers.DepthwiseConv2D(5, padding="same")(features)
        hidden = layers.LayerNormalization()(hidden)
        hidden = layers.Dense(4 * width, activation="gelu")(hidden)
        features = layers.Add()([features, layers.Dense(width)(hidden)])
    features = layers.GlobalAveragePooling2D()(features)
    logits = layers.Dense(num_classes)(layers.LayerNormalization()(features))
    return tf.keras.Model(inputs, logits, name="inverted_blocks")


def _patches(inputs, width):
    """Cuts an image into about 16 patches, or a row of pixels into about 8: `[batch, patches, width]`."""
    _, height, columns, _ = inputs.shape
    num = 8 if height == 1 else 4
    sides = (-(-height // num), -(-columns // num))
    patches = layers.Conv2D(width, sides, sides, "same")(inputs)
    return layers.Reshape((-1, width))(patches)


TOKEN_MODELS = (attention, mixer, recurrent, dense_blocks, inverted_blocks)
