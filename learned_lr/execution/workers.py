"""Maps pure functions over worker processes of this machine, or of a Ray cluster.

Retry, worker loss and order of finishing are settled in the two engines, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from learned_lr.execution import local_workers, ray_workers
from learned_lr.execution.workers_config import WorkersConfig


class Workers:
    """Worker processes that keep what they have built between calls; a context manager.

    Under either engine a death is the death of one known piece of work: it is run again in
    a fresh process, three times at most. Results are the same under both.
    """

    def __init__(self, config: WorkersConfig | None = None, is_fresh: bool = False):
        """Starts no worker yet; the Ray engine connects to its cluster.

        Args:
          config: how many workers, how wide, and where.
          is_fresh: whether every call gets a process that has done nothing before.

        Raises:
          WorkerError: if Ray is not installed, or the cluster is not there or has no room.
        """
        config = config or WorkersConfig()
        if config.num_workers == 0:
            self._engine = None
        elif config.engine == "ray":
            self._engine = ray_workers.RayWorkers(config, is_fresh)
        else:
            self._engine = local_workers.LocalWorkers(config, is_fresh)

    @property
    def num_workers(self) -> int:
        """Worker processes; 0 when work is done in place."""
        return self._engine.num_workers if self._engine else 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    def map(
        self,
        function: Callable[..., Any],
        arguments: Sequence[tuple],
        keys: Sequence[Hashable] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Yields (index, function(*arguments[index])) as they finish.

        Args:
          function: a pure function, importable by name.
          arguments: a tuple of picklable arguments for each call.
          keys: names what a call builds that is kept, one a call: a local worker gets
            calls whose key it has had, as long as there are any. None for no preference.

        Raises:
          WorkerError: when a call has taken its worker down three times.
          Exception: what a call raised; a pure function would raise it again.
        """
        if self._engine:
            yield from self._engine.map(function, arguments, keys)
            return
        for index, call in enumerate(arguments):
            yield index, function(*call)

    def stop(self) -> None:
        """Ends all workers at once, whatever they are doing."""
        if self._engine:
            self._engine.stop()
