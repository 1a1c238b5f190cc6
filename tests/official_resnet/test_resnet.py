"""Shapes, sizes, names and refusals of the models; no stored values."""

import numpy as np
import pytest
import tensorflow as tf

from official_resnet import cifar_resnet, resnet, resnet18


def images(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def small_resnet(input_shape=(8, 8, 3), num_classes=4, **arguments):
    """Two layers of one block of 2 filters, unless told otherwise."""
    defaults = {"num_filters": 2, "block_sizes": (1, 1), "block_strides": (1, 2)}
    return resnet(input_shape, num_classes, **{**defaults, **arguments})


def num_parameters(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def feature_sizes(model):
    """Heights of the stem's convolution, then of the sums that end the blocks."""
    names = ["conv2d"] + [
        layer.name for layer in model.layers if isinstance(layer, tf.keras.layers.Add)
    ]
    return [model.get_layer(name).output.shape[1] for name in names]


def test_resnet18_has_the_published_number_of_parameters():
    # torchvision's resnet18 has 11 689 512. Its first layer has no projection; the
    # official one adds 64 * 64 weights there and 2 * 64 for their norm.
    model = resnet18((32, 32, 3), 1000, resnet_version=1)

    assert num_parameters(model) == 11_689_512 + 64 * 64 + 2 * 64


def test_cifar_resnet_has_the_published_number_of_parameters():
    # The paper's 20 layers hold 0.27 million.
    assert round(num_parameters(cifar_resnet(20, resnet_version=1)) / 1e6, 2) == 0.27


@pytest.mark.parametrize("size", [8, 20])
@pytest.mark.parametrize("resnet_version", [1, 2])
def test_cifar_resnet_counts_its_weighted_layers(size, resnet_version):
    model = cifar_resnet(size, num_filters=1, resnet_version=resnet_version)
    kinds = [type(layer).__name__ for layer in model.layers]

    num_projections = 3
    assert kinds.count("Conv2D") + kinds.count("Dense") == size + num_projections
    # Version 1 has one for each convolution; version 2 for neither the stem nor the
    # projections, but one at the end.
    num_norms = {1: size - 1 + num_projections, 2: size - 1}[resnet_version]
    assert kinds.count("BatchNormalization") == num_norms
    assert model.name == f"resnet{size}_v{resnet_version}"


def test_the_stems_shrink_the_image_by_four_and_by_one():
    imagenet = resnet18((32, 32, 3), 10, stem="imagenet", num_filters=1)
    cifar = resnet18((32, 32, 3), 10, stem="cifar", num_filters=1)

    assert feature_sizes(imagenet) == [16, 8, 8, 4, 4, 2, 2, 1, 1]
    assert feature_sizes(cifar) == [32, 32, 32, 16, 16, 8, 8, 4, 4]
    assert imagenet.get_layer("max_pooling2d").output.shape[1:3] == (8, 8)
    assert "max_pooling2d" not in [layer.name for layer in cifar.layers]


@pytest.mark.parametrize("input_shape", [(28, 28, 1), (7, 5, 2), (1, 1, 1)])
@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("resnet_version", [1, 2])
def test_logits_of_any_image_size_are_finite(input_shape, bottleneck, resnet_version):
    model = small_resnet(
        input_shape, bottleneck=bottleneck, resnet_version=resnet_version
    )

    logits = model(images(3, *input_shape), training=True).numpy()
    assert logits.shape == (3, 4)
    assert logits.dtype == np.float32
    assert np.all(np.isfinite(logits))


def test_logits_are_float32_under_mixed_precision():
    policy = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = small_resnet()
    finally:
        tf.keras.mixed_precision.set_global_policy(policy)

    assert model.get_layer("conv2d").compute_dtype == "bfloat16"
    assert {weight.dtype for weight in model.weights} == {tf.float32}
    logits = model(images(2, 8, 8, 3), training=True)
    assert logits.dtype == tf.float32
    assert np.all(np.isfinite(logits))


def test_names_do_not_depend_on_earlier_models():
    first, second = small_resnet(), small_resnet()

    assert [layer.name for layer in first.layers[1:]] == [
        layer.name for layer in second.layers[1:]
    ]
    assert {"conv2d", "batch_normalization", "dense"} < {
        layer.name for layer in second.layers
    }


def test_layers_show_their_settings():
    model = small_resnet(batch_norm_momentum=0.9, batch_norm_epsilon=1e-3)

    convolution = model.get_layer("conv2d")
    assert convolution.use_bias is False
    assert convolution.kernel_initializer.get_config() == {
        "scale": 1.0,
        "mode": "fan_in",
        "distribution": "truncated_normal",
        "seed": None,
    }
    norm = model.get_layer("batch_normalization")
    assert (norm.momentum, norm.epsilon, norm.scale, norm.center) == (
        0.9,
        1e-3,
        True,
        True,
    )
    assert isinstance(norm.gamma_initializer, tf.keras.initializers.Ones)


def test_batch_norm_defaults_are_the_official_ones():
    norm = small_resnet().get_layer("batch_normalization")

    assert (norm.momentum, norm.epsilon) == (0.997, 1e-5)


def test_initial_weights_repeat_after_the_global_seed():
    weights = []
    for _ in range(2):
        tf.keras.utils.set_random_seed(3)
        weights.append(small_resnet().get_weights())

    for first, second in zip(*weights):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("num_channels", [1, 2, 4, 8, 16])
def test_a_strided_projection_has_the_gradient_of_a_matrix_product(num_channels):
    # A 1x1 stem of stride 2 is such a projection: one matrix for every second pixel.
    model = small_resnet((8, 8, num_channels), kernel_size=1, conv_stride=2)
    stem = tf.keras.Model(model.input, model.get_layer("conv2d").output)
    inputs = images(4, 8, 8, num_channels)
    kernel = stem.trainable_weights[0]
    with tf.GradientTape() as tape:
        outputs = stem(inputs)
        loss = tf.reduce_sum(outputs**2) / 2
    gradient = tape.gradient(loss, kernel)

    pixels = inputs[:, ::2, ::2].reshape(-1, num_channels)
    expected = pixels @ kernel.numpy()[0, 0]
    np.testing.assert_allclose(
        outputs.numpy().reshape(expected.shape), expected, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        gradient[0, 0], pixels.T @ expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("size", [18, 2, 0, -4, 7, 20.0, "20", True, None])
def test_cifar_resnet_names_the_legal_sizes(size):
    with pytest.raises(ValueError) as error:
        cifar_resnet(size)

    assert str(error.value) == (
        "size: expected 6n+2 with n >= 1: 8, 14, 20, 26, 32, 44, 56, 110, ...; "
        f"found {size!r}"
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"input_shape": (32, 32)},
            (
                "input_shape: expected (height, width, channels), three integers >= 1, "
                "found (32, 32)"
            ),
        ),
        (
            {"input_shape": (None, 32, 3)},
            (
                "input_shape: expected (height, width, channels), three integers >= 1, "
                "found (None, 32, 3)"
            ),
        ),
        ({"num_classes": 0}, "num_classes: expected an integer >= 1, found 0"),
        ({"num_filters": 1.5}, "num_filters: expected an integer >= 1, found 1.5"),
        ({"kernel_size": True}, "kernel_size: expected an integer >= 1, found True"),
        ({"conv_stride": -1}, "conv_stride: expected an integer >= 1, found -1"),
        ({"resnet_size": "a"}, "resnet_size: expected an integer >= 1, found 'a'"),
        ({"resnet_version": 3}, "resnet_version: expected one of 1, 2; found 3"),
        ({"resnet_version": True}, "resnet_version: expected one of 1, 2; found True"),
        ({"bottleneck": 1}, "bottleneck: expected one of False, True; found 1"),
        (
            {"first_pool_size": None},
            (
                "first_pool_size and first_pool_stride: expected two integers >= 1, "
                "or None twice for no pooling, found None and 2"
            ),
        ),
        (
            {"block_sizes": ()},
            (
                "block_sizes: expected a non-empty list or tuple of integers >= 1, "
                "found ()"
            ),
        ),
        (
            {"block_strides": (1, 0)},
            (
                "block_strides: expected a non-empty list or tuple of integers >= 1, "
                "found (1, 0)"
            ),
        ),
        (
            {"block_strides": (1, 2, 2)},
            (
                "block_strides: expected one stride for each of the 2 entries of "
                "block_sizes, found (1, 2, 2)"
            ),
        ),
        (
            {"batch_norm_momentum": 1.0},
            "batch_norm_momentum: expected a number in [0, 1), found 1.0",
        ),
        (
            {"batch_norm_epsilon": float("nan")},
            "batch_norm_epsilon: expected a finite number > 0, found nan",
        ),
    ],
)
def test_resnet_says_what_it_expected_and_found(arguments, message):
    with pytest.raises(ValueError) as error:
        small_resnet(**arguments)

    assert str(error.value) == message


def test_resnet18_names_the_stems():
    with pytest.raises(ValueError) as error:
        resnet18((32, 32, 3), 10, stem="mnist")

    assert (
        str(error.value) == "stem: expected one of 'imagenet', 'cifar'; found 'mnist'"
    )
