"""What made a run: the command line, the commit and the versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys


def command() -> str:
    """Returns the command line of this process, as one would type it in a shell."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    program = ["-m", spec.name] if spec is not None else [sys.argv[0]]
    return shlex.join(["python", *program, *sys.argv[1:]])


def without_root_dir(command_line: str) -> str:
    """Returns a recorded command line without the flag of its machine's root directory."""
    try:
        words = shlex.split(command_line)
    except ValueError:  # No shell's line.
        return command_line
    kept = [
        word
        for before, word in zip(["", *words], words)
        if "--root_dir" not in (before, word) and not word.startswith("--root_dir=")
    ]
    return command_line if kept == words else shlex.join(kept)


def commit() -> str:
    """Returns what git says of the checkout that runs, 'unknown' where it is none."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    try:
        # An installed package may lie in somebody else's repository.
        if os.path.realpath(_git(root, "rev-parse", "--show-toplevel")) == root:
            return _git(root, "describe", "--always", "--dirty")
    except (OSError, subprocess.CalledProcessError):
        pass
    return "unknown"


def _git(root, *arguments):
    command_line = ["git", "-C", root, *arguments]
    found = subprocess.run(command_line, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def versions() -> dict[str, str]:
    """Returns the versions of what a run follows from, by package."""
    found = {"python": platform.python_version()}
    for name in ("learned_lr", "tensorflow", "tensorflow-cpu", "tf-agents", "numpy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
