"""Evaluations and grids as the report sees them: their rows, and checks that they are whole."""

from __future__ import annotations

import ast
import dataclasses
import math
import re
from typing import Any

import pandas as pd

from learned_lr.report.reading import TABLES, Run

METRICS = {"test_loss": "test loss", "test_accuracy": "test accuracy"}
LEARNED = "learned"
_EPISODE = (
    "seed",
    "best_validation_loss",
    "best_trainee_step",
    "final_validation_loss",
    "mean_validation_loss",
)
_TIMES = ("duration_sec", "cpu_sec")
_P_VALUES = tuple(
    f"p_{test}{suffix}"
    for suffix in ("", "_holm")
    for test in ("student", "welch", "paired")
)
_STATISTICS = (
    "mean",
    "standard_deviation",
    "reference_mean",
    "reference_standard_deviation",
    "difference",
    "difference_low",
    "difference_high",
)
# Families whose parameters are not lists of values to combine.
_SINGLE_FAMILIES = ("best_of_grid", "controller", "replay", "paper_schedule")


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """One evaluate run.

    Attributes:
      run: its run directory.
      rows: a row a run, as in `evaluation.csv`.
      statistics: a row a metric and schedule, as in `statistics.csv`.
      trajectories: a row a decision, as in `trajectories.csv`.
      schedules: descriptions by name, as in `schedules.json`.
    """

    run: Run
    rows: pd.DataFrame
    statistics: pd.DataFrame
    trajectories: pd.DataFrame
    schedules: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """The schedules with at least one run, in the order of the table."""
        return list(dict.fromkeys(self.rows["schedule"]))

    @property
    def reference(self) -> str | None:
        """The schedule that all others are compared with, None if there is none."""
        known = self.run.results.get("reference") or self.run.value(
            "evaluate.reference"
        )
        return known or next(iter(self.schedules or self.names), None)

    @property
    def learned(self) -> list[str]:
        """The schedules of controllers."""
        kinds = dict(zip(self.rows["schedule"], self.rows["kind"]))
        return [name for name, kind in kinds.items() if kind == LEARNED]

    def source_tasks(self, name: str) -> list[str]:
        """The tasks that a controller was trained on, empty if that is not known."""
        description = self.schedules.get(name)
        controller = (
            description.get("controller") if isinstance(description, dict) else 0
        )
        sources = controller.get("source_tasks") if isinstance(controller, dict) else 0
        return [str(task) for task in sources] if isinstance(sources, list) else []

    def is_transfer(self, name: str) -> bool:
        """Whether a controller was trained on other tasks than this one."""
        sources = self.source_tasks(name)
        return bool(sources) and self.run.task not in sources

    @property
    def pair(self) -> str:
        """The task as the paper's figures name it, if it is one of the paper's."""
        return self.run.task

    def of(self, name: str) -> pd.DataFrame:
        """The rows of a schedule."""
        return self.rows[self.rows["schedule"] == name]

    def statistic(self, metric: str, name: str) -> dict[str, Any]:
        """The row of `statistics.csv` for a schedule, empty if there is none."""
        table = self.statistics
        found = table[(table["metric"] == metric) & (table["schedule"] == name)]
        return found.iloc[0].to_dict() if len(found) else {}

    def mark(self, metric: str, name: str) -> str:
        """'*' if a schedule is significantly better than the reference, '†' if worse, else ''."""
        row = self.statistic(metric, name)
        if row.get("star") != "*":
            return ""
        is_better = (row["difference"] < 0) == (metric == "test_loss")
        return "*" if is_better else "†"


def mean_and_deviation(values: pd.Series) -> tuple[float, float]:
    """Returns mean and sample standard deviation, NaN where there are too few values."""
    return float(values.mean()), float(values.std(ddof=1))


def read_evaluation(run: Run) -> Evaluation:
    """Reads an evaluate run and notes all that is not whole."""
    rows = run.read_table(
        TABLES["evaluate"],
        (*_EPISODE, "test_loss"),
        ("schedule", "kind", "diverged"),
        # The toy task has no accuracy.
        ("test_accuracy", *_TIMES),
    )
    rows = _without_repeats(run, TABLES["evaluate"], rows, ["schedule", "seed"])
    evaluation = Evaluation(
        run,
        rows,
        run.read_table(
            "statistics.csv",
            ("num_runs",),
            ("metric", "schedule", "reference", "star"),
            (*_STATISTICS, "effect_size", *_P_VALUES),
        ),
        run.read_table(
            "trajectories.csv",
            ("seed", "trainee_step", "learning_rate", "validation_loss"),
            ("schedule",),
        ),
        run.read_json("schedules.json"),
    )
    _check(evaluation)
    return evaluation


