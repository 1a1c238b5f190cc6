"""Grids as the report sees them: their rows, and whether they are whole."""

from __future__ import annotations

import ast
import math
import re

import pandas as pd

from learned_lr.report.completeness import check_number, note_unequal, without_repeats
from learned_lr.report.reading import EPISODE_NUMBERS, TABLES, TIMES, Run

# The rounds of a grid, as `grid.csv` names them: all schedules, then the best on other seeds.
ALL, FINAL = "all", "final"
BEST = "best.json"
# Families whose parameters are not lists of values to combine.
_SINGLE_FAMILIES = ("best_of_grid", "controller", "replay", "paper_schedule")


def read_grid(run: Run) -> pd.DataFrame:
    """Returns the rows of a baseline run's grid, `round` among them, and notes what is missing."""
    rows = run.read_table(
        TABLES["baseline"], EPISODE_NUMBERS, ("schedule", "kind", "diverged"), TIMES
    )
    if "round" not in rows:  # Of a run that had one round alone.
        rows["round"] = ALL
    rows = without_repeats(run, TABLES["baseline"], rows)
    expected = _expected_grid_runs(run)
    check_number(run, TABLES["baseline"], len(rows), expected, "runs")
    for _, of_round in rows.groupby("round"):
        note_unequal(run, of_round)
    if run.is_finished:
        run.read_json(BEST)
    return rows


def mean_losses(rows: pd.DataFrame, round_name: str) -> pd.Series:
    """Returns the mean best validation loss of each schedule of a round, best first."""
    of_round = rows[rows["round"] == round_name]
    means = of_round.groupby("schedule", sort=False)["best_validation_loss"].mean()
    return means.sort_values(kind="stable")


def _expected_grid_runs(run):
    """The number of runs that the config asks for, None if that can't be told."""
    families = re.findall(r"@([\w/]+)", run.config.get("baseline.families", ""))
    num_seeds = run.value("baseline.num_seeds")
    sizes = [_family_size(run, family) for family in families]
    if not sizes or None in sizes or not isinstance(num_seeds, int):
        return None
    # A config without them is of a run that had no finalists; one finalist is none.
    num_finalists = min(sum(sizes), run.value("baseline.num_finalists") or 1)
    num_again = run.value("baseline.num_finalist_seeds") if num_finalists > 1 else 0
    return sum(sizes) * num_seeds + num_finalists * num_again


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
