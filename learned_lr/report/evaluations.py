"""Evaluations as the report sees them: their rows and statistics, and whether they are whole."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from learned_lr.report import statistics
from learned_lr.report.completeness import check_number, note_unequal, without_repeats
from learned_lr.report.reading import EPISODE_NUMBERS, TABLES, TIMES, Run

METRICS = {"test_loss": "test loss", "test_accuracy": "test accuracy"}
LEARNED = "learned"
STATISTICS = "statistics.csv"
TRAJECTORIES = "trajectories.csv"
SCHEDULES = "schedules.json"
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


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluate run leaves, or a train run at its end.

    Attributes:
      run: the run directory.
      rows: a row a run, as in `evaluation.csv`; `schedule` is the row of the tables that it
        belongs to, `member` its own name, another one for controllers that share a row.
      statistics: a row a metric and schedule, as in `statistics.csv`.
      trajectories: a row a decision, as in `trajectories.csv`, likewise.
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
    def metrics(self) -> list[str]:
        """The metrics that at least one run has; the toy task has no accuracy."""
        return [name for name in METRICS if self.rows[name].notna().any()]

    @property
    def reference(self) -> str | None:
        """The schedule that all others are compared with, None if there is none."""
        known = (
            self.run.results.get("reference"),
            *self.statistics["reference"].head(1),
            self.run.value("evaluate.reference"),
            *(_pools(self.schedules).get(name, name) for name in self.schedules),
            *self.names,
        )
        return next((str(name) for name in known if name), None)

    @property
    def learned(self) -> list[str]:
        """The schedules of controllers."""
        kinds = dict(zip(self.rows["schedule"], self.rows["kind"]))
        return [name for name, kind in kinds.items() if kind == LEARNED]

    def source_tasks(self, name: str) -> list[str]:
        """The tasks that a controller was trained on, or several in one row; empty if that is not known."""
        members = self.rows["member"][self.rows["schedule"] == name]
        found: dict[str, None] = {}
        for member in dict.fromkeys(members) or (name,):
            sources = _source_tasks(self.schedules.get(member))
            if not sources:
                return []
            found |= dict.fromkeys(sources)
        return list(found)

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

    def comparison(self, metric: str, name: str, baseline: str) -> dict[str, Any]:
        """A schedule against any other one on the seeds that all their runs share, as a row of `statistics.csv`.

        Empty where no seed is shared; p-values are not corrected.
        """
        if baseline == self.reference:
            return self.statistic(metric, name)
        values = {
            row: self.of(row).pivot_table(
                index="member", columns="seed", values=metric, dropna=False
            )
            for row in (name, baseline)
        }
        one, other = (values[row].dropna(axis=1) for row in (name, baseline))
        shared = one.columns.intersection(other.columns)
        if shared.empty:
            return {}
        found = statistics.compare_members(
            one[shared].to_numpy(), other[shared].to_numpy()
        )
        return {**found, "star": statistics.star(found["p_student"])}

    def mark(self, metric: str, name: str) -> str:
        """'*' if better than the reference at p < 0.05 in the paper's test, '†' if worse, else ''."""
        row = self.statistic(metric, name)
        if row.get("star") != "*":
            return ""
        is_better = (row["difference"] < 0) == (metric == "test_loss")
        return "*" if is_better else "†"


def _source_tasks(description):
    controller = description.get("controller") if isinstance(description, dict) else 0
    sources = controller.get("source_tasks") if isinstance(controller, dict) else 0
    return [str(task) for task in sources] if isinstance(sources, list) else []


def has_evaluation(run: Run) -> bool:
    """Whether a run of any job has left an evaluation, or a part of one."""
    return any(map(run.has_file, (TABLES["evaluate"], STATISTICS, SCHEDULES)))


def read_evaluation(run: Run) -> Evaluation:
    """Reads the evaluation of an evaluate or train run and notes all that is not whole."""
    rows = run.read_table(
        TABLES["evaluate"],
        (*EPISODE_NUMBERS, "test_loss"),
        ("schedule", "kind", "diverged"),
        # The toy task has no accuracy.
        ("test_accuracy", *TIMES),
    )
    rows = without_repeats(run, TABLES["evaluate"], rows)
    schedules = run.read_json(SCHEDULES)
    evaluation = Evaluation(
        run,
        _with_members(rows, schedules),
        run.read_table(
            STATISTICS,
            ("num_runs",),
            ("metric", "schedule", "reference", "star"),
            (*_STATISTICS, "effect_size", "deviation_between", *_P_VALUES),
        ),
        _with_members(
            run.read_table(
                TRAJECTORIES,
                ("seed", "trainee_step", "learning_rate", "validation_loss"),
                ("schedule",),
            ),
            schedules,
        ),
        schedules,
    )
    _check(evaluation)
    return evaluation


def _pools(schedules):
    """The rows of those schedules that share one, by their own names."""
    return {
        name: str(description["pool"])
        for name, description in schedules.items()
        if isinstance(description, dict) and "pool" in description
    }


def _with_members(table, schedules):
    """The table with each run's own name as `member`, and as `schedule` the row that it is in."""
    pools, own = _pools(schedules), table["schedule"]
    return table.assign(
        member=own, schedule=own.map(lambda name: pools.get(name, name))
    )


def _check(evaluation):
    run, rows = evaluation.run, evaluation.rows
    seeds = run.record.get("seeds")
    seeds = seeds.get("evaluation") if isinstance(seeds, dict) else None
    expected = None
    if isinstance(seeds, list) and evaluation.schedules:
        expected = len(seeds) * len(evaluation.schedules)
    check_number(run, TABLES["evaluate"], len(rows), expected, "runs")
    found = set(rows["member"])
    missing = [name for name in evaluation.schedules if name not in found]
    if missing:
        run.note(f"{TABLES['evaluate']} has no run of {', '.join(missing)}")
    note_unequal(run, rows.assign(schedule=rows["member"]))
    drawn = set(zip(evaluation.trajectories["member"], evaluation.trajectories["seed"]))
    lost = [pair for pair in zip(rows["member"], rows["seed"]) if pair not in drawn]
    if lost and len(evaluation.trajectories):
        name, seed = lost[0]
        run.note(
            f"{TRAJECTORIES} lacks {len(lost)} of {len(rows)} runs, the first of them "
            f"{name}, seed {seed:.0f}"
        )
    unknown = [n for n in evaluation.learned if not evaluation.source_tasks(n)]
    if unknown and run.job == "evaluate":
        run.note(
            f"{SCHEDULES} doesn't say what was learned where, so neither Table 1 nor "
            f"Table 2 has {', '.join(unknown)}"
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
                    evaluation.run.note(f"{STATISTICS} has no {metric} of {name}")
                continue
            mean = evaluation.of(name)[metric].mean()
            if not np.isclose(mean, row["mean"], rtol=1e-6, atol=0, equal_nan=True):
                evaluation.run.note(
                    f"{STATISTICS} has the mean {metric} {row['mean']:.6g} for {name}, "
                    f"where the runs of {TABLES['evaluate']} give {mean:.6g}"
                )
