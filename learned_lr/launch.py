"""From the command line to a job: flags say where, gin says what. Errors end in one clear message."""

from __future__ import annotations

import contextlib
import difflib
import errno
import inspect
import os
import re
import signal
import sys
from collections.abc import Callable

from absl import app, flags, logging

import gin
from learned_lr.experiments.run_directory import (
    RunDirectory,
    RunDirectoryError,
    command,
)
from learned_lr.experiments.workers import WorkerError, limit_threads

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

_GIN_FILE = flags.DEFINE_multi_string("gin_file", [], "Path of a gin file; repeatable.")
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "A gin binding, 'name = value'; repeatable."
)
_ROOT_DIR = flags.DEFINE_string("root_dir", "runs", "Folder of all run directories.")


class UsageError(Exception):
    """Something the user asked for that can't be done: what was expected and found."""


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


def parse_gin(gin_files: list[str], bindings: list[str]) -> None:
    """Parses gin files and bindings, found from any working directory.

    Raises:
      UsageError: on a missing file or an unknown name, with the nearest known one.
    """
    if not gin_files:
        raise UsageError(
            "Expected --gin_file, for example --gin_file=gin/train/digits_cnn.gin."
        )
    gin.add_config_file_search_path(_ROOT)
    for path in gin_files:
        if not any(os.path.isfile(os.path.join(d, path)) for d in ("", _ROOT)):
            raise UsageError(f"Expected a gin file at {path}, found none.")
    try:
        gin.parse_config_files_and_bindings(gin_files, bindings, skip_unknown=False)
    except (ValueError, SyntaxError, OSError) as error:
        raise UsageError(_explain_gin(error)) from error


def run_path(root_dir: str, job_name: str, gin_files: list[str]) -> str:
    """Returns `<root_dir>/<job>/<task>/<name>`; the name is that of the last gin file."""
    names = [_bound("task.name")]
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


def _explain_gin(error):
    """Adds to gin's message the line it is about, or the nearest known name to an unknown one."""
    text = str(error).strip()
    if isinstance(error, SyntaxError) and error.text:
        return f"{text}\n  {error.text.strip()}"
    match = re.search(r"No configurable matching ['\"](\S+)['\"]", text)
    if match:
        known = [name.rsplit(".", 1)[-1] for name in gin.config._REGISTRY._selector_map]
        return f"{text}{_nearest(match.group(1), known)}"
    match = re.search(
        r"Configurable ['\"](\S+)['\"] doesn't have a parameter named ['\"](\w+)['\"]",
        text,
    )
    if match:
        function = gin.get_configurable(match.group(1).rsplit(".", 1)[-1])
        known = list(inspect.signature(function).parameters)
        return f"{text}{_nearest(match.group(2), known)}"
    return text


def _nearest(name, known):
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"\nDid you mean {matches[0]!r}?" if matches else f"\nKnown: {sorted(known)}"


def _fail(message):
    # Gin adds the address of the function that was called.
    text = re.sub(r"\n\s*In call to configurable .*", "", str(message))
    print(f"Error: {text}", file=sys.stderr)
    return 1


def _is_missing_binding(error):
    # Gin has no type of its own for it.
    return str(error).startswith("Required bindings for")


def _is_disk_full(error):
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "No space left on device" in str(error)
