"""Transfer learning: a base that knows the digits 0-4, a head for 5-9 on it, then all fine-tuned; any Keras.

python examples/fine_tuning.py
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
x, y = (digits.images / 16).astype(np.float32)[..., None], digits.target
x_old, y_old = x[y < 5], y[y < 5]
x_new, y_new = x[y >= 5], y[y >= 5] - 5


def callbacks():
    return [] if options.plain else [LearnedLearningRate()]


def fit(model, optimizer, x, y, **arguments):
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=options.epochs, batch_size=32, verbose=2, **arguments)


base = keras.Sequential(
    [
        keras.layers.Input((8, 8, 1)),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.GlobalAveragePooling2D(),
    ]
)
# What somebody else has trained, and one downloads.
pretrained = keras.Sequential([base, keras.layers.Dense(5, activation="softmax")])
fit(pretrained, "adam", x_old, y_old)

# A head on the frozen base; its batch normalisation stays in inference mode.
base.trainable = False
inputs = keras.Input((8, 8, 1))
features = keras.layers.Dropout(0.2)(base(inputs, training=False))
outputs = keras.layers.Dense(5, activation="softmax")(features)
model = keras.Model(inputs, outputs)
held_out = (x_new[300:500], y_new[300:500])
train = (x_new[:300], y_new[:300])
fit(model, "adam", *train, validation_data=held_out, callbacks=callbacks())

# All of it, at a rate that doesn't undo what the base knows.
base.trainable = True
optimizer = keras.optimizers.Adam(1e-4)
fit(model, optimizer, *train, validation_data=held_out, callbacks=callbacks())

loss, accuracy = model.evaluate(x_new[500:], y_new[500:], verbose=0)
print(f"test loss: {loss:.4f}")
print(f"test accuracy: {accuracy:.4f}")
