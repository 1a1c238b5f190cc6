"""What a teacher would have to teach that searches each task's best shape: of 64 base schedules, chosen and run again.

    python -m benchmarks.schedule_shapes --references=runs/references/default/default --out_dir=results/shapes

On training tasks of the default family, at the peak that `learned_lr.references` found for a cosine: every shape on one
seed, the three best on two more, which decide, and the winner beside the package's base and the tuned cosine on three
seeds that had no say. What the choice promised and what it kept are then two numbers. `runs.csv` has a row a run;
killed and started again, it goes on with the tasks that it lacks.
"""

from __future__ import annotations

import argparse
import itertools
import json
import pathlib

import numpy as np

import gin
from learned_lr.control.base_schedules import DECAYS, BaseSchedule
from learned_lr.execution import configured, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers, WorkersConfig
from learned_lr.jobs.regrets import References, log_loss
from learned_lr.report import statistics
from learned_lr.report.tables import markdown_table
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.scaled_schedules import BaseAtPeak

SHAPES = tuple(
    BaseSchedule(warmup, final, hold, decay)
    for warmup, hold, decay, final in itertools.product(
        (0.02, 0.1, 0.2, 0.4), (0.0, 0.15, 0.3, 0.5), DECAYS, (1e-3, 0.1)
    )
)
OWN = BaseSchedule(0.2, 1e-3, 0.3, "linear")  # gin/recipes/many_tasks.gin
COSINE = BaseSchedule()  # The references'.
ROUNDS = {"search": 1, "choice": 2, "comparison": 3}  # Seeds of each.
NUM_FINALISTS = 3
COLUMNS = (
    *("task", "round", "warmup_fraction", "hold_fraction", "decay", "final_fraction"),
    *("peak", "seed", "log_loss", "cpu_sec"),
)


def search(task, peak: float) -> list[dict]:
    """Returns the rows of all runs on a task, without its name."""
    rows = []
    first = seeds.training_seed(0, 0)
    by_round = {}
    for name, number in ROUNDS.items():
        by_round[name] = range(first, first + number)
        first += number

    def run(name, shapes):
        found = {}
        for shape in dict.fromkeys(shapes):
            for seed in by_round[name]:
                episode = run_episode(task, BaseAtPeak(peak, shape), seed, test=False)
                loss = log_loss(episode.best_validation_loss)
                found.setdefault(shape, []).append(loss)
                row = {n: getattr(shape, n) for n in COLUMNS[2:6]}
                row.update(round=name, peak=peak, seed=seed, log_loss=loss)
                rows.append({**row, "cpu_sec": round(episode.cpu_sec, 3)})
        return sorted(found, key=lambda shape: np.mean(found[shape]))

    finalists = run("search", SHAPES)[:NUM_FINALISTS]
    winner = run("choice", finalists)[0]
    run("comparison", [winner, OWN, COSINE])
    return rows


def summary(rows) -> str:
    """Returns the Markdown table: against the package's base, what the search promised and what it kept."""
    by_task: dict[str, dict] = {}
    for row in rows:
        shape = tuple(str(row[name]) for name in COLUMNS[2:6])
        key = row["round"], shape
        by_task.setdefault(row["task"], {}).setdefault(key, []).append(
            float(row["log_loss"])
        )
    own, cosine = (
        tuple(str(getattr(shape, name)) for name in COLUMNS[2:6])
        for shape in (OWN, COSINE)
    )
    found: dict[str, list] = {name: [] for name in ("promised", "kept", "cosine")}
    for runs in by_task.values():
        means = {key: np.mean(losses) for key, losses in runs.items()}
        choices = {shape: m for (name, shape), m in means.items() if name == "choice"}
        winner = min(choices, key=choices.get)
        best = min(m for (name, _), m in means.items() if name == "search")
        found["promised"].append([best - means["search", own]])
        for name, shape in (("kept", winner), ("cosine", cosine)):
            losses = runs["comparison", shape], runs["comparison", own]
            found[name].append(np.subtract(*losses))
    lines = [["against the package's base", "mean [95%]", "median", "tasks better"]]
    found["one"] = _one_for_all(by_task, own)
    for label, name in (
        ("the best of 64 on the one seed of the search", "promised"),
        ("the shape that is best on all other tasks, likewise", "one"),
        ("the chosen one on three other seeds", "kept"),
        ("the tuned cosine on these", "cosine"),
    ):
        values = np.asarray(found[name])
        across = statistics.across_tasks(values)
        low, high = across.mean_interval
        interval = "" if np.isnan(low) else f" [{low:+.3f}, {high:+.3f}]"
        better = int(np.sum(values.mean(axis=1) < 0))
        lines.append([label, f"{across.mean:+.3f}{interval}"])
        lines[-1] += [f"{across.median:+.3f}", f"{better} of {len(values)}"]
    return markdown_table(lines)


def _one_for_all(by_task, own):
    """Of each task what one shape costs there that the searches of all other tasks chose."""
    searched = [
        {shape: runs[name, shape][0] for name, shape in runs if name == "search"}
        for runs in by_task.values()
    ]
    shapes = list(searched[0])
    against = np.array([[runs[s] - runs[own] for s in shapes] for runs in searched])
    choices = [np.delete(against, i, 0).mean(0).argmin() for i in range(len(against))]
    return [[row[choice]] for row, choice in zip(against, choices)]


def main(arguments=None) -> None:
    """Runs what is missing and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--references", required=True, help="their run directory")
    parser.add_argument("--out_dir", required=True)
    parser.add_argument("--num_tasks", type=int, default=24, help="drawn at random")
    parser.add_argument("--num_workers", type=int, default=2)
    flags = parser.parse_args(arguments)
    gin.parse_config_file("gin/families/default.gin")
    tasks = {m.name: m.task for m in configured.family().tasks("training")}
    order = np.random.default_rng(0).permutation(sorted(tasks))
    drawn = [str(name) for name in order[: flags.num_tasks]]
    content = pathlib.Path(flags.references, "references.json").read_text("utf-8")
    references = References(json.loads(content))
    references.check(tasks)
    run = RunDirectory(flags.out_dir)
    table = CsvTable(run, "runs.csv", COLUMNS)
    known = {row["task"] for row in table.rows()}
    calls = {name: (tasks[name], references.peak(name)) for name in drawn}
    missing = [name for name in drawn if name not in known]
    with Workers(WorkersConfig(num_workers=flags.num_workers)) as workers:
        for index, rows in workers.map(search, [calls[name] for name in missing]):
            task = {"task": missing[index]}
            table.write([*table.rows(), *({**task, **row} for row in rows)])
            print(missing[index], flush=True)
    text = summary(table.rows())
    run.write("table.md", text.encode())
    print(text)


if __name__ == "__main__":
    main()
