"""What each method used: runs, trainee steps, gradient samples, processor and wall-clock hours."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Sequence

from learned_lr.report.blocks import Block, Heading, Table
from learned_lr.report.reading import Run

_NOT_RECORDED = "not recorded"


def budget(runs: Sequence[Run]) -> Iterator[Block]:
    """Yields the table of runs, trainee steps, samples and hours, a row a run directory."""
    yield Heading("Budget")
    labels = {
        "baseline": "grid",
        "train": "training of a controller",
        "evaluate": "evaluation",
        "references": "tuned cosines of a family",
        "imitate": "imitation on a family",
        "meta_train": "PPO on a family",
        "judge": "judgement on a family",
    }
    rows, values = [], []
    for run in runs:
        if run.job not in labels:
            continue
        num_runs, num_steps = _amount(run)
        samples = run.results.get("num_gradient_samples")
        cpu, wall = run.results.get("cpu_sec"), _wall_hours(run)
        value = {
            "method": labels[run.job],
            "run_directory": run.name,
            "runs": num_runs,
            "trainee_steps": num_steps,
            "gradient_samples": samples,
            "cpu_hours": None if cpu is None or math.isnan(cpu) else cpu / 3600,
            "wall_hours": wall,
        }
        values.append(value)
        cells = [value["method"], run.name]
        cells += [
            _NOT_RECORDED if n is None else f"{n:,}" for n in (num_runs, num_steps)
        ]
        cells.append(_NOT_RECORDED if samples is None else f"{samples / 1e6:,.1f}")
        hours = (value["cpu_hours"], wall)
        cells += [_NOT_RECORDED if h is None else f"{h:.2f}" for h in hours]
        rows.append(cells)
    yield Table(
        "budget",
        "What each method used",
        [
            "method",
            "run directory",
            "runs",
            "trainee steps",
            "million samples",
            "CPU hours",
            "wall hours",
        ],
        rows,
        values,
        "A run is one training of a network. Samples: gradient samples, trainee steps x batch "
        "size + validation images / 3. Of what was taken over from an earlier directory a grid's runs and hours hold all, "
        "for it chooses by them, and an evaluation's nothing; wall hours go from the directory's own first start to its end, with pauses and "
        "other work on the machine.",
        num_labels=2,
    )


def _amount(run):
    """Returns (runs, trainee steps), None where they are not known."""
    num_runs, num_steps = (
        run.results.get(name) for name in ("num_runs", "num_trainee_steps")
    )
    if num_runs is None and run.job == "train" and run.is_finished:
        rows = (
            run.read_table(name, ("seed",))
            for name in ("episodes.csv", "evaluations.csv")
        )
        num_runs = sum(map(len, rows))
        spec = run.read_json("controller/spec.json")
        per_run = spec.get("num_trainee_steps")
        num_steps = None if per_run is None else num_runs * per_run
    return num_runs, num_steps


def _wall_hours(run):
    try:
        start, end = (
            datetime.datetime.fromisoformat(run.record[name])
            for name in ("start", "end")
        )
    except (KeyError, TypeError, ValueError):
        return None
    return (end - start).total_seconds() / 3600
