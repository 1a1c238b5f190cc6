"""Everything one job leaves behind: file names, atomic writes, lock and provenance."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import platform
import shutil
from collections.abc import Collection
from typing import Any

from learned_lr.execution.provenance import command, commit, versions
from learned_lr.execution.run_configs import (
    bindings,
    config_differences,
    task_file_hash,
)

CONFIG_FILE = "operative_config.gin"
RUN_FILE = "run.json"
# The entry of `run.json` that tells the content of the task's file.
TASK_FILE = "task_file_sha256"
# And the one with the commits and versions of starts before the last, where they were others.
EARLIER_STARTS = "earlier_starts"
_LOCK_FILE = "lock"
# What a run directory holds before any work is done.
_START = {_LOCK_FILE, CONFIG_FILE, RUN_FILE}


class RunDirectoryError(RuntimeError):
    """A run directory that this job can't use: what was expected and what was found."""


class RunDirectory:
    """One job's folder. All writes are atomic: a file is whole, or it isn't there."""

    def __init__(
        self, path: str, root_dir: str | None = None, made_by: str | None = None
    ):
        """Makes the folder and takes its lock for the life of this process.

        Args:
          path: the folder, `<root_dir>/<job>/<task>/<name>`.
          root_dir: where other jobs' run directories are; None for three levels up.
          made_by: the command line for its record; None for this process's.

        Raises:
          RunDirectoryError: if another process holds it.
        """
        self.path = os.path.abspath(path)
        self.root_dir = os.path.abspath(
            root_dir or os.path.join(path, *[os.pardir] * 3)
        )
        self._made_by = made_by
        self._start = set(_START)
        self._made = _make_folders(self.path)
        self._lock = os.open(self.file(_LOCK_FILE), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._lock, 1000).decode().strip() or "unknown"
            os.close(self._lock)
            raise RunDirectoryError(
                f"Expected {self.path} to be free, found it held by process {holder}."
            ) from error
        if not os.fstat(self._lock).st_nlink:
            os.close(self._lock)
            raise RunDirectoryError(
                f"Expected {self.path} to stay, found it removed by a start that failed."
            )
        os.truncate(self._lock, 0)
        os.write(self._lock, f"{os.getpid()} on {platform.node()}\n".encode())

    def close(self) -> None:
        """Gives the lock back; of a start that failed before it left any work, nothing stays.

        Folders that were there before stay, and so does a finished run.
        """
        names = set(os.listdir(self.path))
        if self._made and not self.is_finished and names <= self._start:
            # The lock last, for it keeps others out.
            for name in sorted(names, key=lambda name: name == _LOCK_FILE):
                is_folder = os.path.isdir(self.file(name))
                (shutil.rmtree if is_folder else os.remove)(self.file(name))
            with contextlib.suppress(OSError):  # Others may have put something there.
                for folder in self._made:
                    os.rmdir(folder)
        os.close(self._lock)

    def file(self, *names: str) -> str:
        """Returns the path of a file in the directory."""
        return os.path.join(self.path, *names)

    def write(self, name: str, content: bytes) -> None:
        """Writes a file atomically: temporary file, fsync, rename."""
        path = self.file(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.tmp"
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            if os.path.exists(temporary):
                os.remove(temporary)
            raise

    def read(self, name: str) -> bytes | None:
        """Returns a file's content, None if it isn't there."""
        try:
            with open(self.file(name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def save_controller(self, name: str, controller) -> None:
        """Writes a controller folder; its spec, written last, names the weights' hash."""
        for file_name, content in controller.files().items():
            self.write(os.path.join(name, file_name), content)

    def add_input(self, name: str) -> None:
        """Takes a file or folder for a copy of what the run starts from, which is no work."""
        self._start.add(name)

    def run_record(self) -> dict[str, Any]:
        """Returns what `run.json` holds, empty if there is none yet.

        Raises:
          RunDirectoryError: if it is damaged.
        """
        try:
            return read_record(self.path)
        except FileNotFoundError:
            return {}

    @property
    def is_finished(self) -> bool:
        """Whether `run.json` says so."""
        return self.run_record().get("status") == "finished"

    def finished_message(self, summary_file: str) -> str:
        """Returns what a job says of a run that is finished already: that, and its summary."""
        summary = (self.read(summary_file) or b"").decode()
        return f"{self.path} holds a finished run: nothing is left to do.\n\n{summary}"

    def begin(
        self,
        operative_config: str,
        seeds: dict[str, Any],
        later_bindings: Collection[str] = (),
    ) -> None:
        """Writes the config and the provenance, or checks that they are of the same run.

        A finished run's record stays as it is, unless the config asks for later work.

        Args:
          operative_config: all bindings, defaults too.
          seeds: the run's seeds, for its record.
          later_bindings: bindings that came to the job later, each for work after all that a
            run did without it: one that was begun before, also a finished one, goes on with them.

        Raises:
          RunDirectoryError: if the directory holds a run of another config; names the
            bindings that differ. Likewise if the task's file has changed.
        """
        found = self.read(CONFIG_FILE)
        is_extended = False
        if found is not None:
            there, here = bindings(found.decode()), bindings(operative_config)
            added = {n for n in later_bindings if n in here and n not in there}
            is_extended = bool(added)
            differences = config_differences(found.decode(), operative_config, added)
            if differences:
                raise RunDirectoryError(
                    f"Expected {self.path} to hold a run of this config, found another: "
                    + "; ".join(differences)
                    + ". Choose another --root_dir, or the same bindings."
                )
        record = self.run_record()
        task_file = task_file_hash(operative_config)
        if found is not None and record.get(TASK_FILE, task_file) != task_file:
            raise RunDirectoryError(
                f"Expected {self.path} to hold a run of task.file as it is now, found that the file has "
                "changed since. Choose another --root_dir, or put it back as it was."
            )
        if record.get("status") == "finished" and not is_extended:
            return
        for name in ("end", "results"):
            record.pop(name, None)
        before = {
            name: record[name] for name in ("commit", "versions") if name in record
        }
        record.update(
            command=self._made_by or command(),
            commit=commit(),
            versions=versions(),
            seeds=seeds,
            status="running",
        )
        if before != {name: record[name] for name in before}:
            record.setdefault(EARLIER_STARTS, []).append(before)
        if task_file is not None:
            record[TASK_FILE] = task_file
        record.setdefault("start", _now())
        # The record first: one that is stopped between the two still has what was asked for before.
        self.write_record(record)
        self.write(CONFIG_FILE, operative_config.encode())

    def finish(self, **results: Any) -> None:
        """Marks the run as finished, with its results."""
        record = self.run_record()
        record.update(status="finished", end=_now(), results=results)
        self.write_record(record)

    def write_record(self, record: dict[str, Any]) -> None:
        """Writes `run.json`."""
        self.write(
            RUN_FILE, (json.dumps(record, indent=2, sort_keys=True) + "\n").encode()
        )


def _make_folders(path: str) -> list[str]:
    """Makes a folder and those that it lies in; returns which were not there, the innermost first."""
    made = []
    folder = path
    while not os.path.lexists(folder):
        made.append(folder)
        folder = os.path.dirname(folder)
    os.makedirs(path, exist_ok=True)
    return made


def read_record(folder: str) -> dict[str, Any]:
    """Returns what the `run.json` of a run directory says.

    Raises:
      FileNotFoundError: if there is none.
      RunDirectoryError: if it is damaged; names the path.
    """
    path = os.path.join(folder, RUN_FILE)
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read())
    except ValueError as error:
        raise RunDirectoryError(
            f"Expected {path} to hold a run's record, found it damaged ({error}). Without this file the same "
            "command goes on from what else is there."
        ) from error
    if not isinstance(record, dict):
        raise RunDirectoryError(
            f"Expected {path} to hold a run's record, found {type(record).__name__}."
        )
    return record


def _now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
