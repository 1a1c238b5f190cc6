"""Maps pure functions over the worker processes of a Ray cluster: the engine 'ray' of `workers`.

The one module that knows Ray, which it imports inside functions: nothing else needs it. A
worker is an actor, a process that lives on between calls, so that it loads the data and traces
the graph once. Work goes only to workers that have started: one that no node has room for gets
none, so that fewer nodes mean fewer workers, and new nodes more.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import signal
import threading
from typing import Any

from learned_lr.execution.worker_processes import (
    MAX_ATTEMPTS,
    WorkerError,
    death_of_work,
    interrupt_later,
    limit_threads,
)

# What a node may have set for itself: where it has the data sets.
_OF_A_NODE = ("TFDS_DATA_DIR",)


class _Process:
    """What Ray runs in a worker process."""

    def __init__(self, prepare, environment):
        own = {name: os.environ[name] for name in _OF_A_NODE if name in os.environ}
        os.environ.update({**environment, **own})
        prepare()

    def node_id(self):
        """Returns the id of its node; the answer is also a sign of life."""
        import ray

        return ray.get_runtime_context().get_node_id()

    def run(self, function, arguments):
        return function(*arguments)


@dataclasses.dataclass
class _Worker:
    """A worker as seen from here: the handle of its actor, its node once it has started."""

    actor: Any
    node_id: str | None = None


@dataclasses.dataclass(frozen=True)
class _Debt:
    """What a worker owes: the result of a piece of work, or a sign of life."""

    slot: int
    index: int | None
    is_result: bool


class RayWorkers:
    """The engine behind `workers.Workers`, which says what each method does."""

    def __init__(self, config, is_fresh):
        self._config, self._is_fresh = config, is_fresh
        self._is_connection_ours = False
        self._num_failed_starts = 0
        self._workers: list[_Worker | None] = []
        ray = self._connect()
        num_places = sum(_num_places(node, config) for node in _living_nodes(ray))
        if not num_places:
            self.stop()
            raise WorkerError(
                f"Expected a node with {config.num_threads} CPU and {config.num_gpus} GPU "
                "for a worker (workers.num_threads, workers.num_gpus), found none."
            )
        self._workers = [None] * (config.num_workers or num_places)

    @property
    def num_workers(self):
        return len(self._workers)

    def map(self, function, arguments, keys=None):  # Workers come and go: no keys.
        ray = self._connect()
        waiting = list(range(len(arguments)))
        # For each piece of work the nodes on which it took a worker down.
        deaths = [[] for _ in arguments]
        owed = {}
        while waiting or any(debt.index is not None for debt in owed.values()):
            self._hand_out(function, arguments, waiting, owed)
            (answer,), _ = ray.wait(list(owed), num_returns=1)
            debt = owed.pop(answer)
            worker, index = self._workers[debt.slot], debt.index
            try:
                result = ray.get(answer)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except (
                ray.exceptions.ActorUnavailableError,
                ray.exceptions.ObjectLostError,
            ):
                # The connection broke, or a finished result was lost with its node. Whether the
                # worker is alive, the cluster knows only later, and then answers this.
                sign = worker.actor.node_id.remote()
                owed[sign] = _Debt(debt.slot, index, is_result=False)
                continue
            except (
                ray.exceptions.RayActorError,
                ray.exceptions.OutOfMemoryError,
            ) as error:
                self._workers[debt.slot] = None
                if worker.node_id is None:
                    self._check_starts(error)
                if index is not None:
                    deaths[index].append(worker.node_id)
                    if _num_blamed(ray, deaths[index]) >= MAX_ATTEMPTS:
                        raise death_of_work(function, index) from error
                    waiting.insert(0, index)
                continue
            if debt.is_result:
                if self._is_fresh:
                    self._stop(debt.slot)
                yield index, result
            else:
                worker.node_id, self._num_failed_starts = result, 0
                if index is not None:
                    waiting.insert(0, index)

    def stop(self):
        for slot in range(self.num_workers):
            self._stop(slot)
        if self._is_connection_ours:
            import ray

            ray.shutdown()
            self._is_connection_ours = False

    def _stop(self, slot):
        import ray

        if self._workers[slot] is not None and ray.is_initialized():
            ray.kill(self._workers[slot].actor)
        self._workers[slot] = None

    def _hand_out(self, function, arguments, waiting, owed):
        """Gives work to idle workers, and starts as many more as there is work left."""
        busy = {debt.slot for debt in owed.values()}
        idle = [slot for slot in range(self.num_workers) if slot not in busy]
        is_started = {
            slot: self._workers[slot] is not None
            and self._workers[slot].node_id is not None
            for slot in idle
        }
        for slot in [slot for slot in idle if is_started[slot]][: len(waiting)]:
            index = waiting.pop(0)
            answer = self._workers[slot].actor.run.remote(function, arguments[index])
            owed[answer] = _Debt(slot, index, is_result=True)
        num_starting = sum(not debt.is_result for debt in owed.values())
        num_needed = max(len(waiting) - num_starting, 0)
        for slot in [slot for slot in idle if not is_started[slot]][:num_needed]:
            if self._workers[slot] is None:
                self._workers[slot] = _Worker(self._start())
            sign = self._workers[slot].actor.node_id.remote()
            owed[sign] = _Debt(slot, None, is_result=False)

    def _start(self):
        import ray

        # What TensorFlow reads from the environment may change its arithmetic.
        environment = {
            k: v
            for k, v in os.environ.items()
            if k.startswith("TF_") or k in _OF_A_NODE
        }
        # Else the first worker on a GPU takes all of its memory.
        environment.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        actor_class = ray.remote(_Process).options(
            num_cpus=self._config.num_threads, num_gpus=self._config.num_gpus
        )
        prepare = functools.partial(limit_threads, self._config.num_threads)
        return actor_class.remote(prepare, environment)

    def _check_starts(self, error):
        """Counts a worker that ended before it had started; some are lost with their node.

        Raises:
          WorkerError: if it can't start at all, or too many in a row have not.
        """
        self._num_failed_starts += 1
        most = MAX_ATTEMPTS * self.num_workers
        is_init_failed = getattr(error, "actor_init_failed", False)
        if is_init_failed or self._num_failed_starts == most:
            reason = str(error).strip().rpartition("\n")[2]
            raise WorkerError(
                "A worker could not start on a node. Is learned_lr[train] installed on "
                f"every node of the cluster? Ray says: {reason}"
            ) from error

    def _connect(self):
        """Returns the module `ray`, connected; a connection that is there already is used."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise WorkerError(
                "Expected Ray for workers.engine = 'ray', found none: pip install .[ray]"
            ) from error
        if ray.is_initialized():
            return ray
        address, num_threads = self._config.address, self._config.num_threads
        cluster = {"address": address}
        if address is None:
            num_workers = self._config.num_workers
            num_cpus = len(os.sched_getaffinity(0))
            if num_workers is not None:
                num_cpus = num_workers * num_threads
            cluster = {
                "address": "local",
                "num_cpus": max(num_cpus, num_threads),
                "include_dashboard": False,
            }
        handler = signal.getsignal(signal.SIGTERM)
        try:
            with interrupt_later():
                ray.init(log_to_driver=False, logging_level=logging.ERROR, **cluster)
        except (
            ConnectionError,
            RuntimeError,
            ValueError,
            ray.exceptions.RayError,
        ) as error:
            cause = error.__cause__ and f" ({error.__cause__})"
            raise WorkerError(
                f"Expected a Ray cluster at workers.address = {address!r}, found none that "
                f"answers: {error}{cause or ''}"
            ) from error
        finally:
            # Ray puts a handler of its own in place of the job's.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)
        self._is_connection_ours = True
        return ray


def _living_nodes(ray):
    return [node for node in ray.nodes() if node["Alive"]]


def _num_places(node, config):
    """Returns how many workers a node has room for, were it idle."""
    resources = node["Resources"]
    num_places = int(resources.get("CPU", 0) // config.num_threads)
    if config.num_gpus:
        # 1 / 0.1 GPUs are 10 workers, whatever floating point makes of it.
        num_on_gpus = int(resources.get("GPU", 0) / config.num_gpus + 1e-6)
        num_places = min(num_places, num_on_gpus)
    return num_places


def _num_blamed(ray, node_ids):
    """Returns how many of the deaths were the work's: those on nodes that are alive."""
    living = {node["NodeID"] for node in _living_nodes(ray)}
    return sum(node_id in living for node_id in node_ids)
