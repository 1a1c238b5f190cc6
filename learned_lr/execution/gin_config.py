"""From gin files and bindings to a config. Errors name the line, or the nearest known name."""

from __future__ import annotations

import difflib
import inspect
import os
import re

import gin

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class UsageError(Exception):
    """Something the user asked for that can't be done: what was expected and found."""


def parse_gin(gin_files: list[str], bindings: list[str]) -> None:
    """Parses gin files and bindings, found from any working directory.

    Raises:
      UsageError: on a missing file or an unknown name, with the nearest known one.
    """
    if not gin_files:
        raise UsageError(
            "Expected --gin_file, for example --gin_file=gin/train/digits_cnn.gin."
        )
    gin.add_config_file_search_path(_ROOT)
    for path in gin_files:
        if not any(os.path.isfile(os.path.join(d, path)) for d in ("", _ROOT)):
            raise UsageError(f"Expected a gin file at {path}, found none.")
    try:
        gin.parse_config_files_and_bindings(gin_files, bindings, skip_unknown=False)
    except (ValueError, SyntaxError, OSError) as error:
        raise UsageError(_explain_gin(error)) from error


def message(error: Exception | str) -> str:
    """Returns what an error says, without the address of the function that gin called."""
    return re.sub(r"\n\s*In call to configurable .*", "", str(error))


def _explain_gin(error):
    """Adds to gin's message the line it is about, or the nearest known name to an unknown one."""
    text = str(error).strip()
    if isinstance(error, SyntaxError) and error.text:
        return f"{text}\n  {error.text.strip()}"
    match = re.search(r"No configurable matching ['\"](\S+)['\"]", text)
    if match:
        known = [name.rsplit(".", 1)[-1] for name in gin.config._REGISTRY._selector_map]
        return f"{text}{_nearest(match.group(1), known)}"
    match = re.search(
        r"Configurable ['\"](\S+)['\"] doesn't have a parameter named ['\"](\w+)['\"]",
        text,
    )
    if match:
        function = gin.get_configurable(match.group(1).rsplit(".", 1)[-1])
        known = list(inspect.signature(function).parameters)
        return f"{text}{_nearest(match.group(2), known)}"
    return text


def _nearest(name, known):
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"\nDid you mean {matches[0]!r}?" if matches else f"\nKnown: {sorted(known)}"
