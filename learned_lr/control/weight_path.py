"""How far and how straight the weights of a network move between decisions, from a sample of them.

May import numpy; must not know controllers or rates.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

# What `WeightPath.add` returns, in its order: features of an observation.
FEATURES = (
    "weight_distance",
    "weight_change_cosine",
    "weight_distance_cosine",
    "greatest_kernel_change",
    "least_kernel_change",
)
COSINES = ("weight_change_cosine", "weight_distance_cosine")

# Of an array; an estimate of a norm from so many entries is right to about 2%.
_MAX_ENTRIES = 2000
# Below it a norm, or a ratio of norms, counts as this.
_FLOOR = 1e-8


def stride(shape: Sequence[int]) -> int:
    """Returns the step between the entries of a flattened array that are looked at.

    It has no divisor in common with the array's size: else it could stay within one column of a kernel.
    """
    size = math.prod(shape)
    found = max(1, math.ceil(size / _MAX_ENTRIES))
    while math.gcd(found, size) > 1:
        found += 1
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class WeightSample:
    """Some entries of each weight array of a network: `array.reshape(-1)[::stride(array.shape)]`, one after the other.

    Attributes:
      values: float32 `[num_entries]`.
      shapes: the shape of each array.
    """

    values: np.ndarray
    shapes: tuple[tuple[int, ...], ...]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, WeightSample)
            and self.shapes == other.shapes
            and np.array_equal(self.values, other.values)
        )


def sample(weights: Iterable[Any]) -> WeightSample:
    """Samples weight arrays.

    Args:
      weights: float arrays, or tensors of any framework, the trainable ones, in the same order at every call. Of
        PyTorch's tensors, those without `requires_grad` are left out if others have it.

    Raises:
      ValueError: if there is none, or something else.
    """
    is_one = hasattr(weights, "shape")
    arrays = [weights] if is_one else list(weights)
    others = [a for a in arrays if is_one or not hasattr(a, "shape")]
    if others:
        raise ValueError(
            "Expected a list of weight arrays or tensors, of a dict or a tree its leaves, found "
            f"{'one' if is_one else 'an item'} of type {type(others[0]).__name__}."
        )
    arrays = [a for a in arrays if getattr(a, "requires_grad", False)] or arrays
    # PyTorch's tensors may need a gradient, or be elsewhere.
    found = [a.detach() if hasattr(a, "detach") else np.asarray(a) for a in arrays]
    shapes = tuple(tuple(map(int, array.shape)) for array in found)
    parts = [a.reshape(-1)[:: stride(s)] for a, s in zip(found, shapes)]
    # One by one: kinds of bfloat16 and float16 have none in common.
    parts = [
        a.float().cpu().numpy() if hasattr(a, "cpu") else a.astype(np.float32)
        for a in parts
    ]
    if not any(math.prod(shape) for shape in shapes):
        raise ValueError("Expected at least one array of weights, found none.")
    return WeightSample(np.concatenate(parts), shapes)


@functools.lru_cache(maxsize=256)
def num_entries(shapes: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """Returns how many entries of each array a sample has."""
    return tuple(len(range(0, math.prod(shape), stride(shape))) for shape in shapes)


@functools.lru_cache(maxsize=256)
def _layout(
    shapes: tuple[tuple[int, ...], ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (what each entry stands for, where arrays begin, which arrays are kernels)."""
    counts = np.array(num_entries(shapes))
    sizes = np.array([math.prod(shape) for shape in shapes])
    is_there = counts > 0
    counts, sizes = counts[is_there], sizes[is_there]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    is_kernel = np.array([len(shape) > 1 for shape in shapes])[is_there]
    if not is_kernel.any():
        is_kernel[:] = True
    return np.repeat(sizes / counts, counts), starts, is_kernel


class WeightPath:
    """The weights' way through one training run, a sample at a time.

    With d the change of all weights since the call before, t their change since the start, and |.| the Euclidean norm:
    `weight_distance` is log(|t| / |start|), `weight_change_cosine` the cosine between d and the d before it,
    `weight_distance_cosine` that between d and t, and `greatest_kernel_change` and `least_kernel_change` are the
    extremes of log(|d| / |w|) over the arrays of two dimensions or more, over all arrays if there is none. Zeros where
    there is no change yet.
    """

    def __init__(self) -> None:
        self._shapes: tuple[tuple[int, ...], ...] | None = None
        # Of the start, of the call before, and the change that led there: float32 [3, num_entries].
        self._values: np.ndarray | None = None

    def start(self, weights: WeightSample) -> None:
        """Begins a run with the untrained weights.

        Raises:
          ValueError: if one is not finite.
        """
        if not np.all(np.isfinite(weights.values)):
            raise ValueError(
                "Expected finite weights at the start, found NaN or infinity; a mask is none of the weights."
            )
        self._shapes = weights.shapes
        self._values = np.stack(
            [weights.values, weights.values, np.zeros_like(weights.values)]
        )

    def add(self, weights: WeightSample) -> dict[str, float]:
        """Returns `FEATURES` by name; arrays of other shapes than before are a start, with a warning, unless one is not finite."""
        nothing = dict.fromkeys(FEATURES, 0.0)
        if not np.all(np.isfinite(weights.values)):
            return nothing
        if self._values is None or not self._fits(weights):
            if self._values is not None:
                warnings.warn(
                    f"Expected weights of the shapes of the call before, {_brief(self._shapes)}, found "
                    f"{_brief(weights.shapes)}: their path begins anew. Give the same arrays in one order.",
                    stacklevel=6,
                )
            self.start(weights)
            return nothing
        self._shapes = weights.shapes  # A restored path has none.
        first, latest, before = self._values.astype(np.float64)
        now = weights.values.astype(np.float64)
        change, total = now - latest, now - first
        if not change.any():
            return nothing
        share, starts, is_kernel = _layout(weights.shapes)
        self._values = np.stack([first, now, change]).astype(np.float32)

        def norms(x: np.ndarray) -> np.ndarray:
            return np.sqrt(np.add.reduceat(share * x * x, starts))

        def norm(x: np.ndarray) -> float:
            return float(np.sqrt(np.sum(share * x * x)))

        def cosine(x: np.ndarray, y: np.ndarray) -> float:
            product = max(norm(x) * norm(y), _FLOOR**2)
            return float(np.sum(share * x * y)) / product

        changes = norms(change)[is_kernel] / np.maximum(norms(now)[is_kernel], _FLOOR)
        values = (
            _log(norm(total) / max(norm(first), _FLOOR)),
            cosine(change, before),
            cosine(change, total),
            _log(float(changes.max())),
            _log(float(changes.min())),
        )
        return dict(zip(FEATURES, values))

    def state(self) -> np.ndarray:
        """Returns everything but the shapes, float32 `[3, num_entries]`; nothing before the start."""
        return np.zeros((0, 0), np.float32) if self._values is None else self._values

    def restore(self, state: np.ndarray) -> None:
        """Goes on from what `state` returned."""
        self._shapes = None
        self._values = np.asarray(state, np.float32) if np.size(state) else None

    def _fits(self, weights: WeightSample) -> bool:
        values = self._values
        return (
            values is not None
            and values.shape[1:] == weights.values.shape
            and self._shapes in (None, weights.shapes)
        )


def _brief(shapes: tuple[tuple[int, ...], ...] | None) -> str:
    if shapes is None:  # Of a restored path.
        return "in a restored state"
    return f"{', '.join(map(str, shapes[:4]))}{', ...' * (len(shapes) > 4)} ({len(shapes)} in all)"


def _log(value: float) -> float:
    return math.log(max(value, _FLOOR))
