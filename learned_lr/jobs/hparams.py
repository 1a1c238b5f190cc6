"""What TensorBoard's HParams page shows of a sweep: each point's bindings against its final metrics."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api as hp

from learned_lr.jobs import sweep_points
from learned_lr.jobs.sweep_points import Point

_NOT_BOUND = "not bound"


class HParams:
    """Writes event files under one folder, a point's in a folder of its own.

    What is written twice replaces what was there.
    """

    def __init__(self, log_dir: str, points: Sequence[Point]):
        """Writes nothing yet.

        Args:
          log_dir: the folder.
          points: all points; a column of the page holds values of one type, so that of
            values of several types the text is shown.
        """
        self._log_dir = log_dir
        columns = {
            name: _of_one_type([p.bindings.get(name, _NOT_BOUND) for p in points])
            for name in sweep_points.names(points)
        }
        self._domains = {
            name: sorted(set(values), key=lambda value: (str(type(value)), value))
            for name, values in columns.items()
        }
        self._values = {
            point.slug: {name: values[number] for name, values in columns.items()}
            for number, point in enumerate(points)
        }
        self._metrics: tuple[str, ...] = ()

    def write(self, slug: str, metrics: dict[str, float]) -> None:
        """Writes a finished point: its bindings and its final metrics."""
        self._write_columns(tuple(metrics))
        log_dir = os.path.join(self._log_dir, slug)
        shutil.rmtree(log_dir, ignore_errors=True)
        writer = tf.summary.create_file_writer(log_dir)
        with writer.as_default(step=0):
            hp.hparams(self._values[slug], trial_id=slug)
            for name, value in metrics.items():
                tf.summary.scalar(name, value)
        writer.close()

    def _write_columns(self, metrics):
        if metrics == self._metrics:
            return
        self._metrics = metrics
        for path in glob.glob(
            os.path.join(glob.escape(self._log_dir), "events.out.tfevents.*")
        ):
            os.remove(path)
        writer = tf.summary.create_file_writer(self._log_dir)
        with writer.as_default():
            hp.hparams_config(
                hparams=[
                    hp.HParam(name, hp.Discrete(values))
                    for name, values in self._domains.items()
                ],
                metrics=[hp.Metric(name) for name in metrics],
            )
        writer.close()


def _of_one_type(values: Sequence[Any]) -> list[Any]:
    types = {type(value) for value in values}
    if types == {int, float}:
        return [float(value) for value in values]
    if len(types) == 1 and types <= {bool, int, float, str}:
        return list(values)
    return [str(value) for value in values]
