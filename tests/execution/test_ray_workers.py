"""The engine 'ray': what test_workers.py asks of the local one, and the loss of a node."""

from __future__ import annotations

import os
import pathlib
import signal
import threading

import pytest
import worker_functions
from processes import is_running, wait_for

from learned_lr.execution import ray_workers
from learned_lr.execution.worker_processes import WorkerError
from learned_lr.execution.workers import Workers
from learned_lr.execution.workers_config import WorkersConfig

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.smoke

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def light_workers(monkeypatch):
    # A worker that imports TensorFlow takes seconds to start.
    monkeypatch.setattr(ray_workers, "limit_threads", worker_functions.set_no_threads)


@pytest.fixture
def cluster(environment):
    """A cluster of two cores that outlives the test: starting one takes seconds."""
    if not ray.is_initialized():
        ray.init(
            "local",
            num_cpus=2,
            num_gpus=0,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )


def _workers(num_workers=1, **values):
    is_fresh = values.pop("is_fresh", False)
    return Workers(WorkersConfig(num_workers, engine="ray", **values), is_fresh)


def test_cluster_of_this_machine_lives_as_long_as_its_workers(environment):
    ray.shutdown()
    with _workers(2) as workers:
        handler = signal.getsignal(signal.SIGTERM)
        assert ray.cluster_resources()["CPU"] == 2
        found = list(workers.map(worker_functions.square, [(3,), (2,)]))
    assert sorted(found) == [(0, 9), (1, 4)]
    assert not ray.is_initialized()
    assert handler == signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_results_carry_their_index_whatever_finishes_first(cluster):
    calls = [(number,) for number in range(5)]
    with _workers(2) as workers:
        found = list(workers.map(worker_functions.square, calls))
        pids = dict(workers.map(worker_functions.process_id, [(), (), ()])).values()
    assert sorted(found) == [(0, 0), (1, 1), (2, 4), (3, 9), (4, 16)]
    assert len(set(pids)) <= 2 and os.getpid() not in pids
    assert ray.is_initialized()


def test_worker_keeps_its_process_and_ends_with_stop(cluster):
    with _workers() as workers:
        pids = {workers_pid for _, workers_pid in workers.map(*_process_ids(2))}
        pids |= {workers_pid for _, workers_pid in workers.map(*_process_ids(2))}
    (pid,) = pids
    wait_for(lambda: not is_running(pid))


def _process_ids(num_calls):
    return worker_functions.process_id, [()] * num_calls


def test_worker_that_dies_once_is_replaced(cluster, tmp_path):
    marker = str(tmp_path / "marker")
    with _workers() as workers:
        found = list(workers.map(worker_functions.die_once, [(marker,)]))
    assert found == [(0, "alive")]


def test_work_that_always_kills_its_worker_is_named(cluster, tmp_path):
    log = tmp_path / "log"
    calls = [(number, str(log)) for number in (0, 2, 3)]
    with _workers() as workers:
        results = workers.map(worker_functions.die_when_odd, calls)
        assert [next(results), next(results)] == [(0, 0), (1, 2)]
        with pytest.raises(
            WorkerError, match="died 3 times on the same work, die_when_odd of item 2"
        ):
            next(results)
    assert log.read_text(encoding="utf-8").split() == ["0", "2", "3", "3", "3"]


def test_worker_killed_between_two_calls_is_replaced(cluster):
    with _workers() as workers:
        ((_, pid),) = workers.map(*_process_ids(1))
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_running(pid))
        ((_, other),) = workers.map(*_process_ids(1))
    assert other != pid


def test_exceptions_reach_the_caller_as_their_own_type(cluster):
    calls = [("no such data set",)]
    with _workers() as workers:
        with pytest.raises(FileNotFoundError, match="^no such data set$") as caught:
            list(workers.map(worker_functions.fail, calls))
        assert type(caught.value) is FileNotFoundError
        assert dict(workers.map(worker_functions.square, [(3,)])) == {0: 9}


def test_interrupt_ends_busy_workers(cluster, tmp_path):
    paths = [tmp_path / "first", tmp_path / "second"]

    def interrupt():
        wait_for(lambda: all(path.exists() for path in paths))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    calls = [(str(path),) for path in paths]
    with pytest.raises(KeyboardInterrupt), _workers(2) as workers:
        list(workers.map(worker_functions.report_and_sleep, calls))
    thread.join()
    pids = [int(path.read_text(encoding="utf-8")) for path in paths]
    wait_for(lambda: not any(is_running(pid) for pid in pids))


def test_workers_do_not_hear_ctrl_c(cluster):
    with _workers() as workers:
        ((_, pid),) = workers.map(*_process_ids(1))
        os.kill(pid, signal.SIGINT)
        ((_, again),) = workers.map(*_process_ids(1))
    assert again == pid


def test_fresh_workers_do_one_call_each(cluster):
    with _workers(is_fresh=True) as workers:
        pids = dict(workers.map(*_process_ids(3))).values()
    assert len(set(pids)) == 3


def test_more_workers_than_cores_do_not_wait_for_cores(cluster):
    with _workers(5) as workers:
        assert workers.num_workers == 5
        found = dict(workers.map(worker_functions.square, [(n,) for n in range(7)]))
        assert found == {n: n**2 for n in range(7)}
        assert len(dict(workers.map(*_process_ids(7)))) == 7


