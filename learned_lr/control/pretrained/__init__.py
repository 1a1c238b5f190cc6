"""The controllers that ship with the package, by name: a folder each, as `Controller.save` writes it."""

from __future__ import annotations

import os

# Chosen by validation losses on tasks kept for that; results/imitation/README.md says how.
DEFAULT = "weight_path"

_FOLDER = os.path.dirname(os.path.abspath(__file__))


def names() -> list[str]:
    """Returns the names of the package's controllers, sorted, without the alias 'default'."""
    return sorted(
        name
        for name in os.listdir(_FOLDER)
        if os.path.isfile(os.path.join(_FOLDER, name, "spec.json"))
    )


def find(name_or_folder: str | os.PathLike[str]) -> str:
    """Returns the folder of a controller: one of the package's by name, else the path itself."""
    name = os.fspath(name_or_folder)
    if name == "default":
        name = DEFAULT
    return os.path.join(_FOLDER, name) if name in names() else name
