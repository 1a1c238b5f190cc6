"""Every optimizer of Keras with the callback and without it, at its own rate and at one that its users write.

    KERAS_BACKEND=tensorflow python -m benchmarks.optimizers --out_dir=results/optimizers

Two small tasks: the digits of scikit-learn, and a regression of Friedman's function; a network of two
hidden layers of 64 each, 320 steps of batch 32, three fixed seeds. Killed and started again, it goes
on. Keras 3 is needed, since Keras 2 lacks some of the optimizers.

The verdict on an optimizer follows from a rule that was written down before the first run, over its
tasks and rates (`verdict`): `refuse` if a run with the callback ends at or above the loss of a
constant answer, where none without it does; else `warn` if all three seeds are worse with it, and
by more than a tenth in the mean; else `serve`.
"""

from __future__ import annotations

import argparse
import functools
import math

import keras
import numpy as np
import sklearn.datasets

from benchmarks import paired_fits
from benchmarks.comparisons import LEARNED, PLAIN, SEEDS
from benchmarks.paired_fits import Parts
from learned_lr.report.tables import markdown_table

# The rates beside the default are what papers and guides write; none was tried out here.
USUAL = {
    "SGD": {"learning_rate": 0.1, "momentum": 0.9},
    "AdamW": {"learning_rate": 3e-4},
    "Lion": {"learning_rate": 1e-4},
    "RMSprop": {"learning_rate": 1e-4},
    "Adagrad": {"learning_rate": 0.05},
    "Adadelta": {"learning_rate": 1.0},
    "Adafactor": {"learning_rate": 0.01},
    "Muon": {"learning_rate": 0.02},
    "Adam": {"learning_rate": 2e-5},
    "Lamb": {"learning_rate": 0.01},
    "Ftrl": {"learning_rate": 0.1},
    "ScheduleFreeAdamW": {"learning_rate": 0.01},
    "Nadam": {"learning_rate": 3e-4},
    "Adamax": {"learning_rate": 2e-3},
}
TASKS = ("digits", "regression")
KEY = ("task", "optimizer", "method", "seed")
_NUM_TRAIN, _NUM_VALIDATION, _BATCH_SIZE, _EPOCHS = 1000, 300, 32, 10
# A constant answer's loss: the entropy of ten classes, and the variance of the targets.
CONSTANT = {"digits": math.log(10), "regression": 1.0}
_WORSE = 1.1


def settings(optimizer: str) -> list[str]:
    """Returns an optimizer as one would write it: at its default rate, and at a usual one."""
    given = ", ".join(f"{name}={value}" for name, value in USUAL[optimizer].items())
    return [f"{optimizer}()", f"{optimizer}({given})"]


@functools.cache
def data(task: str) -> Parts:
    """Returns float32 inputs `[n, features]` with labels, or with targets of mean 0 and variance 1."""
    if task == "digits":
        x, y = sklearn.datasets.load_digits(return_X_y=True)
        x = x / 16
    else:
        x, y = sklearn.datasets.make_friedman1(2300, noise=1.0, random_state=0)
        y = ((y - y.mean()) / y.std()).astype(np.float32)
    ends = [_NUM_TRAIN, _NUM_TRAIN + _NUM_VALIDATION]
    return Parts(*zip(np.split(x.astype(np.float32), ends), np.split(y, ends)))


def network(task: str) -> keras.Model:
    """Returns the network, with new weights."""
    num_inputs = data(task).train[0].shape[1]
    layers = [keras.layers.Input((num_inputs,))]
    layers += [keras.layers.Dense(64, activation="relu") for _ in range(2)]
    is_digits = task == "digits"
    layers.append(
        keras.layers.Dense(10, activation="softmax")
        if is_digits
        else keras.layers.Dense(1)
    )
    return keras.Sequential(layers)


def _optimizer(setting: str) -> keras.optimizers.Optimizer:
    name, _, arguments = setting.rstrip(")").partition("(")
    given = dict(pair.split("=") for pair in arguments.split(", ") if pair)
    return getattr(keras.optimizers, name)(
        **{argument: float(value) for argument, value in given.items()}
    )


