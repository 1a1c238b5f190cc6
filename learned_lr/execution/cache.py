"""Episodes on disk: work that a killed job has finished is read back, not done again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers


def map_episodes(
    run: RunDirectory,
    workers: Workers,
    function: Callable[..., Any],
    calls: Sequence[tuple],
    names: Sequence[str],
    kind: type,
    on_episode: Callable[[int, Any], None] = lambda index, episode: None,
    keys: Sequence[Hashable] | None = None,
) -> list[Any]:
    """Runs pure functions that return episodes, or reads what an earlier run left.

    Args:
      run: the run directory.
      workers: the worker processes.
      function: a pure function that returns a `kind`.
      calls: its arguments, a tuple a call.
      names: the file name of each result, under `episodes/`, without ending.
      kind: a class with `to_bytes` and `from_bytes`.
      on_episode: called with (index, episode) for each, as they come.
      keys: as of `Workers.map`, one a call.

    Returns:
      The episodes, in the order of the calls.
    """
    results = [read_episode(run, name, kind) for name in names]
    for index, result in enumerate(results):
        if result is not None:
            on_episode(index, result)
    missing = [index for index, result in enumerate(results) if result is None]
    found = workers.map(
        function,
        [calls[i] for i in missing],
        None if keys is None else [keys[i] for i in missing],
    )
    for position, result in found:
        index = missing[position]
        run.write(_file(names[index]), result.to_bytes())
        results[index] = result
        on_episode(index, result)
    return results


def read_episode(run: RunDirectory, name: str, kind: type) -> Any:
    """Returns an episode by the name of its file; None if it is missing or damaged."""
    content = run.read(_file(name))
    return None if content is None else from_bytes(content, kind)


def from_bytes(content: bytes, kind: type) -> Any:
    """Returns an episode by the content of its file; None if that is damaged."""
    try:
        return kind.from_bytes(content)
    except Exception:  # noqa: BLE001 - numpy and zipfile raise all kinds, by what is damaged.
        return None


def _file(name):
    return f"episodes/{name}.npz"
