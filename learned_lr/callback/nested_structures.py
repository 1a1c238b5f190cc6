"""Nested dicts, lists and tuples of arrays, as `fit` takes inputs and targets; no Keras in it."""

from __future__ import annotations

from typing import Any, Callable


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """Returns the same nesting with a function applied to every array in it; None, for what there isn't, stays."""
    if structure is None:
        return None
    if isinstance(structure, dict):
        return {name: map_structure(function, v) for name, v in structure.items()}
    if isinstance(structure, (list, tuple)):
        return like(structure, [map_structure(function, v) for v in structure])
    return function(structure)


def like(structure: Any, values: list[Any]) -> Any:
    """Returns values as a list, tuple or named tuple, whichever a structure is."""
    is_named = hasattr(structure, "_fields")
    return type(structure)(*values) if is_named else type(structure)(values)


def leaves(structure: Any) -> list[Any]:
    """Returns every array in nested dicts, lists and tuples."""
    found: list[Any] = []
    map_structure(found.append, structure)
    return found
