"""What a run directory's config says, as text: its bindings, and what differs from another's."""

from __future__ import annotations

import ast
import hashlib
import os
import re
from collections.abc import Collection, Mapping

# Bindings that change where and how fast a run goes, not what it computes.
_FREE_BINDINGS = (
    "baseline.earlier_run",
    "evaluate.earlier_run",
    "references.earlier_run",
    "workers.address",
    "workers.engine",
    "workers.num_gpus",
    "workers.num_workers",
)
# A macro is none within quotes.
_TEXT = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
_TEXT_OR_MACRO = re.compile(rf"{_TEXT}|%(?P<macro>[\w./]+)")
_TEXT_OR_BLANKS = re.compile(rf"{_TEXT}|\s+|.", flags=re.DOTALL)


def bindings(config: str) -> dict[str, str]:
    """Returns the values of a gin config by name, as text; they may go on in indented lines.

    Where a value names a macro, that of the macro stands.
    """
    joined = re.sub(r"\\\n\s*", " ", config)
    joined = re.sub(r"\n[ \t]+", " ", joined)
    matches = re.findall(r"^([\w./]+) = *(.*)$", joined, flags=re.MULTILINE)
    found = {name: _squeezed(value) for name, value in matches}
    return {name: _expanded(value, found) for name, value in found.items()}


def _squeezed(value):
    """One space for each run of blanks outside quotes: text may hold two."""
    parts = _TEXT_OR_BLANKS.finditer(value.strip())
    return "".join(" " if part.group().isspace() else part.group() for part in parts)


def _expanded(value, found, within=()):
    def expand(match):
        name = match.group("macro")
        if name not in found or name in within:
            return match.group()
        return _expanded(found[name], found, (*within, name))

    return _TEXT_OR_MACRO.sub(expand, value)


def task_file_hash(config: str) -> str | None:
    """Returns the SHA-256 of the Python file that a config's task comes from; None if it names none that can be read."""
    try:
        path = ast.literal_eval(bindings(config).get("task.file", "None"))
        with open(os.path.expanduser(path), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except (ValueError, SyntaxError, TypeError, OSError):
        return None


def config_differences(
    expected: str, found: str, added: Collection[str] = ()
) -> list[str]:
    """Returns 'binding is a there and b here' for each binding that differs between configs, and that a start may not change or add."""
    there, here = bindings(expected), bindings(found)
    for name in (*_FREE_BINDINGS, *added):
        there.pop(name, None)
        here.pop(name, None)
    return differing(there, here)


def differing(
    there: Mapping[str, str], here: Mapping[str, str], absent: str = "not bound"
) -> list[str]:
    """Returns 'name is a there and b here' for each value that differs, in the order of their names; `absent` stands for none."""
    return [
        f"{name} is {there.get(name, absent)} there and {here.get(name, absent)} here"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]
