"""The training job in this process, on the toy task and without worker processes."""

from __future__ import annotations

import importlib
import pathlib
import signal

import matplotlib
import pytest
from job_results import EVALUATION, GRID, TRAINING, content_of

import gin
from learned_lr import launch

TOY = """
task.name = 'quadratic'
task.num_trainee_steps = 40
train.num_iterations = 4
train.evaluation_interval = 2
ppo.num_epochs = 1
comparison.constant_learning_rates = (0.1,)
comparison.step_decays = ()
comparison.num_seeds = 2
workers.num_workers = 0
"""

# What jobs asked for, in their order.
_thread_limits: list[int] = []


def _launch_train(root_dir, *bindings, gin_files=None):
    return _launch_job("train", root_dir, *bindings, gin_files=gin_files)


def _launch_job(job, root_dir, *bindings, config=TOY, gin_files=None):
    if gin_files is None:
        gin_files = [str(pathlib.Path(root_dir) / "toy.gin")]
        pathlib.Path(root_dir).mkdir(parents=True, exist_ok=True)
        pathlib.Path(gin_files[0]).write_text(config, encoding="utf-8")
    door = importlib.import_module(f"learned_lr.{job}")
    gin.clear_config()
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        # TensorFlow's threads can't be set any more in a process that has used it.
        patch.setattr(launch, "limit_threads", _thread_limits.append)
        # Spacing and formulas take most of a figure's time; test_comparison.py draws them.
        patch.setattr("matplotlib.figure.Figure.get_layout_engine", lambda self: None)
        patch.setitem(matplotlib.rcParams, "text.parse_math", False)
        flags = [f"--root_dir={root_dir}", *(f"--gin_file={f}" for f in gin_files)]
        flags += [f"--gin_bindings={binding}" for binding in bindings]
        try:
            return launch._main(job, door._load, launch.parse_flags(job, flags))
        finally:
            signal.signal(signal.SIGTERM, handler)
            gin.clear_config()


@pytest.fixture
def thread_limits():
    """The numbers of threads that the jobs of a test give their own process."""
    _thread_limits.clear()
    return _thread_limits


@pytest.fixture(scope="session")
def launch_job():
    """A function (job, root_dir, *bindings, config=...) that runs a job; returns its exit code."""
    return _launch_job


@pytest.fixture(scope="session")
def launch_train():
    """A function (root_dir, *bindings) that runs the toy job and returns its exit code."""
    return _launch_train


@pytest.fixture(scope="session")
def results():
    """A function that returns all results of a run directory by name, but for timings."""

    def results(run_path):
        return {name: content_of(pathlib.Path(run_path) / name) for name in TRAINING}

    return results


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The directory of a toy run that nothing disturbed; not to be written to."""
    root_dir = tmp_path_factory.mktemp("finished")
    assert _launch_train(root_dir) == 0
    return root_dir / "train" / "quadratic" / "toy"


@pytest.fixture(scope="session")
def run_jobs(launch_job):
    """A function (root_dir, *jobs) that runs toy jobs of one root directory."""

    def run_jobs(root_dir, *jobs, bindings=()):
        root_dir.mkdir(exist_ok=True)
        (root_dir / "lr.csv").write_text("trainee_step,learning_rate\n0,0.3\n20,0.2\n")
        for job in jobs:
            config = {"baseline": GRID, "evaluate": EVALUATION}[job]
            code = launch_job(job, root_dir, *bindings, config=config)
            if code:
                return code
        return 0

    return run_jobs


@pytest.fixture(scope="session")
def undisturbed_jobs(tmp_path_factory, run_jobs):
    """The root directory of a grid and an evaluation; not to be written to."""
    root_dir = tmp_path_factory.mktemp("undisturbed")
    assert run_jobs(root_dir, "baseline", "evaluate") == 0
    return root_dir


@pytest.fixture(scope="session")
def grid(undisturbed_jobs):
    """The run directory of the undisturbed grid."""
    return undisturbed_jobs / "baseline" / "quadratic" / "toy"


@pytest.fixture(scope="session")
def evaluation(undisturbed_jobs):
    """The run directory of the undisturbed evaluation."""
    return undisturbed_jobs / "evaluate" / "quadratic" / "toy"
