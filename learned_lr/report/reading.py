"""Reads run directories for the report. What is missing or damaged is noted on the run, never raised."""

from __future__ import annotations

import ast
import csv
import dataclasses
import io
import json
import math
import os
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from learned_lr.execution.provenance import without_root_dir
from learned_lr.execution.run_configs import bindings
from learned_lr.execution.run_directory import CONFIG_FILE, RUN_FILE

# A job's main table tells whose run directory it is. A train run ends with an evaluation,
# whose table it holds, too: so the evaluate job's comes last.
TABLES = {
    "train": "iterations.csv",
    "baseline": "grid.csv",
    "sweep": "sweep.csv",
    "evaluate": "evaluation.csv",
}
# Of jobs with pages of their own: the report lists their commands, and shows nothing of them.
OTHER_TABLES = {
    "references": "references.csv",
    "imitate": "imitation.csv",
    "meta_train": "meta_training.csv",
    "judge": "judge.csv",
}
# Columns of every table with a row a run.
EPISODE_NUMBERS = (
    "seed",
    "best_validation_loss",
    "best_trainee_step",
    "final_validation_loss",
    "mean_validation_loss",
)
TIMES = ("duration_sec", "cpu_sec")
REPORT_DIR = "report"
_POINTS_DIR = "points"
_NUM_NAMED = 3


class ReportError(Exception):
    """Nothing to report on: what was expected and what was found."""


@dataclasses.dataclass(eq=False)
class Run:
    """One run directory.

    Attributes:
      path: the folder.
      name: the folder relative to the root directory, with slashes.
      job: one of `TABLES` or `OTHER_TABLES`, or 'unknown'.
      record: what `run.json` holds, empty if unreadable.
      config: the values of the operative config by name, as text.
      problems: what is missing or damaged, a sentence each.
    """

    path: str
    name: str
    job: str = "unknown"
    record: dict[str, Any] = dataclasses.field(default_factory=dict)
    config: dict[str, str] = dataclasses.field(default_factory=dict)
    problems: list[str] = dataclasses.field(default_factory=list)

    @property
    def is_finished(self) -> bool:
        """Whether `run.json` says so."""
        return self.record.get("status") == "finished"

    @property
    def is_point(self) -> bool:
        """Whether it is one point of a sweep."""
        return _POINTS_DIR in self.name.split("/")

    @property
    def results(self) -> dict[str, Any]:
        """The results in `run.json`, empty while it isn't finished."""
        results = self.record.get("results")
        return results if isinstance(results, dict) else {}

    @property
    def command(self) -> str:
        """The command that made it, without the root directory of its machine."""
        command = str(self.record.get("command", "not recorded"))
        return without_root_dir(command)

    @property
    def slug(self) -> str:
        """The name as a file name."""
        return re.sub(r"[^0-9A-Za-z]+", "_", self.name).strip("_")

    @property
    def task(self) -> str:
        """The task's name: from the results, else the config, else the folder."""
        names = [self.results.get("task"), self.value("task.name")]
        own = [self.value("task.dataset"), self.value("task.model")]
        if all(own):
            names.append("_".join(map(str, own)))
        parts = self.name.split("/")
        names.append(parts[1] if len(parts) > 2 and not self.is_point else "unknown")
        return str(next(name for name in names if name))

    @property
    def task_in_full(self) -> str:
        """The task's name, and what it was bound to beside it: 'digits_cnn, num_trainee_steps = 40'."""
        return ", ".join([self.task, *self.task_bindings])

    @property
    def task_bindings(self) -> list[str]:
        """What the task was bound to beside what names it, 'num_trainee_steps = 40' each."""
        names = ("name", "file", "dataset", "model")
        return [
            f"{name.partition('.')[2]} = {value}"
            for name, value in self.config.items()
            if name.startswith("task.") and name.partition(".")[2] not in names
        ]

    def value(self, parameter: str) -> Any:
        """Returns a value of the config, None if it isn't bound to a literal."""
        try:
            return ast.literal_eval(self.config.get(parameter, "None"))
        except (ValueError, SyntaxError):
            return None

    def note(self, problem: str) -> None:
        """Notes a problem, once and in one line."""
        problem = " ".join(problem.split())
        if problem not in self.problems:
            self.problems.append(problem)

    def has_file(self, file_name: str) -> bool:
        """Whether a file is there."""
        return os.path.exists(os.path.join(self.path, file_name))

    def read_json(self, file_name: str) -> dict[str, Any]:
        """Returns a JSON object of the run, empty if it is missing or damaged."""
        text = self.read_text(file_name)
        if text is None:
            return {}
        try:
            document = json.loads(text)
        except ValueError as error:
            self.note(f"{file_name} is damaged: {error}")
            return {}
        if not isinstance(document, dict):
            self.note(f"{file_name} is damaged: expected an object")
            return {}
        return document

    def read_text(self, file_name: str) -> str | None:
        """Returns a text file's content, None if it is missing."""
        try:
            with open(
                os.path.join(self.path, file_name), encoding="utf-8", errors="replace"
            ) as file:
                return file.read()
        except FileNotFoundError:
            self.note(f"{file_name} is missing")
        except OSError as error:
            self.note(f"{file_name} can't be read: {error.strerror}")
        return None

    def read_table(
        self,
        file_name: str,
        numbers: Sequence[str],
        texts: Sequence[str] = (),
        gaps: Sequence[str] = (),
    ) -> pd.DataFrame:
        """Returns a CSV table's whole rows; what is missing or damaged is noted.

        Args:
          file_name: the table.
          numbers: columns that must be finite numbers; a row where one isn't is left out.
          texts: columns that must be there, as text.
          gaps: columns of numbers that may be NaN, or missing.

        Returns:
          A row a row of the table; float64 for `numbers` and `gaps`, text for the rest.
        """
        empty = pd.DataFrame(columns=[*texts, *numbers, *gaps])
        text = self.read_text(file_name)
        if text is None:
            return empty
        try:
            reader = csv.DictReader(io.StringIO(text))
            header = reader.fieldnames or []
            missing = [n for n in (*texts, *numbers) if n not in header]
            if missing:
                self.note(f"{file_name} has no column {', '.join(missing)}")
                return empty
            rows, damage = [], []
            for row in reader:
                reason = _convert(row, numbers, gaps)
                if reason is None:
                    rows.append(row)
                else:
                    damage.append(f"line {reader.line_num}: {reason}")
        except csv.Error as error:
            self.note(f"{file_name} is damaged: {error}")
            return empty
        if damage:
            more = len(damage) - _NUM_NAMED
            self.note(
                f"{file_name} has {len(damage)} damaged rows, left out: "
                + "; ".join(damage[:_NUM_NAMED])
                + (f"; and {more} more" if more > 0 else "")
            )
        return pd.DataFrame(rows) if rows else empty


