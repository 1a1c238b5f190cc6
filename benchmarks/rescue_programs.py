"""Programs of `benchmarks.rescue`: data, networks and how they are compiled, after pages that people copy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import sklearn.datasets
import tensorflow as tf

from benchmarks.paired_fits import Parts
from learned_lr.trainees import datasets, models

layers = tf.keras.layers
_CAT, _DOG = 3, 5


class Program(NamedTuple):
    """What is trained on what, and for how long."""

    data_fn: Callable[[], Parts]
    model_fn: Callable[[], tf.keras.Model]
    batch_size: int
    epochs: int


@functools.cache
def _cifar10() -> datasets.Dataset:
    return datasets.load("cifar10")


def _images(num_train: int, num_others: int, classes=None, pooling: int = 1) -> Parts:
    """Returns the first images of each part of CIFAR-10, float32 in [0, 1], and labels that count the classes from 0."""
    data = _cifar10()
    parts = []
    for images, labels, number in (
        (data.train_images, data.train_labels, num_train),
        (data.validation_images, data.validation_labels, num_others),
        (data.test_images, data.test_labels, num_others),
    ):
        labels = np.asarray(labels)
        rows = np.flatnonzero(np.isin(labels, classes or range(10)))[:number]
        x = np.asarray(images)[rows].astype(np.float32) / 255
        size = x.shape[1] // pooling
        x = x.reshape(len(x), size, pooling, size, pooling, 3).mean((2, 4))
        y = labels[rows]
        parts.append((x, y if classes is None else np.searchsorted(classes, y)))
    return Parts(*parts)


def _normalised_convolution(x, filters: int, momentum: float, padding: str = "valid"):
    x = layers.Conv2D(filters, 3, padding=padding)(x)
    x = layers.BatchNormalization(momentum=momentum)(x)
    return layers.Activation("relu")(x)


def guide_resnet(momentum: float = 0.99) -> tf.keras.Model:
    """The toy ResNet of Keras' guide to the functional API, with batch normalisation behind each convolution.

    Args:
      momentum: of the normalisation; Keras' own by default.
    """
    inputs = layers.Input((16, 16, 3))
    x = _normalised_convolution(inputs, 32, momentum)
    x = layers.MaxPooling2D(3)(_normalised_convolution(x, 64, momentum))
    for _ in range(2):
        y = _normalised_convolution(x, 64, momentum, "same")
        x = layers.Add()([_normalised_convolution(y, 64, momentum, "same"), x])
    x = layers.GlobalAveragePooling2D()(_normalised_convolution(x, 64, momentum))
    x = layers.Dropout(0.5)(layers.Dense(256, "relu")(x))
    model = tf.keras.Model(inputs, layers.Dense(10)(x))
    _compile_classifier(model, tf.keras.optimizers.RMSprop(1e-3))
    return model


def lenet5() -> tf.keras.Model:
    """The package's LeNet-5."""
    model = models.lenet5((32, 32, 3), 10)
    _compile_classifier(model, "adam")
    return model


def _compile_classifier(model, optimizer) -> None:
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])


