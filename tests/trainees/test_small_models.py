"""The small networks: each trains, and each of its variables is drawn anew by a reset."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from learned_lr.trainees import initialization
from learned_lr.trainees.models import MODELS
from learned_lr.trainees.small_models import SMALL_MODELS
from learned_lr.trainees.token_models import TOKEN_MODELS

NAMES = [function.__name__ for function in (*SMALL_MODELS, *TOKEN_MODELS)]
DENSE = [name for name in NAMES if name.startswith("mlp_") or name == "logistic"]
IMAGE = (8, 8, 1)
# What starts from a constant: biases, shifts, scales, and the statistics of batch normalisation.
CONSTANT = ("bias", "beta", "gamma", "moving_mean", "moving_variance")


@pytest.mark.parametrize(
    ("name", "width", "expected"),
    [
        # 10*(64 + 1)
        ("logistic", None, 650),
        # 64*65 + 64*65 + 10*65
        ("mlp_tanh", None, 8_970),
        # 4*65 + 4*4*5 + 10*5
        ("mlp_deep", 4, 390),
        # 96*65 + 96*97 + 10*97
        ("mlp_dropout", None, 16_522),
        # 8*64 + 2*8*8, 3 times 4*8, 10*9
        ("mlp_batch_norm", 8, 826),
        # 8*65 + 2*8*9, 3 times 2*8, 10*9
        ("mlp_layer_norm", 8, 802),
        # 8*65 + 8*8*9 + 10*9
        ("mlp_residual", 8, 1_186),
        # 8*10 + 16*73 + 64*(16*2*2 + 1) + 10*65
        ("cnn", None, 6_058),
        ("cnn_tanh", None, 6_058),
        ("cnn_dropout", None, 6_058),
        # 4*9 + 8*36 + 8*72, 4*(4 + 8 + 8), 10*9
        ("cnn_batch_norm", 4, 1_070),
        # 4*10 + 4*37 + 8*37 + 8*73 + 32*(8*2*2 + 1) + 10*33
        ("cnn_deep", 4, 2_454),
        # 4*9, twice 4*9, 4*4 + 8*4, 4*(4 + 4 + 4 + 4 + 8), 10*9
        ("separable_cnn", 4, 342),
        # 4*9 + 2*4*36 + 4*8 + 8*36 + 8*72, 4*(4 + 4 + 4 + 8 + 8), 10*9
        ("resnet_small", 4, 1_422),
        # 8*(4 + 1) + 16*8, twice (4*8*9 + 2*2*8 + 16*9 + 8*17), 2*8, 10*9
        ("attention", 8, 1_474),
        # 8*(4 + 1), twice (32*17 + 16*33 + 2*2*8 + 16*9 + 8*17), 2*8, 10*9
        ("mixer", 8, 2_914),
        # 3*(8*8 + 8*8 + 2*8), 10*9
        ("recurrent", 8, 522),
        # 4*9 + 9*2*(4 + 6 + 8 + 10), 4*(4 + 6 + 8 + 10 + 12), 10*13
        ("dense_blocks", 2, 830),
        # 8*(4 + 1), twice (8*26 + 2*8 + 32*9 + 8*33), 2*8, 10*9
        ("inverted_blocks", 8, 1_698),
    ],
)
def test_number_of_weights(name, width, expected):
    model = MODELS[name](IMAGE, 10, width)
    assert model.count_params() == expected
    assert model.output_shape == (None, 10)


def test_logistic_regression_has_no_width():
    with pytest.raises(ValueError, match="no width for 'logistic', found 3"):
        MODELS["logistic"](IMAGE, 10, 3)


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_is_drawn_anew(name):
    tf.keras.backend.experimental.enable_tf_random_generator()
    model = MODELS[name](IMAGE, 10, None)
    initializer = initialization.Initializer(model)
    built = [variable.numpy() for variable in model.variables]
    values = []
    for seed in (0, 1, 0):
        for variable in model.trainable_variables:
            variable.assign(tf.fill(variable.shape, 7.0))
        for variable in model.non_trainable_variables:
            if variable.dtype == tf.float32:
                variable.assign(tf.fill(variable.shape, 7.0))
        initializer.initialize(seed)
        values.append([variable.numpy() for variable in model.variables])
    num_drawn = 0
    for variable, at_first, first, second, again in zip(
        model.variables, built, *values
    ):
        np.testing.assert_array_equal(first, again)
        part = variable.name.split("/")[-1].split(":")[0]
        if part in CONSTANT:
            np.testing.assert_array_equal(first, at_first)
        elif variable.dtype == tf.float32:
            assert not np.any(first == second), variable.name
            # Of the deviation it was built with, within what so many draws allow.
            ratio = first.std() / at_first.std()
            assert ratio == pytest.approx(1, abs=4 / np.sqrt(first.size)), variable.name
            num_drawn += 1
    assert num_drawn >= 1


@pytest.mark.smoke
@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_lower_the_loss(name):
    images, labels = _stripes()
    model = MODELS[name](images.shape[1:], 2, None)
    initializer = initialization.Initializer(model)
    initializer.initialize(3)
    optimizer = tf.keras.optimizers.Adam(3e-3, jit_compile=False)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(labels, model(images, training=True))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(value, variables), variables))
        return value

    optimizer.build(model.trainable_variables)
    losses = [float(step()) for _ in range(30)]
    assert np.mean(losses[-3:]) < 0.6 * losses[0]


@pytest.mark.parametrize("name", [*DENSE, "attention", "mixer"])
def test_rows_of_pixels_that_are_no_image(name):
    model = MODELS[name]((1, 50, 1), 4, None)
    assert model(np.zeros((2, 1, 50, 1), np.float32)).shape == (2, 4)


@pytest.mark.parametrize("side", [7, 14, 16, 28, 32])
@pytest.mark.parametrize("name", ["attention", "mixer"])
def test_images_are_cut_into_16_patches(name, side):
    model = MODELS[name]((side, side, 3), 10, 8)
    (reshape,) = (
        layer for layer in model.layers if isinstance(layer, tf.keras.layers.Reshape)
    )
    assert reshape.output_shape == (None, 16, 8)


def _stripes():
    """64 noisy images with stripes in one of two directions."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=64)
    rows = np.tile([1.0, 0.0], 4)[:, None] * np.ones((8, 8))
    images = np.where(labels[:, None, None] == 0, rows, rows.T)
    noisy = images + 0.2 * rng.normal(size=images.shape)
    return noisy[..., None].astype(np.float32), labels
