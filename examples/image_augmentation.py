"""A CNN for images with augmentation and dropout, on scikit-learn's digits; any Keras.

python examples/image_augmentation.py
"""

import argparse

import keras
import numpy as np
import sklearn.datasets

from learned_lr import LearnedLearningRate

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--plain", action="store_true", help="train without the callback")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=40)
options = parser.parse_args()
keras.utils.set_random_seed(options.seed)

digits = sklearn.datasets.load_digits()
x, y = (digits.images / 16).astype(np.float32)[..., None], digits.target

model = keras.Sequential(
    [
        keras.layers.Input((8, 8, 1)),
        keras.layers.RandomTranslation(0.1, 0.1),
        keras.layers.RandomRotation(0.05),
        keras.layers.RandomZoom(0.1),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x[:1000],
    y[:1000],
    epochs=options.epochs,
    batch_size=32,
    validation_data=(x[1000:1300], y[1000:1300]),
    callbacks=[] if options.plain else [LearnedLearningRate()],
    verbose=2,
)
loss, accuracy = model.evaluate(x[1300:], y[1300:], verbose=0)
print(f"test loss: {loss:.4f}")
print(f"test accuracy: {accuracy:.4f}")