def test_one_worker_a_core_of_the_cluster_by_default(cluster):
    with _workers(None) as workers:
        assert workers.num_workers == 2
    with _workers(None, num_threads=2) as workers:
        assert workers.num_workers == 1


def test_threads_are_limited(cluster, monkeypatch):
    monkeypatch.undo()
    with _workers() as workers:
        found = list(workers.map(worker_functions.num_tensorflow_threads, [()]))
    assert found == [(0, (1, 1))]


def test_workers_look_for_data_where_the_job_does(cluster, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/data/of/the/job")
    with _workers() as workers:
        found = dict(workers.map(worker_functions.data_dir, [()]))
    assert found == {0: "/data/of/the/job"}


def test_a_node_that_has_its_data_elsewhere_keeps_its_own(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/data/of/the/node")
    job = {"TFDS_DATA_DIR": "/data/of/the/job"}
    process = ray_workers._Process(lambda: None, job)
    assert process.run(worker_functions.data_dir, ()) == "/data/of/the/node"


def test_worker_that_cannot_start_is_explained(cluster, monkeypatch):
    monkeypatch.setattr(ray_workers, "limit_threads", worker_functions.fail)
    message = "could not start .*FileNotFoundError: 1$"
    with _workers() as workers, pytest.raises(WorkerError, match=message):
        list(workers.map(*_process_ids(1)))


def test_gpus_that_no_node_has_are_missed_at_once(cluster):
    with pytest.raises(
        WorkerError, match=r"a node with 1 CPU and 0\.5 GPU .* found none"
    ):
        _workers(num_gpus=0.5)


@pytest.mark.parametrize(
    ("num_gpus", "num_places"), [(0.0, 8), (0.5, 4), (0.1, 8), (1, 2), (2, 1), (3, 0)]
)
def test_places_on_a_node(num_gpus, num_places):
    config = WorkersConfig(engine="ray", num_gpus=num_gpus)
    node = {"Resources": {"CPU": 8.0, "GPU": 2.0}}
    assert ray_workers._num_places(node, config) == num_places


def test_cluster_that_is_not_there_is_named(environment):
    ray.shutdown()
    with pytest.raises(WorkerError, match=r"workers\.address = 'auto', found none"):
        _workers(address="auto")


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ConnectionError("Failed to connect."), "Failed to connect. (no token)"),
        (RuntimeError("No version fits."), "No version fits. (no token)"),
        (ray.exceptions.RayError("Refused."), "Refused. (no token)"),
    ],
)
def test_why_a_cluster_does_not_answer_is_told(
    environment, monkeypatch, failure, reason
):
    def refuse(*arguments, **values):
        raise failure from PermissionError("no token")

    ray.shutdown()
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(WorkerError) as caught:
        _workers(address="first:6379")
    assert str(caught.value).endswith(f"found none that answers: {reason}")


@pytest.fixture
def evicted(monkeypatch):
    """Makes the first answers for which a function holds arrive as evictions by Ray's memory monitor."""

    def evict(is_evicted, num_evictions):
        left, get = [None] * num_evictions, ray.get

        def get_evicted(answer):
            result = get(answer)
            if left and is_evicted(result):
                left.pop()
                raise ray.exceptions.OutOfMemoryError("The node was low on memory.")
            return result

        monkeypatch.setattr(ray, "get", get_evicted)
        return left

    return evict


@pytest.mark.parametrize("num_evictions", [1, 2])
def test_work_whose_worker_runs_out_of_memory_is_run_again(
    cluster, evicted, num_evictions
):
    left = evicted(lambda result: result == 4, num_evictions)
    with _workers() as workers:
        found = dict(workers.map(worker_functions.square, [(1,), (2,), (3,)]))
    assert found == {0: 1, 1: 4, 2: 9} and not left


def test_work_that_always_runs_out_of_memory_is_named(cluster, evicted):
    evicted(lambda result: result == 4, 3)
    message = "died 3 times on the same work, square of item 1"
    with _workers() as workers, pytest.raises(WorkerError, match=message):
        list(workers.map(worker_functions.square, [(1,), (2,), (3,)]))


def test_a_worker_that_runs_out_of_memory_as_it_starts_is_replaced(cluster, evicted):
    left = evicted(lambda result: isinstance(result, str), 1)
    with _workers() as workers:
        assert dict(workers.map(worker_functions.square, [(3,)])) == {0: 9}
    assert not left


def test_a_result_that_is_lost_with_its_node_is_computed_again(cluster, monkeypatch):
    lost, get = [], ray.get

    def get_from_a_lost_node(answer):
        result = get(answer)
        if result == 4 and not lost:
            lost.append(answer)
            raise ray.exceptions.ObjectLostError(answer.hex(), None, "")
        return result

    monkeypatch.setattr(ray, "get", get_from_a_lost_node)
    with _workers(num_workers=2) as workers:
        found = dict(workers.map(worker_functions.square, [(1,), (2,), (3,)]))
    assert found == {0: 1, 1: 4, 2: 9} and len(lost) == 1
