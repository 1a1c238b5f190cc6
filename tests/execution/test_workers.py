"""Worker processes: order, deaths, exceptions, and that none outlives its parent."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
import worker_functions
from processes import is_running, wait_for

from learned_lr.execution import local_workers
from learned_lr.execution.worker_processes import WorkerError, call
from learned_lr.execution.workers import Workers
from learned_lr.execution.workers_config import WorkersConfig


@pytest.fixture(autouse=True)
def light_workers(monkeypatch):
    # A worker that imports TensorFlow takes seconds to start.
    monkeypatch.setattr(local_workers, "_start_worker", worker_functions.start_light)


def test_no_workers_work_in_place_and_in_order():
    with Workers(WorkersConfig(num_workers=0)) as workers:
        assert workers.num_workers == 0
        found = list(workers.map(worker_functions.square, [(3,), (2,), (1,)]))
        pids = list(workers.map(worker_functions.process_id, [()]))
    assert found == [(0, 9), (1, 4), (2, 1)]
    assert pids == [(0, os.getpid())]


def test_results_carry_their_index_whatever_finishes_first():
    calls = [(number,) for number in range(5)]
    with Workers(WorkersConfig(num_workers=2)) as workers:
        found = list(workers.map(worker_functions.square, calls))
        pids = dict(workers.map(worker_functions.process_id, [(), (), ()])).values()
    assert sorted(found) == [(0, 0), (1, 1), (2, 4), (3, 9), (4, 16)]
    assert len(set(pids)) <= 2 and os.getpid() not in pids


def test_calls_of_a_key_go_to_the_worker_that_had_it():
    engine = local_workers.LocalWorkers(WorkersConfig(num_workers=2), is_fresh=False)
    # None has had any: in order.
    assert engine._next_index(0, [0, 1, 2], "abc") == 0
    assert engine._next_index(1, [1, 2], "abc") == 1
    assert engine._next_index(0, [2], "abc") == 2
    # Its own first, then what nobody has had, then another's.
    assert engine._next_index(1, [0, 1, 2, 3], "cabd") == 2
    assert engine._next_index(1, [0, 1, 3], "cabd") == 3
    assert engine._next_index(1, [0, 1], "cabd") == 0
    engine.stop()
    # New processes have had nothing.
    assert engine._next_index(0, [0, 1], "zb") == 0
    assert engine._next_index(1, [0, 1], "zb") == 1
    assert engine._next_index(1, [0, 1], None) == 0


def test_results_with_keys():
    calls = [(number,) for number in range(5)]
    with Workers(WorkersConfig(num_workers=2)) as workers:
        for keys in ("aabbc", "cbbaa"):
            found = workers.map(worker_functions.square, calls, keys)
            assert sorted(found) == [(0, 0), (1, 1), (2, 4), (3, 9), (4, 16)]


def test_worker_that_dies_once_is_replaced(tmp_path):
    marker = str(tmp_path / "marker")
    with Workers(WorkersConfig(num_workers=1)) as workers:
        assert list(workers.map(worker_functions.die_once, [(marker,)])) == [
            (0, "alive")
        ]


def test_worker_that_dies_while_it_sends_its_result_is_replaced(tmp_path):
    program = f"""
import worker_functions
from learned_lr.execution import local_workers
from learned_lr.execution.workers import Workers
from learned_lr.execution.workers_config import WorkersConfig

local_workers._start_worker = worker_functions.start_light
with Workers(WorkersConfig(num_workers=1)) as workers:
    calls = [({str(tmp_path / "marker")!r},)]
    print(list(workers.map(worker_functions.die_once_while_sending, calls)))
