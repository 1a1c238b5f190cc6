"""Types, ranges, shapes and finiteness of what files and users hand over; errors name what was expected and found.

May import numpy; must not know what a number or an array stands for.
"""

from __future__ import annotations

import numbers
import operator
from typing import Any

import numpy as np

# More steps than any run has, and as many as the integers of every framework hold.
MAX_COUNT = 2**31 - 1
# What networks are trained in: a rate out of its range is 0 or infinite there.
_FLOAT32 = np.finfo(np.float32)


def check_count(name: str, value: Any, minimum: int) -> None:
    """Refuses all but an int in [minimum, 2^31), Python's or numpy's; a bool is none.

    Raises:
      ValueError: if it is something else.
    """
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_int or not minimum <= value <= MAX_COUNT:
        raise ValueError(f"Expected {name} to be an int >= {minimum}, found {value!r}.")


def as_count(name: str, value: Any, minimum: int) -> int:
    """Returns an int in [minimum, 2^31) as Python's; an integer tensor without dimensions is one, too.

    Raises:
      ValueError: if it is something else.
    """
    is_bool = isinstance(value, (bool, np.bool_))
    try:
        count = value if is_bool else operator.index(value)
    except TypeError:
        count = value
    check_count(name, count, minimum)
    return count


def check_step(step: float) -> None:
    """Refuses a training step below 0, and NaN.

    Raises:
      ValueError: if it is one.
    """
    if not step >= 0:
        raise ValueError(f"Expected a training step >= 0, found {step!r}.")


def check_number(name: str, value: Any) -> None:
    """Refuses all but a number in the range of float32, Python's or numpy's; a bool is none.

    Raises:
      ValueError: if it is something else, NaN, infinite, or too large.
    """
    try:
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        size = abs(float(value)) if is_number else np.nan
    except OverflowError:  # An int of hundreds of digits.
        size = np.inf
    if not size <= _FLOAT32.max:
        raise ValueError(
            f"Expected {name} to be a finite number, in float32 too, found {value!r}."
        )


def check_positive(name: str, value: Any) -> None:
    """Refuses all but a number > 0, in float32 too.

    Raises:
      ValueError: if it is something else.
    """
    check_number(name, value)
    if not value >= _FLOAT32.tiny:
        raise ValueError(f"Expected {name} > 0, in float32 too, found {value!r}.")


def check_array(
    name: str,
    array: np.ndarray,
    shape: tuple[int | None, ...],
    kind: str = "f",
    is_finite: bool = True,
) -> None:
    """Refuses an array of another shape or kind, and one that isn't finite.

    Args:
      name: what the array is, for the message.
      array: the array.
      shape: its shape; None for a length that is free.
      kind: 'f' for floats, 'i' for signed integers.
      is_finite: whether its values must be finite in float32.

    Raises:
      ValueError: if it is another.
    """
    if len(array.shape) != len(shape) or any(
        expected is not None and found != expected
        for found, expected in zip(array.shape, shape)
    ):
        expected = str(shape).replace("None", "any")
        raise ValueError(f"Expected {name} of shape {expected}, found {array.shape}.")
    if array.dtype.kind != kind:
        expected = {"f": "floats", "i": "integers"}[kind]
        raise ValueError(f"Expected {expected} in {name}, found {array.dtype}.")
    # NaN compares false, too.
    if is_finite and not np.all(np.abs(array) <= _FLOAT32.max):
        raise ValueError(
            f"Expected finite values in {name}, found NaN or infinity, in float32 at least."
        )
