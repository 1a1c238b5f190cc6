"""A Ray cluster that loses a node in the middle of a job."""

from __future__ import annotations

import contextlib
import csv
import pathlib
import signal
import subprocess
import sys

import pytest
from processes import wait_for

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.smoke

_ROOT = pathlib.Path(__file__).resolve().parents[2]


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
    # A cluster puts a handler of its own in place of this process's.
    handler = signal.getsignal(signal.SIGTERM)
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster, cluster.add_node(num_cpus=1)
    cluster.shutdown()
    signal.signal(signal.SIGTERM, handler)


def _start_baseline(root_dir, *bindings):
    bindings = (
        "task.name = 'quadratic'",
        "task.num_trainee_steps = 20000",
        "step_decay.initial_learning_rates = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)",
        "step_decay.discount_steps = (100,)",
        "step_decay.discount_factors = (0.99,)",
        "baseline.num_seeds = 2",
        "baseline.num_finalists = 1",
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
    busy = []
    for child in children:
        # One that has just ended is not at work.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if b"_Process.run" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
                busy.append(int(child))
    return busy


def test_grid_survives_the_loss_of_a_node_with_the_results_of_the_local_engine(
    two_nodes, tmp_path
):
    cluster, lost = two_nodes
    bindings = ["workers.engine = 'ray'", f"workers.address = '{cluster.address}'"]
    process = _start_baseline(tmp_path / "ray", *bindings)
    seen = {}

    def is_at_work():
        seen.update(num_rows=len(_grid(tmp_path / "ray")), busy=_busy_workers(lost))
        return process.poll() is not None or (seen["num_rows"] >= 3 and seen["busy"])

    wait_for(is_at_work, seconds=120)
    cluster.remove_node(lost, allow_graceful=False)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert 3 <= seen["num_rows"] < 12 and len(seen["busy"]) == 1
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
