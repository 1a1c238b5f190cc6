"""The state of a controller between two starts of one training, a file a moment."""

from __future__ import annotations

import os
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_NAME = re.compile(r"(\d+)\.npz")


class StateFiles:
    """Keeps states by the optimizer's count of updates, so that the one that fits restored weights is found."""

    def __init__(self, folder: str):
        """Names the folder, which is made at the first `save`."""
        self._folder = folder

    def save(self, num_updates: int, state: Mapping[str, Any]) -> None:
        """Writes a state, arrays by name; the file is there whole or not at all."""
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, f"{num_updates:012d}.npz")
        with open(f"{path}.tmp", "wb") as file:
            np.savez(file, **state)
        os.replace(f"{path}.tmp", path)

    def load(self, num_updates: int) -> tuple[int, dict[str, np.ndarray]] | None:
        """Returns (its number of updates, the newest state not after `num_updates`); None if there is none."""
        for number in reversed(self._numbers()):
            if number > num_updates:
                continue
            path = os.path.join(self._folder, f"{number:012d}.npz")
            try:
                with np.load(path, allow_pickle=False) as archive:
                    return number, dict(archive)
            except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
                warnings.warn(f"{path} is damaged and left out: {error}", stacklevel=2)
        return None

    def remove_before(self, num_updates: int) -> None:
        """Removes the states of earlier moments."""
        self._remove(lambda number: number < num_updates)

    def clear(self) -> None:
        """Removes everything, the folder too."""
        self._remove(lambda number: True)
        if os.path.isdir(self._folder) and not os.listdir(self._folder):
            os.rmdir(self._folder)

    def _numbers(self) -> list[int]:
        if not os.path.isdir(self._folder):
            return []
        matches = map(_NAME.fullmatch, os.listdir(self._folder))
        return sorted(int(match[1]) for match in matches if match)

    def _remove(self, condition: Callable[[int], bool]) -> None:
        for number in filter(condition, self._numbers()):
            os.remove(os.path.join(self._folder, f"{number:012d}.npz"))
