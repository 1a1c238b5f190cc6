"""Batch normalisation of several momenta in short runs, with the callback and without it.

    python -m benchmarks.batch_norm --out_dir=results/batch_norm

A small ResNet on the digits of scikit-learn, Adam with Keras' own rate, minibatches of 64, three fixed seeds; the
figures are of the last weights, on test data. Killed and started again, it goes on.
"""

from __future__ import annotations

import argparse
import functools
import itertools

import numpy as np
import tensorflow as tf

from benchmarks import digit_models, paired_fits
from benchmarks.comparisons import LEARNED, PLAIN, SEEDS, table_of
from learned_lr.execution.worker_processes import limit_threads
from learned_lr.trainees import datasets

KEY = ("example", "method", "seed")
MOMENTA = (0.9, 0.97, 0.99, 0.997)
STEPS_PER_EPOCH, BATCH_SIZE = 16, 64
EPOCHS = (10, 20, 40)
# By name: (epochs, momentum).
EXAMPLES = {
    f"{STEPS_PER_EPOCH * epochs} steps, momentum {momentum}": (epochs, momentum)
    for epochs, momentum in itertools.product(EPOCHS, MOMENTA)
}


@functools.cache
def _digits() -> paired_fits.Parts:
    data = datasets.load("digits")
    parts = (
        (data.train_images, data.train_labels),
        (data.validation_images, data.validation_labels),
        (data.test_images, data.test_labels),
    )
    train, *others = (
        (np.asarray(images, np.float32) / 255, labels) for images, labels in parts
    )
    first = STEPS_PER_EPOCH * BATCH_SIZE
    return paired_fits.Parts(tuple(array[:first] for array in train), *others)


def run(example: str, method: str, seed: int) -> dict:
    """Returns what a fit gave."""
    epochs, momentum = EXAMPLES[example]
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(seed)
    model = digit_models.resnet(momentum)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return paired_fits.fit(model, _digits(), method, BATCH_SIZE, epochs)


def main(arguments=None) -> None:
    """Runs what is missing, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out_dir", required=True)
    names = list(EXAMPLES)
    parser.add_argument("--examples", nargs="+", default=names, choices=names)
    options = parser.parse_args(arguments)
    limit_threads(1)
    wanted = itertools.product(options.examples, (PLAIN, LEARNED), SEEDS)
    paired_fits.complete(
        options.out_dir,
        "batch_norm",
        KEY,
        wanted,
        run,
        lambda rows: table_of(rows, names),
    )


if __name__ == "__main__":
    main()
