"""Multiple-instance learning with gated attention: is there an 8 in a bag of digits? Any Keras.

python examples/attention_mil.py
"""

import argparse

import keras
import numpy as np
import sklearn.datasets

from learned_lr import LearnedLearningRate

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--plain", action="store_true", help="train without the callback")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=20)
options = parser.parse_args()
keras.utils.set_random_seed(options.seed)

digits = sklearn.datasets.load_digits()
images, labels = (digits.data / 16).astype(np.float32), digits.target
BAG_SIZE, POSITIVE = 6, 8


def bags(first, last, num_bags, seed):
    """Returns (bags `[n, BAG_SIZE, 64]`, labels `[n]`) of digits first..last, about half of them positive."""
    rows = np.random.default_rng(seed).integers(first, last, (num_bags, BAG_SIZE))
    return images[rows], np.any(labels[rows] == POSITIVE, axis=1).astype(np.int32)


# No digit is in two parts.
train, validation, test = bags(0, 1000, 1000, 0), bags(1000, 1300, 300, 1), bags(1300, 1797, 1000, 2)  # fmt: skip

inputs = keras.Input((BAG_SIZE, 64))
x = keras.layers.Dense(128, activation="relu")(inputs)
x = keras.layers.Dense(64, activation="relu")(x)
penalty = keras.regularizers.L2(0.001)
content = keras.layers.Dense(64, activation="tanh", kernel_regularizer=penalty)(x)
gate = keras.layers.Dense(64, activation="sigmoid", kernel_regularizer=penalty)(x)
scores = keras.layers.Dense(1)(keras.layers.Multiply()([content, gate]))
attention = keras.layers.Softmax(axis=1)(scores)  # [n, BAG_SIZE, 1]
bag = keras.layers.Flatten()(keras.layers.Dot(axes=1)([attention, x]))  # [n, 64]
outputs = keras.layers.Dense(2, activation="softmax")(bag)
model = keras.Model(inputs, outputs)

model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
stop = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
model.fit(
    *train,
    epochs=options.epochs,
    batch_size=16,
    validation_data=validation,
    callbacks=[stop] if options.plain else [stop, LearnedLearningRate()],
    verbose=2,
)
loss, accuracy = model.evaluate(*test, verbose=0)
print(f"test loss: {loss:.4f}")
print(f"test accuracy: {accuracy:.4f}")
