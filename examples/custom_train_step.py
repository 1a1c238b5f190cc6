"""Knowledge distillation by a `train_step` of one's own; Keras on TensorFlow.

python examples/custom_train_step.py
"""

import argparse

import keras
import numpy as np
import sklearn.datasets
import tensorflow as tf

from learned_lr import LearnedLearningRate

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--plain", action="store_true", help="train without the callback")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=40)
options = parser.parse_args()
keras.utils.set_random_seed(options.seed)

TEMPERATURE, STUDENT_SHARE = 5.0, 0.1
digits = sklearn.datasets.load_digits()
x, y = (digits.images / 16).astype(np.float32)[..., None], digits.target
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
divergence = keras.losses.KLDivergence()


class Distiller(keras.Model):
    """Trains a student on the labels and on the softened answers of a teacher."""

    def __init__(self, student, teacher):
        super().__init__()
        self.student, self.teacher = student, teacher
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.loss_tracker]

    def call(self, x, training=None):
        return self.student(x, training=training)

    def train_step(self, data):
        x, y = data
        soft_labels = tf.nn.softmax(self.teacher(x, training=False) / TEMPERATURE)
        with tf.GradientTape() as tape:
            logits = self.student(x, training=True)
            softened = tf.nn.softmax(logits / TEMPERATURE)
            loss = STUDENT_SHARE * cross_entropy(y, logits)
            distillation = divergence(soft_labels, softened) * TEMPERATURE**2
            loss += (1 - STUDENT_SHARE) * distillation
        weights = self.student.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}


def cnn(num_filters):
    convolution = keras.layers.Conv2D(num_filters, 3, padding="same", activation="relu")
    layers = [convolution, keras.layers.MaxPooling2D(), keras.layers.Flatten()]
    return keras.Sequential(
        [keras.layers.Input((8, 8, 1)), *layers, keras.layers.Dense(10)]
    )


teacher = cnn(64)
teacher.compile("adam", cross_entropy)
teacher.fit(x[:1000], y[:1000], epochs=20, verbose=0)
teacher.trainable = False

student = cnn(4)
distiller = Distiller(student, teacher)
distiller.compile("adam")
learned = LearnedLearningRate(
    validation_data=(x[1000:1300], y[1000:1300]), loss=cross_entropy
)
distiller.fit(
    x[:1000],
    y[:1000],
    epochs=options.epochs,
    batch_size=32,
    callbacks=[] if options.plain else [learned],
    verbose=2,
)
student.compile(loss=cross_entropy, metrics=["accuracy"])
loss, accuracy = student.evaluate(x[1300:], y[1300:], verbose=0)
print(f"test loss: {loss:.4f}")
print(f"test accuracy: {accuracy:.4f}")