def small_xception() -> tf.keras.Model:
    """Image classification from scratch, as in Keras' example of that name, with fewer filters."""
    inputs = layers.Input((32, 32, 3))
    x = layers.RandomFlip("horizontal")(inputs)
    x = layers.Conv2D(16, 3, strides=2, padding="same")(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    for filters in (32, 64):
        shortcut = layers.Conv2D(filters, 1, strides=2, padding="same")(x)
        for _ in range(2):
            x = layers.SeparableConv2D(filters, 3, padding="same")(
                layers.Activation("relu")(x)
            )
            x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        x = layers.Add()([x, shortcut])
    x = layers.BatchNormalization()(layers.SeparableConv2D(128, 3, padding="same")(x))
    x = layers.GlobalAveragePooling2D()(layers.Activation("relu")(x))
    x = layers.Dense(1, "sigmoid")(layers.Dropout(0.25)(x))
    model = tf.keras.Model(inputs, x)
    optimizer = tf.keras.optimizers.Adam(3e-4)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return model


def _pairs_of_digits() -> Parts:
    """Returns pairs of images `[n, 8, 8, 1]`, and whether their digits differ; no digit is in two parts."""
    digits = sklearn.datasets.load_digits()
    images = (digits.images / 16).astype(np.float32)[..., None]
    parts = []
    for seed, (first, last, number) in enumerate(
        ((0, 1000, 2000), (1000, 1300, 600), (1300, 1797, 1000))
    ):
        generator = np.random.default_rng(seed)
        left = generator.integers(first, last, number)
        differs = np.arange(number) % 2
        right = []
        for row, is_other in zip(left, differs):
            is_fit = (digits.target[first:last] != digits.target[row]) == is_other
            right.append(first + generator.choice(np.flatnonzero(is_fit)))
        parts.append(([images[left], images[right]], differs.astype(np.float32)))
    return Parts(*parts)


def siamese() -> tf.keras.Model:
    """Two towers and a contrastive loss of their distance with margin 1, as in Keras' old mnist_siamese.py."""
    tower = [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(128, "relu")]
    for _ in range(2):
        tower += [layers.Dropout(0.1), layers.Dense(128, "relu")]
    tower = tf.keras.Sequential(tower)
    inputs = [layers.Input((8, 8, 1)) for _ in range(2)]
    distance = layers.Lambda(_distance)([tower(x) for x in inputs])
    model = tf.keras.Model(inputs, distance)
    accuracy = tf.keras.metrics.BinaryAccuracy(name="accuracy")
    model.compile("RMSprop", _contrastive_loss, metrics=[accuracy])
    return model


def normalised_siamese() -> tf.keras.Model:
    """As in Keras' newer example: convolutions, and a normalisation and a sigmoid behind the distance."""
    tower = tf.keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.BatchNormalization(),
            layers.Conv2D(4, 3, padding="same", activation="tanh"),
            layers.AveragePooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="tanh"),
            layers.AveragePooling2D(),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.Dense(10, "tanh"),
        ]
    )
    inputs = [layers.Input((8, 8, 1)) for _ in range(2)]
    distance = layers.Lambda(_distance)([tower(x) for x in inputs])
    outputs = layers.Dense(1, "sigmoid")(layers.BatchNormalization()(distance))
    model = tf.keras.Model(inputs, outputs)
    model.compile("RMSprop", _contrastive_loss, metrics=["accuracy"])
    return model


def _distance(pair):
    squares = tf.reduce_sum(tf.square(pair[0] - pair[1]), axis=1, keepdims=True)
    return tf.sqrt(tf.maximum(squares, tf.keras.backend.epsilon()))


def _contrastive_loss(differs, found):
    # Hadsell, Chopra and LeCun 2006, equation 4, with the margin 1.
    far = tf.square(tf.maximum(1 - found, 0))
    return tf.reduce_mean((1 - differs) * tf.square(found) + differs * far)


_SMALL_RESNET = Program(
    functools.partial(_images, 1000, 1000, None, 2), guide_resnet, 32, 10
)
PROGRAMS = {
    "small ResNet": _SMALL_RESNET,
    # With what the callback advises for 320 steps.
    "small ResNet, momentum 0.96": _SMALL_RESNET._replace(
        model_fn=functools.partial(guide_resnet, 0.96)
    ),
    "siamese": Program(_pairs_of_digits, siamese, 128, 20),
    "normalised siamese": Program(_pairs_of_digits, normalised_siamese, 32, 15),
    "from scratch, 1,280 images": Program(
        functools.partial(_images, 1280, 1000, (_CAT, _DOG)), small_xception, 32, 12
    ),
    "CIFAR-10, LeNet-5": Program(
        functools.partial(_images, 12_800, 1000), lenet5, 64, 4
    ),
}
