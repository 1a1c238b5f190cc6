"""Grids as the report sees them: their rows, and whether they are whole."""

from __future__ import annotations

import ast
import math
import re

import pandas as pd

from learned_lr.report.completeness import check_number, note_unequal, without_repeats
from learned_lr.report.reading import EPISODE_NUMBERS, TABLES, TIMES, Run

# Families whose parameters are not lists of values to combine.
_SINGLE_FAMILIES = ("best_of_grid", "controller", "replay", "paper_schedule")


def read_grid(run: Run) -> pd.DataFrame:
    """Returns the rows of a baseline run's grid and notes what is missing."""
    rows = run.read_table(
        TABLES["baseline"], EPISODE_NUMBERS, ("schedule", "kind", "diverged"), TIMES
    )
    rows = without_repeats(run, TABLES["baseline"], rows)
    expected = _expected_grid_runs(run)
    check_number(run, TABLES["baseline"], len(rows), expected, "runs")
    note_unequal(run, rows)
    if run.is_finished:
        run.read_json("best.json")
    return rows


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
