"""Checks and names of a task's fields: what was expected and what was found. Knows no task."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any


def check_positive(task, field):
    """Raises ValueError unless the field is an integer >= 1."""
    value = getattr(task, field)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"Expected task.{field} to be an integer >= 1, found {value!r}."
        )


def check_choice(task, field, choices):
    """Raises ValueError unless the field is one of the choices."""
    value = getattr(task, field)
    if value not in choices:
        raise ValueError(
            f"Expected task.{field} to be one of {list(choices)}, found {value!r}."
        )


def check_fraction(task, field):
    """Raises ValueError unless the field is in [0, 1]."""
    value = getattr(task, field)
    if not 0 <= value <= 1:
        raise ValueError(f"Expected task.{field} in [0, 1], found {value!r}.")


def check_at_least_0(task, field):
    """Raises ValueError unless the field is a finite number >= 0."""
    value = getattr(task, field)
    if not 0 <= value < math.inf:
        raise ValueError(
            f"Expected task.{field} to be finite and >= 0, found {value!r}."
        )


def check_above_0(task, field):
    """Raises ValueError unless the field is a finite number > 0."""
    value = getattr(task, field)
    if not 0 < value < math.inf:
        raise ValueError(
            f"Expected task.{field} to be finite and > 0, found {value!r}."
        )


def check_budget(task):
    """Raises ValueError unless the interval between decisions divides the trainee steps."""
    check_positive(task, "num_trainee_steps")
    check_positive(task, "trainee_steps_per_action")
    steps, interval = task.num_trainee_steps, task.trainee_steps_per_action
    if steps % interval:
        divisors = [d for d in range(1, steps + 1) if steps % d == 0]
        nearest = min(divisors, key=lambda d: abs(d - interval))
        raise ValueError(
            "Expected task.trainee_steps_per_action to divide task.num_trainee_steps = "
            f"{steps}, found {interval}; the nearest that does is {nearest}."
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns ' (did you mean ...?)' for the nearest known name, or nothing."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def part_name(part: Any) -> Any:
    """Returns the name of a task's data set or network, which in a task file is a function; None if it has none."""
    return getattr(part, "__name__", part)
