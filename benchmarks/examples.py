"""The Keras programs of examples/ with the callback and without it, each on test data of its own.

    python -m benchmarks.examples --out_dir=results/examples

Every program runs as its reader would run it, in a process of its own with one TensorFlow thread,
on three fixed seeds: once as it is, once with `--plain`. Killed and started again, it goes on:
`examples.csv` has a row a run. With another default controller the runs with the callback are made
anew; the rows of the one before stay.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

from benchmarks.comparisons import (
    FIGURES,
    LEARNED,
    PLAIN,
    SEEDS,
    new_warnings,
    table_of,
)
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.execution.workers_config import WorkersConfig

ROOT = pathlib.Path(__file__).parent.parent
EXAMPLES = (
    "image_augmentation",
    "text_sentiment",
    "rare_positives",
    "forecasting",
    "fine_tuning",
    "attention_mil",
    "custom_train_step",
)
KEY = ("example", "method", "seed")
COLUMNS = (*KEY, *FIGURES, "warnings", "duration_sec")


def figures(output: str) -> dict[str, str]:
    """Returns what a program printed of its test data, by the figure's name.

    Raises:
      ValueError: if it printed none, or one that isn't known.
    """
    found = dict(re.findall(r"(?m)^test ([\w ]+): (\S+)$", output))
    if not found or not set(found) <= set(FIGURES):
        raise ValueError(
            f"Expected lines 'test <figure>: <number>' of {list(FIGURES)}, found {sorted(found)}."
        )
    return found


def warnings_of(errors: str) -> list[str]:
    """Returns the texts of the warnings for users that a program wrote to its standard error."""
    return re.findall(r"(?m)^\S+:\d+: UserWarning: (.*)$", errors)


def run(example: str, method: str, seed: int, epochs: int | None = None) -> dict:
    """Runs a program; returns its row.

    Raises:
      RuntimeError: if it fails; the message is what it wrote to its standard error.
    """
    command = [sys.executable, str(ROOT / "examples" / f"{example}.py")]
    command += [f"--seed={seed}", *["--plain"] * (method == PLAIN)]
    command += [] if epochs is None else [f"--epochs={epochs}"]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    # With one thread a run repeats to the bit.
    environment.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
    start = time.perf_counter()
    result = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stderr}")
    return {
        **dict(zip(KEY, (example, method, seed))),
        **dict.fromkeys(FIGURES, ""),
        **figures(result.stdout),
        "warnings": "\n".join(warnings_of(result.stderr)),
        "duration_sec": round(time.perf_counter() - start, 3),
    }


def main(arguments=None) -> None:
    """Runs what is missing, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out_dir", required=True)
    parser.add_argument(
        "--examples", nargs="+", default=list(EXAMPLES), choices=EXAMPLES
    )
    parser.add_argument("--epochs", type=int, help="of each program; its own if unsaid")
    parser.add_argument("--num_workers", type=int, default=2)
    options = parser.parse_args(arguments)
    directory = RunDirectory(options.out_dir, options.out_dir)
    table = CsvTable(directory, "examples.csv", COLUMNS)
    done = {tuple(row[name] for name in KEY) for row in table.rows()}
    missing = [
        (example, method, seed, options.epochs)
        for example in options.examples
        for seed in SEEDS
        for method in (PLAIN, LEARNED)
        if (example, method, str(seed)) not in done
    ]
    with Workers(WorkersConfig(num_workers=options.num_workers)) as workers:
        for number, (_, row) in enumerate(workers.map(run, missing), 1):
            table.append(row)
            told = ", ".join(str(row[name]) for name in KEY)
            print(f"{number}/{len(missing)} {told}", flush=True)
    rows = table.rows()
    text = table_of(rows, options.examples)
    directory.write("table.md", text.encode())
    directory.close()
    print(text)
    for example in options.examples:
        for warning in new_warnings(rows, example):
            print(f"{example}: {warning}")
    print(f"Everything is in {pathlib.Path(options.out_dir)}")


if __name__ == "__main__":
    main()
