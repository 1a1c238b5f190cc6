"""Fraud among transactions: a table with 0.7% of positives, weighted by class; any Keras.

python examples/rare_positives.py
"""

import argparse

import keras
import numpy as np
import sklearn.datasets
import sklearn.preprocessing

from learned_lr import LearnedLearningRate

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--plain", action="store_true", help="train without the callback")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=30)
options = parser.parse_args()
keras.utils.set_random_seed(options.seed)

x, y = sklearn.datasets.make_classification(
    80_000,
    n_features=30,
    n_informative=10,
    n_clusters_per_class=4,
    weights=[0.995],
    flip_y=0.004,
    random_state=0,
)
x = sklearn.preprocessing.scale(x).astype(np.float32)
num_train, num_validation = 40_000, 10_000
x_train, x_validation, x_test = np.split(x, [num_train, num_train + num_validation])
y_train, y_validation, y_test = np.split(y, [num_train, num_train + num_validation])
share = y_train.mean()
print(f"{share:.2%} of {num_train} are positive")

model = keras.Sequential(
    [
        keras.layers.Input((x.shape[1],)),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(
    "adam",
    "binary_crossentropy",
    metrics=[keras.metrics.AUC(name="auc"), keras.metrics.AUC(curve="PR", name="prc")],
)
model.fit(
    x_train,
    y_train,
    epochs=options.epochs,
    batch_size=512,
    validation_data=(x_validation, y_validation),
    class_weight={0: 0.5 / (1 - share), 1: 0.5 / share},
    callbacks=[] if options.plain else [LearnedLearningRate()],
    verbose=2,
)
_, auc, average_precision = model.evaluate(x_test, y_test, batch_size=512, verbose=0)
print(f"test ROC AUC: {auc:.4f}")
print(f"test average precision: {average_precision:.4f}")
