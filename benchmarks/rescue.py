"""Kinds of programs that a default controller of before had harmed, with the callback and without it.

    python -m benchmarks.rescue --out_dir=results/rescue

Each is small, of a kind that people recognise, with the optimizer and rate of the page it is after; the
data are the digits of scikit-learn, and CIFAR-10 by TFDS. Three fixed seeds, the figures on test data.
Killed and started again, it goes on. Two more kinds, attention-MIL and rare positives, are programs of
examples/ and in the table of `benchmarks.examples`.
"""

from __future__ import annotations

import argparse
import functools

import tensorflow as tf

from benchmarks import paired_fits, rescue_programs
from benchmarks.comparisons import LEARNED, PLAIN, SEEDS, table_of
from learned_lr.execution.worker_processes import limit_threads

KEY = ("example", "method", "seed")


def run(kind: str, method: str, seed: int, epochs: int | None = None) -> dict:
    """Returns what a fit gave; its own number of epochs if `epochs` is None."""
    program = rescue_programs.PROGRAMS[kind]
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(seed)
    return paired_fits.fit(
        program.model_fn(),
        program.data_fn(),
        method,
        program.batch_size,
        epochs or program.epochs,
    )


def main(arguments=None) -> None:
    """Runs what is missing, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out_dir", required=True)
    names = list(rescue_programs.PROGRAMS)
    parser.add_argument("--kinds", nargs="+", default=names, choices=names)
    parser.add_argument("--epochs", type=int, help="of each; its own if unsaid")
    options = parser.parse_args(arguments)
    limit_threads(1)
    wanted = [
        (kind, method, seed)
        for kind in options.kinds
        for seed in SEEDS
        for method in (PLAIN, LEARNED)
    ]
    paired_fits.complete(
        options.out_dir,
        "rescue",
        KEY,
        wanted,
        functools.partial(run, epochs=options.epochs),
        lambda rows: table_of(rows, names, ("num_explosions",)),
    )


if __name__ == "__main__":
    main()
