"""What the modules of a package bring with them: all of them imported by a fresh interpreter."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import types
from collections.abc import Iterable

_IMPORT_ALL = """
import importlib, sys
for name in sys.argv[2].split():
    sys.modules[name] = None
for name in sys.argv[1].split():
    importlib.import_module(name)
print(*(name for name, module in sys.modules.items() if module is not None))
"""


def module_names(package: types.ModuleType) -> list[str]:
    """Returns the full names of a package's modules, without its packages."""
    found = pkgutil.iter_modules(package.__path__)
    return [f"{package.__name__}.{m.name}" for m in found if not m.ispkg]


def import_all(names: Iterable[str], blocked: Iterable[str] = ()) -> set[str]:
    """Imports modules where others can't be imported; returns the names of all that are loaded then."""
    arguments = [" ".join(names), " ".join(blocked)]
    found = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return set(found.stdout.split())
