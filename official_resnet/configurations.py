"""The sizes in common use: the 18-layer network and the family for CIFAR-10.

Each function only chooses arguments for `resnet.resnet`.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from official_resnet import checks
from official_resnet.resnet import resnet

_STEMS = {
    "imagenet": {
        "kernel_size": 7,
        "conv_stride": 2,
        "first_pool_size": 3,
        "first_pool_stride": 2,
    },
    "cifar": {
        "kernel_size": 3,
        "conv_stride": 1,
        "first_pool_size": None,
        "first_pool_stride": None,
    },
}


def resnet18(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    stem: str = "imagenet",
    num_filters: int = 64,
    resnet_version: int = 2,
    batch_norm_momentum: float = 0.997,
    batch_norm_epsilon: float = 1e-5,
) -> tf.keras.Model:
    """Builds the 18-layer network: four layers of two building blocks.

    Sizes are those of He et al. 2015 (arXiv:1512.03385), table 1.

    Args:
      input_shape: (height, width, channels) of one image, channels last.
      num_classes: number of logits.
      stem: "imagenet" is a 7x7 convolution of stride 2 and a 3x3 max pooling of
        stride 2, which shrink the image four times; "cifar" is a 3x3 convolution
        of stride 1 without pooling, for small images.
      num_filters: channels of the stem and of the first layer.
      resnet_version: 1 normalises after the convolutions, 2 before them.
      batch_norm_momentum: as for `resnet`.
      batch_norm_epsilon: as for `resnet`.

    Returns:
      A model from [batch, height, width, channels] to float32 logits
      [batch, num_classes].

    Raises:
      ValueError: an argument is out of range; says what was expected and found.
    """
    checks.check_one_of("stem", stem, tuple(_STEMS))
    return resnet(
        input_shape,
        num_classes,
        resnet_size=18,
        resnet_version=resnet_version,
        num_filters=num_filters,
        block_sizes=(2, 2, 2, 2),
        block_strides=(1, 2, 2, 2),
        batch_norm_momentum=batch_norm_momentum,
        batch_norm_epsilon=batch_norm_epsilon,
        **_STEMS[stem],
    )


def cifar_resnet(
    size: int,
    input_shape: Sequence[int] = (32, 32, 3),
    num_classes: int = 10,
    *,
    num_filters: int = 16,
    resnet_version: int = 2,
    batch_norm_momentum: float = 0.997,
    batch_norm_epsilon: float = 1e-5,
) -> tf.keras.Model:
    """Builds the network of He et al. 2015 for CIFAR-10 (their section 4.2).

    Three layers of n building blocks have 6n convolutions; the stem's convolution
    and the dense layer make 6n + 2. Defaults follow the official `cifar10_main.py`.

    Args:
      size: number of weighted layers, 6n + 2 for some n >= 1.
      input_shape: (height, width, channels) of one image, channels last.
      num_classes: number of logits.
      num_filters: channels of the stem and of the first layer.
      resnet_version: 1 normalises after the convolutions, 2 before them.
      batch_norm_momentum: as for `resnet`.
      batch_norm_epsilon: as for `resnet`.

    Returns:
      A model from [batch, height, width, channels] to float32 logits
      [batch, num_classes].

    Raises:
      ValueError: `size` is not 6n + 2, or another argument is out of range; says
        what was expected and found.
    """
    if not checks.is_positive_int(size) or size < 8 or size % 6 != 2:
        raise ValueError(
            "size: expected 6n+2 with n >= 1: 8, 14, 20, 26, 32, 44, 56, 110, ...; "
            f"found {size!r}"
        )
    num_blocks = (size - 2) // 6
    return resnet(
        input_shape,
        num_classes,
        resnet_size=size,
        resnet_version=resnet_version,
        num_filters=num_filters,
        block_sizes=(num_blocks,) * 3,
        block_strides=(1, 2, 2),
        batch_norm_momentum=batch_norm_momentum,
        batch_norm_epsilon=batch_norm_epsilon,
        **_STEMS["cifar"],
    )
