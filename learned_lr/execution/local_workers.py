"""Maps pure functions over processes of this machine: the engine 'local' of `workers`."""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
import os
from concurrent.futures.process import BrokenProcessPool

from learned_lr.execution.worker_processes import (
    MAX_ATTEMPTS,
    call,
    death_of_work,
    follow_parent,
    interrupt_later,
    limit_threads,
)


class LocalWorkers:
    """The engine behind `workers.Workers`, which says what each method does.

    Each worker is an executor of one process, with a queue of its own: when a process dies
    it is known which work it took with it.
    """

    def __init__(self, config, is_fresh):
        self._is_fresh = is_fresh
        num_workers = config.num_workers
        if num_workers is None:
            num_workers = len(os.sched_getaffinity(0))
        self._num_threads = config.num_threads
        self._executors = [None] * num_workers
        # The keys of the calls that each has had.
        self._keys = [set() for _ in range(num_workers)]

    @property
    def num_workers(self):
        return len(self._executors)

    def map(self, function, arguments, keys=None):
        waiting = list(range(len(arguments)))
        attempts = [0] * len(arguments)
        running = {}
        while waiting or running:
            idle = [slot for slot in range(self.num_workers) if slot not in running]
            for slot in idle[: len(waiting)]:
                index = self._next_index(slot, waiting, keys)
                waiting.remove(index)
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
                    self._keys[slot].clear()
                    if attempts[index] == MAX_ATTEMPTS:
                        raise death_of_work(function, index) from error
                    waiting.insert(0, index)
                    continue
                yield index, result

    def _next_index(self, slot, waiting, keys):
        """The first call that the worker has built for, else that none has, else the first."""
        if keys is None:
            return waiting[0]
        built = set().union(*self._keys)
        own = (index for index in waiting if keys[index] in self._keys[slot])
        new = (index for index in waiting if keys[index] not in built)
        index = next(itertools.chain(own, new, waiting))
        self._keys[slot].add(keys[index])
        return index

    def stop(self):
        for slot in range(self.num_workers):
            self._stop(slot)

    def _stop(self, slot):
        executor = self._executors[slot]
        self._keys[slot].clear()
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
        executor = self._executors[slot]
        try:
            with interrupt_later():
                future = executor.submit(call, function, *arguments)
        except BrokenProcessPool as error:  # It died between two calls.
            future = concurrent.futures.Future()
            future.set_exception(error)
        # The worker has this end of the pipe, too. Open here, it would keep the job waiting without
        # end for the rest of a result that a killed worker had begun to send.
        executor._result_queue._writer.close()
        return future


def _start_worker(num_threads):
    """Runs first in a worker."""
    follow_parent()
    limit_threads(num_threads)