def read_grid(run: Run) -> pd.DataFrame:
    """Returns the rows of a baseline run's grid and notes what is missing."""
    rows = run.read_table(
        TABLES["baseline"], _EPISODE, ("schedule", "kind", "diverged"), _TIMES
    )
    rows = _without_repeats(run, TABLES["baseline"], rows, ["schedule", "seed"])
    expected = _expected_grid_runs(run)
    _check_number(run, TABLES["baseline"], len(rows), expected, "runs")
    _note_unequal(run, rows)
    if run.is_finished:
        run.read_json("best.json")
    return rows


def _check(evaluation):
    run, rows = evaluation.run, evaluation.rows
    seeds = run.record.get("seeds")
    seeds = seeds.get("evaluation") if isinstance(seeds, dict) else None
    expected = None
    if isinstance(seeds, list) and evaluation.schedules:
        expected = len(seeds) * len(evaluation.schedules)
    _check_number(run, TABLES["evaluate"], len(rows), expected, "runs")
    missing = [name for name in evaluation.schedules if name not in evaluation.names]
    if missing:
        run.note(f"{TABLES['evaluate']} has no run of {', '.join(missing)}")
    _note_unequal(run, rows)
    drawn = set(
        zip(evaluation.trajectories["schedule"], evaluation.trajectories["seed"])
    )
    lost = [pair for pair in zip(rows["schedule"], rows["seed"]) if pair not in drawn]
    if lost and len(evaluation.trajectories):
        name, seed = lost[0]
        run.note(
            f"trajectories.csv lacks {len(lost)} of {len(rows)} runs, the first of them "
            f"{name}, seed {seed:.0f}"
        )
    for name in evaluation.learned:
        if not evaluation.source_tasks(name):
            run.note(
                f"schedules.json doesn't say what {name} was trained on, so it is in "
                "neither Table 1 nor Table 2"
            )
    if run.is_finished and evaluation.reference not in evaluation.names:
        run.note(f"the reference schedule {evaluation.reference} has no runs")
    if len(evaluation.statistics):
        _check_statistics(evaluation)


def _check_statistics(evaluation):
    """Notes where `statistics.csv` is not about the runs of `evaluation.csv`."""
    for metric in METRICS:
        for name in evaluation.names:
            row = evaluation.statistic(metric, name)
            if not row:
                if name != evaluation.reference:
                    evaluation.run.note(f"statistics.csv has no {metric} of {name}")
                continue
            mean = evaluation.of(name)[metric].mean()
            if not math.isclose(mean, row["mean"], rel_tol=1e-6):
                evaluation.run.note(
                    f"statistics.csv has the mean {metric} {row['mean']:.6g} for {name}, "
                    f"where the runs of {TABLES['evaluate']} give {mean:.6g}"
                )


def _check_number(run, file_name, found, expected, unit):
    if expected is not None and found != expected:
        run.note(f"{file_name} holds {found} of {expected} {unit}")
    elif not run.is_finished:
        of = "an unknown number of" if expected is None else f"all {expected}"
        run.note(f"{file_name} holds {found} of {of} {unit}")


def check_training(run: Run, iterations: pd.DataFrame) -> None:
    """Notes missing iterations of a train run."""
    expected = run.value("train.num_iterations")
    _check_number(run, TABLES["train"], len(iterations), expected, "iterations")


def _note_unequal(run, rows):
    counts = rows.groupby("schedule", sort=False).size()
    if len(counts) and counts.min() != counts.max():
        usual = counts.max()
        odd = [f"{name} {count}" for name, count in counts.items() if count != usual]
        run.note(
            f"schedules have unequal numbers of seeds: {usual}, but {', '.join(odd)}"
        )


def _without_repeats(run, file_name, rows, keys):
    repeated = rows.duplicated(keys)
    if repeated.any():
        run.note(
            f"{file_name} has {repeated.sum()} rows of a schedule and seed that it already "
            "has, left out"
        )
    return rows[~repeated]


def _expected_grid_runs(run):
    """The number of runs that the config asks for, None if that can't be told."""
    families = re.findall(r"@([\w/]+)", run.config.get("baseline.families", ""))
    num_seeds = run.value("baseline.num_seeds")
    sizes = [_family_size(run, family) for family in families]
    if not sizes or None in sizes or not isinstance(num_seeds, int):
        return None
    return sum(sizes) * num_seeds


def _family_size(run, family):
    name = family.rsplit("/", 1)[-1]
    if name == "random_search":
        return run.value(f"{family}.num_runs")
    if name in _SINGLE_FAMILIES:
        return 1
    values = [v for k, v in run.config.items() if k.rpartition(".")[0] == family]
    if not values:
        return None
    try:
        return math.prod(len(ast.literal_eval(value)) for value in values)
    except (TypeError, ValueError, SyntaxError):
        return None
