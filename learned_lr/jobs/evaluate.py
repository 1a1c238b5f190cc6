"""The evaluate job: any schedules on the same held-out seeds, each run tested once, and statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tqdm

import gin
from learned_lr.execution import configured, seeds
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import (
    comparison,
    controller_pools,
    earlier_runs,
    schedule_checks,
    schedule_families,
)
from learned_lr.jobs.schedule_families import Schedules
from learned_lr.trainees import spend, task_fields


@gin.configurable("evaluate")
def evaluate(
    run: RunDirectory,
    families: Sequence[Callable[[str], Schedules]] = gin.REQUIRED,
    num_seeds: int = 10,
    reference: str | None = None,
    earlier_run: str | None = None,
) -> str:
    """Runs every schedule on the same held-out seeds and compares each with one of them.

    A seed gives all schedules the same initial weights and minibatches, so runs are
    paired. No controller was trained and no grid chosen on these seeds. `comparison.compare`
    says what it leaves.

    Args:
      run: the run directory.
      families: gin references to families of schedules; `@controllers` puts several trainings
        in one row.
      num_seeds: runs of each schedule.
      reference: the name of the schedule that all others are compared with; None for the
        first.
      earlier_run: the run directory of another evaluation of the same task, under the root
        directory, whose runs are taken over where schedule and seed are the same: a contender
        more costs its own runs alone.

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
    # Refuses names that clash, before anything is written.
    flat = controller_pools.flat(compared)
    schedule_checks.check_start(flat, [task])
    evaluation_seeds = [seeds.held_out_seed(index) for index in range(num_seeds)]
    run.begin(gin.operative_config_str(), {"evaluation": evaluation_seeds})
    if run.is_finished:
        described = comparison.described(compared)
        schedule_checks.check_finished(run, described, "evaluate")
        return run.finished_message(comparison.SUMMARY)
    for note in schedule_checks.notes(flat, task):
        print(note)
    names = comparison.episode_names(compared, evaluation_seeds)
    taken: set[str] = set()
    if earlier_run is not None:
        taken = earlier_runs.take_over(run, earlier_run, names)
        print(f"Taken over from {earlier_run}: {len(taken)} of {len(names)} runs.")
    progress = tqdm.tqdm(total=len(names), desc="evaluate", unit="run", mininterval=1)
    with Workers(workers_config) as workers, progress as bar:
        summary, episodes = comparison.compare(
            run,
            workers,
            task,
            compared,
            evaluation_seeds,
            reference,
            lambda episode: bar.update(),
        )
    # Equal schedules were run once, and share their episodes.
    everything = {id(e): e for group in episodes.values() for e in group}.values()
    # What the earlier run spent stands there.
    own = [e for name, e in zip(names, everything) if name not in taken]
    run.finish(
        task=task.name,
        dataset=task_fields.part_name(getattr(task, "dataset", None)),
        model=task_fields.part_name(getattr(task, "model", None)),
        reference=reference,
        num_runs=len(own),
        num_taken_over=len(taken),
        num_trainee_steps=len(own) * task.num_trainee_steps,
        num_gradient_samples=spend.of_runs(task, len(own)),
        num_diverged=sum(episode.diverged for episode in everything),
        cpu_sec=sum(episode.cpu_sec for episode in own),
    )
    return summary
