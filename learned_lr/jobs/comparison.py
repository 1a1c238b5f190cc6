"""Schedules side by side on the same seeds: runs each, tests each once, and writes one set of files.

The end of `train` and the whole of `evaluate`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import gin
from learned_lr.execution import cache, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import (
    comparison_tables,
    controller_pools,
    schedule_descriptions,
    schedule_figure,
)
from learned_lr.jobs.schedule_checks import SCHEDULES
from learned_lr.jobs.schedule_families import Schedules
from learned_lr.report.drawing import png
from learned_lr.trainees import schedules
from learned_lr.trainees.episode import (
    SUMMARY_COLUMNS,
    TRAJECTORY_COLUMNS,
    Episode,
    run_episode,
)
from learned_lr.trainees.open_loop import mean_rates

TABLE = "evaluation.csv"
TRAJECTORIES = "trajectories.csv"
STATISTICS = "statistics.csv"
SUMMARY = "evaluation.md"
FIGURE = "schedule.png"
COLUMNS = (
    "schedule",
    "kind",
    *SUMMARY_COLUMNS,
    "test_loss",
    "test_accuracy",
    "duration_sec",
    "cpu_sec",
)


@gin.register("comparison")
def plain_schedules(
    constant_learning_rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2),
    step_decays: tuple[tuple[float, int, float], ...] = ((1e-2, 50, 0.9),),
    num_seeds: int = 3,
) -> tuple[Schedules, int]:
    """Returns (schedules by name, number of seeds) that `train` ends with.

    Args:
      constant_learning_rates: constant rates.
      step_decays: (initial learning rate, discount step in trainee steps, factor) each.
      num_seeds: seeds for development that every schedule is run on; 0 for no comparison.
    """
    if num_seeds < 0:
        raise ValueError(f"Expected comparison.num_seeds >= 0, found {num_seeds!r}.")
    constants = [schedules.Constant(rate) for rate in constant_learning_rates]
    decays = [schedules.StepDecay(*decay) for decay in step_decays]
    return {schedule.name: schedule for schedule in constants + decays}, num_seeds


def compare(
    run: RunDirectory,
    workers: Workers,
    task,
    compared: Schedules,
    evaluation_seeds: Sequence[int],
    reference: str,
    on_episode: Callable[[Episode], None] = lambda episode: None,
) -> tuple[str, dict[str, list[Episode]]]:
    """Runs every schedule on every seed and compares each with one of them.

    Leaves `evaluation.csv` (a row a run, as they end), `trajectories.csv` (a row a decision),
    `statistics.csv`, `schedules.json`, `evaluation.md`, `schedule.png`, and in `replay/` the
    mean rates of each schedule, as tables that `replay.path` takes.

    Args:
      run: the run directory.
      workers: the worker processes.
      task: the task.
      compared: schedules and pools of them by name; equal ones of different names are run once.
      evaluation_seeds: a seed gives all schedules the same initial weights and minibatches.
      reference: the name of the schedule that all others are compared with.
      on_episode: called with each episode as it comes.

    Returns:
      (the table as Markdown, episodes by schedule name in the order of the seeds; a pool's
      members have names of their own).
    """
    members, descriptions = controller_pools.members_of(compared), described(compared)
    compared = controller_pools.flat(compared)
    run.write(SCHEDULES, (json.dumps(descriptions, indent=2) + "\n").encode())
    episodes = _run_all(
        run, workers, task, compared, descriptions, evaluation_seeds, on_episode
    )
    _write_trajectories(run, episodes)
    _write_replays(run, episodes)
    groups = {row: [episodes[name] for name in names] for row, names in members.items()}
    rows = comparison_tables.statistics_rows(groups, reference)
    CsvTable(run, STATISTICS, comparison_tables.STATISTICS_COLUMNS).write(rows)
    text = comparison_tables.markdown(groups, rows, reference)
    run.write(SUMMARY, text.encode())
    purpose = seeds.purpose(evaluation_seeds[0])
    title = f"{task.name}: mean of {len(evaluation_seeds)} {purpose} seeds"
    drawn = {
        row: [e for group in found for e in group] for row, found in groups.items()
    }
    figure = schedule_figure.draw(drawn, title, reference)
    run.write(FIGURE, png(figure))
    return text, episodes


def described(compared: Schedules) -> dict[str, dict[str, Any]]:
    """Returns the descriptions of all schedules by name; a pool's members say which row they are of."""
    flat = controller_pools.flat(compared)
    descriptions = {n: schedule_descriptions.describe(s) for n, s in flat.items()}
    for row, names in controller_pools.members_of(compared).items():
        if names != [row]:
            for name in names:
                descriptions[name][schedule_descriptions.POOL] = row
    return descriptions


def episode_names(compared: Schedules, evaluation_seeds: Sequence[int]) -> list[str]:
    """Returns the names of the episodes that `compare` runs, equal schedules once."""
    flat = controller_pools.flat(compared).values()
    prints = dict.fromkeys(map(schedule_descriptions.fingerprint, flat))
    return [episode_name(p, seed) for p in prints for seed in evaluation_seeds]


def episode_name(fingerprint: str, seed: int) -> str:
    """Returns the name of a schedule's episode, by the schedule's fingerprint."""
    return f"{fingerprint}_{seed}"


def _run_all(
    run, workers, task, compared, descriptions, evaluation_seeds, on_episode
) -> dict[str, list[Episode]]:
    prints = {n: schedule_descriptions.fingerprint(s) for n, s in compared.items()}
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

    def add(index, episode):
        finished[calls[index]] = episode
        table.write(list(rows()))
        on_episode(episode)

    cache.map_episodes(
        run,
        workers,
        run_episode,
        [(task, unique[fingerprint], seed) for fingerprint, seed in calls],
        [episode_name(fingerprint, seed) for fingerprint, seed in calls],
        Episode,
        add,
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
    """Writes the geometric mean over seeds of each schedule's rates, of names that are alike with a number."""
    slugs: set[str] = set()
    for name, group in episodes.items():
        mean = mean_rates(group)
        steps = group[0].column("trainee_step").astype(int)
        # A trajectory's row has the rate of the interval that ends there.
        rows = [
            {"trainee_step": int(step), "learning_rate": float(rate)}
            for step, rate in zip(steps[:-1], mean[1:])
        ]
        plain = slug = "".join(c if c.isalnum() else "_" for c in name)
        while slug in slugs:
            slug = f"{plain}_{len(slugs)}"
        slugs.add(slug)
        table = CsvTable(run, f"replay/{slug}.csv", ("trainee_step", "learning_rate"))
        table.write(rows)
