"""Puts all run directories of a root directory on one page. Reads, never trains."""

from __future__ import annotations

import io
import os

import pandas as pd

from learned_lr.report import paper, paper_rows, provenance, sections
from learned_lr.report.blocks import Block, Figure, Table
from learned_lr.report.budget import budget
from learned_lr.report.contenders import contenders
from learned_lr.report.evaluations import read_evaluation
from learned_lr.report.grids import read_grid
from learned_lr.report.pages import html_page, markdown_page
from learned_lr.report.reading import (
    OTHER_TABLES,
    REPORT_DIR,
    ReportError,
    Run,
    find_runs,
)
from learned_lr.report.trainings import read_training

__all__ = ["ReportError", "report"]

# Of what is incomplete, in the terminal.
_NUM_SHOWN = 10
_TITLE = "Learning-rate schedules compared"


def report(root_dir: str) -> str:
    """Writes `<root_dir>/report/`: `report.html`, `report.md`, and each figure and table.

    Args:
      root_dir: the folder of all run directories.

    Returns:
      A summary with the problems, the first of them if there are many, and where the report is.

    Raises:
      ReportError: if there is no run.
    """
    runs = find_runs(root_dir)
    by_job = {
        job: [run for run in runs if run.job == job]
        for job in ("evaluate", "baseline", "train", "sweep", *OTHER_TABLES)
    }
    blocks = _blocks(runs, by_job)
    # All has been read by now, so all that is incomplete is known.
    problems = provenance.problems(runs)
    blocks += [*provenance.incomplete(problems), *provenance.remaking(runs)]
    summary = _summary(runs, by_job, len(problems))
    folder = os.path.join(root_dir, REPORT_DIR)
    os.makedirs(folder, exist_ok=True)
    for name, content in _files(summary, blocks).items():
        _write(os.path.join(folder, name), content)
    # In a terminal, nothing else stands below the summary.
    shown = [f"- {problem}" for problem in problems[:_NUM_SHOWN]]
    if len(problems) > _NUM_SHOWN:
        shown.append(f"- and {len(problems) - _NUM_SHOWN} more, all in the report")
    where = f"The report is {os.path.join(folder, 'report.html')}"
    return "\n".join([summary, *shown, where])


def _blocks(runs: list[Run], by_job: dict[str, list[Run]]) -> list[Block]:
    """Returns what the runs tell, in the page's order."""
    evaluations = [read_evaluation(run) for run in by_job["evaluate"]]
    grids = [(run, read_grid(run)) for run in by_job["baseline"]]
    trainings = [read_training(run) for run in by_job["train"]]
    compared = {evaluation: contenders(evaluation, runs) for evaluation in evaluations}
    return [
        *paper.tables(compared),
        *paper_rows.contenders_table(compared),
        *(b for e in evaluations for b in sections.evaluation_section(e)),
        *sections.grids_section(grids),
        *sections.trainings_section(trainings),
        *(b for run in by_job["sweep"] for b in sections.sweep_section(run)),
        *budget(runs),
    ]


def _summary(runs, by_job, num_problems):
    counts = ", ".join(f"{len(found)} {job}" for job, found in by_job.items() if found)
    directories = "run directory" if len(runs) == 1 else "run directories"
    state = {0: "All whole.", 1: "1 thing is incomplete, see below."}.get(
        num_problems, f"{num_problems} things are incomplete, see below."
    )
    return f"{len(runs)} {directories} ({counts}). {state}"


def _files(summary, blocks) -> dict[str, bytes]:
    """Returns the content of each file of the report by its name."""
    files = {
        "report.html": html_page(_TITLE, summary, blocks).encode(),
        "report.md": markdown_page(_TITLE, summary, blocks).encode(),
    }
    for block in blocks:
        if isinstance(block, Figure):
            files[f"{block.name}.png"] = block.png
        elif isinstance(block, Table):
            files[f"{block.name}.csv"] = _csv(block)
    return files


def _csv(table):
    buffer = io.StringIO()
    pd.DataFrame(list(table.values)).to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue().encode()


def _write(path, content):
    with open(f"{path}.tmp", "wb") as file:
        file.write(content)
    os.replace(f"{path}.tmp", path)
