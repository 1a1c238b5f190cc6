"""A controller beside what people would pick instead, in PyTorch: Schedule-Free, Prodigy, tuned and untuned cosines.

    python -m benchmarks.peer_data --data_dir=runs/peer_data
    python -m benchmarks.peers --data_dir=runs/peer_data --out_dir=results/peers

The first line needs the environment of `make setup`, the second one PyTorch and
`pip install .[peers]`. All contenders share a seed's initial weights, minibatches and number of
gradients, and AdamW's weight decay. The validation loss is looked at 25 times in a run, and the
weights with the best one are tested. Peaks are picked on a seed of their own. Killed and started
again, it goes on: `runs.csv` has a row a run.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import hashlib
import importlib.util
import io
import pathlib

import numpy as np

from benchmarks import peer_data
from learned_lr.control.controller import Controller
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.jobs.regrets import log_loss
from learned_lr.report import statistics
from learned_lr.report.tables import markdown_table

CALIBRATION_SEED = 1000
LEARNED, CONSTANT, PRODIGY = "learned", "constant 0.001", "prodigy"
SCHEDULE_FREE = "schedule-free 0.0025"  # Its authors' default.
# Half decades; Schedule-Free's are higher, as its authors say that 1 to 10 times the usual works.
GRIDS = {
    "cosine": (0.0003, 0.001, 0.003, 0.01, 0.03),
    "schedule-free": (0.001, 0.003, 0.01, 0.03, 0.1),
}
PACKAGES = {"schedule-free": "schedulefree", "prodigy": "prodigyopt"}
KEY = ("task", "contender", "controller", "seed")
FIGURES = ("best_validation_loss", "test_loss", "test_accuracy", "cpu_sec")
COLUMNS = (*KEY, *FIGURES)
REFERENCE = "cosine, tuned on each task"

_OTHER_FEATURES = ("prediction", "final_kernel")


@dataclasses.dataclass(frozen=True)
class Task:
    """A network and its data; both kinds of names are those of `learned_lr`'s families of tasks."""

    dataset: str
    model: str
    num_train: int
    num_steps: int
    pooling: int = 1
    batch_size: int = 64

    @property
    def name(self) -> str:
        """Says what it is: 'cifar10-p2-n16000-mlp_deep-b64-s600'."""
        pooling = f"-p{self.pooling}" if self.pooling > 1 else ""
        return (
            f"{self.dataset}{pooling}-n{self.num_train}-{self.model}"
            f"-b{self.batch_size}-s{self.num_steps}"
        )


TASKS = {
    task.name: task
    for task in (
        Task("cifar10", "lenet5", 8000, 300),
        Task("cifar10", "mlp_deep", 16_000, 600, pooling=2),
        Task("fashion_mnist", "mixer", 8000, 300),
        Task("fashion_mnist", "recurrent", 16_000, 400, pooling=2),
        Task("fashion_mnist", "dense_blocks", 4000, 300, pooling=2),
    )
}


def check(controller: Controller) -> None:
    """Raises ValueError unless the controller looks at nothing but losses, rates and time."""
    features = controller.spec.observation.features
    others = [name for name in features if name.startswith(_OTHER_FEATURES)]
    if others:
        raise ValueError(
            "Expected a controller that needs no predictions and no kernel, found one "
            f"that looks at {', '.join(others)}."
        )


def label_of(name: str, controller: Controller) -> str:
    """Returns what tells a controller from others of its name: the name, and a hash of all it is."""
    digest = hashlib.sha256(repr(controller.spec).encode())
    for key, weights in sorted(controller.weights.items()):
        digest.update(key.encode() + np.ascontiguousarray(weights).tobytes())
    return f"{pathlib.Path(name).name}@{digest.hexdigest()[:8]}"


def losses(rows, contender: str, controller: str = "") -> dict[str, dict[int, dict]]:
    """Returns a contender's rows by task and seed."""
    found: dict[str, dict[int, dict]] = {}
    for row in rows:
        if (row["contender"], row["controller"]) == (contender, controller):
            found.setdefault(row["task"], {})[int(row["seed"])] = row
    return found


def calibrated(rows, kind: str, tasks) -> str:
    """Returns a kind at the rate of its grid with the least mean log validation loss over tasks, on the seed for that."""

    def mean_loss(contender):
        found = losses(rows, contender)
        row = [found[task][CALIBRATION_SEED] for task in tasks]
        return np.mean([log_loss(float(r["best_validation_loss"])) for r in row])

    return min((f"{kind} {rate}" for rate in GRIDS[kind]), key=mean_loss)


def contenders(rows, tasks, kinds, label: str) -> dict[str, dict[str, tuple[str, str]]]:
    """Returns what the table compares: (contender, controller) of each task, by the name it has there.

    Args:
      rows: the table of runs, with all runs of the seed for calibration.
      tasks: names.
      kinds: those that can run here.
      label: the controller's; empty for none.
    """
    found = {LEARNED: (LEARNED, label)} if label else {}
    if "schedule-free" in kinds:
        best = calibrated(rows, "schedule-free", tasks)
        found["Schedule-Free AdamW 0.0025"] = (SCHEDULE_FREE, "")
        found["Schedule-Free AdamW, calibrated"] = (best, "")
    if "prodigy" in kinds:
        found["Prodigy, cosine"] = (PRODIGY, "")
    found["cosine, calibrated"] = (calibrated(rows, "cosine", tasks), "")
    found["AdamW 0.001"] = (CONSTANT, "")
    everywhere = {name: dict.fromkeys(tasks, run) for name, run in found.items()}
    tuned = {task: (calibrated(rows, "cosine", [task]), "") for task in tasks}
    return {**everywhere, REFERENCE: tuned}


