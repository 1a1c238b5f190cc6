"""From the command line to a job: flags say where, gin says what. Errors end in one clear message."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import sys
from collections.abc import Callable

from absl import app, flags, logging

import gin
from learned_lr.execution.gin_config import UsageError, message, parse_gin
from learned_lr.execution.run_directory import (
    RunDirectory,
    RunDirectoryError,
    command,
)
from learned_lr.execution.worker_processes import WorkerError, limit_threads

_GIN_FILE = flags.DEFINE_multi_string("gin_file", [], "Path of a gin file; repeatable.")
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "A gin binding, 'name = value'; repeatable."
)
_ROOT_DIR = flags.DEFINE_string("root_dir", "runs", "Folder of all run directories.")


# What the user can mend: these end in their message, without a traceback.
_USER_ERRORS = (UsageError, RunDirectoryError, WorkerError, ValueError, OSError)


def run_job(job_name: str, load_job: Callable[[], Callable[[RunDirectory], str]]):
    """Parses flags and gin, runs the job in its run directory, prints what it returns.

    Args:
      job_name: the first folder under the root directory.
      load_job: imports and returns the job, a function of the run directory.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.set_verbosity(logging.ERROR)

    def main(arguments):
        if len(arguments) > 1:
            raise app.UsageError(f"Expected flags only, found {arguments[1:]}.")
        sys.exit(_main(job_name, load_job))

    app.run(main)


def _main(job_name, load_job):
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        job = load_job()
        # One thread, here as in the workers: the same numbers from run to run.
        limit_threads(1)
        parse_gin(_GIN_FILE.value, _GIN_BINDINGS.value)
        path = run_path(_ROOT_DIR.value, job_name, _GIN_FILE.value)
        with contextlib.closing(RunDirectory(path)) as run:
            print(f"Run directory: {run.path}", flush=True)
            print(job(run))
            print(f"Everything is in {run.path}")
        return 0
    except KeyboardInterrupt:
        print(f"\nStopped. To go on where it stopped, run it again:\n  {command()}")
        return 130
    except Exception as error:  # A full disk comes as an OSError or from TensorFlow.
        if _is_disk_full(error):
            return _fail(
                f"No space left on the disk of {os.path.abspath(_ROOT_DIR.value)}. What is "
                f"finished is kept: free some space, then run it again:\n  {command()}"
            )
        if isinstance(error, _USER_ERRORS) or _is_missing_binding(error):
            return _fail(error)
        raise


def run_path(root_dir: str, job_name: str, gin_files: list[str]) -> str:
    """Returns `<root_dir>/<job>/<task>/<name>`; the name is that of the last gin file.

    A sweep that binds no task, but leaves it to its points, is filed under their job.
    """
    names = [_bound("task.name") or _bound("family.name") or _bound("sweep.job")]
    if names == [None]:
        names = [_bound("task.dataset"), _bound("task.model")]
    task = "_".join(re.sub(r"\W+", "_", str(name)) for name in names)
    name = os.path.splitext(os.path.basename(gin_files[-1]))[0]
    return os.path.join(root_dir, job_name, task, name)


def _bound(parameter):
    try:
        return gin.query_parameter(parameter)
    except ValueError:
        return None


def _fail(error):
    print(f"Error: {message(error)}", file=sys.stderr)
    return 1


def _is_missing_binding(error):
    # Gin has no type of its own for it.
    return str(error).startswith("Required bindings for")


def _is_disk_full(error):
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "No space left on device" in str(error)
