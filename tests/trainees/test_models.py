"""The trained networks: literal numbers of weights."""

from __future__ import annotations

import pytest

from learned_lr.trainees import models

FASHION_MNIST = (28, 28, 1)
CIFAR10 = (32, 32, 3)


@pytest.mark.parametrize(
    "name, input_shape, width, expected",
    [
        # 6*26 + 16*151 + 120*(16*5*5 + 1) + 84*121 + 10*85: LeCun's LeNet-5, dense
        ("lenet5", FASHION_MNIST, None, 61_706),
        # 6*76 + 16*151 + 120*(16*6*6 + 1) + 84*121 + 10*85
        ("lenet5", CIFAR10, None, 83_126),
        # 12*26 + 32*301 + 240*(32*5*5 + 1) + 168*241 + 10*169
        ("lenet5", FASHION_MNIST, 12, 244_362),
        # 32*26 + 64*801 + 512*(64*7*7 + 1) + 10*513
        ("lenet_wide", FASHION_MNIST, None, 1_663_370),
        # 32*76 + 64*801 + 512*(64*8*8 + 1) + 10*513
        ("lenet_wide", CIFAR10, None, 2_156_490),
        # 32*(28*28 + 1) + 10*33
        ("mlp", FASHION_MNIST, None, 25_450),
        ("mlp", FASHION_MNIST, 8, 6_370),
    ],
)
def test_number_of_weights(name, input_shape, width, expected):
    model = models.MODELS[name](input_shape, 10, width)
    assert model.count_params() == expected
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize("side", [4, 8, 11])
def test_lenet5_takes_images_that_its_second_convolution_would_use_up(side):
    model = models.lenet5((side, side, 1), 3)
    assert model.output_shape == (None, 3)
    # 16 filters after two poolings
    assert model.layers[4].output_shape == (None, 16 * (side // 2 // 2) ** 2)