def find_runs(root_dir: str) -> list[Run]:
    """Returns all run directories below a root directory, by name; empty ones too.

    Raises:
      ReportError: if there are none.
    """
    if not os.path.isdir(root_dir):
        found = "the file" if os.path.isfile(root_dir) else "no"
        raise ReportError(
            f"Expected a folder of run directories, found {found} {root_dir}."
        )
    runs, seen = [], set()
    for folder, subfolders, files in os.walk(root_dir, followlinks=True):
        if os.path.realpath(folder) in seen:  # A link to what was read, or in a circle.
            subfolders.clear()
            continue
        seen.add(os.path.realpath(folder))
        subfolders.sort()
        if folder == root_dir and REPORT_DIR in subfolders:
            subfolders.remove(REPORT_DIR)
        if RUN_FILE in files or set(files) & set(TABLES.values()):
            subfolders[:] = [name for name in subfolders if name == _POINTS_DIR]
            runs.append(_read_run(root_dir, folder, files))
    if not runs:
        raise ReportError(
            f"Expected run directories (folders with {RUN_FILE}) below {root_dir}, found "
            "none: run a job first, such as `python -m learned_lr.train`."
        )
    return sorted(runs, key=lambda run: run.name)


def _read_run(root_dir, folder, files):
    name = os.path.relpath(folder, root_dir).replace(os.sep, "/")
    if name == ".":
        name = os.path.basename(os.path.abspath(folder))
    run = Run(folder, name)
    run.record = run.read_json(RUN_FILE)
    if CONFIG_FILE in files:
        run.config = bindings(run.read_text(CONFIG_FILE) or "")
    else:
        run.note(f"{CONFIG_FILE} is missing")
    run.job = _job(run, files)
    if run.job == "unknown" and run.is_point:
        run.note("a point of a sweep without a table: it failed, or has just begun")
    elif run.job == "unknown":
        run.note("no job is known that leaves such a run directory")
    return run


def _job(run, files):
    tables = {**TABLES, **OTHER_TABLES}
    first = run.name.split("/")[0]
    if first in tables and not run.is_point:
        return first
    for job, table in tables.items():
        if table in files:
            return job
    match = re.search(r"-m learned_lr\.(\w+)", run.command)
    found = match.group(1) if match else None
    return found if found in tables and not run.is_point else "unknown"


def _convert(row, numbers, gaps):
    """Turns numbers into floats, in place; returns what is wrong with the row, or None."""
    if None in row or None in row.values():
        return "another number of cells than in the header"
    for name in numbers:
        try:
            row[name] = float(row[name])
        except ValueError:
            return f"{name} is {row[name]!r}"
        if not math.isfinite(row[name]):
            return f"{name} is {row[name]}"
    for name in gaps:
        try:
            row[name] = float(row.get(name, "nan"))
        except ValueError:
            row[name] = math.nan
    return None
