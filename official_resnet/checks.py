"""Argument checks that say what was expected and what was found.

Only plain Python values are checked here; no tensors and no layers.
"""

from __future__ import annotations

import numbers


def is_positive_int(value: object) -> bool:
    """Whether `value` is an integer (NumPy's too, bool not) of at least 1."""
    return (
        isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and value >= 1
    )


def check_positive_int(name: str, value: object) -> None:
    """Raises ValueError unless `value` is an integer of at least 1."""
    if not is_positive_int(value):
        raise ValueError(f"{name}: expected an integer >= 1, found {value!r}")


def check_positive_ints(name: str, values: object) -> None:
    """Raises ValueError unless `values` is a non-empty list or tuple of ints >= 1."""
    legal = isinstance(values, (list, tuple)) and len(values) > 0
    if not legal or not all(is_positive_int(value) for value in values):
        raise ValueError(
            f"{name}: expected a non-empty list or tuple of integers >= 1, "
            f"found {values!r}"
        )


def check_one_of(name: str, value: object, choices: tuple) -> None:
    """Raises ValueError unless `value` is one of `choices`, of the same type."""
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        expected = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name}: expected one of {expected}; found {value!r}")


def check_input_shape(input_shape: object) -> None:
    """Raises ValueError unless `input_shape` is three ints >= 1."""
    legal = isinstance(input_shape, (list, tuple)) and len(input_shape) == 3
    if not legal or not all(is_positive_int(size) for size in input_shape):
        raise ValueError(
            "input_shape: expected (height, width, channels), three integers >= 1, "
            f"found {input_shape!r}"
        )


def check_blocks(block_sizes: object, block_strides: object) -> None:
    """Raises ValueError unless there is one size and one stride for each layer."""
    check_positive_ints("block_sizes", block_sizes)
    check_positive_ints("block_strides", block_strides)
    if len(block_sizes) != len(block_strides):
        raise ValueError(
            "block_strides: expected one stride for each of the "
            f"{len(block_sizes)} entries of block_sizes, found {block_strides!r}"
        )


def check_first_pool(first_pool_size: object, first_pool_stride: object) -> None:
    """Raises ValueError unless both are ints >= 1 or both are None."""
    if first_pool_size is None and first_pool_stride is None:
        return
    if not (is_positive_int(first_pool_size) and is_positive_int(first_pool_stride)):
        raise ValueError(
            "first_pool_size and first_pool_stride: expected two integers >= 1, "
            "or None twice for no pooling, "
            f"found {first_pool_size!r} and {first_pool_stride!r}"
        )


def check_batch_norm(momentum: object, epsilon: object) -> None:
    """Raises ValueError unless 0 <= `momentum` < 1 and `epsilon` > 0."""
    # NaN fails both comparisons, so it is refused too.
    if not (_is_real(momentum) and 0 <= momentum < 1):
        raise ValueError(
            f"batch_norm_momentum: expected a number in [0, 1), found {momentum!r}"
        )
    if not (_is_real(epsilon) and 0 < epsilon < float("inf")):
        raise ValueError(
            f"batch_norm_epsilon: expected a finite number > 0, found {epsilon!r}"
        )


def _is_real(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
