"""A program, one of two processes: calls `fit` with the callback, and prints the refusal and the updates that were done.

python tests/callback/several_processes.py <file through which the two meet> <0 or 1>
"""

from __future__ import annotations

import os
import pathlib
import socket
import sys
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import keras
import numpy as np

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends, optimizers


def _port(file):
    """The first process finds a free port and writes it down, the second waits for it."""
    if sys.argv[2] == "0":
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            file.with_suffix(".tmp").write_text(str(probe.getsockname()[1]))
        file.with_suffix(".tmp").rename(file)
    while not file.exists():
        time.sleep(0.05)
    return file.read_text()


def _join(file, rank):
    if backends.name() == "torch":
        import torch.distributed

        method = f"file://{file}"
        torch.distributed.init_process_group("gloo", method, rank=rank, world_size=2)
    else:
        import jax

        jax.distributed.initialize(f"localhost:{_port(file)}", 2, rank)


def main():
    _join(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((64, 2), np.float32), np.ones((64, 1), np.float32)
    try:
        model.fit(
            x, y, validation_data=(x, y), callbacks=[LearnedLearningRate()], verbose=0
        )
    except ValueError as error:
        print(error)
    print(f"{optimizers.num_updates(model.optimizer)} updates")


if __name__ == "__main__":
    main()
