"""A `tf.GradientTape` loop of one's own, whose learning rate a controller picks.

python examples/gradient_tape.py
"""

import numpy as np
import sklearn.datasets
import tensorflow as tf

from learned_lr import ControlLoop

NUM_STEPS, BATCH_SIZE = 400, 64

digits = sklearn.datasets.load_digits()
x, y = (digits.images / 16).astype(np.float32), digits.target.astype(np.int64)
x_validation, y_validation = x[1200:1500], y[1200:1500]
tf.keras.utils.set_random_seed(0)

model = tf.keras.Sequential(
    [
        tf.keras.layers.Input((8, 8)),
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(64, activation="relu"),
        tf.keras.layers.Dense(10),
    ]
)
optimizer = tf.keras.optimizers.Adam()
cross_entropy = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@tf.function
def train_step(images, labels):
    with tf.GradientTape() as tape:
        loss = cross_entropy(labels, model(images, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss


def observe(train_loss=None):
    """Measures and lets the controller decide; returns the validation loss."""
    logits = model(x_validation, training=False)
    validation_loss = float(cross_entropy(y_validation, logits))
    # An untrained network has the same loss everywhere.
    loop.observe(
        train_loss=validation_loss if train_loss is None else train_loss,
        validation_loss=validation_loss,
        weights=model.trainable_weights,
    )
    return validation_loss


loop = ControlLoop("default", num_training_steps=NUM_STEPS)
observe()
generator, losses = np.random.default_rng(0), []
for step in range(NUM_STEPS):
    rows = generator.choice(1200, BATCH_SIZE, replace=False)
    optimizer.learning_rate = loop.rate_at(step)
    losses.append(float(train_step(x[rows], y[rows])))
    if loop.is_due(step + 1):
        validation_loss = observe(np.mean(losses))
        losses = []
        if (step + 1) % 80 == 0:
            print(f"{step + 1}: {validation_loss:.4f} at {loop.learning_rate:.2e}")
accuracy = np.mean(np.argmax(model(x[1500:]), axis=1) == y[1500:])
print(f"test accuracy: {accuracy:.4f}")
