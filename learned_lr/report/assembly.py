"""Puts all run directories of a root directory on one page. Reads, never trains."""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from learned_lr.report import figures, paper
from learned_lr.report.budget import budget
from learned_lr.report.evaluations import (
    METRICS,
    Evaluation,
    check_training,
    read_evaluation,
    read_grid,
)
from learned_lr.report.pages import (
    Block,
    Bold,
    Code,
    Figure,
    Heading,
    Items,
    Paragraph,
    Table,
    html_page,
    markdown_page,
)
from learned_lr.report.reading import (
    REPORT_DIR,
    ReportError,
    Run,
    find_runs,
)

__all__ = ["ReportError", "report"]

_TITLE = "Learning-rate schedules compared"
_NUM_SHOWN = 10
_P_NAMES = {
    "p_student": "p",
    "p_welch": "p Welch",
    "p_paired": "p paired",
    "p_student_holm": "p Holm",
}
_COMMAND = "python -m learned_lr.report --root_dir=runs"


def report(root_dir: str) -> str:
    """Writes `<root_dir>/report/`: `report.html`, `report.md`, and each figure and table.

    Args:
      root_dir: the folder of all run directories.

    Returns:
      Where the report is, and how many problems it names.

    Raises:
      ReportError: if there is no run.
    """
    runs = find_runs(root_dir)
    by_job = {
        job: [run for run in runs if run.job == job]
        for job in ("evaluate", "baseline", "train", "sweep")
    }
    evaluations = [read_evaluation(run) for run in by_job["evaluate"]]
    grids = {run.name: read_grid(run) for run in by_job["baseline"]}
    iterations = {
        run.name: run.read_table("iterations.csv", ("iteration", "mean_return"))
        for run in by_job["train"]
    }
    for run in by_job["train"]:
        check_training(run, iterations[run.name])
    blocks = [
        *paper.tables(evaluations),
        *(block for e in evaluations for block in _evaluation(e)),
        *_section("Grids", [(run, _grid) for run in by_job["baseline"]], grids),
        *_section(
            "Training", [(run, _training) for run in by_job["train"]], iterations
        ),
        *(block for run in by_job["sweep"] for block in _sweep(run)),
        *budget(runs),
    ]
    blocks += _incomplete(runs) + _remaking(runs)
    problems = sum(len(run.problems) + (not run.is_finished) for run in runs)
    counts = ", ".join(f"{len(found)} {job}" for job, found in by_job.items() if found)
    summary = f"{len(runs)} run directories ({counts}). " + (
        f"{problems} things are incomplete, see below." if problems else "All whole."
    )
    folder = os.path.join(root_dir, REPORT_DIR)
    os.makedirs(folder, exist_ok=True)
    files = {
        "report.html": html_page(_TITLE, summary, blocks).encode(),
        "report.md": markdown_page(_TITLE, summary, blocks).encode(),
    }
    for block in blocks:
        if isinstance(block, Figure):
            files[f"{block.name}.png"] = block.png
        elif isinstance(block, Table):
            files[f"{block.name}.csv"] = _csv(block)
    for name, content in files.items():
        _write(os.path.join(folder, name), content)
    return f"{summary}\nThe report is {os.path.join(folder, 'report.html')}"


def _csv(table):
    buffer = io.StringIO()
    pd.DataFrame(list(table.values)).to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue().encode()


def _write(path, content):
    with open(f"{path}.tmp", "wb") as file:
        file.write(content)
    os.replace(f"{path}.tmp", path)


def _section(title, parts, tables) -> Iterator[Block]:
    if parts:
        yield Heading(title)
    for run, make in parts:
        yield Heading(run.name, 3)
        yield from make(run, tables[run.name])


def _evaluation(evaluation: Evaluation) -> Iterator[Block]:
    run = evaluation.run
    yield Heading(f"Evaluation: {run.name}")
    if not len(evaluation.rows):
        yield Paragraph("No run has ended yet.")
        return
    for metric, label in METRICS.items():
        yield _statistics_table(evaluation, metric, label)
    if len(evaluation.trajectories):
        pair = f" Dashed: read off the paper's figure for {evaluation.pair}."
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


