"""The state of a controller between two starts of one training, a file a moment."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from learned_lr.control import array_archives

_NAME = re.compile(r"([0-9]{12})\.npz")


class StateFiles:
    """Keeps states by the optimizer's count of updates, so that the one that fits restored weights is found."""

    def __init__(
        self, folder: str, are_all_needed: bool = False, is_kept: bool = False
    ):
        """Names the folder, which is made at the first `save`.

        Args:
          folder: its path.
          are_all_needed: whether a training may be restored to any of its moments, not to its latest epochs alone.
          is_kept: whether it may be restored after its end, too.
        """
        self._folder = folder
        self._are_all_needed, self._is_kept = are_all_needed, is_kept

    def save(self, num_updates: int, state: Mapping[str, Any]) -> None:
        """Writes a state, arrays by name; the file is there whole or not at all."""
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, f"{num_updates:012d}.npz")
        with open(f"{path}.tmp", "wb") as file:
            np.savez(file, **state)
        os.replace(f"{path}.tmp", path)

    def load(
        self, num_updates: int, restore: Callable[[dict[str, np.ndarray]], None]
    ) -> int | None:
        """Restores the newest whole state not after `num_updates`.

        A state that can't be read, or that `restore` refuses, is left out with a warning, and the
        next older one is tried. A state is worth a few decisions, the training that it belongs to
        hours: that must not end for it, nor go on at a rate out of a damaged file.

        Args:
          num_updates: int, the optimizer's count of updates.
          restore: takes a state; raises ValueError, without having changed anything, if it is
            none.

        Returns:
          The number of updates of the state that was restored; None if there is none.
        """
        for number in reversed(self._numbers()):
            if number > num_updates:
                continue
            path = os.path.join(self._folder, f"{number:012d}.npz")
            try:
                with open(path, "rb") as file:
                    restore(array_archives.unpack(file.read()))
            except (OSError, ValueError) as error:
                warnings.warn(f"{path} is damaged and left out: {error}", stacklevel=2)
            else:
                return number
        return None

    def remove_before(self, num_updates: int) -> None:
        """Removes the states of earlier moments, unless they may be needed."""
        if not self._are_all_needed:
            self._remove(lambda number: number < num_updates)

    def remove_after(self, num_updates: int) -> None:
        """Removes the states of later moments."""
        self._remove(lambda number: number > num_updates)

    def clear(self) -> None:
        """Removes everything, the folder too, at the end of a training that is not kept."""
        if self._is_kept:
            return
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
            try:
                os.remove(os.path.join(self._folder, f"{number:012d}.npz"))
            except OSError as error:  # A training must not be lost for this.
                warnings.warn(
                    f"LearnedLearningRate could not remove its state: {error}",
                    stacklevel=3,
                )
