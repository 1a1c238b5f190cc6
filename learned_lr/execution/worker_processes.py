"""What every engine of workers shares: how a worker process starts, and when its work is given up."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

MAX_ATTEMPTS = 3


class WorkerError(RuntimeError):
    """No workers to be had, or the same piece of work took its worker process down every time.

    Attributes:
      index: of the call in the arguments that were mapped; None if it is about no call.
    """

    def __init__(self, message: str, index: int | None = None):
        super().__init__(message)
        self.index = index


def limit_threads(num_threads: int) -> None:
    """Gives this process's TensorFlow a number of threads; before its first operation."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    tf.config.threading.set_inter_op_parallelism_threads(num_threads)


def follow_parent() -> None:
    """Makes a worker end when the job ends, and no sooner.

    Who stops a whole group of processes means the job, which ends its workers itself.
    """
    parent = multiprocessing.parent_process()

    def die_with_parent():
        parent.join()
        os._exit(1)

    threading.Thread(target=die_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function in a worker; an exception that no other process can read arrives as its text."""
    try:
        return function(*arguments)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # noqa: BLE001 - whatever its class does.
            raise RuntimeError(traceback.format_exc()) from None
        raise


def death_of_work(function: Callable[..., Any], index: int) -> WorkerError:
    """Returns the error for work that took every worker down that ran it."""
    return WorkerError(
        f"A worker process died {MAX_ATTEMPTS} times on the same work, "
        f"{function.__name__} of item {index}. Memory is the usual cause: try fewer workers "
        "(workers.num_workers) or a smaller batch.",
        index,
    )


@contextlib.contextmanager
def interrupt_later() -> Iterator[None]:
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
