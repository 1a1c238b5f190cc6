"""The points of a sweep: bindings by name, a seed, and a name that can be a folder's."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import gin

_MAX_SLUG_LENGTH = 120


@dataclasses.dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
      slug: its number and what tells it from the others, such as
        '03-entropy_regularization=0.01-seed=1'.
      bindings: values by the name of what they are bound to, the seed among them.
    """

    slug: str
    bindings: dict[str, Any]

    def gin_bindings(self) -> list[str]:
        """Returns the bindings as gin has them, 'name = value'."""
        return [f"{name} = {value!r}" for name, value in self.bindings.items()]


def make_points(
    product: Mapping[str, Sequence[Any]] | None,
    points: Sequence[Mapping[str, Any]] | None,
    seeds: Sequence[int],
    seed_name: str,
) -> list[Point]:
    """Returns the points in order: a product's names are sorted, the last changes fastest.

    Seeds change faster still. Names are sorted because gin, too, sorts them where it writes
    a config: two sweeps of equal configs have the same points in the same order.

    Args:
      product: values by name; every combination is a point.
      points: or the bindings of each point.
      seeds: each point runs once with each; none binds no seed.
      seed_name: what a seed is bound to.

    Raises:
      ValueError: if there are none, two alike, both a product and points, a value that gin
        can't write, or a seed that is bound twice.
    """
    if product is not None and points is not None:
        raise ValueError("Expected sweep.product or sweep.points, found both.")
    if product is None and points is None and not seeds:
        raise ValueError(
            "Expected sweep.product, sweep.points or sweep.seeds, found none of them."
        )
    _expect_lists("seeds", [seeds])
    if points is not None:
        _expect_lists("points", [points])
    if product is not None:
        _expect_lists("product", product.values())
        combinations = itertools.product(*[product[name] for name in sorted(product)])
        points = [dict(zip(sorted(product), values)) for values in combinations]
    found = [
        dict(sorted(point.items())) for point in ([{}] if points is None else points)
    ]
    if seeds:
        if any(seed_name in point for point in found):
            raise ValueError(f"Expected sweep.seeds or {seed_name}, found both.")
        found = [{**point, seed_name: seed} for point in found for seed in seeds]
    if not found:
        raise ValueError("Expected at least one point, found none.")
    _check(found)
    return [Point(slug, point) for slug, point in zip(_slugs(found), found)]


def names(points: Sequence[Point]) -> list[str]:
    """Returns the names that any point binds, in the order of their first appearance."""
    return list(dict.fromkeys(name for point in points for name in point.bindings))


def _expect_lists(name, values):
    wrong = [value for value in values if not isinstance(value, (list, tuple))]
    if wrong:
        raise ValueError(f"Expected lists in sweep.{name}, found {wrong[0]!r}.")


def _check(points):
    for number, point in enumerate(points):
        for name, value in point.items():
            if not _is_literal(value):
                raise ValueError(
                    f"Expected numbers, strings and lists of them in a sweep, found {name} "
                    f"= {value!r}. What is no such value can stand in a gin file of "
                    "sweep.gin_files."
                )
        if repr(point) in map(repr, points[:number]):
            raise ValueError(f"Expected points that differ, found {point!r} twice.")


def _is_literal(value):
    try:
        return gin.config.parse_value(repr(value)) == value
    except (SyntaxError, ValueError):
        return False


def _slugs(points):
    """The number makes a slug unique, and sorts folders in the order of the points."""
    all_names = list(dict.fromkeys(name for point in points for name in point))
    differing = [
        name
        for name in all_names
        if len({repr(point.get(name, points)) for point in points}) > 1
    ]
    short = [name.rpartition(".")[2] for name in differing]
    width = max(2, len(str(len(points) - 1)))
    slugs = []
    for number, point in enumerate(points):
        parts = [f"{number:0{width}d}"]
        for name, short_name in zip(differing, short):
            if name in point:
                label = short_name if short.count(short_name) == 1 else name
                parts.append(f"{_word(label)}={_word(point[name])}")
        slugs.append("-".join(parts)[:_MAX_SLUG_LENGTH])
    return slugs


def _word(value):
    return re.sub(r"[^\w.+-]+", "_", str(value)).strip("_")