"""
    # In a process of its own, which can be ended where it waits for ever.
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "[(0, 'whole')]\n"
    assert (tmp_path / "marker").exists()


def test_work_that_always_kills_its_worker_is_named(tmp_path):
    log = tmp_path / "log"
    calls = [(number, str(log)) for number in (0, 2, 3)]
    with Workers(WorkersConfig(num_workers=1)) as workers:
        results = workers.map(worker_functions.die_when_odd, calls)
        assert [next(results), next(results)] == [(0, 0), (1, 2)]
        with pytest.raises(
            WorkerError, match="died 3 times on the same work, die_when_odd of item 2"
        ) as error:
            next(results)
    assert error.value.index == 2
    assert log.read_text(encoding="utf-8").split() == ["0", "2", "3", "3", "3"]


def test_worker_killed_between_two_calls_is_replaced():
    with Workers(WorkersConfig(num_workers=1)) as workers:
        ((_, pid),) = workers.map(worker_functions.process_id, [()])
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_running(pid))
        ((_, other),) = workers.map(worker_functions.process_id, [()])
    assert other != pid


@pytest.mark.parametrize("num_workers", [0, 1])
def test_exceptions_reach_the_caller(num_workers):
    workers = Workers(WorkersConfig(num_workers=num_workers))
    with workers, pytest.raises(FileNotFoundError, match="^no such data set$"):
        list(workers.map(worker_functions.fail, [("no such data set",)]))


def test_interrupt_ends_busy_workers(tmp_path):
    paths = [tmp_path / "first", tmp_path / "second"]

    def interrupt():
        wait_for(lambda: all(path.exists() for path in paths))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    calls = [(str(path),) for path in paths]
    with pytest.raises(KeyboardInterrupt), Workers(WorkersConfig(2)) as workers:
        list(workers.map(worker_functions.report_and_sleep, calls))
    thread.join()
    pids = [int(path.read_text(encoding="utf-8")) for path in paths]
    wait_for(lambda: not any(is_running(pid) for pid in pids))


def test_an_exception_that_no_other_process_can_read_arrives_as_its_text():
    with Workers(WorkersConfig(num_workers=1)) as workers:
        with pytest.raises(RuntimeError, match="Unreadable: one and two"):
            list(workers.map(worker_functions.fail_unreadably, [()]))
        assert list(workers.map(worker_functions.square, [(3,)])) == [(0, 9)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_do_not_hear_what_stops_the_job(number):
    with Workers(WorkersConfig(num_workers=1)) as workers:
        ((_, pid),) = workers.map(worker_functions.process_id, [()])
        os.kill(pid, number)
        ((_, again),) = workers.map(worker_functions.process_id, [()])
    assert again == pid
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_workers": -1}, "Expected workers.num_workers >= 0, found -1."),
        ({"num_threads": 0}, "Expected workers.num_threads >= 1, found 0."),
        ({"engine": "dask"}, "Expected workers.engine 'local' or 'ray', found 'dask'."),
        ({"address": "auto"}, "Expected workers.engine = 'ray' beside workers.address"),
        ({"num_gpus": 0.5}, "Expected workers.engine = 'ray' beside workers.num_gpus"),
        ({"engine": "ray", "num_gpus": 1.5}, "or a whole number, found 1.5."),
        ({"engine": "ray", "num_gpus": -1}, "or a whole number, found -1."),
    ],
)
def test_config_is_checked(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        WorkersConfig(**values)


def test_missing_ray_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(WorkerError, match=r"found none: pip install \.\[ray\]$"):
        Workers(WorkersConfig(engine="ray"))


def test_work_in_place_needs_no_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with Workers(WorkersConfig(num_workers=0, engine="ray")) as workers:
        assert list(workers.map(worker_functions.square, [(3,)])) == [(0, 9)]


def test_one_worker_a_core_by_default():
    assert Workers().num_workers == len(os.sched_getaffinity(0))


def test_fresh_workers_do_one_call_each():
    with Workers(WorkersConfig(num_workers=1), is_fresh=True) as workers:
        pids = dict(workers.map(worker_functions.process_id, [(), (), ()])).values()
    assert len(set(pids)) == 3


def test_interrupt_that_a_thread_receives_waits_until_a_worker_has_started(monkeypatch):
    submitted = []

    def submit(self, function, *arguments):
        # The main thread blocks the signal; this thread is open to it, as a library's may be.
        thread = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT))
        thread.start()
        thread.join()
        time.sleep(0.05)
        submitted.append(function)

    monkeypatch.setattr(
        local_workers.concurrent.futures.ProcessPoolExecutor, "submit", submit
    )
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    is_over = threading.Event()
    opener = threading.Thread(target=is_over.wait)
    opener.start()
    workers = Workers(WorkersConfig(num_workers=1))
    try:
        with workers, pytest.raises(KeyboardInterrupt):
            list(workers.map(worker_functions.square, [(1,)]))
    finally:
        is_over.set()
        opener.join()
    assert submitted == [call]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
