"""Maps pure functions over worker processes of this machine, or of a Ray cluster (`ray_workers`).

Retry, worker loss and order of finishing are settled here and there, and nowhere else.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import gin

MAX_ATTEMPTS = 3
_ENGINES = ("local", "ray")


class WorkerError(RuntimeError):
    """No workers to be had, or the same piece of work took its worker process down every time.

    Attributes:
      index: of the call in the arguments that were mapped; None if it is about no call.
    """

    def __init__(self, message: str, index: int | None = None):
        super().__init__(message)
        self.index = index


@gin.register("workers")
@dataclasses.dataclass(frozen=True)
class WorkersConfig:
    """How many worker processes, how wide, and where.

    Attributes:
      num_workers: processes; None for as many as the cores (of the cluster) have room for,
        0 for none (work is done in place).
      num_threads: TensorFlow threads of one worker. With one, results are bit-identical
        from run to run, and two workers of one thread beat one of two.
      engine: 'local' for processes of this machine, 'ray' for those of a Ray cluster.
      address: the Ray cluster's address, `host:port`; 'auto' finds the one that this machine
        is part of. None starts one of this machine alone, for as long as the job.
      num_gpus: GPUs that one worker takes, a fraction of one or a whole number. Ray alone
        shares them out: local workers all see every GPU.
    """

    num_workers: int | None = None
    num_threads: int = 1
    engine: str = "local"
    address: str | None = None
    num_gpus: float = 0.0

    def __post_init__(self):
        if self.engine not in _ENGINES:
            raise ValueError(
                f"Expected workers.engine 'local' or 'ray', found {self.engine!r}."
            )
        if self.engine == "local" and (self.address is not None or self.num_gpus):
            name = "num_gpus" if self.address is None else "address"
            raise ValueError(
                f"Expected workers.engine = 'ray' beside workers.{name} = "
                f"{getattr(self, name)!r}, found 'local'."
            )
        if self.num_gpus < 0 or (self.num_gpus > 1 and self.num_gpus % 1):
            raise ValueError(
                "Expected workers.num_gpus to be a fraction of one GPU or a whole number, "
                f"found {self.num_gpus!r}."
            )
        if self.num_workers is not None and self.num_workers < 0:
            raise ValueError(
                f"Expected workers.num_workers >= 0, found {self.num_workers!r}."
            )
        if self.num_threads < 1:
            raise ValueError(
                f"Expected workers.num_threads >= 1, found {self.num_threads!r}."
            )


def limit_threads(num_threads: int) -> None:
    """Gives this process's TensorFlow a number of threads; before its first operation."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    tf.config.threading.set_inter_op_parallelism_threads(num_threads)


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
            from learned_lr.execution import ray_workers

            self._engine = ray_workers.RayWorkers(config, is_fresh)
        else:
            self._engine = _LocalWorkers(config, is_fresh)

    @property
    def num_workers(self) -> int:
        """Worker processes; 0 when work is done in place."""
        return self._engine.num_workers if self._engine else 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    def map(
        self, function: Callable[..., Any], arguments: Sequence[tuple]
    ) -> Iterator[tuple[int, Any]]:
        """Yields (index, function(*arguments[index])) as they finish.

        Args:
          function: a pure function, importable by name.
          arguments: a tuple of picklable arguments for each call.

        Raises:
          WorkerError: when a call has taken its worker down three times.
          Exception: what a call raised; a pure function would raise it again.
        """
        if self._engine:
            yield from self._engine.map(function, arguments)
            return
        for index, call in enumerate(arguments):
            yield index, function(*call)

    def stop(self) -> None:
        """Ends all workers at once, whatever they are doing."""
        if self._engine:
            self._engine.stop()


def death_of_work(function: Callable[..., Any], index: int) -> WorkerError:
    """Returns the error for work that took every worker down that ran it."""
    return WorkerError(
        f"A worker process died {MAX_ATTEMPTS} times on the same work, "
        f"{function.__name__} of item {index}. Memory is the usual cause: try fewer workers "
        "(workers.num_workers) or a smaller batch.",
        index,
    )


class _LocalWorkers:
    """Processes of this machine, each with a queue of its own."""

    def __init__(self, config, is_fresh):
        self._is_fresh = is_fresh
        num_workers = config.num_workers
        if num_workers is None:
            num_workers = len(os.sched_getaffinity(0))
        self._num_threads = config.num_threads
        self._executors = [None] * num_workers

    @property
    def num_workers(self):
        return len(self._executors)

    def map(self, function, arguments):
        waiting = list(range(len(arguments)))
        attempts = [0] * len(arguments)
        running = {}
        while waiting or running:
            idle = [slot for slot in range(self.num_workers) if slot not in running]
            for slot in idle[: len(waiting)]:
                index = waiting.pop(0)
                attempts[index] += 1
                running[slot] = (index, self._submit(slot, function, arguments[index]))
            concurrent.futures.wait(
                [future for _, future in running.values()],
                return_when=concurrent.futures.FIRST_COMPLETED,
            )
            for slot, (index, future) in list(running.items()):
                if not future.done():
                    continue
                del running[slot]
                try:
                    result = future.result()
                    if self._is_fresh:
                        self._stop(slot)
                except BrokenProcessPool as error:
                    self._executors[slot] = None
                    if attempts[index] == MAX_ATTEMPTS:
                        raise death_of_work(function, index) from error
                    waiting.insert(0, index)
                    continue
                yield index, result

    def stop(self):
        for slot in range(self.num_workers):
            self._stop(slot)

    def _stop(self, slot):
        executor = self._executors[slot]
        if executor is None:
            return
        processes = list((executor._processes or {}).values())
        executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        self._executors[slot] = None

    def _submit(self, slot, function, arguments):
        if self._executors[slot] is None:
            self._executors[slot] = concurrent.futures.ProcessPoolExecutor(
                1,
                multiprocessing.get_context("spawn"),
                _start_worker,
                (self._num_threads,),
            )
        try:
            with interrupt_later():
                return self._executors[slot].submit(function, *arguments)
        except BrokenProcessPool as error:  # It died between two calls.
            future = concurrent.futures.Future()
            future.set_exception(error)
            return future


@contextlib.contextmanager
def interrupt_later():
    """Holds Ctrl-C back, so that a process is started whole, and outside its reach.

    A new process inherits the mask: Ctrl-C in a terminal reaches this process alone. The
    mask is this thread's; a thread of a library can still take the signal, which Python
    then hands to the main thread: there the handler waits as well.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    handler, received = signal.getsignal(signal.SIGINT), []
    is_main = threading.current_thread() is threading.main_thread()
    if is_main:
        signal.signal(signal.SIGINT, lambda *arguments: received.append(arguments))
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if received and callable(handler):
            handler(*received[0])


def _start_worker(num_threads):
    """Runs first in a worker: threads, and an end with the parent's end."""
    parent = multiprocessing.parent_process()

    def die_with_parent():
        parent.join()
        os._exit(1)

    threading.Thread(target=die_with_parent, daemon=True).start()
    limit_threads(num_threads)
