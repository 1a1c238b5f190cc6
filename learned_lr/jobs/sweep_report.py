"""What the points of a sweep have come to: its table, its summary, the page of TensorBoard, the failures."""

from __future__ import annotations

import os
from collections.abc import Sequence

from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.gin_config import UsageError
from learned_lr.execution.run_configs import task_file_hash
from learned_lr.execution.run_directory import (
    TASK_FILE,
    RunDirectory,
    RunDirectoryError,
    read_record,
)
from learned_lr.jobs import sweep_points
from learned_lr.jobs.hparams import HParams
from learned_lr.jobs.sweep_points import Point
from learned_lr.report.tables import markdown_table

TABLE = "sweep.csv"
LOG = "log"
_SUMMARY = "sweep.md"


def point_path(run: RunDirectory, point: Point) -> str:
    """Returns the run directory of a point."""
    return run.file("points", point.slug)


class SweepReport:
    """What the points have come to: the table, the page of TensorBoard, the failures."""

    def __init__(self, run: RunDirectory, points: Sequence[Point]):
        """Writes nothing yet."""
        self._run, self._points = run, {point.slug: point for point in points}
        self._hparams = HParams(run.file("tensorboard"), points)
        self._metrics: dict[str, dict[str, float]] = {}
        self.failures: dict[str, str] = {}

    def add_finished(self, point: Point) -> bool:
        """Adds a point if its run is finished; returns whether it is.

        One whose record is damaged, or whose task's file has changed since, isn't: its own start says so.
        """
        try:
            record = read_record(point_path(self._run, point))
        except (FileNotFoundError, RunDirectoryError):
            return False
        own_file = task_file_hash("\n".join(point.gin_bindings()))
        if own_file is not None and record.get(TASK_FILE) != own_file:
            return False
        if record.get("status") != "finished":
            return False
        self._metrics[point.slug] = {
            name: value
            for name, value in record["results"].items()
            if type(value) in (int, float)
        }
        self._hparams.write(point.slug, self._metrics[point.slug])
        return True

    def add(self, slug: str, failure: str | None) -> None:
        """Adds a point that has ended and writes the table."""
        if failure is None:
            self.add_finished(self._points[slug])
        else:
            self.failures[slug] = failure
        self._write_table()

    def end(self) -> str:
        """Writes the table and its summary, and returns the summary.

        Raises:
          UsageError: if points failed.
        """
        self._write_table()
        summary = self._summary()
        self._run.write(_SUMMARY, summary.encode())
        if self.failures:
            self._run.write_record({**self._run.run_record(), "status": "failed"})
            lines = [f"{len(self.failures)} of {len(self._points)} points failed."]
            for slug in self._in_order(self.failures):
                log = os.path.join(point_path(self._run, self._points[slug]), LOG)
                lines.append(f"- {slug}: {self.failures[slug]}\n  log: {log}")
            lines.append(
                f"The others are in {self._run.file(TABLE)}. Run it again to run those "
                "that failed."
            )
            raise UsageError("\n".join(lines))
        if self._run.run_record()["status"] != "finished":
            self._run.finish(num_points=len(self._points))
        return summary

    def _in_order(self, slugs):
        return [slug for slug in self._points if slug in slugs]

    def _metric_names(self):
        return sorted({name for values in self._metrics.values() for name in values})

    def _write_table(self):
        bound = sweep_points.names(list(self._points.values()))
        metrics = [name for name in self._metric_names() if name not in bound]
        columns = ("point", *bound, "status", *metrics, "message")
        rows = []
        for slug in self._in_order({**self._metrics, **self.failures}):
            failure = self.failures.get(slug)
            row = {
                **self._metrics.get(slug, {}),
                **self._points[slug].bindings,
                "point": slug,
                "status": "finished" if failure is None else "failed",
                "message": " ".join((failure or "").split()),
            }
            rows.append({name: row.get(name, "") for name in columns})
        CsvTable(self._run, TABLE, columns).write(rows)

    def _summary(self):
        names = self._metric_names()
        rows = [["point", "status", *names]]
        for slug in self._in_order({**self._metrics, **self.failures}):
            values = self._metrics.get(slug, {})
            status = "failed" if slug in self.failures else "finished"
            cells = [f"{values[n]:.6g}" if n in values else "" for n in names]
            rows.append([slug, status, *cells])
        return markdown_table(rows)
