"""The judge job: how far schedules are behind the tuned one, on all tasks of a split. Killed at any moment, it resumes to the same end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import tqdm

import gin
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.execution import cache, configured, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory, RunDirectoryError
from learned_lr.execution.workers import Workers
from learned_lr.jobs import (
    contenders,
    judged_runs,
    judgement,
    schedule_checks,
    schedule_descriptions,
    schedule_families,
)
from learned_lr.jobs.regrets import References
from learned_lr.jobs.schedule_families import Schedules
from learned_lr.trainees import episode_groups

_SCHEDULES = "schedules.json"


@gin.configurable("judge")
def judge(
    run: RunDirectory,
    references: str = gin.REQUIRED,
    schedules: Sequence[Callable[[str], Schedules]] = (),
    rivals: Sequence[str] = contenders.RIVALS,
    split: str = "held_out",
    num_seeds: int = 5,
    seed: int = 0,
    multipliers: Sequence[float] = (1.0,),
    against: str | None = contenders.CALIBRATED_PER_OPTIMIZER,
    other_bases: Sequence[BaseSchedule] = (),
    open_loops: Sequence[str] = (),
) -> str:
    """Runs contenders on every task of a split and says how far each is behind the tuned schedule.

    A regret is log(loss + 0.02) minus that of the mark with the same seed, `tuned`: the base
    schedule at the task's own tuned peak, which is always run. Losses are the best validation
    loss, the test loss of those weights, and the validation loss at the end. Runs of one seed share initial
    weights and minibatches. One call of a worker does all runs of a task, so that its graph
    is traced once; equal schedules are run once.

    Leaves `judge.csv` (a row a run, grouped by task), `tasks.csv` (a row a task, contender
    and multiplier), `judge.md`, `regrets.png`, `profiles.png`, with several multipliers
    `multipliers.png`, `schedules.json`, and a copy of the references.

    Args:
      run: the run directory.
      references: the run directory of the job `references`, under the root directory.
      schedules: gin references to families of schedules.
      rivals: those that the job makes: 'calibrated', the base schedule at one peak for all
        tasks, that of least mean regret on the training tasks; 'calibrated per optimizer', at
        one for tasks with SGD and one for the others, each from the training tasks of its
        kind; 'optimizer default', Keras' constant 0.01 with SGD, else 0.001; 'plateau from
        default', reductions on plateaus of 5 decisions from there.
      split: whose tasks are judged on.
      num_seeds: runs of each contender, task and multiplier.
      seed: which seeds these are, in [0, 10000), out of those of final comparisons.
      multipliers: all but the mark are run at their rates times each of these, of which they
        aren't told.
      against: the contender whose regrets are subtracted from those of all others, at the
        same multiplier and seed; None for no such table.
      other_bases: gin references to base schedules of other shapes, each run at the peaks that
        are calibrated per optimizer: what a controller's base is worth without its decisions.
      open_loops: names out of those of `schedules`: the mean of what it did on the task with the
        other seeds is played back, at each multiplier: what reading each single run is worth.

    Returns:
      The regrets as Markdown tables.
    """
    if num_seeds < 1:
        raise ValueError(f"Expected judge.num_seeds >= 1, found {num_seeds!r}.")
    if open_loops and num_seeds < 2:
        raise ValueError(
            "Expected judge.num_seeds >= 2 beside judge.open_loops, which play to a run what the others did, found "
            f"{num_seeds!r}."
        )
    family = configured.family()
    base = configured.base_schedule()
    workers_config = configured.workers()
    judged = {member.name: member.task for member in family.tasks(split)}
    training = {member.name: member.task for member in family.tasks("training")}
    if not judged or not training:
        raise ValueError(
            f"Expected a family with training tasks and tasks of the split {split!r}, found "
            f"{len(training)} and {len(judged)}."
        )
    others = schedule_families.collect(schedules, run.root_dir) if schedules else {}
    contenders.check(
        rivals, others, multipliers, training, judged, other_bases, open_loops
    )
    if against not in (None, *rivals, *others):
        raise ValueError(
            f"Expected judge.against out of {[*rivals, *others]} or None, found {against!r}."
        )
    schedule_checks.check_start(others, judged.values())
    run_seeds = [seeds.held_out_seed(index, seed) for index in range(num_seeds)]
    run.begin(gin.operative_config_str(), {"run": seed, "runs": run_seeds})
    found = References.of_run(run, references, [*training, *judged])
    _keep_schedules(run, others)
    if run.is_finished:
        return run.finished_message(judgement.SUMMARY)
    for note in schedule_checks.notes(others, next(iter(judged.values()))):
        print(note)
    compared = contenders.Contenders(
        found, training, base, rivals, others, multipliers, other_bases, open_loops
    )
    by_task = {name: compared.of_task(name, task) for name, task in judged.items()}
    names = list(judged)
    unique = {name: _unique([c.schedule for c in by_task[name]]) for name in names}
    table = CsvTable(run, judged_runs.TABLE, judged_runs.COLUMNS)
    rows: dict[str, list[dict]] = {}
    progress = tqdm.tqdm(total=len(names), desc="tasks", unit="task", mininterval=1)
    with Workers(workers_config) as workers, progress as bar:

        def on_group(index, group):
            name = names[index]
            rows[name] = judged_runs.rows_of_task(
                name, by_task[name], unique[name], group.episodes, run_seeds
            )
            table.write([row for n in names for row in rows.get(n, ())])
            bar.update()

        groups = cache.map_episodes(
            run,
            workers,
            episode_groups.run_schedules,
            [(judged[name], unique[name], run_seeds) for name in names],
            names,
            episode_groups.EpisodeGroup,
            on_group,
        )
    everything = [row for name in names for row in rows[name]]
    peaks = {name: found.peak(name) for name in names}
    summary = judgement.write(
        run,
        judged_runs.JudgedRuns(everything),
        peaks,
        compared.peaks,
        split,
        against,
    )
    episodes = [episode for group in groups for episode in group.episodes]
    run.finish(
        num_tasks=len(names),
        num_runs=len(episodes),
        num_trainee_steps=sum(int(e.column("trainee_step")[-1]) for e in episodes),
        num_diverged=sum(episode.diverged for episode in episodes),
        calibrated_peaks=compared.peaks,
        cpu_sec=sum(episode.cpu_sec for episode in episodes),
    )
    return summary


def _keep_schedules(run, schedules):
    """Writes what the schedules of gin are, or checks that they are those the run began with.

    A controller's folder may hold another one than when the run was stopped.
    """
    described = {n: schedule_descriptions.describe(s) for n, s in schedules.items()}
    content = (json.dumps(described, indent=2) + "\n").encode()
    there = run.read(_SCHEDULES)
    if there is None:
        run.write(_SCHEDULES, content)
        run.add_input(_SCHEDULES)
    elif there != content:
        there, here = json.loads(there), json.loads(content)
        changed = [name for name in here if here[name] != there.get(name)]
        raise RunDirectoryError(
            f"Expected {run.path} to hold a run of these schedules, found others in place "
            f"of: {', '.join(changed)}. Choose another --root_dir."
        )


def _unique(schedules):
    found = []
    for schedule in schedules:
        if schedule not in found:
            found.append(schedule)
    return found
