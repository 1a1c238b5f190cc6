"""A Keras model on scikit-learn's digits, without a learning rate to tune; any Keras.

python examples/keras_fit.py
"""

import keras
import numpy as np
import sklearn.datasets

from learned_lr import LearnedLearningRate

digits = sklearn.datasets.load_digits()
x, y = (digits.images / 16).astype(np.float32), digits.target
keras.utils.set_random_seed(0)

model = keras.Sequential(
    [
        keras.layers.Input((8, 8)),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
learned = LearnedLearningRate()
model.fit(
    x[:1200],
    y[:1200],
    epochs=20,
    batch_size=64,
    validation_data=(x[1200:1500], y[1200:1500]),
    callbacks=[learned],
    verbose=2,
)
learned.schedule.save("lr.csv")
_, accuracy = model.evaluate(x[1500:], y[1500:], verbose=0)
print(f"test accuracy: {accuracy:.4f}")
