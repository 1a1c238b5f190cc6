"""The documented commands as subprocesses, on the toy task."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from job_results import TRAINING, content_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOY = (
    "task.name = 'quadratic'",
    "train.num_iterations = 12",
    "train.evaluation_interval = 4",
    "ppo.num_epochs = 2",
    "comparison.constant_learning_rates = (0.1,)",
    "comparison.step_decays = ()",
    "comparison.num_seeds = 2",
)


class Command:
    """`python -m learned_lr.train` in a process group of its own."""

    def __init__(self, root_dir, *bindings, num_workers=0, environment=None, cwd=ROOT):
        """Starts it; `bindings` come after those of the toy task."""
        self.run_path = pathlib.Path(root_dir) / "train" / "quadratic" / "digits_cnn"
        bindings = (*TOY, f"workers.num_workers = {num_workers}", *bindings)
        gin_file = "gin/train/digits_cnn.gin"
        self._start("train", gin_file, bindings, root_dir, environment, cwd)

    def _start(self, job, gin_file, bindings, root_dir, environment=None, cwd=ROOT):
        self._begun_before = self._begun()
        self._started_at = time.monotonic()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", f"learned_lr.{job}"),
                f"--gin_file={gin_file}",
                *(f"--gin_bindings={binding}" for binding in bindings),
                f"--root_dir={root_dir}",
            ],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self):
        """Waits for its end; returns (exit code, output, errors)."""
        output, errors = self.process.communicate(timeout=300)
        return self.process.returncode, output, errors

    def signal_when(self, condition, number=signal.SIGKILL):
        """Sends a signal to the main process once a condition holds.

        Returns:
          (exit code, output, errors), with nothing left of its process group.
        """
        while not condition():
            if self.process.poll() is not None:
                pytest.fail(f"It ended before the condition held: {self.finish()}")
            time.sleep(0.002)
        self.process.send_signal(number)
        result = self.finish()
        end = time.monotonic() + 20
        while _is_group_running(self.process.pid):
            assert time.monotonic() < end, "Worker processes are left."
            time.sleep(0.05)
        return result

    def begin(self):
        """Waits until it has written its record, or has ended; returns the seconds that it took."""
        while self._begun() == self._begun_before and self.process.poll() is None:
            time.sleep(0.01)
        return time.monotonic() - self._started_at

    def measure(self):
        """Waits for its good end; returns the seconds before its record was there, and those after."""
        start_sec = self.begin()
        code, _, errors = self.finish()
        assert code == 0, errors
        return start_sec, time.monotonic() - self._started_at - start_sec

    def kill_at_work(self, delay_sec):
        """Kills it so long after its record was there; returns whether that left a part of its work."""
        self.begin()
        end = time.monotonic() + delay_sec
        while time.monotonic() < end and self.process.poll() is None:
            time.sleep(0.01)
        self.process.kill()
        self.finish()
        record = json.loads((self.run_path / "run.json").read_text(encoding="utf-8"))
        has_episodes = any(self.run_path.rglob("episodes/*.npz"))
        return record["status"] == "running" and has_episodes

    def _begun(self):
        record = self.run_path / "run.json"
        return record.stat().st_mtime_ns if record.exists() else None

    def results(self):
        """Returns all results by name, but for timings."""
        return {name: content_of(self.run_path / name) for name in TRAINING}

    def num_rows(self, name):
        """Returns the number of rows of a table, 0 if it isn't there."""
        try:
            return max((self.run_path / name).read_bytes().count(b"\n") - 1, 0)
        except FileNotFoundError:
            return 0


class SweepCommand(Command):
    """`python -m learned_lr.sweep` over two toy trainings."""

    def __init__(self, root_dir, num_workers=0):
        """Starts it."""
        self.run_path = pathlib.Path(root_dir) / "sweep" / "quadratic" / "digits_cnn"
        bindings = (
            *TOY,
            "sweep.product = {'ppo.num_epochs': (1, 2)}",
            "sweep.seeds = (3,)",
            "train.num_iterations = 6",
            f"workers.num_workers = {num_workers}",
        )
        self._start("sweep", "gin/sweep/digits_cnn.gin", bindings, root_dir)


class JobCommand(Command):
    """Any job's door, on the toy task."""

    def __init__(self, job, gin_file, bindings, root_dir):
        """Starts it."""
        stem = pathlib.Path(gin_file).stem
        self.run_path = pathlib.Path(root_dir) / job / "quadratic" / stem
        self._start(job, gin_file, bindings, root_dir)


def _is_group_running(group):
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # It has ended meanwhile.
            continue
        state, process_group = fields[0], int(fields[2])
        if process_group == group and state != "Z":
            return True
    return False


@pytest.fixture(scope="session")
def command():
    """The class `Command`."""
    return Command


@pytest.fixture(scope="session")
def sweep_command():
    """The class `SweepCommand`."""
    return SweepCommand


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A function that returns the results of a run that nothing disturbed.

    The run goes on beside the test until the function is called.
    """
    command = Command(tmp_path_factory.mktemp("undisturbed"))

    @functools.lru_cache
    def results():
        code, _, errors = command.finish()
        assert code == 0, errors
        return command.results()

    return results


@pytest.fixture(scope="session")
def job_command():
    """The class `JobCommand`."""
    return JobCommand
