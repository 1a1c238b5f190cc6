"""The four residual blocks: building and bottleneck, of version 1 and 2.

Version 1 normalises after each convolution and rectifies the sum (He et al. 2015,
arXiv:1512.03385, figure 5). Version 2 normalises and rectifies before each
convolution and leaves the sum alone (He et al. 2016, arXiv:1603.05027, figure 4e).
Both bottlenecks stride in their 3x3 convolution, not in the first 1x1 one.

Every block maps float [batch, height, width, channels] to
[batch, ceil(height / stride), ceil(width / stride), num_filters_out]. With
`project` its shortcut is a 1x1 convolution of that stride; otherwise it is the
input itself, which must have the output's shape already.
"""

from __future__ import annotations

from typing import Callable

import tensorflow as tf

from official_resnet.layers import LayerStack

# A bottleneck gives out this many times the channels it works in.
BOTTLENECK_EXPANSION = 4

Block = Callable[[LayerStack, tf.Tensor, int, int, bool], tf.Tensor]


def building_block_v1(
    layers: LayerStack, inputs: tf.Tensor, num_filters: int, stride: int, project: bool
) -> tf.Tensor:
    """relu(shortcut + conv3x3, norm, relu, conv3x3, norm); num_filters channels."""
    shortcut = inputs
    if project:
        shortcut = layers.convolution(inputs, num_filters, 1, stride)
        shortcut = layers.batch_norm(shortcut)
    hidden = layers.convolution(inputs, num_filters, 3, stride)
    hidden = layers.batch_norm_relu(hidden)
    hidden = layers.convolution(hidden, num_filters, 3, 1)
    hidden = layers.batch_norm(hidden)
    return layers.relu(layers.add(hidden, shortcut))


def building_block_v2(
    layers: LayerStack, inputs: tf.Tensor, num_filters: int, stride: int, project: bool
) -> tf.Tensor:
    """shortcut + norm, relu, conv3x3, norm, relu, conv3x3; num_filters channels."""
    hidden = layers.batch_norm_relu(inputs)
    shortcut = inputs
    if project:
        # A projection reads the normalised input, an identity the raw one.
        shortcut = layers.convolution(hidden, num_filters, 1, stride)
    hidden = layers.convolution(hidden, num_filters, 3, stride)
    hidden = layers.batch_norm_relu(hidden)
    hidden = layers.convolution(hidden, num_filters, 3, 1)
    return layers.add(hidden, shortcut)


def bottleneck_block_v1(
    layers: LayerStack, inputs: tf.Tensor, num_filters: int, stride: int, project: bool
) -> tf.Tensor:
    """conv1x1, conv3x3, conv1x1, normalised after each; 4 * num_filters channels."""
    num_filters_out = BOTTLENECK_EXPANSION * num_filters
    shortcut = inputs
    if project:
        shortcut = layers.convolution(inputs, num_filters_out, 1, stride)
        shortcut = layers.batch_norm(shortcut)
    hidden = layers.convolution(inputs, num_filters, 1, 1)
    hidden = layers.batch_norm_relu(hidden)
    hidden = layers.convolution(hidden, num_filters, 3, stride)
    hidden = layers.batch_norm_relu(hidden)
    hidden = layers.convolution(hidden, num_filters_out, 1, 1)
    hidden = layers.batch_norm(hidden)
    return layers.relu(layers.add(hidden, shortcut))


def bottleneck_block_v2(
    layers: LayerStack, inputs: tf.Tensor, num_filters: int, stride: int, project: bool
) -> tf.Tensor:
    """conv1x1, conv3x3, conv1x1, normalised before each; 4 * num_filters channels."""
    num_filters_out = BOTTLENECK_EXPANSION * num_filters
    hidden = layers.batch_norm_relu(inputs)
    shortcut = inputs
    if project:
        shortcut = layers.convolution(hidden, num_filters_out, 1, stride)
    hidden = layers.convolution(hidden, num_filters, 1, 1)
    hidden = layers.batch_norm_relu(hidden)
    hidden = layers.convolution(hidden, num_filters, 3, stride)
    hidden = layers.batch_norm_relu(hidden)
    hidden = layers.convolution(hidden, num_filters_out, 1, 1)
    return layers.add(hidden, shortcut)


def select_block(resnet_version: int, bottleneck: bool) -> Block:
    """The block function of a version (1 or 2) and a kind."""
    return {
        (1, False): building_block_v1,
        (1, True): bottleneck_block_v1,
        (2, False): building_block_v2,
        (2, True): bottleneck_block_v2,
    }[resnet_version, bottleneck]
