"""Controllers of several training seeds in one row of an evaluation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import gin
from learned_lr.jobs import schedule_families
from learned_lr.jobs.schedule_descriptions import fingerprint
from learned_lr.jobs.schedule_families import Schedules


@dataclasses.dataclass(frozen=True)
class Pool:
    """Schedules that stand in one row: what a training makes, and not the luck of one seed.

    Attributes:
      members: schedules by name.
    """

    members: Mapping[str, Any]


@gin.register("controllers")
def controllers(
    root_dir: str,
    paths: Sequence[str] = gin.REQUIRED,
    label: str = "learned",
    initial_learning_rate: float | None = None,
    num_normalizer_decisions: int = 0,
) -> Schedules:
    """Trained controllers in one row: the mean over them, the deviation between and within.

    Args:
      root_dir: the root directory.
      paths: the controllers' folders, each as `controller.path`.
      label: the row's name; with ' 1 of 3' and so on the name of each.
      initial_learning_rate: as of `controller`.
      num_normalizer_decisions: as of `controller`.

    Raises:
      ValueError: if there are none, or one twice.
    """
    members: Schedules = {}
    for number, path in enumerate(paths, 1):
        name = f"{label} {number} of {len(paths)}"
        members |= schedule_families.controller(
            root_dir, path, name, initial_learning_rate, num_normalizer_decisions
        )
    if not paths or len(set(map(fingerprint, members.values()))) < len(paths):
        raise ValueError(
            f"Expected controllers.paths to name different controllers, found {paths!r}."
        )
    return {label: Pool(members)}


def members_of(compared: Schedules) -> dict[str, list[str]]:
    """Returns the names of the schedules behind each row: a pool's members, or itself."""
    return {
        name: list(value.members) if isinstance(value, Pool) else [name]
        for name, value in compared.items()
    }


def flat(compared: Schedules) -> Schedules:
    """Returns all schedules by name, pools as their members.

    Raises:
      ValueError: if two have one name.
    """
    found: Schedules = {}
    for name, value in compared.items():
        members = value.members if isinstance(value, Pool) else {name: value}
        for member, schedule in members.items():
            if member in found or (member != name and member in compared):
                raise ValueError(
                    f"Expected schedules of different names, found {member!r} twice."
                )
            found[member] = schedule
    return found
