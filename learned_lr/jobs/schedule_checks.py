"""What schedules say on a task before the first run: whether each can start, and which controllers decide less often."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from learned_lr.execution.run_directory import RunDirectory, RunDirectoryError
from learned_lr.jobs.controller_pools import Pool
from learned_lr.trainees.adaptive_schedules import Learned

SCHEDULES = "schedules.json"


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


def check_finished(
    run: RunDirectory, described: Mapping[str, dict[str, Any]], job: str
) -> None:
    """Refuses schedules other than those that a finished run had, under the names of then.

    A grid may have another winner than at that time, and a folder another controller.

    Args:
      run: the run directory.
      described: descriptions by name.
      job: the job's name.

    Raises:
      RunDirectoryError: naming them, or the damaged file that tells those of then.
    """
    try:
        there = json.loads(run.read(SCHEDULES) or b"{}")
    except ValueError as error:
        raise RunDirectoryError(
            f"Expected {run.file(SCHEDULES)} to hold the schedules of a finished run, found it damaged ({error})."
        ) from error
    here = json.loads(json.dumps(described))
    changed = [n for n in {**there, **here} if there.get(n) != here.get(n)]
    if changed:
        raise RunDirectoryError(
            f"Expected {run.path} to hold a finished run of these schedules, found others in place of: "
            f"{', '.join(changed)}. Give the gin file another name; {job}.earlier_run takes over "
            "what is the same."
        )


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
