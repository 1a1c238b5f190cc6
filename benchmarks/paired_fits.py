"""A fit with the callback or without it, from a seed, as a row of a table; rows that are there are not run again.

Any Keras, and nothing of the training stack.
"""

from __future__ import annotations

import pathlib
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import keras

from benchmarks.comparisons import PLAIN
from learned_lr import LearnedLearningRate
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory

MEASURED = ("loss", "accuracy", "warnings", "num_explosions", "duration_sec")


class Parts(NamedTuple):
    """A data set: pairs of inputs and targets, whatever `fit` takes."""

    train: tuple[Any, Any]
    validation: tuple[Any, Any]
    test: tuple[Any, Any]


def fit(
    model: keras.Model, parts: Parts, method: str, batch_size: int, epochs: int
) -> dict[str, Any]:
    """Trains a compiled model, and returns `MEASURED` of it.

    Args:
      model: as it starts. Its one metric beside the loss is its accuracy, if it has one.
      parts: only the training part is trained on; only the callback sees the validation part.
      method: PLAIN or LEARNED.
      batch_size: int, examples.
      epochs: int.
    """
    learned = LearnedLearningRate(validation_data=parts.validation, verbose=0)
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(
            *parts.train,
            batch_size=batch_size,
            epochs=epochs,
            callbacks=[] if method == PLAIN else [learned],
            verbose=0,
        )
    found = model.evaluate(*parts.test, batch_size=500, verbose=0)
    loss, accuracy = found if isinstance(found, list) else (found, "")
    texts = [str(w.message) for w in caught if w.category is UserWarning]
    return {
        "loss": loss,
        "accuracy": accuracy,
        "warnings": "\n".join(texts),
        "num_explosions": "" if method == PLAIN else learned.num_explosions,
        "duration_sec": round(time.process_time() - start, 3),
    }


def complete(
    out_dir: str,
    name: str,
    key: tuple[str, ...],
    wanted: Iterable[tuple],
    run: Callable[..., dict[str, Any]],
    table_of: Callable[[list[dict[str, str]]], str],
) -> None:
    """Runs what is missing in `<name>.csv` of a folder, and writes and prints `table.md`.

    Args:
      out_dir: the folder, made if need be.
      name: see above.
      key: names of the columns that tell a run.
      wanted: the runs, a value a column of `key` each.
      run: takes these values, returns `MEASURED`.
      table_of: makes the Markdown of the rows.
    """
    directory = RunDirectory(out_dir, out_dir)
    table = CsvTable(directory, f"{name}.csv", (*key, *MEASURED))
    done = {tuple(row[column] for column in key) for row in table.rows()}
    missing = [values for values in wanted if tuple(map(str, values)) not in done]
    for number, values in enumerate(missing, 1):
        table.append({**dict(zip(key, values)), **run(*values)})
        print(f"{number}/{len(missing)} {', '.join(map(str, values))}", flush=True)
    text = table_of(table.rows())
    directory.write("table.md", text.encode())
    directory.close()
    print(f"{text}Everything is in {pathlib.Path(out_dir)}")
