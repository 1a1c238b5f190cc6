"""What schedules say on a task before the first run: whether each can start, and which controllers decide less often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from learned_lr.jobs.controller_pools import Pool
from learned_lr.trainees.adaptive_schedules import Learned


def check_start(schedules: Mapping[str, Any], tasks: Iterable[Any]) -> None:
    """Refuses schedules that can't start on a task, such as a warm-up beyond its end.

    Args:
      schedules: by name.
      tasks: the tasks that each of them will run on.

    Raises:
      ValueError: naming the schedule and the task; or a row of several controllers.
    """
    pools = [name for name, value in schedules.items() if isinstance(value, Pool)]
    if pools:
        raise ValueError(
            f"Expected schedules of one run a seed, found the several controllers of {pools[0]!r}: "
            "@controllers is for evaluations, @controller takes one of them."
        )
    for task in tasks:
        for name, schedule in schedules.items():
            try:
                schedule.start(task)
            except ValueError as error:
                raise ValueError(
                    f"Expected schedules that can run on {task.name}, found {name!r}: {error}"
                ) from error


def notes(schedules: Mapping[str, Any], task) -> list[str]:
    """Returns a sentence on each controller that decides less often in a run of a task than in its training.

    Args:
      schedules: by name, controllers with a base schedule among them.
      task: the task.
    """
    found = []
    for name, schedule in schedules.items():
        if not isinstance(schedule, Learned):
            continue
        spec, num_decisions = schedule.controller.spec, schedule.num_decisions(task)
        if spec.base_schedule is not None and num_decisions < spec.num_decisions:
            found.append(
                f"Note: {name} decides {num_decisions} times in a run of {task.name}, "
                f"{spec.num_decisions} in its training; intervals of {task.trainee_steps_per_action} of "
                f"{task.num_trainee_steps} trainee steps allow no more."
            )
    return found