def tables_of(rows, compared, num_seeds: int) -> str:
    """Returns the Markdown: regrets over all tasks, then each task's test losses."""
    tasks = list(compared[REFERENCE])
    found = {
        name: [
            [losses(rows, *runs[task])[task][seed] for seed in range(num_seeds)]
            for task in tasks
        ]
        for name, runs in compared.items()
    }
    reference = _figures(found[REFERENCE], "test_loss")
    lines = [["contender", "mean regret", "95%", "worst task", "CPU seconds a run"]]
    for name, runs in found.items():
        values = _log(_figures(runs, "test_loss")) - _log(reference)
        summary = statistics.across_tasks(values)
        low, high = summary.mean_interval
        lines.append(
            [
                _named(name, compared[name]),
                f"{summary.mean:.3f}",
                f"{low:.3f} to {high:.3f}",
                f"{summary.worst:.3f}",
                f"{_figures(runs, 'cpu_sec').mean():.2f}",
            ]
        )
    losses_of_tasks = [["task", *found]]
    for number, task in enumerate(tasks):
        samples = [_figures(runs, "test_loss")[number] for runs in found.values()]
        cells = [f"{s.mean():.3f} ({_deviation(s):.3f})" for s in samples]
        peak = compared[REFERENCE][task][0].partition(" ")[2]
        losses_of_tasks.append([task, *cells[:-1], f"{cells[-1]} at {peak}"])
    return f"{markdown_table(lines)}\n{markdown_table(losses_of_tasks)}"


def _figures(runs, name):
    return np.array([[float(row[name]) for row in seeds] for seeds in runs])


_log = np.vectorize(log_loss)


def _deviation(sample):
    return np.std(sample, ddof=1) if len(sample) > 1 else np.nan


def _named(name, runs):
    """The name, with the rate that calibration found or the controller's label."""
    ((contender, label),) = set(runs.values()) if name != REFERENCE else {("", "")}
    if label:
        return f"{name} ({label})"
    rate = contender.partition(" ")[2]
    return f"{name} at {rate}" if name.endswith("calibrated") else name


def _finish(table, works, data_dir, controller, num_steps):
    """Runs what has no row yet."""
    from benchmarks import peer_runs  # PyTorch is needed to run, not to compare.

    load = functools.lru_cache(peer_data.load)
    peer_runs.use_one_thread()
    done = {tuple(row[name] for name in KEY) for row in table.rows()}
    missing = [work for work in works if tuple(map(str, work)) not in done]
    for number, work in enumerate(missing, 1):
        task = TASKS[work[0]]
        with contextlib.redirect_stdout(io.StringIO()):  # Prodigy prints.
            result = peer_runs.run(
                task,
                work[1],
                work[3],
                load(data_dir, task.dataset),
                controller,
                num_steps,
            )
        table.append({**dict(zip(KEY, work)), **result})
        print(f"{number}/{len(missing)} {', '.join(map(str, work))}", flush=True)


def main(arguments=None) -> None:
    """Runs what is missing, and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data_dir", required=True, help="of benchmarks.peer_data")
    parser.add_argument("--out_dir", required=True)
    parser.add_argument("--controller", default="default", help="a name or a folder")
    parser.add_argument("--num_seeds", type=int, default=5)
    parser.add_argument("--num_steps", type=int, help="of each run, for a trial")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--only_rivals", action="store_true", help="no learned runs")
    options = parser.parse_args(arguments)
    kinds = _kinds()
    controller, label = None, ""
    if not options.only_rivals:
        controller = Controller.load(options.controller)
        check(controller)
        label = label_of(options.controller, controller)
    directory = RunDirectory(options.out_dir, options.out_dir)
    table = CsvTable(directory, "runs.csv", COLUMNS)
    works = [
        (task, f"{kind} {rate}", "", CALIBRATION_SEED)
        for task in options.tasks
        for kind in kinds
        for rate in GRIDS.get(kind, ())
    ]
    rest = (options.data_dir, controller, options.num_steps)
    _finish(table, works, *rest)
    compared = contenders(table.rows(), options.tasks, kinds, label)
    works = dict.fromkeys(
        (task, *runs[task], seed)
        for seed in range(options.num_seeds)
        for task in options.tasks
        for runs in compared.values()
    )
    _finish(table, works, *rest)
    text = tables_of(table.rows(), compared, options.num_seeds)
    directory.write("table.md", text.encode())
    directory.close()
    print(text)
    print(f"Everything is in {pathlib.Path(options.out_dir)}")


def _kinds():
    """The kinds of rivals that can run here."""
    found = ["cosine"]
    for kind, package in PACKAGES.items():
        if importlib.util.find_spec(package):
            found.append(kind)
        else:
            print(f"{kind} is left out: {package} isn't installed")
    return found


if __name__ == "__main__":
    main()