def _statistics_table(evaluation, metric, label):
    run, reference = evaluation.run, evaluation.reference
    rows, values = [], []
    for name in evaluation.names:
        cells = [name, str(len(evaluation.of(name)))]
        cells += _statistic_cells(evaluation, metric, name)
        known = evaluation.statistic(metric, name)
        values.append(known or {"metric": metric, "schedule": name})
        rows.append([Bold(c) for c in cells] if name == reference else cells)
    return Table(
        f"{run.slug}_{metric}",
        f"{label.capitalize()} on {run.task}, against {reference}",
        ["schedule", "n", label, "difference [95%]", "g", *_P_NAMES.values()],
        rows,
        values,
        "Mean (standard deviation) over seeds. * better, † worse at p < 0.05 in the "
        "two-sample t-test, the paper's; Welch: without equal variances; paired: run by "
        "run on the same seeds; Holm: the paper's test corrected for all comparisons of "
        "both metrics; difference: mean with bootstrap 95% interval; g: Hedges' effect "
        "size.",
        [run],
    )


def _statistic_cells(evaluation, metric, name):
    row = evaluation.statistic(metric, name)
    if not row:
        sample = evaluation.of(name)[metric]
        return [f"{sample.mean():.4f} ({sample.std(ddof=1):.4f})", *[""] * 6]
    mark = evaluation.mark(metric, name)
    cells = [f"{row['mean']:.4f} ({row['standard_deviation']:.4f}){mark}"]
    if name == evaluation.reference:
        return [*cells, *[""] * 6]
    interval = f"[{row['difference_low']:+.4f}, {row['difference_high']:+.4f}]"
    cells += [f"{row['difference']:+.4f} {interval}", f"{row['effect_size']:+.2f}"]
    return cells + [_p_value(row.get(name, math.nan)) for name in _P_NAMES]


def _p_value(value):
    return "–" if math.isnan(value) else f"{value:.2g}"


def _grid(run: Run, grid: pd.DataFrame) -> Iterator[Block]:
    if not len(grid):
        yield Paragraph("No run has ended yet.")
        return
    decays = grid[grid["kind"] == "step_decay"]
    if len(decays) > 3 and len(decays) == len(grid) and _is_product(decays):
        yield Figure(
            f"{run.slug}_heat_map",
            figures.heat_map(decays),
            f"Best validation loss of each step decay on {run.task}; the frame is the "
            "best. Test figures have no part in it.",
            [run],
        )
    means = grid.groupby("schedule", sort=False)["best_validation_loss"].mean()
    best = means.sort_values(kind="stable").head(_NUM_SHOWN)
    diverged = int((grid["diverged"] == "True").sum())
    yield Table(
        f"{run.slug}_best",
        f"The best {len(best)} of {len(means)} schedules on {run.task}, by validation loss",
        ["schedule", "best validation loss"],
        [[name, f"{value:.4f}"] for name, value in best.items()],
        [{"schedule": n, "best_validation_loss": v} for n, v in best.items()],
        f"{diverged} of {len(grid)} runs diverged.",
        [run],
    )


def _is_product(decays):
    names = ("initial_learning_rate", "discount_step", "discount_factor")
    cells = np.prod([decays[name].nunique() for name in names])
    return cells == len(decays[list(names)].drop_duplicates())


def _training(run: Run, iterations: pd.DataFrame) -> Iterator[Block]:
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


def _sweep(run: Run) -> Iterator[Block]:
    yield Heading(f"Sweep: {run.name}")
    text = run.read_text("sweep.csv")
    if text:
        rows = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
        yield Table(
            f"{run.slug}_points",
            f"Points of {run.name}",
            list(rows.columns),
            rows.to_numpy().tolist(),
            rows.to_dict("records"),
            runs=[run],
        )


def _incomplete(runs) -> list[Block]:
    texts = []
    for run in runs:
        if not run.is_finished:
            status = run.record.get("status", "unknown")
            texts.append(f"{run.name}: not finished, its status is {status}.")
        texts += [f"{run.name}: {problem}." for problem in run.problems]
    body = Items(texts) if texts else Paragraph("Nothing.")
    return [Heading("Incomplete"), body]


def _remaking(runs) -> list[Block]:
    blocks: list[Block] = [
        Heading("Making it again"),
        Paragraph(
            "The commands, each with the commit and the versions it ran with; "
            "--root_dir is left out."
        ),
    ]
    for run in runs:
        if run.is_point:
            continue
        versions = run.record.get("versions")
        named = versions.items() if isinstance(versions, dict) else ()
        commit = re.sub(r"[^\w.-]", "", str(run.record.get("commit", "unknown")))
        text = ", ".join([f"commit {commit}", *(f"{n} {v}" for n, v in named)])
        blocks += [Paragraph(f"{run.name}: {text}"), Code(run.command)]
    return [*blocks, Paragraph("This report:"), Code(_COMMAND)]
