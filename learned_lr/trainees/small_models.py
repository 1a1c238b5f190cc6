"""Small networks of many kinds, for the tasks on which controllers are trained: seconds on one thread.

Each is a function (input_shape, num_classes[, width]) that returns a Keras model from float32
`[batch, height, width, channels]` to logits `[batch, num_classes]`; the docstring says what
its `width` is. Every variable has an initializer of its layer, so that it can be redrawn.
"""

from __future__ import annotations

import tensorflow as tf

ImageShape = tuple[int, int, int]
layers = tf.keras.layers


def logistic(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """Multinomial logistic regression; it has no width."""
    if width is not None:
        raise ValueError(f"Expected no width for 'logistic', found {width!r}.")
    return _sequential("logistic", input_shape, [layers.Flatten()], num_classes)


def mlp_tanh(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """Two hidden layers of `width` tanh units, 64 by default."""
    stack = [layers.Dense(width or 64, activation="tanh") for _ in range(2)]
    return _sequential("mlp_tanh", input_shape, [layers.Flatten(), *stack], num_classes)


def mlp_deep(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """Five hidden layers of `width` ReLU units, 48 by default."""
    stack = [layers.Dense(width or 48, activation="relu") for _ in range(5)]
    return _sequential("mlp_deep", input_shape, [layers.Flatten(), *stack], num_classes)


def mlp_dropout(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """Two hidden layers of `width` ReLU units, 96 by default, half of them dropped."""
    stack = [layers.Flatten()]
    for _ in range(2):
        stack += [layers.Dense(width or 96, activation="relu"), layers.Dropout(0.5)]
    return _sequential("mlp_dropout", input_shape, stack, num_classes)


def mlp_batch_norm(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """Three hidden layers of `width` units, 64 by default, batch normalisation before ReLU."""
    stack = [layers.Flatten()]
    for _ in range(3):
        stack += [
            layers.Dense(width or 64, use_bias=False),
            _batch_norm(),
            layers.ReLU(),
        ]
    return _sequential("mlp_batch_norm", input_shape, stack, num_classes)


def mlp_layer_norm(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """Three hidden layers of `width` units, 64 by default, layer normalisation before GELU."""
    stack = [layers.Flatten()]
    for _ in range(3):
        stack += [layers.Dense(width or 64), layers.LayerNormalization()]
        stack += [layers.Activation("gelu")]
    return _sequential("mlp_layer_norm", input_shape, stack, num_classes)


def mlp_residual(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """Four residual blocks of two dense layers on `width` features, 48 by default, without normalisation."""
    width = width or 48
    inputs = tf.keras.Input(input_shape)
    features = layers.Dense(width)(layers.Flatten()(inputs))
    for _ in range(4):
        hidden = layers.Dense(width, activation="relu")(layers.ReLU()(features))
        features = layers.Add()([features, layers.Dense(width)(hidden)])
    logits = layers.Dense(num_classes)(layers.ReLU()(features))
    return tf.keras.Model(inputs, logits, name="mlp_residual")


def cnn(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """3x3 convolutions of `width` (8 by default) and twice that, pooled, then 64 dense units; ReLU."""
    width = width or 8
    stack = []
    for filters in (width, 2 * width):
        stack += [_convolution(filters, activation="relu"), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(64, activation="relu")]
    return _sequential("cnn", input_shape, stack, num_classes)


def cnn_tanh(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """As `cnn`, with tanh and average pooling: closer to LeNet of 1998."""
    width = width or 8
    stack = []
    for filters in (width, 2 * width):
        stack += [_convolution(filters, activation="tanh"), layers.AveragePooling2D()]
    stack += [layers.Flatten(), layers.Dense(64, activation="tanh")]
    return _sequential("cnn_tanh", input_shape, stack, num_classes)


def cnn_dropout(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """As `cnn`, with a quarter of the pooled and half of the dense units dropped."""
    width = width or 8
    stack = []
    for filters in (width, 2 * width):
        stack += [_convolution(filters, activation="relu"), layers.MaxPooling2D()]
        stack += [layers.Dropout(0.25)]
    stack += [
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dropout(0.5),
    ]
    return _sequential("cnn_dropout", input_shape, stack, num_classes)


def cnn_batch_norm(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """Three 3x3 convolutions, the first of `width` (8 by default), batch-normalised, averaged at the end."""
    width = width or 8
    stack = []
    for number, filters in enumerate((width, 2 * width, 2 * width)):
        stack += [_convolution(filters, strides=2 if number else 1, use_bias=False)]
        stack += [_batch_norm(), layers.ReLU()]
    stack += [layers.GlobalAveragePooling2D()]
    return _sequential("cnn_batch_norm", input_shape, stack, num_classes)


def cnn_deep(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """Two pairs of 3x3 convolutions of `width` (8 by default) and twice that, as in VGG, then 32 dense units."""
    width = width or 8
    stack = []
    for filters in (width, 2 * width):
        stack += [_convolution(filters, activation="relu") for _ in range(2)]
        stack += [layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(32, activation="relu")]
    return _sequential("cnn_deep", input_shape, stack, num_classes)


def separable_cnn(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """Depthwise 3x3 and pointwise convolutions with batch normalisation, as in MobileNet; `width` 16."""
    width = width or 16
    stack = [
        _convolution(width, strides=2, use_bias=False),
        _batch_norm(),
        layers.ReLU(),
    ]
    for filters in (width, 2 * width):
        stack += [layers.DepthwiseConv2D(3, padding="same", use_bias=False)]
        stack += [_batch_norm(), layers.ReLU()]
        stack += [
            layers.Conv2D(filters, 1, use_bias=False),
            _batch_norm(),
            layers.ReLU(),
        ]
    stack += [layers.GlobalAveragePooling2D()]
    return _sequential("separable_cnn", input_shape, stack, num_classes)


def resnet_small(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """A residual network of six convolutions, `width` (8 by default) and twice that, batch-normalised."""
    width = width or 8
    inputs = tf.keras.Input(input_shape)
    features = _convolution(width, strides=2, use_bias=False)(inputs)
    for filters, stride in ((width, 1), (2 * width, 2)):
        rectified = layers.ReLU()(_batch_norm()(features))
        shortcut = features
        if stride > 1:
            shortcut = layers.Conv2D(filters, 1, strides=stride, use_bias=False)(
                rectified
            )
        hidden = _convolution(filters, strides=stride, use_bias=False)(rectified)
        hidden = layers.ReLU()(_batch_norm()(hidden))
        hidden = _convolution(filters, use_bias=False)(hidden)
        features = layers.Add()([hidden, shortcut])
    features = layers.ReLU()(_batch_norm()(features))
    logits = layers.Dense(num_classes)(layers.GlobalAveragePooling2D()(features))
    return tf.keras.Model(inputs, logits, name="resnet_small")


def _sequential(name, input_shape, stack, num_classes):
    return tf.keras.Sequential(
        [tf.keras.Input(input_shape), *stack, layers.Dense(num_classes)], name=name
    )


def _convolution(filters, **arguments):
    return layers.Conv2D(filters, 3, padding="same", **arguments)


def _batch_norm(momentum=0.9):
    # Keras' own momentum of 0.99 needs hundreds of steps, which many of these runs don't have.
    return layers.BatchNormalization(momentum=momentum)


SMALL_MODELS = (
    logistic,
    mlp_tanh,
    mlp_deep,
    mlp_dropout,
    mlp_batch_norm,
    mlp_layer_norm,
    mlp_residual,
    cnn,
    cnn_tanh,
    cnn_dropout,
    cnn_batch_norm,
    cnn_deep,
    separable_cnn,
    resnet_small,
)
