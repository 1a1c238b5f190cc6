"""The evaluation job: any schedules on the same fresh seeds, each run tested once, and statistics."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tqdm

import gin
from learned_lr.execution import cache, configured, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import figures, schedule_families
from learned_lr.jobs.schedule_families import Schedules
from learned_lr.report import statistics
from learned_lr.report.tables import markdown_table
from learned_lr.trainees.episode import TRAJECTORY_COLUMNS, Episode, run_episode

TABLE = "evaluation.csv"
TRAJECTORIES = "trajectories.csv"
STATISTICS = "statistics.csv"
SCHEDULES = "schedules.json"
SUMMARY = "evaluation.md"
METRICS = ("test_loss", "test_accuracy")
COLUMNS = (
    "schedule",
    "kind",
    "seed",
    "best_validation_loss",
    "best_trainee_step",
    "final_validation_loss",
    "mean_validation_loss",
    "diverged",
    "test_loss",
    "test_accuracy",
    "duration_sec",
    "cpu_sec",
)
_TESTS = ("p_student", "p_welch", "p_paired")
_DIFFERENCE_COLUMNS = tuple(f.name for f in dataclasses.fields(statistics.Difference))
STATISTICS_COLUMNS = (
    "metric",
    "schedule",
    "reference",
    "num_runs",
    *_DIFFERENCE_COLUMNS,
    *(f"{name}_holm" for name in _TESTS),
    "star",
)


@gin.configurable("evaluate")
def evaluate(
    run: RunDirectory,
    families: Sequence[Callable[[str], Schedules]] = gin.REQUIRED,
    num_seeds: int = 10,
    reference: str | None = None,
) -> str:
    """Runs every schedule on the same held-out seeds and compares each with one of them.

    A seed gives all schedules the same initial weights and minibatches, so runs are
    paired. No controller was trained and no grid chosen on these seeds.

    Leaves `evaluation.csv` (a row a run), `trajectories.csv` (a row a decision),
    `statistics.csv`, `schedules.json`, `evaluation.md`, `schedule.png`, and in `replay/` the
    mean rates of each schedule, as tables that `replay.path` takes.

    Args:
      run: the run directory.
      families: gin references to families of schedules.
      num_seeds: runs of each schedule.
      reference: the name of the schedule that all others are compared with; None for the
        first.

    Returns:
      The comparison as a Markdown table.
    """
    if num_seeds < 1:
        raise ValueError(f"Expected evaluate.num_seeds >= 1, found {num_seeds!r}.")
    task = configured.task()
    workers_config = configured.workers()
    compared = schedule_families.collect(families, run.root_dir)
    if reference is None:
        reference = next(iter(compared))
    if reference not in compared:
        raise ValueError(
            f"Expected evaluate.reference out of {list(compared)}, found {reference!r}."
        )
    evaluation_seeds = [seeds.held_out_seed(index) for index in range(num_seeds)]
    run.begin(gin.operative_config_str(), {"evaluation": evaluation_seeds})
    if run.run_record()["status"] == "finished":
        summary = (run.read(SUMMARY) or b"").decode()
        return f"{run.path} holds a finished run: nothing is left to do.\n\n{summary}"
    _write_schedules(run, compared)
    episodes = _run_all(run, workers_config, task, compared, evaluation_seeds)
    _write_trajectories(run, episodes)
    _write_replays(run, episodes)
    rows = statistics_rows(episodes, reference)
    CsvTable(run, STATISTICS, STATISTICS_COLUMNS).write(rows)
    summary = _summary(episodes, rows, reference)
    run.write(SUMMARY, summary.encode())
    title = f"{task.name}: mean of {num_seeds} seeds"
    run.write(
        "schedule.png", figures.png(figures.schedule_figure(episodes, title, reference))
    )
    everything = [episode for group in episodes.values() for episode in group]
    run.finish(
        task=task.name,
        dataset=getattr(task, "dataset", None),
        model=getattr(task, "model", None),
        reference=reference,
        num_runs=len(everything),
        num_trainee_steps=len(everything) * task.num_trainee_steps,
        num_diverged=sum(episode.diverged for episode in everything),
        cpu_sec=sum(episode.cpu_sec for episode in everything),
    )
    return summary


def statistics_rows(
    episodes: dict[str, list[Episode]], reference: str
) -> list[dict[str, Any]]:
    """Returns the rows of `statistics.csv`: every schedule against the reference, a metric each.

    The Holm correction counts all comparisons of the table, over schedules and metrics.
    """
    rows = []
    for metric in METRICS:
        values = {
            name: [getattr(episode, metric) for episode in group]
            for name, group in episodes.items()
        }
        for name, sample in values.items():
            difference = statistics.compare(sample, values[reference])
            row = {"metric": metric, "schedule": name, "reference": reference}
            row.update(num_runs=len(sample), **dataclasses.asdict(difference))
            if name == reference:
                row.update(dict.fromkeys(("effect_size", *_TESTS), float("nan")))
            rows.append(row)
    for test in _TESTS:
        adjusted = statistics.holm([row[test] for row in rows])
        for row, value in zip(rows, adjusted):
            row[f"{test}_holm"] = value
    for row in rows:
        row["star"] = statistics.star(row["p_student"])
    return rows


def _run_all(run, workers_config, task, compared, evaluation_seeds):
    """Returns episodes by schedule name; equal schedules of different names are run once."""
    descriptions = {n: schedule_families.describe(s) for n, s in compared.items()}
    prints = {n: schedule_families.fingerprint(s) for n, s in compared.items()}
    unique = {prints[name]: schedule for name, schedule in compared.items()}
    calls = [(p, seed) for p in unique for seed in evaluation_seeds]
    finished: dict[tuple[str, int], Episode] = {}
    table = CsvTable(run, TABLE, COLUMNS)

    def rows():
        for name, fingerprint in prints.items():
            for seed in evaluation_seeds:
                episode = finished.get((fingerprint, seed))
                if episode is not None:
                    yield _row(name, descriptions[name]["kind"], episode)

    progress = tqdm.tqdm(total=len(calls), desc="evaluate", unit="run", mininterval=1)
    with Workers(workers_config) as workers, progress as bar:

        def on_episode(index, episode):
            finished[calls[index]] = episode
            table.write(list(rows()))
            bar.update()

        cache.map_episodes(
            run,
            workers,
            run_episode,
            [(task, unique[fingerprint], seed) for fingerprint, seed in calls],
            [f"{fingerprint}_{seed}" for fingerprint, seed in calls],
            Episode,
            on_episode,
        )
    return {
        name: [finished[fingerprint, seed] for seed in evaluation_seeds]
        for name, fingerprint in prints.items()
    }


def _row(name, kind, episode):
    return {
        "schedule": name,
        "kind": kind,
        **episode.summary(),
        "test_loss": episode.test_loss,
        "test_accuracy": episode.test_accuracy,
        "duration_sec": round(episode.duration_sec, 3),
        "cpu_sec": round(episode.cpu_sec, 3),
    }


def _write_schedules(run, compared):
    descriptions = {n: schedule_families.describe(s) for n, s in compared.items()}
    run.write(SCHEDULES, (json.dumps(descriptions, indent=2) + "\n").encode())


def _write_trajectories(run, episodes):
    rows = [
        {"schedule": name, "seed": episode.seed, **_decision(values)}
        for name, group in episodes.items()
        for episode in group
        for values in episode.trajectory.tolist()
    ]
    CsvTable(run, TRAJECTORIES, ("schedule", "seed", *TRAJECTORY_COLUMNS)).write(rows)


def _decision(values):
    row = dict(zip(TRAJECTORY_COLUMNS, values))
    # Trainees compute in float32, of which nine digits are all there is.
    row = {name: float(f"{value:.9g}") for name, value in row.items()}
    return {**row, "trainee_step": int(row["trainee_step"])}


def _write_replays(run, episodes):
    """Writes the geometric mean over seeds of each schedule's rates."""
    for name, group in episodes.items():
        rates = np.stack([episode.column("learning_rate") for episode in group])
        mean = np.exp(np.log(rates).mean(axis=0))
        steps = group[0].column("trainee_step").astype(int)
        # A trajectory's row has the rate of the interval that ends there.
        rows = [
            {"trainee_step": int(step), "learning_rate": float(rate)}
            for step, rate in zip(steps[:-1], mean[1:])
        ]
        slug = "".join(c if c.isalnum() else "_" for c in name)
        table = CsvTable(run, f"replay/{slug}.csv", ("trainee_step", "learning_rate"))
        table.write(rows)


def _summary(episodes, rows, reference):
    cells = [
        [
            "schedule",
            "test loss",
            "p",
            "test accuracy",
            "p",
            "best validation loss",
        ]
    ]
    by_key = {(row["schedule"], row["metric"]): row for row in rows}
    for name, group in episodes.items():
        line = [name]
        for metric in METRICS:
            row = by_key[name, metric]
            line.append(
                f"{row['mean']:.4f} ({row['standard_deviation']:.4f}){row['star']}"
            )
            line.append("" if name == reference else f"{row['p_student']:.2g}")
        losses = [episode.best_validation_loss for episode in group]
        line.append(f"{np.mean(losses):.4f}")
        cells.append(line)
    num_runs = len(episodes[reference])
    return markdown_table(cells) + (
        f"\nMean (standard deviation) of {num_runs} runs; * and p: two-sample t-test "
        f"against {reference}.\n"
    )
