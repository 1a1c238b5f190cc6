"""The report's sections on evaluations, grids, trainings and sweeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from learned_lr.execution import seeds
from learned_lr.report import figures, paper
from learned_lr.report.blocks import Block, Bold, Figure, Heading, Paragraph, Table
from learned_lr.report.evaluations import Evaluation
from learned_lr.report.grids import ALL, BEST, FINAL, mean_losses
from learned_lr.report.reading import TABLES, Run
from learned_lr.report.statistics_tables import statistics_table
from learned_lr.report.trainings import Training

_NUM_SHOWN = 10


def evaluation_section(evaluation: Evaluation) -> Iterator[Block]:
    """Yields an evaluation's tables and figures."""
    run = evaluation.run
    yield Heading(f"Evaluation: {run.name}")
    if not len(evaluation.rows):
        yield Paragraph("No run has ended yet.")
        return
    for metric in evaluation.metrics:
        yield statistics_table(evaluation, metric)
    if len(evaluation.trajectories):
        pair = f" Dashed in black and grey: read off the paper's figure for {evaluation.pair}."
        yield Figure(
            f"{run.slug}_figure1",
            figures.validation_loss_figure(evaluation),
            f"Figure 1. Log validation loss on {run.task}: mean over seeds, band of one "
            f"standard deviation.{pair if paper.has_pair(evaluation.pair) else ''}",
            [run],
        )
        yield Figure(
            f"{run.slug}_figure2",
            figures.learning_rate_figure(evaluation),
            f"Figure 2. Learning rate on {run.task}: geometric mean over seeds, band from "
            f"least to greatest.{pair if paper.has_pair(evaluation.pair) else ''}",
            [run],
        )


def grids_section(grids: Sequence[tuple[Run, pd.DataFrame]]) -> Iterator[Block]:
    """Yields, for each baseline run and its rows, the heat map and the best schedules."""
    if grids:
        yield Heading("Grids")
    for run, rows in grids:
        yield Heading(run.name, 3)
        yield from _grid(run, rows)


def _grid(run, rows):
    if not len(rows):
        yield Paragraph("No run has ended yet.")
        return
    first = rows[rows["round"] == ALL]
    decays = first[first["kind"] == "step_decay"]
    if len(decays) > 3 and len(decays) == len(first) and _is_product(run, decays):
        winner = run.read_json(BEST).get("name") if run.has_file(BEST) else None
        is_again = winner is not None and FINAL in set(rows["round"])
        frame = "the best on the finalists' seeds" if is_again else "the best"
        yield Figure(
            f"{run.slug}_heat_map",
            figures.heat_map(decays, winner),
            f"Best validation loss of each step decay on {run.task}; the frame is {frame}. "
            "Test figures have no part in it.",
            [run],
        )
    yield _best_table(run, rows)


def _best_table(run, rows):
    """The best of all, and what the finalists came to on their own seeds; the winner in bold."""
    means, again = mean_losses(rows, ALL), mean_losses(rows, FINAL)
    # The finalists first, by what they came to on their own seeds.
    ranked = [*again.index, *means.index.difference(again.index, sort=False)]
    best = means.reindex(ranked).head(_NUM_SHOWN)
    header = ["schedule", "best validation loss"]
    cells = [[name, f"{value:.4f}"] for name, value in best.items()]
    values = [{"schedule": n, "best_validation_loss": v} for n, v in best.items()]
    diverged = int((rows["diverged"] == "True").sum())
    note = f"{diverged} of {len(rows)} runs diverged."
    if len(again):
        num_seeds = rows[rows["round"] == FINAL]["seed"].nunique()
        header.append(f"on {num_seeds} other seeds")
        for row, value in zip(cells, values):
            loss = again.get(row[0])
            value["finalist_best_validation_loss"] = loss
            row.append("" if loss is None else f"{loss:.4f}")
        cells = [
            [Bold(cell) for cell in row] if row[0] == again.index[0] else row
            for row in cells
        ]
        note = (
            f"The best {len(again)} were run again, and the least mean of these runs wins. "
            f"{note}"
        )
    return Table(
        f"{run.slug}_best",
        f"The best {len(best)} of {len(means)} schedules on {run.task}, by validation loss",
        header,
        cells,
        values,
        note,
        [run],
    )


def _is_product(run, decays):
    names = ["initial_learning_rate", "discount_step", "discount_factor"]
    numbers = decays.reindex(columns=names).apply(pd.to_numeric, errors="coerce")
    if numbers.isna().any(axis=None):
        run.note("grid.csv has step decays without numbers, so no heat map")
        return False
    cells = np.prod([decays[name].nunique() for name in names])
    return cells == len(decays[names].drop_duplicates())


def trainings_section(trainings: Sequence[Training]) -> Iterator[Block]:
    """Yields, for each train run, its returns and the evaluation at its end."""
    if trainings:
        yield Heading("Training")
    for training in trainings:
        yield Heading(training.run.name, 3)
        yield from _returns(training.run, training.iterations)
        if training.evaluation is not None:
            yield from _closing_evaluation(training.evaluation)


def _returns(run, iterations):
    if not len(iterations):
        yield Paragraph("No iteration has ended yet.")
        return
    yield Figure(
        f"{run.slug}_returns",
        figures.returns_figure(iterations),
        f"Mean return of the episodes of an iteration, {run.task}.",
        [run],
    )
    returns, count = iterations["mean_return"], min(5, len(iterations))
    yield Paragraph(
        f"{len(iterations)} iterations; mean return of the first {count}: "
        f"{returns.head(count).mean():.2f}, of the last {count}: "
        f"{returns.tail(count).mean():.2f}."
    )


def _closing_evaluation(evaluation):
    if not len(evaluation.rows):
        yield Paragraph("No run of the evaluation at its end has ended yet.")
        return
    yield Paragraph(
        f"The evaluation that it ended with, on {_purpose(evaluation)} seeds:"
    )
    # The figure above names the command, and the last table explains both.
    *others, last = evaluation.metrics
    for metric in others:
        yield statistics_table(evaluation, metric, is_explained=False)
    yield statistics_table(evaluation, last)


def _purpose(evaluation):
    try:
        return seeds.purpose(evaluation.rows["seed"].iloc[0])
    except ValueError:  # A table that something else has written.
        return "unknown"


def sweep_section(run: Run) -> Iterator[Block]:
    """Yields a sweep's points."""
    yield Heading(f"Sweep: {run.name}")
    points = run.read_table(TABLES["sweep"], ())
    if not len(points):
        yield Paragraph("No point has ended yet.")
        return
    yield Table(
        f"{run.slug}_points",
        f"Points of {run.name}",
        list(points.columns),
        points.to_numpy().tolist(),
        points.to_dict("records"),
        runs=[run],
    )
