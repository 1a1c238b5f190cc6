"""The default controller on five models it never saw, against schedules a practitioner would use.

    python -m benchmarks.unseen_models --out_dir=results/unseen_models

Models for scikit-learn's digits, trained with `model.fit`, batch 64. All methods share a seed's
initial weights and order of minibatches; the weights with the best validation loss, looked at
after every epoch, are tested once. The grid of 48 step decays is searched on a seed of its own,
by validation loss. Killed and started again, it goes on: `runs.csv` has a row a run.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import time

import numpy as np
import tensorflow as tf

from benchmarks.digit_models import MODELS
from learned_lr.callback.callback import LearnedLearningRate
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.execution.workers_config import WorkersConfig
from learned_lr.jobs import schedule_families
from learned_lr.report import statistics
from learned_lr.report.tables import markdown_table
from learned_lr.trainees import datasets, minibatches

BATCH_SIZE = 64
STEPS_PER_EPOCH = 20
GRID_SEED = 1000
LEARNED, GRID = "learned", "step decay"
COLUMNS = (
    "model",
    "method",
    "controller",
    "seed",
    "best_validation_loss",
    "test_loss",
    "test_accuracy",
    "duration_sec",
)


@dataclasses.dataclass(frozen=True)
class Work:
    """One run: a model, a method, a seed, and the number of epochs of 20 steps.

    `method` is a name in `METHODS`, 'learned', or a step decay's numbers.
    """

    model: str
    method: str
    seed: int
    num_epochs: int
    controller: str = ""
    step_decay: tuple[float, int, float] | None = None


def _cosine(peak, num_steps):
    # The initial rate 0 and the target make Keras' schedule warm up.
    return tf.keras.optimizers.schedules.CosineDecay(
        0.0, num_steps, warmup_target=peak, warmup_steps=max(num_steps // 20, 1)
    )


def _plateau(patience):
    return [tf.keras.callbacks.ReduceLROnPlateau(patience=patience)]


# (learning rate, callbacks) of a run of so many steps.
METHODS = {
    "Adam 0.001": lambda steps: (1e-3, []),
    "cosine 0.001, warm-up": lambda steps: (_cosine(1e-3, steps), []),
    "cosine 0.01, warm-up": lambda steps: (_cosine(1e-2, steps), []),
    "ReduceLROnPlateau, patience 10": lambda steps: (1e-3, _plateau(10)),
    "ReduceLROnPlateau, patience 3": lambda steps: (1e-3, _plateau(3)),
}


class BestWeights(tf.keras.callbacks.Callback):
    """Keeps the weights with the best validation loss of all epochs."""

    def __init__(self):
        super().__init__()
        self.loss, self.weights = np.inf, None

    def on_epoch_end(self, epoch, logs=None):
        """Looks at an epoch's validation loss."""
        if logs["val_loss"] < self.loss:
            self.loss, self.weights = logs["val_loss"], self.model.get_weights()


def run(work: Work) -> dict:
    """Trains one model under one method; returns its figures."""
    data = datasets.load("digits")
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(work.seed)
    model = MODELS[work.model]()
    num_steps = work.num_epochs * STEPS_PER_EPOCH
    if work.method == LEARNED:
        callback = LearnedLearningRate(work.controller, verbose=0)
        rate, callbacks = 1e-3, [callback]
    elif work.step_decay is not None:
        first, steps, factor = work.step_decay
        decay = tf.keras.optimizers.schedules.ExponentialDecay
        rate, callbacks = decay(first, steps, factor, staircase=True), []
    else:
        rate, callbacks = METHODS[work.method](num_steps)
    optimizer = tf.keras.optimizers.Adam(rate, jit_compile=False)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    order = minibatches.order(work.seed, len(data.train_labels), BATCH_SIZE, num_steps)
    rows = order.ravel()
    train = (
        (data.train_images[rows] / 255.0).astype(np.float32),
        data.train_labels[rows],
    )
    pipeline = tf.data.Dataset.from_tensor_slices(train)
    pipeline = pipeline.batch(BATCH_SIZE, drop_remainder=True)
    best = BestWeights()
    model.fit(
        pipeline,
        epochs=work.num_epochs,
        steps_per_epoch=STEPS_PER_EPOCH,
        validation_data=(data.validation_images / 255.0, data.validation_labels),
        validation_batch_size=300,
        callbacks=[*callbacks, best],
        verbose=0,
    )
    if best.weights is not None:  # No epoch of a diverged run has a finite loss.
        model.set_weights(best.weights)
    test_loss, accuracy = model.evaluate(
        data.test_images / 255.0, data.test_labels, batch_size=300, verbose=0
    )
    return {
        "best_validation_loss": float(best.loss),
        "test_loss": float(test_loss),
        "test_accuracy": float(accuracy),
    }


