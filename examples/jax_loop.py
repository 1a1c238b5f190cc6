"""A JAX training loop with Adam by hand, whose learning rate a controller picks; needs no Keras.

python examples/jax_loop.py
"""

import jax
import jax.numpy as jnp
import numpy as np
import sklearn.datasets

from learned_lr import ControlLoop

NUM_STEPS, BATCH_SIZE = 400, 64
# Adam's decay rates and epsilon, as in Keras.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

digits = sklearn.datasets.load_digits()
x = (digits.data / 16).astype(np.float32)
y = digits.target


def initial_weights(key):
    """Two dense layers, Glorot uniform."""
    keys = jax.random.split(key)
    glorot = jax.nn.initializers.glorot_uniform()
    return {
        "hidden": glorot(keys[0], (64, 64)),
        "hidden_bias": jnp.zeros(64),
        "final": glorot(keys[1], (64, 10)),
        "final_bias": jnp.zeros(10),
    }


def predict(weights, images):
    """Returns log-probabilities."""
    hidden = jax.nn.relu(images @ weights["hidden"] + weights["hidden_bias"])
    return jax.nn.log_softmax(hidden @ weights["final"] + weights["final_bias"])


@jax.jit
def loss_of(weights, images, labels):
    return -jnp.mean(jnp.take_along_axis(predict(weights, images), labels[:, None], 1))


@jax.jit
def train_step(weights, moments, step, learning_rate, images, labels):
    loss, gradients = jax.value_and_grad(loss_of)(weights, images, labels)

    def moved(beta, moment, value):
        return beta * moment + (1 - beta) * value

    tree = jax.tree_util.tree_map
    first = tree(lambda m, g: moved(BETA_1, m, g), moments[0], gradients)
    second = tree(lambda m, g: moved(BETA_2, m, g * g), moments[1], gradients)
    scale = learning_rate * jnp.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
    weights = tree(
        lambda w, m, v: w - scale * m / (jnp.sqrt(v) + EPSILON), weights, first, second
    )
    return weights, (first, second), loss


def observe(train_loss=None):
    """Measures and lets the controller decide; returns the validation loss."""
    validation_loss = float(loss_of(weights, x[1200:1500], y[1200:1500]))
    # An untrained network has the same loss everywhere.
    loop.observe(
        train_loss=validation_loss if train_loss is None else train_loss,
        validation_loss=validation_loss,
        weights=jax.tree_util.tree_leaves(weights),
    )
    return validation_loss


weights = initial_weights(jax.random.PRNGKey(0))
zeros = jax.tree_util.tree_map(jnp.zeros_like, weights)
moments = (zeros, zeros)
loop = ControlLoop("default", num_training_steps=NUM_STEPS)
observe()
generator, losses = np.random.default_rng(0), []
for step in range(1, NUM_STEPS + 1):
    rows = generator.choice(1200, BATCH_SIZE, replace=False)
    learning_rate = loop.rate_at(step - 1)
    weights, moments, loss = train_step(
        weights, moments, step, learning_rate, x[rows], y[rows]
    )
    losses.append(float(loss))
    if loop.is_due(step):
        validation_loss = observe(np.mean(losses))
        losses = []
        if step % 80 == 0:
            print(f"{step}: {validation_loss:.4f} at {learning_rate:.2e}")
accuracy = np.mean(np.argmax(predict(weights, x[1500:]), axis=1) == y[1500:])
print(f"test accuracy: {accuracy:.4f}")
