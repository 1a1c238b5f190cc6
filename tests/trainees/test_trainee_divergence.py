"""Trainees: divergence and its cap, the test of the best weights, and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

CAP = 1.6479184330021646  # 1.5 ln 3


@pytest.fixture(scope="module", name="trainee")
def _trainee(tiny_task):
    return tiny_task(optimizer="sgd", momentum=0.0).make_trainee()


def _test_of_the_weights(trainee, data):
    """(loss, accuracy) of the weights as they are, in double precision."""
    kernel, bias, last_kernel, last_bias = trainee.model.get_weights()
    inputs = data.test_images.reshape(15, 16) / 255
    logits = np.maximum(inputs @ kernel + bias, 0) @ last_kernel + last_bias
    picked = logits[np.arange(15), data.test_labels]
    losses = np.log(np.exp(logits).sum(1)) - picked
    return losses.mean(), np.mean(logits.argmax(1) == data.test_labels)


def test_a_diverged_run_earns_the_cap_to_its_end(trainee, monkeypatch):
    trainee.reset(0)
    assert trainee.loss_cap == pytest.approx(CAP, rel=1e-15)
    before = trainee.measure()
    diverged = trainee.train(1e30)
    assert diverged == before._replace(
        train_loss=trainee.loss_cap,
        validation_loss=trainee.loss_cap,
        prediction_change_variance=0.0,
        validation_accuracy=0.0,
        diverged=True,
    )

    def computed(*_):
        raise AssertionError("A diverged run was trained on.")

    monkeypatch.setattr(trainee, "_run_interval", computed)
    assert [trainee.train(1e-3) for _ in range(3)] == [diverged] * 3
    with pytest.raises(ValueError, match="at most 20 trainee steps, .* 20 to 25"):
        trainee.train(1e-3)


def test_a_diverged_run_is_over_after_a_reset(trainee):
    trainee.reset(1)
    expected = trainee.measure(), trainee.train(0.1)
    trainee.reset(0)
    trainee.measure()
    assert trainee.train(1e30).diverged
    trainee.reset(1)
    assert (trainee.measure(), trainee.train(0.1)) == expected


def test_a_diverged_run_is_tested_with_the_best_weights_before(trainee, tiny_data):
    trainee.reset(0)
    losses = [trainee.measure().validation_loss, trainee.train(0.1).validation_loss]
    assert losses[1] < losses[0]
    expected = _test_of_the_weights(trainee, tiny_data)
    trainee.train(1e30)
    assert trainee.test() == pytest.approx(expected, rel=1e-5)


def test_losses_are_capped_without_divergence(trainee):
    trainee.reset(0)
    trainee.measure()
    measurement = trainee.train(50.0)
    assert not measurement.diverged
    assert measurement.train_loss == measurement.validation_loss == trainee.loss_cap
    assert 0 < measurement.validation_accuracy < 1


def test_without_anything_finite_the_test_earns_the_cap(trainee):
    trainee.reset(0)
    for variable in trainee.model.variables:
        variable.assign(tf.fill(variable.shape, math.nan))
    measurement = trainee.measure()
    cap = trainee.loss_cap
    assert measurement.numbers == (cap, cap, 0.0, 0.0, 0.0, 0.0, 0.0, True)
    assert np.isnan(measurement.weights.values).all()
    assert trainee.test() == (cap, 0.0)


def test_the_best_validated_weights_are_tested(trainee, tiny_data):
    trainee.reset(0)
    losses = [trainee.measure().validation_loss]
    losses += [trainee.train(0.2).validation_loss for _ in range(2)]
    expected = _test_of_the_weights(trainee, tiny_data)
    losses.append(trainee.train(5.0).validation_loss)
    assert np.argmin(losses) == 2
    assert trainee.test() == pytest.approx(expected, rel=1e-5)
    assert _test_of_the_weights(trainee, tiny_data)[0] > expected[0] * 1.01


def test_the_statistics_of_a_normalization_are_those_of_the_best_weights(
    tiny_task, tiny_data
):
    trainee = tiny_task(
        model="cnn_batch_norm", width=4, optimizer="sgd", momentum=0.0
    ).make_trainee()
    trainee.reset(0)
    losses = [trainee.measure().validation_loss]
    weights = [trainee.model.get_weights()]
    for rate in (0.2, 0.2, 5.0, 5.0):
        losses.append(trainee.train(rate).validation_loss)
        weights.append(trainee.model.get_weights())
    best = int(np.argmin(losses))
    assert 0 < best < 4
    found, last = trainee.test(), trainee.model.get_weights()
    model = trainee.model
    model.set_weights(weights[best])
    logits = model(tiny_data.test_images / np.float32(255), training=False)
    losses = tf.keras.losses.sparse_categorical_crossentropy(
        tiny_data.test_labels, logits, from_logits=True
    )
    assert found[0] == pytest.approx(float(tf.reduce_mean(losses)), rel=1e-4)
    # With the last statistics beside the best kernels it is another network.
    statistics = [index for index, v in enumerate(model.weights) if not v.trainable]
    mixed = list(weights[best])
    for index in statistics:
        mixed[index] = last[index]
    model.set_weights(mixed)
    logits = model(tiny_data.test_images / np.float32(255), training=False)
    losses = tf.keras.losses.sparse_categorical_crossentropy(
        tiny_data.test_labels, logits, from_logits=True
    )
    assert abs(float(tf.reduce_mean(losses)) - found[0]) > 1e-3


def test_a_test_does_not_disturb_the_run(trainee):
    runs = []
    for tested in (False, True):
        trainee.reset(0)
        rows = [trainee.measure()]
        for rate in (0.02, 0.2, 0.02, 0.02):
            rows.append(trainee.train(rate))
            if tested:
                trainee.test()
        runs.append((rows, trainee.test()))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("rate", [0.0, -0.1, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(trainee, rate):
    trainee.reset(0)
    with pytest.raises(ValueError, match=f"Expected a learning rate > 0, found {rate}"):
        trainee.train(rate)


def test_a_measurement_after_an_interval_is_refused(trainee):
    trainee.reset(0)
    trainee.train(0.1)
    with pytest.raises(ValueError, match=r"right after reset\(\), found 5 trainee"):
        trainee.measure()


class _Scale(tf.keras.layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight("scale", (), initializer="ones")

    def call(self, inputs):
        return inputs * self.scale


def _with_scale(input_shape, num_classes):
    layers = [tf.keras.Input(input_shape), tf.keras.layers.Flatten()]
    layers += [_Scale(name="my_scale"), tf.keras.layers.Dense(num_classes)]
    return tf.keras.Sequential(layers)


def _without_dense(input_shape, num_classes):
    layers = [tf.keras.Input(input_shape)]
    layers += [tf.keras.layers.Conv2D(num_classes, 4), tf.keras.layers.Flatten()]
    return tf.keras.Sequential(layers, name="all_convolutional")


def _too_many_logits(input_shape, num_classes):
    layers = [tf.keras.Input(input_shape), tf.keras.layers.Flatten()]
    return tf.keras.Sequential([*layers, tf.keras.layers.Dense(num_classes + 1)])


def _sgd_with_a_schedule():
    optimizers = tf.keras.optimizers
    return optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 100))


@pytest.mark.parametrize(
    "overrides, message",
    [
        (
            {"optimizer": _sgd_with_a_schedule},
            "a number as its learning rate, .* found the schedule CosineDecay",
        ),
        (
            {"optimizer": tf.keras.optimizers.legacy.SGD},
            r"not of its `legacy` part, found keras.*legacy.*\.SGD",
        ),
        (
            {"model": _without_dense},
            "Expected model 'all_convolutional' to end in a Dense layer",
        ),
        (
            {"model": _too_many_logits},
            r"logits of shape \(None, 3\), found \(None, 4\)",
        ),
        (
            {"model": _with_scale},
            r"layer 'my_scale' \(_Scale\) to have an attribute scale_initializer",
        ),
        ({"model": "lenet6"}, "task.model to be one of .*'lenet5'.*, found 'lenet6'"),
        ({"batch_size": 41}, "task.batch_size <= 40 training images, found 41"),
    ],
)
def test_a_task_that_does_not_fit_is_refused(tiny_task, overrides, message):
    with pytest.raises(ValueError, match=message):
        tiny_task(width=None, **overrides).make_trainee()
