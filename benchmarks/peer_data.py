"""The images of `benchmarks.peers` as plain arrays, so that PyTorch's environment needs no TensorFlow.

    python -m benchmarks.peer_data --data_dir=runs/peer_data

Run once in the environment of `make setup`; the data sets are looked for as in training.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np

from learned_lr.trainees import datasets
from learned_lr.trainees.datasets import Dataset

NAMES = ("cifar10", "fashion_mnist")
NUM_TRAIN, NUM_VALIDATION, NUM_TEST = 16_000, 1_000, 4_000
_PARTS = ("train", "validation", "test")


def load(data_dir: str, name: str) -> Dataset:
    """Returns a data set that `main` wrote.

    Raises:
      FileNotFoundError: if it isn't there, with the command that writes it.
    """
    path = pathlib.Path(data_dir) / f"{name}.npz"
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected {path}, found nothing. In the environment of `make setup`: "
            f"python -m benchmarks.peer_data --data_dir={data_dir}"
        )
    with np.load(path) as arrays:
        return Dataset(name=name, num_classes=10, **arrays)


def main(arguments=None) -> None:
    """Writes `<data_dir>/<name>.npz` of both data sets."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data_dir", required=True)
    options = parser.parse_args(arguments)
    folder = pathlib.Path(options.data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        data = datasets.load(name, NUM_VALIDATION, NUM_TRAIN)
        arrays = {
            field: getattr(data, field)[: NUM_TEST if part == "test" else None]
            for part in _PARTS
            for field in (f"{part}_images", f"{part}_labels")
        }
        np.savez(folder / f"{name}.npz", **arrays)
        print(folder / f"{name}.npz")


if __name__ == "__main__":
    main()
