"""The engine 'ray': what test_workers.py asks of the local one, and the loss of a node."""

from __future__ import annotations

import csv
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest
import worker_functions

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


@pytest.fixture(scope="module")
def environment():
    """The environment in which Ray's processes find this package and worker_functions.

    Ray notes the address of a cluster in its folder: one that died elsewhere on this machine
    would be waited for in vain. (pytest's own folders are too long for Ray's sockets.)
    """
    ray_dir = tempfile.mkdtemp(prefix="ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{_ROOT}:{_HERE}")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_TMPDIR", ray_dir)
        yield
        ray.shutdown()
    shutil.rmtree(ray_dir, ignore_errors=True)


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


def _is_running(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def _wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


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
    _wait_for(lambda: not _is_running(pid))


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
        _wait_for(lambda: not _is_running(pid))
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
        _wait_for(lambda: all(path.exists() for path in paths))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    calls = [(str(path),) for path in paths]
    with pytest.raises(KeyboardInterrupt), _workers(2) as workers:
        list(workers.map(worker_functions.report_and_sleep, calls))
    thread.join()
    pids = [int(path.read_text(encoding="utf-8")) for path in paths]
    _wait_for(lambda: not any(_is_running(pid) for pid in pids))


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


@pytest.fixture
def two_nodes(environment):
    """A cluster of two nodes of one core each, and its second node, whose loss is noticed soon."""
    from ray.cluster_utils import Cluster

    ray.shutdown()
    noticing = {
        "health_check_initial_delay_ms": 0,
        "health_check_period_ms": 500,
        "health_check_failure_threshold": 4,
    }
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": noticing}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster, cluster.add_node(num_cpus=1)
    cluster.shutdown()


def _start_baseline(root_dir, *bindings):
    bindings = (
        "task.name = 'quadratic'",
        "task.num_trainee_steps = 20000",
        "step_decay.initial_learning_rates = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)",
        "step_decay.discount_steps = (100,)",
        "step_decay.discount_factors = (0.99,)",
        "baseline.num_seeds = 2",
        *bindings,
    )
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "learned_lr.baseline"),
            "--gin_file=gin/baseline/digits_cnn.gin",
            *(f"--gin_bindings={binding}" for binding in bindings),
            f"--root_dir={root_dir}",
        ],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _grid(root_dir):
    """Returns the rows of grid.csv without timings; none if it isn't there yet."""
    path = root_dir / "baseline" / "quadratic" / "digits_cnn" / "grid.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {k: v for k, v in row.items() if k not in ("duration_sec", "cpu_sec")}
        for row in rows
    ]


def _busy_workers(node):
    """Returns the processes of a node that are at work, by the title that Ray gives them."""
    (raylet,) = node.all_processes["raylet"]
    path = pathlib.Path(f"/proc/{raylet.process.pid}/task")
    children = [c for f in path.glob("*/children") for c in f.read_text().split()]
    return [
        int(child)
        for child in children
        if b"_Process.run" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes()
    ]


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


def test_grid_survives_the_loss_of_a_node_with_the_results_of_the_local_engine(
    two_nodes, tmp_path
):
    cluster, lost = two_nodes
    bindings = ["workers.engine = 'ray'", f"workers.address = '{cluster.address}'"]
    process = _start_baseline(tmp_path / "ray", *bindings)
    _wait_for(
        lambda: (
            process.poll() is not None
            or (len(_grid(tmp_path / "ray")) >= 3 and _busy_workers(lost))
        ),
        seconds=120,
    )
    num_rows, busy = len(_grid(tmp_path / "ray")), _busy_workers(lost)
    cluster.remove_node(lost, allow_graceful=False)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert 3 <= num_rows < 12 and len(busy) == 1
    local = _start_baseline(tmp_path / "local", "workers.num_workers = 1")
    _, errors = local.communicate(timeout=300)
    assert local.returncode == 0, errors
    grid = _grid(tmp_path / "ray")
    assert [row["run"] for row in grid] == [str(run) for run in range(12)]
    assert grid == _grid(tmp_path / "local")
    # The engine may change between a run and the one that goes on with it.
    again = _start_baseline(tmp_path / "ray", "workers.num_workers = 0")
    output, _ = again.communicate(timeout=300)
    assert "holds a finished run" in output