def timed_run(work: Work) -> dict:
    """Runs and adds the seconds it took."""
    start = time.perf_counter()
    return {**run(work), "duration_sec": round(time.perf_counter() - start, 3)}


def decays(num_points: int | None = None) -> dict[str, tuple[float, int, float]]:
    """Returns the numbers of the paper's 48 step decays by name, or the first of them."""
    found = schedule_families.step_decay("")
    numbers = {
        name: (s.initial_learning_rate, s.discount_step, s.discount_factor)
        for name, s in found.items()
    }
    return dict(list(numbers.items())[:num_points])


def _finish(table, works, num_workers):
    """Runs what has no row yet."""
    done = {_key(row) for row in table.rows()}
    missing = [w for w in works if _key(vars(w)) not in done]
    config = WorkersConfig(num_workers=num_workers)
    with Workers(config) as workers:
        for number, (index, result) in enumerate(
            workers.map(timed_run, [(w,) for w in missing]), 1
        ):
            work = missing[index]
            row = {name: getattr(work, name) for name in COLUMNS[:4]}
            table.append({**row, **result})
            print(f"{number}/{len(missing)} {work.model}, {work.method}", flush=True)


def _key(row):
    return tuple(str(row[name]) for name in COLUMNS[:4])


def winner(rows, model: str) -> str:
    """Returns the step decay with the best validation loss on the grid's seed."""
    rows = [
        r
        for r in rows
        if r["model"] == model
        and r["seed"] == str(GRID_SEED)
        and r["method"].startswith(GRID)
    ]
    return min(rows, key=lambda r: float(r["best_validation_loss"]))["method"]


def table_of(rows, controller: str, model_names, num_seeds: int) -> str:
    """Returns the Markdown table: mean (standard deviation) over seeds, p against the grid's winner."""
    lines = [
        ["model", "method", "best validation loss", "test loss", "p", "test accuracy"]
    ]
    for model in model_names:
        best = winner(rows, model)
        reference = None
        for method in (best, *METHODS, LEARNED):
            wanted = controller if method == LEARNED else ""
            found = {
                int(r["seed"]): r
                for r in rows
                if (r["model"], r["method"], r["controller"]) == (model, method, wanted)
            }
            if any(seed not in found for seed in range(num_seeds)):
                continue
            values = {
                name: [float(found[s][name]) for s in range(num_seeds)]
                for name in COLUMNS[4:7]
            }
            reference = reference or values
            compared = {
                n: statistics.compare(v, reference[n]) for n, v in values.items()
            }
            cells = [
                f"{c.mean:.4f} ({c.standard_deviation:.4f})" for c in compared.values()
            ]
            p = compared["test_loss"].p_student
            label = f"best of grid: {method}" if method == best else method
            p_cell = "" if method == best else f"{p:.2g}{statistics.star(p)}"
            lines.append([model, label, *cells[:2], p_cell, cells[2]])
    return markdown_table(lines)


def main(arguments=None) -> None:
    """Runs what is missing, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out_dir", required=True)
    parser.add_argument("--controller", default="weight_path")
    parser.add_argument("--num_seeds", type=int, default=5)
    parser.add_argument("--num_epochs", type=int, default=30, help="of 20 steps each")
    parser.add_argument("--num_workers", type=int, default=2)
    parser.add_argument("--num_grid_points", type=int, default=48)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--only_rivals", action="store_true", help="no learned runs")
    options = parser.parse_args(arguments)
    directory = RunDirectory(options.out_dir, options.out_dir)
    table = CsvTable(directory, "runs.csv", COLUMNS)
    grid = decays(options.num_grid_points)
    seeds, epochs = range(options.num_seeds), options.num_epochs
    works = [
        Work(model, name, GRID_SEED, epochs, step_decay=numbers)
        for model in options.models
        for name, numbers in grid.items()
    ]
    works += [
        Work(model, method, seed, epochs)
        for model in options.models
        for method in METHODS
        for seed in seeds
    ]
    _finish(table, works, options.num_workers)
    best = {model: winner(table.rows(), model) for model in options.models}
    works = [
        Work(model, best[model], seed, epochs, step_decay=grid[best[model]])
        for model in options.models
        for seed in seeds
    ]
    if not options.only_rivals:
        works += [
            Work(model, LEARNED, seed, epochs, options.controller)
            for model in options.models
            for seed in seeds
        ]
    _finish(table, works, options.num_workers)
    text = table_of(table.rows(), options.controller, options.models, options.num_seeds)
    directory.write("table.md", text.encode())
    directory.close()
    print(text)
    print(f"Everything is in {pathlib.Path(options.out_dir)}")


if __name__ == "__main__":
    main()
