"""The thin ResNet-18 with a batch normalization for short runs: is its momentum what a controller loses by?"""

from __future__ import annotations

import tensorflow as tf

import official_resnet
from learned_lr.trainees.tasks import Task


def resnet18_momentum_09(
    input_shape: tuple[int, int, int], num_classes: int, width: int | None = None
) -> tf.keras.Model:
    """`resnet18` whose moving statistics keep 0.9 of the old ones at a step, in place of 0.997."""
    return official_resnet.resnet18(
        input_shape,
        num_classes,
        stem="imagenet",
        num_filters=width or 64,
        batch_norm_momentum=0.9,
    )


def cifar10_resnet18_thin_momentum_09() -> Task:
    """`cifar10_resnet18_thin` but for the momentum."""
    return Task(
        "cifar10_resnet18_thin_momentum_09", "cifar10", resnet18_momentum_09, width=16
    )
