"""The parts that gin configures for every job. Called, they enter the operative config."""

from __future__ import annotations

import dataclasses

import gin
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.execution.workers_config import WorkersConfig
from learned_lr.trainees import families, tasks

# Here, since `control` knows numpy alone.
gin.register("base_schedule")(BaseSchedule)


def task():
    """Returns the task that gin names, with `datasets.raw_dir` if it is bound."""
    made = gin.get_configurable(tasks.make_task)()
    raw_dir = gin.get_configurable(tasks.data_source)()
    if raw_dir is not None and getattr(made, "raw_dir", "") is None:
        made = dataclasses.replace(made, raw_dir=raw_dir)
    return made


def family() -> families.Family:
    """Returns the family of tasks that gin names."""
    return gin.get_configurable(families.Family)()


def base_schedule() -> BaseSchedule:
    """Returns the base schedule that gin configures."""
    return gin.get_configurable(BaseSchedule)()


def workers() -> WorkersConfig:
    """Returns how work is spread."""
    return gin.get_configurable(WorkersConfig)()
