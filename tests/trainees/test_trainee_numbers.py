"""Trainees: measurements against NumPy and optimizer steps against a plain Keras loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from learned_lr.control import weight_path
from learned_lr.trainees import models


def _forward(images, weights, scaling="unit"):
    """Logits of the network with one hidden layer, in double precision."""
    inputs = images.reshape(len(images), -1).astype(np.float64)
    if scaling == "standardized":
        deviation = np.maximum(inputs.std(1, keepdims=True), 1 / 4)
        inputs = (inputs - inputs.mean(1, keepdims=True)) / deviation
    else:
        inputs = inputs / 255
    kernel, bias, last_kernel, last_bias = weights
    return np.maximum(inputs @ kernel + bias, 0) @ last_kernel + last_bias


def _losses(logits, labels):
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(1, keepdims=True)
    return -np.log(probabilities[np.arange(len(labels)), labels]), probabilities


@pytest.fixture(scope="module", name="trainee")
def _trainee(tiny_task):
    return tiny_task(num_trainee_steps=200, adam_epsilon=1e-3).make_trainee()


@pytest.fixture(scope="module", name="other_trainee")
def _other_trainee(tiny_task):
    """Its batches divide neither the 21 validation nor the 15 test images."""
    return tiny_task(
        predictions="logits",
        input_scaling="standardized",
        validation_batch_size=4,
        optimizer="sgd",
        momentum=0.7,
    ).make_trainee()


@pytest.mark.parametrize("name", ["trainee", "other_trainee"])
def test_measurements_against_numpy(request, tiny_data, name):
    trainee = request.getfixturevalue(name)
    predictions, scaling = trainee.task.predictions, trainee.task.input_scaling
    trainee.reset(1)
    previous = None
    for number in range(3):
        measurement = trainee.train(0.02) if number else trainee.measure()
        weights = trainee.model.get_weights()
        assert measurement.weights == weight_path.sample(weights)
        logits = _forward(tiny_data.validation_images, weights, scaling)
        losses, probabilities = _losses(logits, tiny_data.validation_labels)
        values = probabilities if predictions == "probabilities" else logits
        hits = logits.argmax(1) == tiny_data.validation_labels
        expected = {
            "validation_loss": losses.mean(),
            "prediction_variance": np.var(values),
            "prediction_change_variance": np.var(values - previous) if number else 0,
            "final_kernel_mean": weights[2].mean(),
            "final_kernel_variance": weights[2].var(),
            "validation_accuracy": hits.mean(),
        }
        found = {name: getattr(measurement, name) for name in expected}
        assert found == pytest.approx(expected, rel=2e-5, abs=1e-7)
        assert not measurement.diverged
        previous = values
    # The last weights are the best.
    logits = _forward(tiny_data.test_images, weights, scaling)
    losses = _losses(logits, tiny_data.test_labels)[0]
    hits = logits.argmax(1) == tiny_data.test_labels
    assert trainee.test() == pytest.approx((losses.mean(), hits.mean()), rel=2e-5)


def test_the_untrained_train_loss_is_of_the_first_minibatch(trainee, tiny_data):
    trainee.reset(1)
    first = trainee._order[0]
    logits = _forward(tiny_data.train_images[first], trainee.model.get_weights())
    expected = _losses(logits, tiny_data.train_labels[first])[0].mean()
    assert trainee.measure().train_loss == pytest.approx(expected, rel=1e-6)


def test_measuring_changes_nothing(trainee):
    trainee.reset(1)
    assert trainee.measure() == trainee.measure()
    trained = trainee.train(0.02)
    trainee.reset(1)
    trainee.measure()
    assert trainee.train(0.02) == trained


@pytest.mark.parametrize("name", ["trainee", "other_trainee"])
def test_steps_equal_a_plain_keras_loop(request, tiny_data, name):
    trainee = request.getfixturevalue(name)
    trainee.reset(2)
    images = tf.cast(tiny_data.train_images, tf.float32)
    if name == "trainee":
        images, optimizer = images / 255, tf.keras.optimizers.Adam(epsilon=1e-3)
    else:
        images = tf.image.per_image_standardization(images)
        optimizer = tf.keras.optimizers.SGD(momentum=0.7)
    model = models.mlp((4, 4, 1), 3, 8)
    model.set_weights(trainee.model.get_weights())
    loss_fn = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for rate, minibatches in zip((0.03, 0.01), trainee._order.reshape(-1, 5, 8)):
        losses = []
        optimizer.learning_rate = rate
        for indices in minibatches:
            with tf.GradientTape() as tape:
                logits = model(tf.gather(images, indices))
                loss = loss_fn(tiny_data.train_labels[indices], logits)
            variables = model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
            losses.append(float(loss))
        measurement = trainee.train(rate)
        assert measurement.train_loss == pytest.approx(np.mean(losses), rel=1e-5)
        for found, expected in zip(trainee.model.get_weights(), model.get_weights()):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def _penalised(input_shape, num_classes):
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            tf.keras.Input(input_shape),
            layers.Flatten(),
            layers.Dense(num_classes, kernel_regularizer=tf.keras.regularizers.L2(0.5)),
        ]
    )


def test_a_weight_penalty_is_trained_but_not_measured(tiny_task, tiny_data):
    task = tiny_task(
        model=_penalised,
        width=None,
        optimizer=tf.keras.optimizers.SGD,
        batch_size=40,
        trainee_steps_per_action=1,
    )
    trainee = task.make_trainee()
    trainee.reset(0)
    kernel, bias = trainee.model.get_weights()
    inputs = tiny_data.train_images.reshape(40, 16) / 255
    losses, probabilities = _losses(inputs @ kernel + bias, tiny_data.train_labels)
    # d/dK (mean loss + 0.5 sum K^2) = X^T (p - y) / n + K
    errors = probabilities - np.eye(3)[tiny_data.train_labels]
    gradient = inputs.T @ errors / 40 + kernel
    measurement = trainee.train(0.1)
    assert measurement.train_loss == pytest.approx(losses.mean(), rel=1e-5)
    new_kernel, new_bias = trainee.model.get_weights()
    np.testing.assert_allclose(new_kernel, kernel - 0.1 * gradient, rtol=1e-4)
    images = tiny_data.validation_images.reshape(21, 16) / 255
    losses, _ = _losses(images @ new_kernel + new_bias, tiny_data.validation_labels)
    assert measurement.validation_loss == pytest.approx(losses.mean(), rel=1e-5)


def test_training_learns_the_tiny_task(trainee):
    trainee.reset(0)
    first = trainee.measure().validation_loss
    for _ in range(40):
        last = trainee.train(0.01)
    assert first > 0.9 * math.log(3)
    assert last.validation_loss < 0.6 * math.log(3)
    assert last.validation_accuracy > 0.6


def test_bfloat16_arithmetic_on_float32_weights(trainee, tiny_task):
    bfloat16 = tiny_task(precision="mixed_bfloat16").make_trainee()
    rows = []
    for each in (trainee, bfloat16):
        each.reset(0)
        rows.append([*each.measure()[:2], *each.train(0.01)[:2]])
    assert {variable.dtype for variable in bfloat16.model.variables} == {tf.float32}
    # bfloat16 has 8 bits of precision.
    np.testing.assert_allclose(rows[1], rows[0], rtol=2e-2)
    assert rows[0] != rows[1]
    assert tf.keras.mixed_precision.global_policy().name == "float32"


@pytest.mark.parametrize(
    ("values", "scale", "decay"),
    [
        ({"optimizer": "adam"}, 1.0, 0.0),
        ({"optimizer": "adamw", "weight_decay": 0.25}, 1.0, 0.25),
        ({"optimizer": "rmsprop"}, 1 / math.sqrt(0.1), 0.0),
    ],
)
def test_the_first_step_of_an_optimizer_by_hand(
    tiny_task, tiny_data, values, scale, decay
):
    budget = {"num_trainee_steps": 2, "trainee_steps_per_action": 1}
    task = tiny_task(model="logistic", width=None, batch_size=40, **budget, **values)
    trainee = task.make_trainee()
    trainee.reset(0)
    kernel, bias = trainee.model.get_weights()
    inputs = tiny_data.train_images.reshape(40, 16) / 255
    _, probabilities = _losses(inputs @ kernel + bias, tiny_data.train_labels)
    gradient = inputs.T @ (probabilities - np.eye(3)[tiny_data.train_labels]) / 40
    assert np.abs(gradient).min() > 1e-4
    trainee.train(0.1)
    # Moments of one gradient leave its sign; RMSprop's mean of squares starts at a tenth.
    expected = kernel - 0.1 * (decay * kernel + scale * np.sign(gradient))
    found = trainee.model.get_weights()[0]
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-4)
