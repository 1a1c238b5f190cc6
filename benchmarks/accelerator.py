"""What the callback costs in Keras 3 on what the backend finds, a GPU where there is one: whole fits, side by side.

    python -m benchmarks.accelerator
    python -m benchmarks.accelerator --batch_size=128

KERAS_BACKEND names the backend.

A network with two convolutions and two dense layers on made-up images; fits of 1,000 steps without a callback, with an
empty one that has the batch hooks which the controller's needs, and with the default controller, after a short fit that
compiles the training step. No data set and nothing of the training stack is needed.
"""

from __future__ import annotations

import argparse
import statistics
import time

import keras
import numpy as np

from learned_lr import LearnedLearningRate

_STEPS_PER_EPOCH, _NUM_HELD_OUT = 20, 2000


class _EmptyHooks(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        pass

    def on_train_batch_end(self, batch, logs=None):
        pass


def _images(batch_size):
    generator = np.random.default_rng(0)
    size = _STEPS_PER_EPOCH * batch_size + _NUM_HELD_OUT
    x = generator.standard_normal((size, 28, 28, 1), dtype=np.float32)
    y = (x.reshape(size, -1) @ generator.standard_normal((28 * 28, 10))).argmax(1)
    return (x[:-_NUM_HELD_OUT], y[:-_NUM_HELD_OUT]), (
        x[-_NUM_HELD_OUT:],
        y[-_NUM_HELD_OUT:],
    )


def _model():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss)
    return model


def measure(batch_size: int, num_steps: int, num_rounds: int) -> dict[str, list[float]]:
    """Returns the milliseconds a step of `num_rounds` fits of each kind: 'plain', 'empty hooks' and 'default'.

    Args:
      batch_size: int, examples.
      num_steps: int, of a fit; a multiple of 20, the steps of an epoch.
      num_rounds: int.
    """
    train, held_out = _images(batch_size)
    found: dict[str, list[float]] = {"plain": [], "empty hooks": [], "default": []}
    for number in range(num_rounds):
        for kind, times in found.items():
            keras.utils.set_random_seed(number)
            model = _model()
            arguments = {"batch_size": batch_size, "verbose": 0}
            model.fit(*train, epochs=2, **arguments)
            callbacks: list[keras.callbacks.Callback] = []
            if kind == "empty hooks":
                callbacks = [_EmptyHooks()]
            elif kind == "default":
                callbacks = [LearnedLearningRate(validation_data=held_out, verbose=0)]
            start = time.perf_counter()
            epochs = num_steps // _STEPS_PER_EPOCH
            model.fit(*train, epochs=epochs, callbacks=callbacks, **arguments)
            times.append(1000 * (time.perf_counter() - start) / num_steps)
        print(
            {kind: f"{times[-1]:.2f} ms" for kind, times in found.items()}, flush=True
        )
    return found


def main() -> None:
    """Prints the median milliseconds a step."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batch_size", type=int, default=1000)
    parser.add_argument("--num_steps", type=int, default=1000, help="of a fit")
    parser.add_argument("--num_rounds", type=int, default=3)
    options = parser.parse_args()
    found = measure(options.batch_size, options.num_steps, options.num_rounds)
    medians = {kind: statistics.median(times) for kind, times in found.items()}
    device = _model().trainable_variables[0].value.device
    print(
        f"{keras.backend.backend()}, {device}, ms a step: "
        + ", ".join(f"{kind} {median:.2f}" for kind, median in medians.items())
    )


if __name__ == "__main__":
    main()
