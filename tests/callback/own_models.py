"""Models with steps and losses of their own, as users write them, for every backend."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable

import keras
import numpy as np

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends

layers = keras.layers


if backends.IS_KERAS_2:
    import tensorflow as tf

    exp, log, mean, square = tf.exp, tf.math.log, tf.reduce_mean, tf.square
else:
    exp, log = keras.ops.exp, keras.ops.log
    mean, square = keras.ops.mean, keras.ops.square


def _plain_step_of_tensorflow(model, data):
    import tensorflow as tf

    x, y = data[:2]
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    model.optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss


def _plain_step_of_torch(model, data):
    import torch

    x, y = data[:2]
    model.zero_grad()
    loss = model.compute_loss(x, y, model(x, training=True))
    loss.backward()
    gradients = [v.value.grad for v in model.trainable_weights]
    with torch.no_grad():
        model.optimizer.apply(gradients, model.trainable_weights)
    return loss.detach()


def _plain_step_of_jax(model, state, data):
    import jax

    trainable, others, optimizer, metrics = state
    function = jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)
    (loss, (_, _, others, metrics)), gradients = function(
        trainable, others, metrics, *data[:2], None, training=True,
        optimizer_variables=optimizer,
    )  # fmt: skip
    trainable, optimizer = model.optimizer.stateless_apply(
        optimizer, gradients, trainable
    )
    return loss, (trainable, others, optimizer, metrics)


def train_plainly(model, arguments):
    """Trains on a minibatch and returns what `train_step` does, with the loss of the minibatch alone.

    Args:
      model: a compiled model.
      arguments: those of `train_step`.
    """
    if backends.name() == "jax":
        loss, state = _plain_step_of_jax(model, *arguments)
        return {"loss": loss}, state
    step = _plain_step_of_torch
    if backends.name() == "tensorflow":
        step = _plain_step_of_tensorflow
    return {"loss": step(model, *arguments)}


class PlainTrainStep(keras.Sequential):
    """Its `train_step` returns the loss of the minibatch, and updates no metric."""

    def train_step(self, *arguments):
        return train_plainly(self, arguments)


class TrackingTrainStep(keras.Sequential):
    """Its `train_step` is one's own, and its log a running mean."""

    def train_step(self, *arguments):
        return super().train_step(*arguments)


class PlainTestStep(keras.Sequential):
    """Its `test_step` returns the loss of the minibatch, twice the compiled one, and updates no metric."""

    def test_step(self, *arguments):
        if backends.name() != "jax":
            x, y = arguments[0][:2]
            loss = self.compute_loss(x, y, self(x, training=False))
            return {"loss": 2.0 * loss}
        (trainable, others, metrics), (x, y) = arguments
        loss, (_, _, others, metrics) = self.compute_loss_and_updates(
            trainable, others, metrics, x, y, None, training=False
        )
        return {"loss": 2.0 * loss}, (trainable, others, metrics)


class RenamedTestStep(keras.Sequential):
    """Its `test_step` logs no 'loss'."""

    def test_step(self, *arguments):
        logs = super().test_step(*arguments)
        if backends.name() == "jax":
            return {"total": logs[0]["loss"]}, logs[1]
        return {"total": logs["loss"]}


class OwnComputeLoss(keras.Sequential):
    """Its loss is three times the compiled one plus a constant, tracked as Keras' documentation shows."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        if backends.IS_KERAS_2:
            self.tracker = keras.metrics.Mean(name="loss")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **_):
        loss = 0.5 + 3.0 * mean(keras.losses.sparse_categorical_crossentropy(y, y_pred))
        if backends.IS_KERAS_2:
            self.tracker.update_state(loss)
        return loss

    @property
    def metrics(self):
        return [self.tracker] if backends.IS_KERAS_2 else super().metrics


class ForgetfulComputeLoss(keras.Sequential):
    """Keras 2 logs no loss for it, since it updates no metric."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **_):
        return mean(keras.losses.sparse_categorical_crossentropy(y, y_pred))


class Autoencoder(keras.Model):
    """All of its loss is added inside of it; there are no targets."""

    def __init__(self):
        super().__init__()
        self.flatten = layers.Flatten()
        self.encoder, self.decoder = layers.Dense(8, "tanh"), layers.Dense(64)

    def call(self, inputs, training=False):
        flat = self.flatten(inputs)
        decoded = self.decoder(self.encoder(flat))
        self.add_loss(mean(square(decoded - flat)))
        return decoded


def weights_of(targets: np.ndarray) -> np.ndarray:
    """Weights of examples that are far from 1 and uneven, float32 `[n]`."""
    return np.where(targets < 3, 9.0, 0.5).astype(np.float32)


def network(*last, model=keras.Sequential):
    inner = [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(16, "relu")]
    return model([*inner, *last])


def classifier(model=keras.Sequential):
    return network(layers.Dense(10, "softmax"), model=model)


def two_outputs():
    inputs = layers.Input((3,))
    heads = {name: layers.Dense(1, name=name)(inputs) for name in ("a", "b")}
    return keras.Model(inputs, heads)


@dataclasses.dataclass
class Case:
    """A model, what it is compiled with, and what makes its data of the digits."""

    model: Callable[[], Any]
    compiled: dict[str, Any]
    targets: Callable[[Any], Any] = lambda y: y
    weights: Callable[[Any], Any] = lambda y: None
    inputs: Callable[[Any], Any] = lambda x: x

    def data(self, x, y):
        return self.inputs(x), self.targets(y), self.weights(y)


def small(digits):
    x, y, *held_out = digits
    return x[:128], y[:128], *(part[:100] for part in held_out)


class Learned(LearnedLearningRate):
    """Keeps its fit, which the callback lets go of at the end, in `last_fit`."""

    def on_train_end(self, logs=None):
        self.last_fit = self._fit
        super().on_train_end(logs)


def learned(**arguments):
    return Learned(validation_batch=100, verbose=0, **arguments)


def fit(model, case, digits, callback, **arguments):
    x, y, *held_out = digits
    inputs, targets, weights = case.data(x, y)
    validation = case.data(*held_out)
    if validation[2] is None:
        validation = validation[:2]
    model.fit(
        inputs,
        targets,
        sample_weight=weights,
        batch_size=64,
        epochs=1,
        verbose=0,
        validation_data=validation,
        callbacks=[callback],
        **arguments,
    )


def evaluated(model, case, digits):
    inputs, targets, weights = case.data(*digits[2:])
    found = model.evaluate(
        inputs,
        targets,
        sample_weight=weights,
        batch_size=64,
        verbose=0,
        return_dict=True,
    )
    return found["loss"]
