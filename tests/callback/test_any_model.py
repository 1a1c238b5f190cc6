"""Models with losses, states and optimizers of their own: trained as they are, under control."""

from __future__ import annotations

import keras
import numpy as np
import own_models
import pytest

from learned_lr.callback import backends

layers = keras.layers


class Variational(keras.Model):
    """Draws its code in every mode, and has a reconstruction loss and a divergence, both added."""

    def __init__(self):
        super().__init__()
        self.flatten, self.encoder = layers.Flatten(), layers.Dense(8)
        self.decoder = layers.Dense(64)
        if not backends.IS_KERAS_2:
            self.seeds = keras.random.SeedGenerator(1)

    def call(self, inputs, training=False):
        flat = self.flatten(inputs)
        code = self.encoder(flat)
        center, log_variance = code[:, :4], code[:, 4:]
        if backends.IS_KERAS_2:
            import tensorflow as tf

            noise = tf.random.normal(tf.shape(center))
        else:
            noise = keras.random.normal(keras.ops.shape(center), seed=self.seeds)
        decoded = self.decoder(center + own_models.exp(0.5 * log_variance) * noise)
        divergence = own_models.exp(log_variance) + own_models.square(center)
        self.add_loss(0.5 * own_models.mean(divergence - 1 - log_variance))
        self.add_loss(own_models.mean(own_models.square(decoded - flat)))
        return decoded


def test_variational_autoencoder(digits):
    x, _, x_validation, _ = own_models.small(digits)
    model, callback = Variational(), own_models.learned()
    model.compile("adam")
    data = x_validation, None
    model.fit(x, epochs=3, verbose=0, validation_data=data, callbacks=[callback])
    measured, _ = callback.last_fit.sample.measure()
    # Each draws noise of its own.
    found = model.evaluate(x_validation, verbose=0)
    assert measured == pytest.approx(found, rel=0.2)


class _States(keras.callbacks.Callback):
    """The state of a layer after each minibatch, and before the next."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.after, self.before = layer, [], []

    def _state(self):
        backends.sync(self.model)
        return np.array(backends.to_numpy(self.layer.states[0]))

    def on_train_batch_begin(self, batch, logs=None):
        self.before.append(self._state())

    def on_train_batch_end(self, batch, logs=None):
        self.after.append(self._state())


@pytest.mark.parametrize("batch_size", [16, 80])
def test_states_of_recurrent_layers_go_on(batch_size):
    x = np.random.default_rng(0).normal(size=(160, 5, 3)).astype(np.float32)
    y = x.mean((1, 2))[:, None]
    inputs = layers.Input(batch_shape=(batch_size, 5, 3))
    recurrent = layers.SimpleRNN(4, stateful=True)
    model = keras.Model(inputs, layers.Dense(1)(recurrent(inputs)))
    model.compile("adam", "mse")
    states, callback = _States(recurrent), own_models.learned(control_interval=1)
    # An epoch, since `fit` evaluates after it, which leaves another state.
    model.fit(
        x, y, batch_size=batch_size, shuffle=False, verbose=0, validation_data=(x, y),
        callbacks=[states, callback],
    )  # fmt: skip
    assert len(states.before) == 160 // batch_size and not np.any(states.before[0])
    np.testing.assert_array_equal(states.after[:-1], states.before[1:])


@pytest.mark.backends("tensorflow")
def test_generative_adversarial_networks(digits):
    """Two optimizers; the compiled one is under control, the other one's rate stays."""
    import tensorflow as tf

    class Adversaries(keras.Model):
        def __init__(self):
            super().__init__()
            self.judge = own_models.network(layers.Dense(1))
            self.maker = keras.Sequential(
                [layers.Input((4,)), layers.Dense(64, "sigmoid"), layers.Reshape((8, 8, 1))]
            )  # fmt: skip
            self.made = keras.optimizers.Adam(3e-4)
            self.tracker = keras.metrics.Mean(name="loss")

        @property
        def metrics(self):
            return [self.tracker]

        def _loss(self, x):
            noise = tf.random.normal([tf.shape(x)[0], 4])
            made = self.maker(noise)
            real, false = self.judge(x), self.judge(made)
            loss = tf.nn.softplus(-real) + tf.nn.softplus(false)
            return tf.reduce_mean(loss), tf.reduce_mean(tf.nn.softplus(-false))

        def train_step(self, data):
            x = data[0] if isinstance(data, tuple) else data
            with tf.GradientTape(persistent=True) as tape:
                judged, made = self._loss(x)
            for optimizer, network, loss in (
                (self.optimizer, self.judge, judged),
                (self.made, self.maker, made),
            ):
                weights = network.trainable_variables
                optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
            self.tracker.update_state(judged)
            return {"loss": self.tracker.result()}

        def test_step(self, data):
            x = data[0] if isinstance(data, tuple) else data
            self.tracker.update_state(self._loss(x)[0])
            return {"loss": self.tracker.result()}

        def call(self, inputs, training=False):
            return self.judge(inputs)

    x, _, x_validation, _ = own_models.small(digits)
    model, callback = Adversaries(), own_models.learned()
    model(x[:1])
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(
        x, epochs=3, verbose=0, validation_data=(x_validation, None), callbacks=[callback]
    )  # fmt: skip
    rates = callback.schedule.learning_rates
    assert len(set(rates)) > 3
    assert float(backends.to_numpy(model.made.learning_rate)) == pytest.approx(3e-4)
    assert all(np.all(np.isfinite(w)) for w in model.get_weights())
