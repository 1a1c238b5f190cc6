"""From the command line to a job: flags say where, gin says what. Errors end in one clear message."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import os
import re
import signal
import sys
from collections.abc import Callable

try:
    from absl import logging

    import gin
    from learned_lr.execution.gin_config import (
        UsageError,
        job_of,
        message,
        parse_gin,
        without_macro,
    )
    from learned_lr.execution.provenance import command
    from learned_lr.execution.run_directory import (
        RunDirectory,
        RunDirectoryError,
    )
    from learned_lr.execution.worker_processes import WorkerError, limit_threads
except ImportError as error:  # `pip install .` brings the light side alone.
    _missing: ImportError | None = error
else:
    _missing = None
    # What the user can mend: these end in their message, without a traceback.
    _USER_ERRORS = (UsageError, RunDirectoryError, WorkerError, ValueError, OSError)

JOBS = (
    "train",
    "references",
    "imitate",
    "meta_train",
    "judge",
    "baseline",
    "evaluate",
    "sweep",
)
_OWN_PACKAGES = ("learned_lr", "official_resnet")


def run_job(job_name: str, load_job: Callable[[], Callable[[RunDirectory], str]]):
    """Parses flags and gin, runs the job in its run directory, prints what it returns.

    Args:
      job_name: the first folder under the root directory.
      load_job: imports and returns the job, a function of the run directory; the docstring of
        its module says what the job does, and names a command as an example.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    options = parse_flags(
        job_name, sys.argv[1:], sys.modules[load_job.__module__].__doc__
    )
    if _missing is not None:
        sys.exit(_fail_missing(_missing))
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # Closed by who started the job.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - as long as the process.
    logging.set_verbosity(logging.ERROR)
    sys.exit(_main(job_name, load_job, options))


