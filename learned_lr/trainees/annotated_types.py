"""Whether a value that gin read is of the type that an annotation names. Knows no parameter."""

from __future__ import annotations

from typing import Any

_PLAIN = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: (
        isinstance(value, (int, float)) and not isinstance(value, bool)
    ),
    "bool": lambda value: isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "None": lambda value: value is None,
}
_LISTS = ("Sequence[", "tuple[", "list[")


def fits(value: Any, annotation: Any) -> bool:
    """Whether a literal is what an annotation asks for.

    Args:
      value: what gin read; references to functions and macros always fit.
      annotation: an annotation as it stands in the source, such as 'int | None' or
        'tuple[float, ...]'; what is not a string, and a name that isn't a literal's type, takes
        any value.
    """
    if not isinstance(annotation, str) or not _is_literal(value):
        return True
    return any(_fits_one(value, part) for part in _split(annotation, "|"))


def _fits_one(value, annotation):
    if annotation in _PLAIN:
        return _PLAIN[annotation](value)
    if not annotation.startswith(_LISTS):
        return not annotation.startswith("Callable")
    if not isinstance(value, (list, tuple)):
        return False
    inner = _split(annotation[annotation.index("[") + 1 : -1], ",")
    if len(inner) == 1 or inner[-1] == "...":
        return all(fits(item, inner[0]) for item in value)
    return len(inner) == len(value) and all(map(fits, value, inner))


def _is_literal(value):
    return value is None or isinstance(value, (int, float, str, list, tuple, dict))


def _split(text, separator):
    """The parts of an annotation, whatever stands in brackets kept whole."""
    parts, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
