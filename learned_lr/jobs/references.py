"""The references job: the tuned cosine of every task of a family. Killed at any moment, it resumes to the same end."""

from __future__ import annotations

import json

import numpy as np
import tqdm

import gin
from learned_lr.execution import cache, configured, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import earlier_references, tuned_cosines
from learned_lr.jobs.earlier_references import TABLE
from learned_lr.jobs.regrets import FILE, log_loss
from learned_lr.jobs.tuned_cosines import PeakSearch
from learned_lr.report.tables import markdown_table
from learned_lr.trainees.families import SPLITS

COLUMNS = (
    "task",
    "split",
    "peak",
    "seed",
    "best_validation_loss",
    "final_validation_loss",
    "diverged",
    "cpu_sec",
)
_SUMMARY = "references.md"


@gin.configurable("references")
def references(
    run: RunDirectory,
    min_peak: float = 1e-3,
    max_peak: float = 0.3,
    num_seeds: int = 2,
    splits: tuple[str, ...] = SPLITS,
    seed: int = 0,
    earlier_run: str | None = None,
) -> str:
    """Finds the best peak of the base schedule on every task of a family, by validation loss.

    One call of a worker does all runs of a task, so that its graph is traced once.

    Leaves `references.csv` (a row a run, grouped by task), `references.json` and
    `references.md`. In the JSON, by a task's name: `peak`, that of the tuned schedule;
    `best_loss`, its best validation loss, the mean over seeds; `losses`, the same by peak;
    `spread`, the standard deviation of log(loss + 0.02) over the peaks of the grid, the task's
    scale; `curve`, [trainee step, validation loss] of the tuned schedule, the mean over seeds.

    Args:
      run: the run directory.
      min_peak: the grid's least peak; it has two a decade, 1e-3, 3e-3, 1e-2, ...
      max_peak: its greatest peak. A task's grid is widened where its best is at the edge.
      num_seeds: runs at each peak.
      splits: the splits of the family whose tasks are run.
      seed: which seeds these are, in [0, 10000), out of those for selection: never held-out ones, but
        those on which an imitation of the same seed evaluates its rounds.
      earlier_run: the run directory of another family's references, relative to the root
        directory: tasks that it has are taken over from its tables and not run again.

    Returns:
      A summary as a Markdown table.
    """
    peaks = tuned_cosines.half_decades(min_peak, max_peak)
    if min_peak <= 0 or len(peaks) < 3 or num_seeds < 1:
        raise ValueError(
            "Expected references.min_peak > 0 and .max_peak with at least 3 half decades, and "
            f"num_seeds >= 1, found {min_peak!r} and {max_peak!r} with {peaks[:9]}, and {num_seeds!r}."
        )
    members = configured.family().tasks(*splits)
    base = configured.base_schedule()
    workers_config = configured.workers()
    run_seeds = [seeds.selection_seed(seed, index) for index in range(num_seeds)]
    run.begin(gin.operative_config_str(), {"run": seed, "runs": run_seeds})
    if run.is_finished:
        return run.finished_message(_SUMMARY)
    known = earlier_references.read(run, earlier_run, [m.name for m in members])
    if known.rows:
        print(
            f"Taken over from {earlier_run}: {len(known.rows)} of {len(members)} tasks."
        )
    table = CsvTable(run, TABLE, COLUMNS)
    rows: dict[str, list[dict]] = {
        member.name: [{**row, "split": member.split} for row in known.rows[member.name]]
        for member in members
        if member.name in known.rows
    }
    missing = [member for member in members if member.name not in rows]
    progress = tqdm.tqdm(total=len(missing), desc="tasks", unit="task", mininterval=1)
    with Workers(workers_config) as workers, progress as bar:

        def on_search(index, search):
            rows[missing[index].name] = _rows(missing[index], search)
            table.write([row for m in members for row in rows.get(m.name, ())])
            bar.update()

        searches = cache.map_episodes(
            run,
            workers,
            tuned_cosines.search,
            [(member.task, base, peaks, run_seeds) for member in missing],
            [member.name for member in missing],
            PeakSearch,
            on_search,
        )
    table.write([row for m in members for row in rows[m.name]])
    found = {m.name: _reference(s, peaks) for m, s in zip(missing, searches)}
    found.update(known.documents)
    documents = {member.name: found[member.name] for member in members}
    run.write(FILE, (json.dumps(documents, indent=1) + "\n").encode())
    summary = _summary(members, documents)
    run.write(_SUMMARY, summary.encode())
    run.finish(**_costs(members, table.rows()))
    return summary


def _rows(member, search):
    return [
        {
            "task": member.name,
            "split": member.split,
            "peak": float(search.peaks[index]),
            "seed": int(search.seeds[index]),
            "best_validation_loss": float(search.best_losses[index]),
            "final_validation_loss": float(search.curves[index, -1]),
            "diverged": bool(search.diverged[index]),
            "cpu_sec": round(float(search.cpu_sec[index]), 3),
        }
        for index in range(len(search.peaks))
    ]


def _costs(members, rows):
    """What all runs came to, those that were taken over included."""
    num_steps = {member.name: member.task.num_trainee_steps for member in members}
    return {
        "num_tasks": len(members),
        "num_runs": len(rows),
        "num_trainee_steps": sum(num_steps[row["task"]] for row in rows),
        "num_diverged": sum(row["diverged"] == "True" for row in rows),
        "cpu_sec": sum(float(row["cpu_sec"]) for row in rows),
    }


def _reference(search, grid):
    losses, peak = search.losses(), search.best_peak()
    return {
        "peak": peak,
        "best_loss": losses[peak],
        "spread": float(np.std([log_loss(losses[peak]) for peak in grid])),
        "losses": losses,
        "curve": search.curve(peak),
    }


def _summary(members, documents):
    """A row a split: how many tasks have their best peak in which decade, and their spreads."""
    decades = range(-5, 0)
    header = ["split", "tasks", *(f"peak in [1e{d}, 1e{d + 1})" for d in decades)]
    rows = [[*header, "1", "median spread"]]
    for split in dict.fromkeys(member.split for member in members):
        chosen = [documents[m.name] for m in members if m.split == split]
        powers = [int(np.floor(np.log10(d["peak"]) + 1e-9)) for d in chosen]
        counts = [str(powers.count(power)) for power in (*decades, 0)]
        spread = float(np.median([d["spread"] for d in chosen]))
        rows.append([split, str(len(chosen)), *counts, f"{spread:.3f}"])
    return markdown_table(rows)
