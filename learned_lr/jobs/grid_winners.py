"""The winner of a finished grid, as other jobs take it."""

from __future__ import annotations

import json
import os
from typing import Any

from learned_lr.execution.run_directory import read_record
from learned_lr.jobs.schedule_descriptions import from_description

FILE = "best.json"


def read(folder: str) -> Any:
    """Returns the winning schedule of a baseline's run directory.

    Args:
      folder: the run directory; one without `run.json` counts as finished.

    Raises:
      ValueError: if it holds none, one that is damaged, or a grid that goes on.
    """
    path = os.path.join(folder, FILE)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise ValueError(
            f"Expected the winner of a finished baseline job at {path}, found none: run "
            "`python -m learned_lr.baseline` with its gin file first."
        ) from error
    try:
        record = read_record(folder)
    except FileNotFoundError:
        record = {"status": "finished"}
    if record.get("status") != "finished":
        raise ValueError(
            f"Expected {folder} to hold a finished baseline job, found its status {record.get('status')!r}: give its "
            "command again, it goes on."
        )
    try:
        return from_description(json.loads(text)["schedule"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected {path} to hold the winner of a grid, found it damaged: {type(error).__name__}: {error}"
        ) from error
