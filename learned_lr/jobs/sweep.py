"""The sweep job: another job at many points, each in a run directory of its own."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tqdm

import gin
from learned_lr.execution import configured, gin_config
from learned_lr.execution.gin_config import UsageError
from learned_lr.execution.provenance import command
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.worker_processes import WorkerError
from learned_lr.execution.workers import Workers
from learned_lr.jobs import sweep_points
from learned_lr.jobs.sweep_report import LOG, SweepReport, point_path

_DEATH = (
    "Its process died again and again. Memory is the usual cause: try fewer workers "
    "(workers.num_workers) or a smaller batch."
)
# The modules of the jobs; in each, the job's function has the job's name.
_JOBS = {
    "train": "learned_lr.jobs.train",
    "baseline": "learned_lr.jobs.baseline",
    "evaluate": "learned_lr.jobs.evaluate",
    "imitate": "learned_lr.jobs.imitate",
    "meta_train": "learned_lr.jobs.meta_train",
}
_FAMILY_JOBS = ("imitate", "meta_train")


@gin.configurable("sweep")
def sweep(
    run: RunDirectory,
    job: str = gin.REQUIRED,
    gin_files: Sequence[str] = gin.REQUIRED,
    product: Mapping[str, Sequence[Any]] | None = None,
    points: Sequence[Mapping[str, Any]] | None = None,
    seeds: Sequence[int] = (),
) -> str:
    """Runs a job at every point, several at a time, each in a process of its own.

    Leaves `points/<slug>/`, what the job's own command leaves, with a `log` of what it
    would print; `sweep.csv`, a row a point in the order of the points; `sweep.md`; and
    `tensorboard/` for the HParams page. What is bound beside `sweep` is bound in every
    point, after the job's gin files and before the point's own bindings.

    Args:
      run: the run directory.
      job: 'train', 'baseline', 'evaluate', 'imitate' or 'meta_train'.
      gin_files: the job's gin files.
      product: values by the name of a binding; every combination is a point.
      points: or the bindings of each point by name.
      seeds: runs each point with each as `<job>.seed`, which `evaluate` doesn't have; none leaves the seed as it is.

    Returns:
      The points and their final metrics as a Markdown table.

    Raises:
      UsageError: if a point binds an unknown name, before any runs; or if points failed,
        after all have run.
    """
    if job not in _JOBS:
        raise ValueError(f"Expected sweep.job out of {list(_JOBS)}, found {job!r}.")
    if isinstance(gin_files, str) or not gin_files:
        raise ValueError(f"Expected a list in sweep.gin_files, found {gin_files!r}.")
    all_points = sweep_points.make_points(product, points, seeds, f"{job}.seed")
    workers_config = configured.workers()
    shared_config = gin.config_str()
    # With what the job's gin files bind: when they change, it is another sweep.
    run.begin(_check(job, gin_files, shared_config, all_points), {"sweep": list(seeds)})
    report = SweepReport(run, all_points)
    waiting = [point for point in all_points if not report.add_finished(point)]
    calls = {
        point.slug: (
            job,
            list(gin_files),
            [shared_config, *point.gin_bindings(), "workers.num_workers = 0"],
            point_path(run, point),
            run.root_dir,
            command(),
        )
        for point in waiting
    }
    progress = tqdm.tqdm(
        total=len(all_points),
        initial=len(all_points) - len(waiting),
        desc="sweep",
        unit="point",
        mininterval=1,
    )
    with progress as bar:
        for slug, failure in _run_points(workers_config, calls):
            report.add(slug, failure)
            bar.update()
            if report.failures:
                bar.set_postfix_str(f"{len(report.failures)} failed")
    return report.end()


def load_job(job: str) -> Callable[[RunDirectory], str]:
    """Imports and returns a job by its name."""
    return getattr(importlib.import_module(_JOBS[job]), job)


def load_jobs() -> None:
    """Imports all jobs, so that gin knows what a sweep's gin file may bind."""
    for job in _JOBS:
        load_job(job)


def run_point(
    job: str,
    gin_files: list[str],
    bindings: list[str],
    path: str,
    root_dir: str,
    made_by: str | None = None,
) -> str | None:
    """Runs a job in this process, with all that it prints in a log.

    Args:
      job: the job's name.
      gin_files: its gin files.
      bindings: its bindings, or whole configs, which come after the gin files.
      path: its run directory, which gets the log.
      root_dir: where other jobs' run directories are.
      made_by: the command line for its record; None for this process's.

    Returns:
      Why it failed, None if it didn't.
    """
    os.makedirs(path, exist_ok=True)
    with _output_to(os.path.join(path, LOG)):
        try:
            job_function = load_job(job)
            gin.clear_config()
            gin_config.parse_gin(gin_files, bindings)
            with contextlib.closing(RunDirectory(path, root_dir, made_by)) as run:
                print(job_function(run))
        except Exception as error:  # noqa: BLE001 - the other points go on.
            traceback.print_exc()
            return f"{type(error).__name__}: {gin_config.message(error)}"
    return None


def _check(job, gin_files, shared_config, points) -> str:
    """Parses the config of every point; returns the config of this sweep, the job's part too."""
    load_job(job)
    gin.clear_config()
    gin_config.parse_gin(list(gin_files), [shared_config])
    base_config = gin.config_str()
    for point in points:
        gin.clear_config()
        try:
            gin_config.parse_gin(
                list(gin_files), [shared_config, *point.gin_bindings()]
            )
            configured.family() if job in _FAMILY_JOBS else configured.task()
        except (UsageError, ValueError) as error:
            message = gin_config.message(error)
            raise UsageError(f"Point {point.slug}: {message}") from error
    gin.clear_config()
    gin.parse_config(shared_config)
    return base_config


def _run_points(config, calls) -> Iterator[tuple[str, str | None]]:
    """Yields (slug, why it failed or None) as points end."""
    waiting = list(calls)
    while waiting:
        slugs = list(waiting)
        try:
            with Workers(config, is_fresh=True) as workers:
                arguments = [calls[slug] for slug in slugs]
                for index, failure in workers.map(run_point, arguments):
                    waiting.remove(slugs[index])
                    yield slugs[index], failure
        except WorkerError as error:
            if error.index is None:
                raise
            # It ended the map: the points that ran beside it resume in the next one.
            waiting.remove(slugs[error.index])
            yield slugs[error.index], _DEATH


@contextlib.contextmanager
def _output_to(path):
    """Appends to a file what this process writes, TensorFlow's C++ messages too."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    with open(path, "a", encoding="utf-8", buffering=1) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                yield
        finally:
            for number, descriptor in zip((1, 2), saved):
                os.dup2(descriptor, number)
                os.close(descriptor)
