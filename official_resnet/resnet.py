"""The general residual network, every size of it a matter of arguments.

After `resnet_model.py` in `official/resnet` of github.com/tensorflow/models as it
stood in 2019, rewritten for the Keras functional API. It does not train, and names
no data set: see `configurations` for the sizes in common use.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from official_resnet import checks
from official_resnet.blocks import select_block
from official_resnet.layers import LayerStack


def resnet(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    resnet_size: int | None = None,
    resnet_version: int = 2,
    bottleneck: bool = False,
    num_filters: int = 64,
    kernel_size: int = 7,
    conv_stride: int = 2,
    first_pool_size: int | None = 3,
    first_pool_stride: int | None = 2,
    block_sizes: Sequence[int] = (2, 2, 2, 2),
    block_strides: Sequence[int] = (1, 2, 2, 2),
    batch_norm_momentum: float = 0.997,
    batch_norm_epsilon: float = 1e-5,
) -> tf.keras.Model:
    """Builds a residual network that gives logits.

    Layers are named in the order of their creation (see `layers.LayerStack`).
    `model.variables` follows Keras's own order, by depth in the graph, in which the
    projections stand later; pair weights up by name. Initial weights come from
    Keras's global generator, which `tf.keras.utils.set_random_seed` seeds.

    Args:
      input_shape: (height, width, channels) of one image, channels last.
      num_classes: number of logits.
      resnet_size: number of weighted layers. It goes into the model's name and
        changes nothing else; None leaves it out.
      resnet_version: 1 normalises after the convolutions, 2 before them.
      bottleneck: blocks of 1x1, 3x3 and 1x1 convolutions instead of two 3x3 ones.
      num_filters: channels of the stem, and of the first layer's 3x3 convolutions.
        Each further layer has twice as many as the one before.
      kernel_size: side of the stem's convolution, in pixels.
      conv_stride: stride of the stem's convolution, in pixels.
      first_pool_size: side of the max pooling after it, in pixels; None, together
        with `first_pool_stride`, for no pooling.
      first_pool_stride: stride of that pooling, in pixels.
      block_sizes: number of blocks in each layer. The first block of each layer
        has the projection shortcut and the stride, the rest neither.
      block_strides: stride of each layer, in pixels; as long as `block_sizes`.
      batch_norm_momentum: share of the old moving statistics kept by an update,
        in [0, 1).
      batch_norm_epsilon: number > 0 added to the variance.

    Returns:
      A functional model from [batch, height, width, channels] to float32 logits
      [batch, num_classes], under a mixed-precision policy too.

    Raises:
      ValueError: an argument is out of range; says what was expected and found.
    """
    checks.check_input_shape(input_shape)
    for name, value in (
        ("num_classes", num_classes),
        ("num_filters", num_filters),
        ("kernel_size", kernel_size),
        ("conv_stride", conv_stride),
    ):
        checks.check_positive_int(name, value)
    if resnet_size is not None:
        checks.check_positive_int("resnet_size", resnet_size)
    checks.check_one_of("resnet_version", resnet_version, (1, 2))
    checks.check_one_of("bottleneck", bottleneck, (False, True))
    checks.check_first_pool(first_pool_size, first_pool_stride)
    checks.check_blocks(block_sizes, block_strides)
    checks.check_batch_norm(batch_norm_momentum, batch_norm_epsilon)

    layers = LayerStack(batch_norm_momentum, batch_norm_epsilon)
    block_fn = select_block(resnet_version, bottleneck)
    inputs = tf.keras.Input(tuple(input_shape), name="images")

    hidden = layers.convolution(inputs, num_filters, kernel_size, conv_stride)
    if resnet_version == 1:
        # The first block of version 2 normalises its own input.
        hidden = layers.batch_norm_relu(hidden)
    if first_pool_size is not None:
        hidden = layers.max_pool(hidden, first_pool_size, first_pool_stride)

    for index, (num_blocks, stride) in enumerate(zip(block_sizes, block_strides)):
        num_layer_filters = num_filters * 2**index
        hidden = block_fn(layers, hidden, num_layer_filters, stride, True)
        for _ in range(num_blocks - 1):
            hidden = block_fn(layers, hidden, num_layer_filters, 1, False)

    if resnet_version == 2:
        # The sum that leaves the last block has met neither yet.
        hidden = layers.batch_norm_relu(hidden)
    logits = layers.logits(hidden, num_classes)
    size = "" if resnet_size is None else resnet_size
    return tf.keras.Model(inputs, logits, name=f"resnet{size}_v{resnet_version}")
