"""A job that is killed at one write of its run directory after the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from learned_lr.execution.run_directory import RunDirectory


class _Killed(BaseException):
    """Stands for a SIGKILL: nothing in the package catches it."""


def run_killed_at_writes(
    run: Callable[[], int], is_before: bool = True, first: int = 0, stride: int = 1
) -> int:
    """Runs a job again and again, each time killed some writes later, until it ends; it must end well.

    Args:
      run: runs the job; returns its exit code.
      is_before: whether it is killed before the write, not after it.
      first: the writes that the first run is allowed.
      stride: how many more each next run is allowed.

    Returns:
      How often it was killed.
    """
    write, num_kills, allowed = RunDirectory.write, 0, first

    def write_or_die(self, name, content):
        nonlocal left
        if is_before and left == 0:
            raise _Killed
        write(self, name, content)
        if not is_before and left == 0:
            raise _Killed
        left -= 1

    with pytest.MonkeyPatch.context() as patch:
        while True:
            left = allowed
            patch.setattr(RunDirectory, "write", write_or_die)
            try:
                assert run() == 0
                return num_kills
            except _Killed:
                num_kills += 1
                allowed += stride
