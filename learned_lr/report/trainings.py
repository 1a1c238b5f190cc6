"""Trainings of controllers as the report sees them: their iterations and the evaluation at their end."""

from __future__ import annotations

import dataclasses

import pandas as pd

from learned_lr.report.completeness import check_number
from learned_lr.report.evaluations import Evaluation, has_evaluation, read_evaluation
from learned_lr.report.reading import TABLES, Run


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """One train run.

    Attributes:
      run: its run directory.
      iterations: a row an iteration, as in `iterations.csv`.
      evaluation: the evaluation that it ended with; None if it has left none, since it
        hasn't come so far, or since its config asks for none.
    """

    run: Run
    iterations: pd.DataFrame
    evaluation: Evaluation | None


def read_training(run: Run) -> Training:
    """Reads a train run and notes all that is not whole."""
    iterations = run.read_table(TABLES["train"], ("iteration", "mean_return"))
    expected = run.value("train.num_iterations")
    check_number(run, TABLES["train"], len(iterations), expected, "iterations")
    evaluation = read_evaluation(run) if has_evaluation(run) else None
    return Training(run, iterations, evaluation)
