"""Processes that a test waits for."""

from __future__ import annotations

import pathlib
import time


def is_running(pid):
    """Returns whether a process is there, and no zombie."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):  # It may end while it is read.
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def wait_for(condition, seconds=60):
    """Waits until a condition holds, for so long at most."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
