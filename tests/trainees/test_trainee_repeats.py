"""Trainees: the same seed gives the same bits, whatever ran before, and nothing is traced twice."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from learned_lr.trainees import initialization, minibatches

RATES = (0.01, 0.03, 0.002, 0.01)


def dropout_network(input_shape, num_classes):
    """Has state of every kind that a reset must restore."""
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            tf.keras.Input(input_shape),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.BatchNormalization(),
            layers.PReLU(),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(num_classes),
        ]
    )


@pytest.fixture(scope="module", name="dropout_trainee")
def _dropout_trainee(tiny_task):
    """An interval is one step on all images."""
    budget = {"num_trainee_steps": 5, "trainee_steps_per_action": 1}
    task = tiny_task(model=dropout_network, width=None, batch_size=40, **budget)
    return task.make_trainee()


@pytest.fixture(scope="module", name="mlp_trainee")
def _mlp_trainee(tiny_task):
    return tiny_task().make_trainee()


@pytest.fixture(params=["mlp", "dropout"])
def trainee(request):
    return request.getfixturevalue(f"{request.param}_trainee")


def _run(trainee, seed, rates=RATES):
    """All numbers of a training run: measurements, final weights and optimizer state."""
    trainee.reset(seed)
    rows = [trainee.measure()] + [trainee.train(rate) for rate in rates]
    variables = trainee.model.variables + list(trainee.optimizer.variables)
    return rows, [variable.numpy().tobytes() for variable in variables]


def test_a_seed_repeats_bit_for_bit_after_another(trainee):
    first = _run(trainee, 3)
    other = _run(trainee, 4)
    trainee.test()
    assert _run(trainee, 3) == first
    for row, other_row in zip(first[0], other[0]):
        assert row.train_loss != other_row.train_loss
        assert row.validation_loss != other_row.validation_loss


def test_a_seed_repeats_bit_for_bit_in_another_trainee(dropout_trainee):
    expected = _run(dropout_trainee, 5)
    assert _run(dropout_trainee.task.make_trainee(), 5) == expected


def test_a_run_does_not_depend_on_the_one_before_if_nothing_was_measured(trainee):
    found = []
    for before in (1, 2):
        _run(trainee, before)
        trainee.reset(6)
        found.append(trainee.train(0.01))
    assert found[0] == found[1]


def test_a_reset_never_traces_again(trainee):
    for seed in range(100):
        trainee.reset(seed)
        if seed % 10 == 0:
            trainee.measure()
            trainee.train(1e-3 * (seed + 1))
    assert trainee._run_interval.experimental_get_tracing_count() == 1
    assert trainee._measure_untrained.experimental_get_tracing_count() == 1


def test_dropout_draws_a_new_mask_every_step(dropout_trainee):
    # With a vanishing rate and all images in each minibatch, only the masks differ.
    dropout_trainee.reset(0)
    losses = [dropout_trainee.train(1e-30).train_loss for _ in range(5)]
    assert np.ptp(losses) > 0.01


def test_another_seed_has_other_masks(dropout_trainee):
    """With equal weights, a vanishing rate and all images in each minibatch, only the masks differ."""
    dropout_trainee.reset(0)
    # Without the generators' states, which are among all weights.
    variables = dropout_trainee.model.trainable_variables
    weights = [variable.numpy() for variable in variables]
    losses = []
    for seed in (0, 1, 1):
        dropout_trainee.reset(seed)
        for variable, value in zip(variables, weights):
            variable.assign(value)
        losses.append(dropout_trainee.train(1e-30).train_loss)
    assert losses[0] != losses[1] == losses[2]


def test_another_seed_has_another_order():
    first, other = (minibatches.order(seed, 40, 8, 5) for seed in (0, 1))
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first, minibatches.order(0, 40, 8, 5))


def test_every_epoch_has_each_image_once(tiny_task):
    task = tiny_task(batch_size=8, num_trainee_steps=20)
    trainee = task.make_trainee()
    trainee.reset(0)
    epochs = trainee._order.reshape(4, 40)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(40), (4, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_remainder_of_an_epoch_is_left_out(tiny_task):
    trainee = tiny_task(batch_size=15, num_trainee_steps=5).make_trainee()
    trainee.reset(0)
    assert trainee._order.shape == (5, 15)
    for epoch in (trainee._order[:2], trainee._order[2:4]):
        assert len(np.unique(epoch)) == 30


def test_initial_weights_follow_their_own_initializers():
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            tf.keras.Input((100,)),
            layers.Dense(200, kernel_initializer=tf.keras.initializers.HeNormal()),
            layers.BatchNormalization(),
            layers.Dense(2, bias_initializer=tf.keras.initializers.Constant(0.25)),
        ]
    )
    initializer = initialization.Initializer(model)
    for variable in model.variables:
        variable.assign(tf.fill(variable.shape, 7.0))
    initializer.initialize(0)
    kernel, bias, gamma, beta, _, last_bias, mean, variance = (
        variable.numpy()
        for variable in model.weights[:4] + model.weights[6:] + model.weights[4:6]
    )
    # He: variance 2 / fan_in
    assert np.var(kernel) == pytest.approx(2 / 100, rel=0.05)
    for found, expected in (
        (bias, 0.0),
        (gamma, 1.0),
        (beta, 0.0),
        (mean, 0.0),
        (variance, 1.0),
        (last_bias, 0.25),
    ):
        np.testing.assert_array_equal(found, np.full(found.shape, expected))


def test_layers_of_one_shape_get_different_weights():
    layers = [tf.keras.layers.Dense(4), tf.keras.layers.Dense(4)]
    model = tf.keras.Sequential([tf.keras.Input((4,)), *layers])
    initialization.Initializer(model).initialize(0)
    assert not np.any(layers[0].kernel.numpy() == layers[1].kernel.numpy())


def test_recurrent_and_nested_layers_are_drawn_anew():
    layers = tf.keras.layers
    nested = tf.keras.Sequential([tf.keras.Input((3, 2)), layers.LSTM(4)])
    model = tf.keras.Sequential([tf.keras.Input((3, 2)), nested, layers.Dense(2)])
    initializer = initialization.Initializer(model)
    values = []
    for seed in (0, 1, 0):
        initializer.initialize(seed)
        values.append([variable.numpy() for variable in model.variables])
    for first, second, again in zip(*values):
        np.testing.assert_array_equal(first, again)
        assert first.ndim == 1 or not np.any(first == second)


def test_an_lstm_forgets_nothing_at_first():
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [tf.keras.Input((4, 3)), layers.LSTM(2), layers.Dense(2)]
    )
    built = model.layers[0].cell.bias.numpy()
    initialization.Initializer(model).initialize(3)
    np.testing.assert_array_equal(model.layers[0].cell.bias.numpy(), built)
    assert built.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_averages_of_the_weights_start_at_the_weights(tiny_task):
    def optimizer():
        return tf.keras.optimizers.SGD(
            use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=5
        )

    task = tiny_task(optimizer=optimizer)
    first, second = task.make_trainee(), task.make_trainee()
    assert _run(first, 5) == _run(second, 5)
    first.reset(7)
    averages = first.optimizer._model_variables_moving_average
    assert len(averages) == len(first.model.trainable_variables)
    for average, variable in zip(averages, first.model.trainable_variables):
        np.testing.assert_array_equal(average.numpy(), variable.numpy())


def _network_with(layer):
    """A model function with a layer before the last, dense one."""
    layers = tf.keras.layers

    def model_fn(input_shape, num_classes):
        return tf.keras.Sequential(
            [
                tf.keras.Input(input_shape),
                layers.Flatten(),
                *([layer] if layer else []),
                layers.Dense(num_classes),
            ]
        )

    return model_fn


def _zeros(shape, dtype=None):
    return tf.zeros(shape)


def _ending_in(*last):
    return lambda shape, num_classes: tf.keras.Sequential(
        [
            tf.keras.Input(shape),
            tf.keras.layers.Flatten(),
            *(make(num_classes) for make in last),
        ]
    )


@pytest.mark.parametrize(
    "model, message",
    [
        (
            _network_with(
                tf.keras.layers.Lambda(lambda x: x + tf.random.normal(tf.shape(x)))
            ),
            "to draw random numbers by Keras' layers, found RandomStandardNormal of tf.random",
        ),
        (
            _network_with(tf.keras.layers.Dense(4, kernel_initializer=_zeros)),
            "kernel_initializer of layer .* to be an initializer of Keras",
        ),
        (
            _ending_in(lambda n: tf.keras.layers.Dense(n, activation="softmax")),
            "to end in logits, found softmax in its last layer",
        ),
        (
            _ending_in(tf.keras.layers.Dense, lambda n: tf.keras.layers.Softmax()),
            "to end in logits, found softmax in its last layer",
        ),
    ],
)
def test_a_network_that_would_train_otherwise_than_it_looks_is_refused(
    tiny_task, model, message
):
    with pytest.raises(ValueError, match=message):
        tiny_task(model=model, width=None).make_trainee()


@pytest.mark.parametrize("name", ["GaussianNoise", "Dropout", "RandomFlip"])
def test_random_layers_of_keras_are_taken_and_repeat(tiny_task, name):
    layers = tf.keras.layers
    layer = getattr(layers, name)(*([] if name == "RandomFlip" else [0.5]))

    def model_fn(input_shape, num_classes):
        return tf.keras.Sequential(
            [
                tf.keras.Input(input_shape),
                layer,
                layers.Flatten(),
                layers.Dense(num_classes),
            ]
        )

    trainee = tiny_task(model=model_fn, width=None).make_trainee()
    first = _run(trainee, 3)
    _run(trainee, 4)
    assert _run(trainee, 3) == first
