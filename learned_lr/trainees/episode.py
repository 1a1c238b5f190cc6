"""One whole training run under one schedule: a pure function of task, schedule and seed."""

from __future__ import annotations

import dataclasses
import functools
import io
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from learned_lr.control.measurements import Measurement

# Trainees that a process keeps. A small one takes about 40 MB, most of it its graph: 6 GB.
MAX_TRAINEES = 144
# Columns of a trajectory: one row for the untrained network, then one an interval.
TRAJECTORY_COLUMNS = (
    "trainee_step",
    "learning_rate",
    "train_loss",
    "validation_loss",
    "prediction_variance",
    "prediction_change_variance",
    "final_kernel_mean",
    "final_kernel_variance",
    "validation_accuracy",
)


# What `Episode.summary` returns, the seed first.
SUMMARY_COLUMNS = (
    "seed",
    "best_validation_loss",
    "best_trainee_step",
    "final_validation_loss",
    "mean_validation_loss",
    "diverged",
)


def npz_bytes(arrays: Mapping[str, Any]) -> bytes:
    """Returns an npz archive of arrays by name."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@dataclasses.dataclass(frozen=True)
class Episode:
    """What one training run leaves behind.

    Attributes:
      seed: the seed it ran with.
      trajectory: float64 `[num_intervals + 1, len(TRAJECTORY_COLUMNS)]`; row 0 is the
        untrained network, with the rate of the first step; the rate of any other row is
        that of its interval's last step.
      diverged: whether a loss or weight became non-finite.
      test_loss: loss on the test split of the weights with the best validation loss; NaN
        where it was not asked for.
      test_accuracy: likewise.
      duration_sec: wall-clock seconds it took; NaN if not recorded. Timings differ from run
        to run, all else is a function of the arguments.
      cpu_sec: processor seconds of its process, all threads together; likewise.
    """

    seed: int
    trajectory: np.ndarray
    diverged: bool
    test_loss: float = math.nan
    test_accuracy: float = math.nan
    duration_sec: float = math.nan
    cpu_sec: float = math.nan

    def column(self, name: str) -> np.ndarray:
        """Returns one column of the trajectory, float64 `[num_intervals + 1]`."""
        return self.trajectory[:, TRAJECTORY_COLUMNS.index(name)]

    @property
    def best_validation_loss(self) -> float:
        """The least validation loss measured."""
        return float(np.min(self.column("validation_loss")))

    @property
    def final_validation_loss(self) -> float:
        """The validation loss at the end of the budget."""
        return float(self.column("validation_loss")[-1])

    @property
    def mean_validation_loss(self) -> float:
        """The mean over the intervals of the validation loss: minus the paper's reward."""
        return float(np.mean(self.column("validation_loss")[1:]))

    def to_bytes(self) -> bytes:
        """Returns an npz archive of everything."""
        return npz_bytes(dataclasses.asdict(self))

    @classmethod
    def from_bytes(cls, content: bytes) -> Episode:
        """Reads what `to_bytes` wrote.

        Raises:
          ValueError, KeyError, zipfile.BadZipFile: if it is damaged.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return cls(
                int(archive["seed"]),
                archive["trajectory"],
                bool(archive["diverged"]),
                float(archive["test_loss"]),
                float(archive["test_accuracy"]),
                float(archive.get("duration_sec", math.nan)),
                float(archive.get("cpu_sec", math.nan)),
            )

    def summary(self) -> dict[str, Any]:
        """Returns the figures of a table row."""
        best = int(np.argmin(self.column("validation_loss")))
        values = (
            self.seed,
            self.best_validation_loss,
            int(self.column("trainee_step")[best]),
            self.final_validation_loss,
            self.mean_validation_loss,
            self.diverged,
        )
        return dict(zip(SUMMARY_COLUMNS, values))


class EpisodeRecorder:
    """Collects the trajectory of an episode, a measurement at a time; its clock runs from the start."""

    def __init__(self, seed: int):
        self._seed = seed
        self._rows: list[tuple] = []
        self._diverged = False
        self._start = time.perf_counter(), time.process_time()

    def add(self, trainee_step: int, rate: float, measurement: Measurement) -> None:
        """Adds a row: the measurement after `trainee_step` steps, trained at `rate`."""
        *values, diverged = measurement.numbers
        self._rows.append((trainee_step, rate, *values))
        self._diverged = self._diverged or diverged

    def episode(self, test=(math.nan, math.nan)) -> Episode:
        """Returns the episode so far."""
        trajectory = np.asarray(self._rows, np.float64)
        start, cpu_start = self._start
        return Episode(
            self._seed,
            trajectory,
            self._diverged,
            *test,
            duration_sec=time.perf_counter() - start,
            cpu_sec=time.process_time() - cpu_start,
        )


@functools.lru_cache(maxsize=MAX_TRAINEES)
def trainee_for(task):
    """Returns the task's trainee, built once a process: its graph is traced only once.

    The one that was asked for longest ago is let go when there are too many.
    """
    return task.make_trainee()


def run_episode(task, schedule, seed: int, test: bool = True) -> Episode:
    """Trains a fresh network under a schedule.

    Same machine, threads and arguments: bit-identical result. The same seed gives every
    schedule the same initial weights and minibatch order.

    Args:
      task: a task.
      schedule: a schedule.
      seed: int >= 0.
      test: whether to test the weights with the best validation loss, once, at the end.

    Returns:
      The episode.
    """
    trainee = trainee_for(task)
    recorder = EpisodeRecorder(seed)
    trainee.reset(seed)
    measurement = trainee.measure()
    next_learning_rate = schedule.start(task)
    for step in range(0, task.num_trainee_steps, task.trainee_steps_per_action):
        chosen = next_learning_rate(step, measurement)
        if np.ndim(chosen):  # A rate a step.
            chosen = chosen[: task.trainee_steps_per_action]
        if step == 0:
            recorder.add(0, _first_rate(chosen), measurement)
        if callable(chosen):  # An interval function.
            measurement, rate = chosen(trainee)
        else:
            measurement, rate = trainee.train(chosen), float(np.ravel(chosen)[-1])
        recorder.add(step + task.trainee_steps_per_action, rate, measurement)
    return recorder.episode(trainee.test() if test else (math.nan, math.nan))


def _first_rate(chosen):
    rates = chosen.learning_rate if callable(chosen) else chosen
    return float(np.ravel(rates)[0])
