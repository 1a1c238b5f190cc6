"""What the callback costs: `fit` with the default controller against `fit` without it, in pairs.

    python -m benchmarks.callback
    python -m benchmarks.callback --batch_size=128
    python -m benchmarks.callback --part=memory

Time: LeNet-5 on Fashion-MNIST, the rates and decisions of a run of 1,000 steps on the default sample,
one TensorFlow thread. Each fit has an epoch to compile in and one that is timed, of two decisions
each; a pair's fits follow one another at once.

Memory: the largest resident size of a process of its own that fits a model with 50,000 outputs to
made-up words, 200 steps of batch 128 with 25 decisions; no data set is needed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import resource
import statistics
import time

import numpy as np
import tensorflow as tf

from learned_lr.callback.callback import LearnedLearningRate
from learned_lr.control.control_loop import ControlLoop
from learned_lr.execution.worker_processes import limit_threads
from learned_lr.trainees import datasets, models

_NUM_TRAINING_STEPS = 1000  # The paper's run.
_NUM_WORDS, _NUM_MEMORY_STEPS, _MEMORY_BATCH_SIZE = 50_000, 200, 128


class _LastEpochTime(tf.keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.start


def measure(num_pairs: int, batch_size: int) -> list[float]:
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
    pipeline = pipeline.repeat().batch(batch_size, drop_remainder=True).prefetch(1)
    # A whole number of intervals, so that the timed epoch has its share of decisions.
    steps = 2 * ControlLoop("default", _NUM_TRAINING_STEPS).control_interval

    def seconds(callbacks):
        timer = _LastEpochTime()
        arguments = {"epochs": 2, "steps_per_epoch": steps, "verbose": 0}
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


def peak_memory_mb(with_callback: bool) -> float:
    """Fits the model with many outputs; returns the largest resident size of this process so far, in MB of 2**20 bytes."""
    limit_threads(1)
    tf.keras.utils.set_random_seed(0)
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((16,), dtype="int32"),
            layers.Embedding(_NUM_WORDS, 64),
            layers.GlobalAveragePooling1D(),
            layers.Dense(_NUM_WORDS),
        ]
    )
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.Adam(jit_compile=False), loss)
    size = _NUM_MEMORY_STEPS * _MEMORY_BATCH_SIZE
    generator = np.random.default_rng(0)
    x = generator.integers(_NUM_WORDS, size=(size, 16), dtype=np.int32)
    y = x[:, 0]
    callbacks = [LearnedLearningRate()] if with_callback else []
    model.fit(
        x,
        y,
        batch_size=_MEMORY_BATCH_SIZE,
        validation_data=(x[:1024], y[:1024]),
        callbacks=callbacks,
        verbose=0,
    )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux.


def _in_a_new_process(function, *arguments):
    """Calls a function in a process that has done nothing else."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *arguments).result()


def measure_memory(num_pairs: int) -> list[float]:
    """Returns the differences of the peak memory in MB, with the callback minus without it."""
    differences = []
    for pair in range(num_pairs):
        with_it, without = (_in_a_new_process(peak_memory_mb, w) for w in (True, False))
        differences.append(with_it - without)
        print(
            f"pair {pair + 1}: {without:.0f} MB, {with_it:.0f} MB with it", flush=True
        )
    return differences


def main() -> None:
    """Prints the median and the quartiles."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=("time", "memory"), default="time")
    parser.add_argument("--num_pairs", type=int, help="12 of time, 3 of memory")
    parser.add_argument("--batch_size", type=int, default=1000, help="of time")
    options = parser.parse_args()
    if options.part == "memory":
        median = statistics.median(measure_memory(options.num_pairs or 3))
        print(f"the callback's peak memory, {_NUM_WORDS:,} outputs: {median:.0f} MB")
        return
    limit_threads(1)
    ratios = measure(options.num_pairs or 12, options.batch_size)
    low, median, high = statistics.quantiles(ratios, n=4)
    print(f"fit with over without the callback: {median:.4f}x ({low:.4f}-{high:.4f})")


if __name__ == "__main__":
    main()
