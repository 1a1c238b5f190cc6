"""Functions that worker processes can import by name: some work, some raise, some die."""

from __future__ import annotations

import multiprocessing.connection
import os
import signal
import struct
import time

from learned_lr.execution.worker_processes import follow_parent


def set_no_threads(num_threads: int) -> None:
    """Does nothing, in place of the import of TensorFlow, which takes seconds."""


def start_light(num_threads: int) -> None:
    """Starts a worker without the import of TensorFlow, which takes seconds."""
    follow_parent()


def num_tensorflow_threads() -> tuple[int, int]:
    """Returns the numbers of TensorFlow's threads, within and between operations."""
    import tensorflow as tf

    threading = tf.config.threading
    return (
        threading.get_intra_op_parallelism_threads(),
        threading.get_inter_op_parallelism_threads(),
    )


def square(number: int) -> int:
    """Returns the square; the even ones take longer, so that they finish later."""
    time.sleep(0.05 * (number % 2 == 0))
    return number**2


def process_id() -> int:
    """Returns the id of the process it runs in."""
    return os.getpid()


def data_dir() -> str | None:
    """Returns where data sets are looked for."""
    return os.environ.get("TFDS_DATA_DIR")


def fail(message: str) -> None:
    """Raises FileNotFoundError."""
    raise FileNotFoundError(message)


def die_once(marker: str) -> str:
    """Kills its process unless an earlier call has left the marker file."""
    if not os.path.exists(marker):
        with open(marker, "w", encoding="utf-8"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die_once_while_sending(marker: str) -> str:
    """Kills its process when a part of its result is sent, unless an earlier call has left the marker file."""
    if not os.path.exists(marker):
        with open(marker, "w", encoding="utf-8"):
            pass

        def send_a_part(connection, content):
            os.write(connection.fileno(), struct.pack("!i", len(content)) + b"part")
            os.kill(os.getpid(), signal.SIGKILL)

        multiprocessing.connection.Connection._send_bytes = send_a_part
    return "whole"


def die_when_odd(number: int, log: str) -> int:
    """Kills its process for odd numbers, after a line in the log."""
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"{number}\n")
    if number % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def report_and_sleep(path: str) -> None:
    """Writes its process id to a file, then outlasts any test."""
    with open(f"{path}.tmp", "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    os.replace(f"{path}.tmp", path)
    time.sleep(600)


class Unreadable(Exception):
    """An exception that no other process can read: its class takes two arguments."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def fail_unreadably() -> None:
    """Raises what can't be sent as it is."""
    raise Unreadable("one", "two")
