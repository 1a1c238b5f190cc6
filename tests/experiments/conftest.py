"""The training job in this process, on the toy task and without worker processes."""

from __future__ import annotations

import pathlib
import signal
import types

import pytest

import gin
from learned_lr import launch, train

TOY = """
task.name = 'quadratic'
task.num_trainee_steps = 40
train.num_iterations = 4
train.evaluation_interval = 2
ppo.num_epochs = 2
comparison.constant_learning_rates = (0.1,)
comparison.step_decays = ()
comparison.num_seeds = 2
workers.num_workers = 0
"""
RESULTS = (
    "iterations.csv",
    "episodes.csv",
    "evaluations.csv",
    "comparison.csv",
    "comparison.md",
    "schedule.png",
    "controller/spec.json",
    "controller/weights.npz",
)


def _launch_train(root_dir, *bindings, gin_files=None):
    if gin_files is None:
        gin_files = [str(pathlib.Path(root_dir) / "toy.gin")]
        pathlib.Path(root_dir).mkdir(parents=True, exist_ok=True)
        pathlib.Path(gin_files[0]).write_text(TOY, encoding="utf-8")
    return _launch("train", train, root_dir, *bindings, gin_files=gin_files)


def _launch(job_name, door, root_dir, *bindings, gin_files):
    gin.clear_config()
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        # TensorFlow's threads can't be set any more in a process that has used it.
        patch.setattr(launch, "limit_threads", lambda num_threads: None)
        for flag, value in (
            ("_GIN_FILE", gin_files),
            ("_GIN_BINDINGS", list(bindings)),
            ("_ROOT_DIR", str(root_dir)),
        ):
            patch.setattr(launch, flag, types.SimpleNamespace(value=value))
        try:
            return launch._main(job_name, door._load)
        finally:
            signal.signal(signal.SIGTERM, handler)
            gin.clear_config()


@pytest.fixture(scope="session")
def launch_train():
    """A function (root_dir, *bindings) that runs the toy job and returns its exit code."""
    return _launch_train


@pytest.fixture(scope="session")
def launch_door():
    """A function (job name, its door, root_dir, *bindings, gin_files) like `launch_train`."""
    return _launch


@pytest.fixture(scope="session")
def results():
    """A function that returns the bytes of all results of a run directory, by name."""

    def results(run_path):
        return {name: (pathlib.Path(run_path) / name).read_bytes() for name in RESULTS}

    return results


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The directory of a toy run that nothing disturbed; not to be written to."""
    root_dir = tmp_path_factory.mktemp("finished")
    assert _launch_train(root_dir) == 0
    return root_dir / "train" / "quadratic" / "toy"
