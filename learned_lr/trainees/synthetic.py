"""Data sets that are computed: Gaussian vectors labelled by a random network, and noisy shifted patterns.

A name holds the numbers and is the seed, so that it always means the same images. Gives whole
data sets; knows nothing of tasks.
"""

from __future__ import annotations

import re
import zlib

import numpy as np

from learned_lr.trainees.datasets import Dataset

NUM_TRAIN_IMAGES = 20_000
NUM_VALIDATION_IMAGES = 2_000
NUM_TEST_IMAGES = 4_000
_TEACHER = re.compile(r"teacher_(\d+)_(\d+)_(\d+)")
_PATTERNS = re.compile(r"patterns_(\d+)_(\d+)_(\d+)")
_TEACHER_WIDTH = 64
_PATTERNS_PER_CLASS = 3
_MAX_SHIFT = 2
_NOISE = 1.5
# One standard deviation in grey levels: a pixel within 3 of the mean isn't clipped.
_GREY_LEVELS = 42.0


def is_synthetic(name: str) -> bool:
    """Whether a data set's name is that of one of these."""
    return bool(_TEACHER.fullmatch(name) or _PATTERNS.fullmatch(name))


def load(name: str) -> Dataset:
    """Computes a data set: 20,000 train, 2,000 validation and 4,000 test images.

    Args:
      name: 'teacher_<inputs>_<classes>_<layers>': Gaussian vectors as images of 1 x inputs
        pixels, labelled by the largest output of a random tanh network with so many hidden
        layers (0: a linear one). 'patterns_<side>_<channels>_<classes>': square images of
        one of three smooth patterns of their class, shifted by up to 2 pixels in each
        direction, under noise of 1.5 times the pattern's deviation.

    Raises:
      ValueError: if the name is neither, or has fewer than 2 classes or no pixels.
    """
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    teacher, patterns = _TEACHER.fullmatch(name), _PATTERNS.fullmatch(name)
    if not teacher and not patterns:
        raise ValueError(
            "Expected 'teacher_<inputs>_<classes>_<layers>' or "
            f"'patterns_<side>_<channels>_<classes>', found {name!r}."
        )
    numbers = [int(number) for number in (teacher or patterns).groups()]
    num_classes = numbers[1] if teacher else numbers[2]
    if num_classes < 2 or numbers[0] < 1 or (patterns and numbers[1] < 1):
        raise ValueError(
            f"Expected at least 2 classes and 1 pixel, found {numbers} in {name!r}."
        )
    values, labels = (_teacher if teacher else _patterns)(rng, *numbers)
    images = np.clip(np.round(128 + _GREY_LEVELS * values), 0, 255).astype(np.uint8)
    ends = np.cumsum([NUM_TRAIN_IMAGES, NUM_VALIDATION_IMAGES, NUM_TEST_IMAGES])
    parts = []
    for start, end in zip([0, *ends], ends):
        parts += [images[start:end], labels[start:end]]
    for part in parts:
        part.flags.writeable = False
    return Dataset(name, *parts, num_classes=num_classes)


def _num_images():
    return NUM_TRAIN_IMAGES + NUM_VALIDATION_IMAGES + NUM_TEST_IMAGES


def _teacher(rng, num_inputs, num_classes, num_layers):
    """Returns (float [num, 1, inputs, 1] of unit variance, int32 labels [num])."""
    inputs = rng.normal(size=(_num_images(), num_inputs))
    hidden = inputs
    for _ in range(num_layers):
        fan_in = hidden.shape[1]
        # Twice the usual deviation, so that tanh is far from linear.
        kernel = rng.normal(size=(fan_in, _TEACHER_WIDTH)) * 2 / np.sqrt(fan_in)
        hidden = np.tanh(hidden @ kernel + rng.normal(size=_TEACHER_WIDTH) / 2)
    logits = hidden @ rng.normal(size=(hidden.shape[1], num_classes))
    # Of one mean and deviation each, so that all classes are met.
    logits = (logits - logits.mean(0)) / logits.std(0)
    labels = np.argmax(logits, axis=1).astype(np.int32)
    return inputs[:, None, :, None], labels


def _patterns(rng, side, num_channels, num_classes):
    """Returns (float [num, side, side, channels] of unit variance, int32 labels [num])."""
    coarse = -(-side // 3)
    shape = (num_classes, _PATTERNS_PER_CLASS, coarse, coarse, num_channels)
    patterns = rng.normal(size=shape).repeat(3, 2).repeat(3, 3)[:, :, :side, :side]
    labels = rng.randint(num_classes, size=_num_images())
    variants = rng.randint(_PATTERNS_PER_CLASS, size=_num_images())
    shifts = rng.randint(-_MAX_SHIFT, _MAX_SHIFT + 1, size=(2, _num_images(), 1))
    rows, columns = (np.arange(side) + shifts) % side
    images = patterns[
        labels[:, None, None],
        variants[:, None, None],
        rows[:, :, None],
        columns[:, None],
    ]
    noise = rng.normal(size=images.shape)
    return (images + _NOISE * noise) / np.hypot(1, _NOISE), labels.astype(np.int32)
