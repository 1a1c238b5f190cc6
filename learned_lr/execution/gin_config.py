"""From gin files and bindings to a config. Errors name the line, or the nearest known name."""

from __future__ import annotations

import difflib
import inspect
import os
import re

import gin
from learned_lr.trainees import annotated_types

_MACRO = "gin.macro"
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class UsageError(Exception):
    """Something the user asked for that can't be done: what was expected and found."""


def parse_gin(gin_files: list[str], bindings: list[str]) -> None:
    """Parses gin files and bindings, found from any working directory.

    Raises:
      UsageError: on a missing file, an unknown name, with the nearest known one, text without
        quotes, or a value of another type than its parameter's.
    """
    gin.add_config_file_search_path(_ROOT)
    for path in gin_files:
        _found(path)
    try:
        gin.parse_config_files_and_bindings(gin_files, bindings, skip_unknown=False)
    except (ValueError, SyntaxError, OSError) as error:
        raise UsageError(_explain_gin(error, bindings)) from error
    except ImportError as error:
        raise UsageError(
            f"Expected gin to import modules that are there, found: {message(error)}."
        ) from error
    _check_types()
    _check_use(bindings)


def job_of(
    path: str, jobs: tuple[str, ...], includers: tuple[str, ...] = ()
) -> str | None:
    """Returns the job that a gin file configures by what it binds; None for a part that any job may have.

    A sweep's file may bind what its points' job takes, too. One that binds nothing of a job is of
    the job of what it includes.

    Args:
      path: of the file.
      jobs: names of all jobs.
      includers: paths of the files that have led to this one.

    Raises:
      UsageError: if there is no such file, or one that includes itself.
    """
    if path in includers:
        raise UsageError(
            f"Expected gin files that don't include themselves, found {path}."
        )
    with open(_found(path), encoding="utf-8", errors="replace") as file:
        text = file.read()
    bound = set(re.findall(r"^(\w+)\.\w+ *=", text, flags=re.MULTILINE))
    included = re.findall(r"^include *['\"]([^'\"]+)['\"]", text, flags=re.MULTILINE)
    found = [job for job in jobs if job in bound]
    if not found:
        chain = (*includers, path)
        found = [job for file in included if (job := job_of(file, jobs, chain))]
    return "sweep" if "sweep" in found else next(iter(found), None)


def _found(path):
    """Where a gin file is, looked for in the working directory and in the project."""
    for folder in ("", _ROOT):
        if os.path.isfile(os.path.join(folder, path)):
            return os.path.join(folder, path)
    raise UsageError(f"Expected a gin file at {path}, found none.")


def _check_types():
    """Compares what is bound with the annotations of the parameters; gin itself takes anything."""
    for (scope, selector), values in gin.config._CONFIG.items():
        parameters = _parameters(selector)
        for name, bound in values.items():
            value = without_macro(bound)
            annotation = getattr(parameters.get(name), "annotation", None)
            if not annotated_types.fits(value, annotation):
                short = f"{scope}/" if scope else ""
                short += f"{selector.rsplit('.', 1)[-1]}.{name}"
                is_of_names = "Callable" in annotation
                hint = ": a name is written @name" if is_of_names else ""
                raise UsageError(
                    f"Expected {short} to be of the type {annotation}, found {value!r}{hint}."
                )


def without_macro(value):
    """Returns what gin has bound, and of a macro what that stands for."""
    while (
        isinstance(value, gin.config.ConfigurableReference)
        and value.configurable.selector == _MACRO
    ):
        of_macro = gin.config._CONFIG.get(("/".join(value.scopes), _MACRO), {})
        if "value" not in of_macro:
            break  # Gin says which macro has no value.
        value = of_macro["value"]
    return value


def _parameters(selector):
    """The parameters of a configurable; what gin makes of a class takes anything."""
    configurable = gin.config._REGISTRY.get_match(selector)
    return inspect.signature(configurable.wrapped).parameters


def _check_use(bindings):
    """Refuses what gin would leave out in silence: a binding without its configurable, and a mistyped scope."""
    config = gin.config._CONFIG
    keys = [
        (reference.scopes, reference.configurable.selector)
        for reference in gin.config.iterate_references(config)
    ]
    macros = {"/".join(scopes) for scopes, selector in keys if selector == _MACRO}
    for name in [scope for scope, selector in config if selector == _MACRO]:
        if name not in macros:
            own = [s for s in _selectors() if name in _parameters(s)]
            mended = [f"{selector.rsplit('.', 1)[-1]}.{name}" for selector in own]
            raise UsageError(
                f"Expected a binding to name what it is of, such as {' or '.join(mended[:3]) or 'task.name'}, "
                f"found {name!r} alone."
            )
    for (scope, selector), bound in config.items():
        used = {"/".join(scopes) for scopes, s in keys if s == selector and scopes}
        # A scope holds within those that begin with it.
        is_used = any(f"{s}/".startswith(f"{scope}/") for s in used)
        if not scope or selector == _MACRO or is_used:
            continue
        # What a file binds for a family that others have replaced is no mistake.
        is_typed = any(binding.lstrip().startswith(f"{scope}/") for binding in bindings)
        meant = sorted(
            s
            for s in used
            if is_typed or not bound.keys() & config.get((s, selector), {})
        )
        nearest = difflib.get_close_matches(scope, meant, n=1)
        if nearest:
            short = selector.rsplit(".", 1)[-1]
            raise UsageError(
                f"Expected the scope of {scope}/{short} to be used, found @{nearest[0]}/{short} alone."
                f"\nDid you mean {nearest[0]!r}?"
            )


def _selectors():
    known = gin.config._REGISTRY._selector_map
    return [name for name in known if not name.startswith("gin.")]


def message(error: Exception | str) -> str:
    """Returns what an error says, without the address of the function that gin called."""
    return re.sub(r"\n\s*In call to configurable .*", "", str(error))


def _explain_gin(error, bindings):
    """Adds to gin's message the line it is about, or the nearest known name to an unknown one."""
    text = str(error).strip()
    if isinstance(error, SyntaxError) and error.text:
        # What Python's parser says of a word names an object in memory.
        text = re.sub(r"malformed node or string.*\n *", "", text)
        name, _, value = error.text.strip().partition("=")
        if re.match(r" *[a-zA-Z/.~][^'\"]*$", value):
            mended = f"{name.strip()} = '{value.strip()}'"
            if any(error.text.strip() == binding.strip() for binding in bindings):
                mended = f'--gin_bindings="{mended}"'
            return f"Expected text in quotes, {mended}, found {value.strip()}."
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
        known = list(_parameters(match.group(1).rsplit(".", 1)[-1]))
        return f"{text}{_nearest(match.group(2), known)}"
    return text


def _nearest(name, known):
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"\nDid you mean {matches[0]!r}?" if matches else f"\nKnown: {sorted(known)}"