@functools.lru_cache(maxsize=1)
def _compiled(task: str, setting: str) -> keras.Model:
    """Returns a model that seeds share, since most of a run is tracing."""
    model = network(task)
    optimizer = _optimizer(setting)
    is_digits = task == "digits"
    model.compile(
        optimizer,
        "sparse_categorical_crossentropy" if is_digits else "mse",
        metrics=["accuracy"] if is_digits else None,
        jit_compile=False,
    )
    optimizer.build(model.trainable_variables)
    return model


def run(task: str, setting: str, method: str, seed: int) -> dict:
    """Returns what a fit from a seed's weights and with its minibatches gave."""
    keras.utils.set_random_seed(seed)
    start, optimizer = network(task), _optimizer(setting)
    # Some keep a copy of the weights that they start from.
    optimizer.build(start.trainable_variables)
    model = _compiled(task, setting)
    model.set_weights(start.get_weights())
    for variable, value in zip(model.optimizer.variables, optimizer.variables):
        variable.assign(value)
    return paired_fits.fit(model, data(task), method, _BATCH_SIZE, _EPOCHS)


def _figures(rows, task: str, setting: str, method: str, name: str) -> list[float]:
    """Returns a column of the runs of a cell by seed; empty unless all are there."""
    by_seed = {
        row["seed"]: float(row[name])
        for row in rows
        if (row["task"], row["optimizer"], row["method"]) == (task, setting, method)
        and row[name]
    }
    found = [by_seed.get(str(seed)) for seed in SEEDS]
    return [] if None in found else found


def is_worse(learned: list[float], plain: list[float]) -> bool:
    """Whether each loss is above that of its seed without the callback, and the geometric mean by a tenth."""
    ratios = [a / b for a, b in zip(learned, plain)]
    return min(ratios) > 1 and math.prod(ratios) ** (1 / len(ratios)) > _WORSE


def verdict(rows, optimizer: str) -> str:
    """Returns `refuse`, `warn` or `serve` by the rule above; empty unless all runs are there."""
    worst = "serve"
    for task in TASKS:
        for setting in settings(optimizer):
            learned, plain = (
                _figures(rows, task, setting, method, "loss")
                for method in (LEARNED, PLAIN)
            )
            if not learned or not plain:
                return ""
            # NaN is not below it, either.
            has_learned, has_learned_plainly = (
                all(loss < CONSTANT[task] for loss in losses)
                for losses in (learned, plain)
            )
            if has_learned_plainly and not has_learned:
                return "refuse"
            if is_worse(learned, plain):
                worst = "warn"
    return worst


def table_of(rows) -> str:
    """Returns the Markdown table: means over seeds of losses and accuracies on test data, and the verdicts."""
    lines = [
        ["optimizer", "task", "loss without", "with", "accuracy without", "with"]
        + ["worse", "brake", "verdict"]
    ]
    for optimizer in USUAL:
        for setting in settings(optimizer):
            for task in TASKS:
                losses = [
                    _figures(rows, task, setting, method, "loss")
                    for method in (PLAIN, LEARNED)
                ]
                if not all(losses):
                    continue
                accuracies = [
                    _figures(rows, task, setting, method, "accuracy")
                    for method in (PLAIN, LEARNED)
                ]
                cells = [f"{np.mean(values):.3f}" for values in losses]
                cells += [f"{np.mean(v):.3f}" if v else "" for v in accuracies]
                cells.append("yes" if is_worse(losses[1], losses[0]) else "")
                brakes = _figures(rows, task, setting, LEARNED, "num_explosions")
                cells.append(f"{sum(map(bool, brakes))} of {len(SEEDS)}")
                cells.append(verdict(rows, optimizer))
                lines.append([f"`{setting}`", task, *cells])
    return markdown_table(lines)


def main(arguments=None) -> None:
    """Runs what is missing, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out_dir", required=True)
    parser.add_argument("--optimizers", nargs="+", default=list(USUAL), choices=USUAL)
    options = parser.parse_args(arguments)
    wanted = [
        (task, setting, method, seed)
        for optimizer in options.optimizers
        for setting in settings(optimizer)
        for task in TASKS
        for method in (PLAIN, LEARNED)
        for seed in SEEDS
    ]
    paired_fits.complete(options.out_dir, "optimizers", KEY, wanted, run, table_of)


if __name__ == "__main__":
    main()
