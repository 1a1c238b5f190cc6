"""Workers as jobs have them, TensorFlow and all: one thread each, and the same episode to the last bit."""

from __future__ import annotations

import pytest
import worker_functions

from learned_lr.execution.workers import Workers
from learned_lr.execution.workers_config import WorkersConfig
from learned_lr.trainees import families
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.schedules import Constant

pytestmark = pytest.mark.smoke


@pytest.fixture(autouse=True)
def no_threads_by_environment(monkeypatch):
    """What the tests' own processes have."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def test_a_worker_has_one_thread():
    with Workers(WorkersConfig(num_workers=1)) as workers:
        found = list(workers.map(worker_functions.num_tensorflow_threads, [()]))
    assert found == [(0, (1, 1))]


def test_an_episode_with_dropout_repeats_in_another_process():
    task = families.parse("digits-n997-mlp_dropout-adam-b32-s100", 5)
    episodes = []
    for _ in range(2):
        with Workers(WorkersConfig(num_workers=1)) as workers:
            calls = [(task, Constant(0.003), 7, False)]
            episodes += [episode for _, episode in workers.map(run_episode, calls)]
    first, second = episodes
    assert len(first.trajectory) == 6
    assert first.trajectory.tobytes() == second.trajectory.tobytes()
    losses = first.column("validation_loss")
    assert losses[-1] < losses[0] / 2
