"""The networks that are trained, by name: LeNet widths and ResNet stems here, small ones from two other modules.

A model function takes the shape of an image and the number of classes, and optionally a
width; it knows nothing of data, optimizers or learning rates.
"""

from __future__ import annotations

import tensorflow as tf

import official_resnet
from learned_lr.trainees.small_models import SMALL_MODELS
from learned_lr.trainees.token_models import TOKEN_MODELS

ImageShape = tuple[int, int, int]


def lenet5(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """LeNet-5 (LeCun et al., 1998): 5x5 convolutions of 6 and 16, dense 120 and 84.

    ReLU and max pooling instead of the original's tanh and trained subsampling.

    Args:
      input_shape: (height, width, channels) of an image.
      num_classes: number of logits.
      width: filters of the first convolution, 6 by default; the other layers keep
        their ratio to it.

    Returns:
      A model from float32 `[batch, height, width, channels]` to logits
      `[batch, num_classes]`.
    """
    width = 6 if width is None else width
    sizes = [round(size * width / 6) for size in (6, 16, 120, 84)]
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            tf.keras.Input(input_shape),
            layers.Conv2D(sizes[0], 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(
                sizes[1], 5, padding=_second_padding(input_shape), activation="relu"
            ),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(sizes[2], activation="relu"),
            layers.Dense(sizes[3], activation="relu"),
            layers.Dense(num_classes),
        ],
        name="lenet5",
    )


def _second_padding(input_shape: ImageShape) -> str:
    """'valid' as in LeNet-5, but 'same' where the image would be used up by it."""
    return "valid" if min(input_shape[:2]) // 2 >= 6 else "same"


def lenet_wide(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """The CNN that fits the paper's curves: 5x5 'same' of 32 and 64, dense 512.

    Args:
      input_shape: (height, width, channels) of an image.
      num_classes: number of logits.
      width: filters of the first convolution, 32 by default; the other layers keep
        their ratio to it.

    Returns:
      A model from float32 `[batch, height, width, channels]` to logits
      `[batch, num_classes]`.
    """
    width = 32 if width is None else width
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            tf.keras.Input(input_shape),
            layers.Conv2D(width, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(2 * width, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(16 * width, activation="relu"),
            layers.Dense(num_classes),
        ],
        name="lenet_wide",
    )


def resnet18(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """ResNet-18, version 2, with the ImageNet stem (7x7/2, pool 3/2).

    Args:
      input_shape: (height, width, channels) of an image.
      num_classes: number of logits.
      width: filters of the first layer, 64 by default.

    Returns:
      A model from float32 `[batch, height, width, channels]` to logits
      `[batch, num_classes]`.
    """
    return official_resnet.resnet18(
        input_shape, num_classes, stem="imagenet", num_filters=width or 64
    )


def resnet18_cifar_stem(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """ResNet-18, version 2, with the CIFAR stem (3x3/1, no pool); else as `resnet18`."""
    return official_resnet.resnet18(
        input_shape, num_classes, stem="cifar", num_filters=width or 64
    )


def mlp(
    input_shape: ImageShape, num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """One hidden ReLU layer of `width` units, 32 by default: the cheapest network."""
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            tf.keras.Input(input_shape),
            layers.Flatten(),
            layers.Dense(width or 32, activation="relu"),
            layers.Dense(num_classes),
        ],
        name="mlp",
    )


MODELS = {
    function.__name__: function
    for function in (
        lenet5,
        lenet_wide,
        resnet18,
        resnet18_cifar_stem,
        mlp,
        *SMALL_MODELS,
        *TOKEN_MODELS,
    )
}
