"""A process of `test_docs.py`: parses what pages say to one job as the job's own command does.

Reads a list of [kind, value, where] from standard input, writes a list of complaints to
standard output. A process of its own knows the names of its job alone, as the command does.
"""

from __future__ import annotations

import importlib
import json
import re
import sys

import gin
from learned_lr import launch
from learned_lr.execution import configured
from learned_lr.execution.gin_config import UsageError, job_of, parse_gin


def _parse_command(job, arguments):
    flags = launch.parse_flags(job, arguments)
    for path in flags.gin_file:
        if job_of(path, launch.JOBS) not in (None, job):
            raise UsageError(f"Expected a gin file for {job}, found {path}.")
    parse_gin(flags.gin_file, flags.gin_bindings)
    # A sweep leaves the task to its points; others have a family of them.
    if job in ("imitate", "judge", "meta_train", "references"):
        configured.family()
    elif job != "sweep":
        configured.task()
    launch.run_path(flags.root_dir, "job", flags.gin_file)


def _parse_gin(job, text):
    task = (
        "task.name = 'digits_cnn'\n"
        if re.search(r"^task\.", text, re.MULTILINE)
        else ""
    )
    gin.parse_config(task + text, skip_unknown=False)
    if task:
        configured.task()


def _parse_name(job, name):
    """A parameter named without a value; other dotted names are not gin's."""
    configurable, _, parameter = name.partition(".")
    try:
        gin.get_configurable(configurable)
    except ValueError:
        return
    gin.bind_parameter(f"{configurable}.{parameter}", None)


def main(job: str) -> None:
    """Parses everything on standard input."""
    importlib.import_module(f"learned_lr.{job}")._load()
    parsers = {"command": _parse_command, "gin": _parse_gin, "name": _parse_name}
    complaints = []
    for kind, value, where in json.load(sys.stdin):
        gin.clear_config()
        try:
            parsers[kind](job, value)
        except (UsageError, ValueError, SyntaxError, SystemExit) as error:
            complaints.append(f"{where}: {value}: {error}")
    json.dump(complaints, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
