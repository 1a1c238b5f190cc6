"""What the callback costs: `fit` with it against `fit` without it, in pairs, on Fashion-MNIST with LeNet-5.

    python -m benchmarks.callback

Batch 1,000, a decision every 10 steps on the default sample, one TensorFlow thread. Each fit
has an epoch to compile in and one that is timed; a pair's fits follow one another at once.
"""

from __future__ import annotations

import argparse
import statistics
import time

import tensorflow as tf

from learned_lr.callback.callback import LearnedLearningRate
from learned_lr.execution.worker_processes import limit_threads
from learned_lr.trainees import datasets, models

_BATCH_SIZE = 1000
_NUM_TRAINING_STEPS = 1000  # The paper's run; the interval is 10 steps.


class _LastEpochTime(tf.keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.start


def measure(num_pairs: int, steps_per_epoch: int) -> list[float]:
    """Returns the ratios of the times of an epoch, with the callback over without it."""
    data = datasets.load("fashion_mnist")
    images = (data.train_images / 255.0).astype("float32")
    held_out = (
        (data.validation_images / 255.0).astype("float32"),
        data.validation_labels,
    )
    tf.keras.utils.set_random_seed(0)
    model = models.lenet5((28, 28, 1), 10)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.Adam(jit_compile=False), loss)
    pipeline = tf.data.Dataset.from_tensor_slices((images, data.train_labels))
    pipeline = pipeline.repeat().batch(_BATCH_SIZE, drop_remainder=True).prefetch(1)

    def seconds(callbacks):
        timer = _LastEpochTime()
        arguments = {"epochs": 2, "steps_per_epoch": steps_per_epoch, "verbose": 0}
        # Epochs' ends are called in this order: the timer's covers the callback's.
        model.fit(pipeline, callbacks=[*callbacks, timer], **arguments)
        return timer.seconds

    ratios = []
    for pair in range(num_pairs):
        learned = LearnedLearningRate(
            validation_data=held_out,
            num_training_steps=_NUM_TRAINING_STEPS,
            verbose=int(pair == 0),
        )
        # Which goes first alternates, against a drift within a pair.
        order = ([learned], []) if pair % 2 else ([], [learned])
        times = {bool(callbacks): seconds(callbacks) for callbacks in order}
        ratios.append(times[True] / times[False])
        print(f"pair {pair + 1}: {times[False]:.3f} s, {ratios[-1]:.4f}x", flush=True)
    return ratios


def main() -> None:
    """Prints the median and the quartiles."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--num_pairs", type=int, default=12)
    parser.add_argument("--steps_per_epoch", type=int, default=50)
    options = parser.parse_args()
    limit_threads(1)
    ratios = measure(options.num_pairs, options.steps_per_epoch)
    low, median, high = statistics.quantiles(ratios, n=4)
    print(f"fit with over without the callback: {median:.4f}x ({low:.4f}-{high:.4f})")


if __name__ == "__main__":
    main()