def parse_flags(
    job_name: str, arguments: list[str], description: str = ""
) -> argparse.Namespace:
    """Returns the flags of a job: `gin_file` and `gin_bindings`, lists, and `root_dir`.

    Help and wrong flags end the process, as argparse has it.

    Args:
      job_name: the name of the job.
      arguments: those of the command line.
      description: what the job does, with a command in backquotes as an example.
    """
    example = _example(job_name, description)
    parser = _Parser(
        prog=f"python -m learned_lr.{job_name}",
        description=re.sub(r": `[^`]*`", "", description.strip()),
        epilog=(
            "examples:\n"
            f"  {example}\n"
            f'  {example} \\\n      --gin_bindings="workers.num_workers = 4" '
            "--root_dir=/tmp/runs\n\n"
            "The same command again goes on where it was stopped. A run writes all that can be\n"
            "bound, with its value, to operative_config.gin; a wrong name is answered with the nearest."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for flag, metavar, text in (
        ("--gin_file", "FILE", "a gin file, which says what is run; repeatable"),
        ("--gin_bindings", "BINDING", "a gin binding, 'name = value'; repeatable"),
    ):
        parser.add_argument(
            flag, metavar=metavar, help=text, action="append", default=[]
        )
    parser.add_argument(
        "--root_dir",
        metavar="FOLDER",
        default="runs",
        type=_folder,
        help="the folder of all run directories (default: runs)",
    )
    return parser.parse_args(arguments)


class _Parser(argparse.ArgumentParser):
    """Says the nearest flag to an unknown one."""

    def error(self, text):
        unknown = re.match(r"unrecognized arguments: (--\w+)", text)
        if unknown:
            known = ["--gin_file", "--gin_bindings", "--root_dir", "--help"]
            nearest = difflib.get_close_matches(unknown[1], known, n=1)
            text += f"; did you mean {nearest[0]}?" if nearest else ""
        self.exit(1, f"Error: {text}\n{self.prog} --help shows the flags.\n")


def _folder(path):
    path = os.path.expanduser(path)
    if not path or os.path.isfile(path):
        found = "a file" if path else "nothing"
        raise argparse.ArgumentTypeError(f"Expected a folder, found {found}: {path!r}")
    return path


def _example(job_name, description):
    found = re.search(r"`(python -m [^`]*)`", description)
    return found[1] if found else f"python -m learned_lr.{job_name} --gin_file=FILE"


def _main(job_name, load_job, options):
    _stop_by_signals()
    try:
        description = sys.modules[load_job.__module__].__doc__ or ""
        _check_files(job_name, options.gin_file, _example(job_name, description))
        try:
            job = load_job()
        except ImportError as error:
            return _fail_missing(error)
        # One thread, here as in the workers: the same numbers from run to run.
        limit_threads(1)
        parse_gin(options.gin_file, options.gin_bindings)
        path = run_path(options.root_dir, job_name, options.gin_file)
        with contextlib.closing(RunDirectory(path)) as run:
            _say(f"Run directory: {run.path}")
            _say(job(run))
            _say(f"Everything is in {run.path}")
        return 0
    except KeyboardInterrupt:
        _say(f"\nStopped. To go on where it stopped, run it again:\n  {command()}")
        return 130
    except Exception as error:  # A full disk comes as an OSError or from TensorFlow.
        if _is_disk_full(error):
            return _fail(
                f"No space left on the disk of {os.path.abspath(options.root_dir)}. What is "
                f"finished is kept: free some space, then run it again:\n  {command()}"
            )
        if isinstance(error, _USER_ERRORS) or _is_missing_binding(error):
            return _fail(error)
        raise


def _stop_by_signals():
    """SIGTERM stops a job as Ctrl-C does, also where Python calls what may not raise.

    In a weak reference's callback, for one, an interrupt is printed and forgotten: it comes again a little later.
    """
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.default_int_handler)
    print_unraisable = sys.unraisablehook

    def again(unraisable):
        if unraisable.exc_type is KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
        else:
            print_unraisable(unraisable)

    sys.unraisablehook = again


def _say(text):
    """Prints; where nobody reads any more, the job goes on."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_path(root_dir: str, job_name: str, gin_files: list[str]) -> str:
    """Returns `<root_dir>/<job>/<task>/<name>`; the name is that of the last gin file.

    A sweep that binds no task, but leaves it to its points, is filed under their job.

    Raises:
      UsageError: if the path has characters that TensorFlow's checkpoints take for a pattern.
    """
    names = [_bound("task.name") or _bound("family.name") or _bound("sweep.job")]
    if names == [None]:
        names = [_bound("task.dataset"), _bound("task.model")]
    task = "_".join(re.sub(r"\W+", "_", str(name)) for name in names)
    name = os.path.splitext(os.path.basename(gin_files[-1]))[0]
    path = os.path.join(root_dir, job_name, task, name)
    if set(path) & set("[]*?"):
        raise UsageError(
            f"Expected --root_dir and gin files without any of []*? in their names, found {path}."
        )
    return path


def _check_files(job_name, gin_files, example):
    """Refuses none, and those of another job, before anything slow is imported."""
    if not gin_files:
        raise UsageError(f"Expected --gin_file, for example: {example}")
    jobs = {path: job_of(path, JOBS) for path in gin_files}
    if job_name == "sweep" and "sweep" in jobs.values():
        return  # Its points' job has files and bindings of its own.
    for path, job in jobs.items():
        if job not in (None, job_name):
            raise UsageError(
                f"Expected a gin file for {job_name}, found {path}, which is for {job}: "
                f"python -m learned_lr.{job} --gin_file={path}"
            )


def _bound(parameter):
    try:
        return without_macro(gin.query_parameter(parameter))
    except ValueError:
        return None


def _fail(error):
    print(f"Error: {message(error)}", file=sys.stderr)
    return 1


def _fail_missing(error):
    """What a light installation says; a module of the project's own that is missing is a bug."""
    name = (error.name or "").partition(".")[0]
    if name in _OWN_PACKAGES:
        raise error
    print(
        f"Error: Expected the training stack, found no {name or 'package that works'} "
        f"({error}): pip install '.[train]' brings all that the jobs need.",
        file=sys.stderr,
    )
    return 1


def _is_missing_binding(error):
    # Gin has no type of its own for it.
    return str(error).startswith("Required bindings for")


def _is_disk_full(error):
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "No space left on device" in str(error)
