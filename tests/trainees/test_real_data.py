"""The real data sets: a short training run learns, and a collected episode is whole."""

from __future__ import annotations

import os

import numpy as np
import pytest

from learned_lr.agents.collection import collect_episode
from learned_lr.agents.environment import EnvironmentConfig
from learned_lr.control.controller import Controller
from learned_lr.trainees import adaptive_schedules, schedules, tasks
from learned_lr.trainees.episode import run_episode

pytestmark = pytest.mark.slow

_SHORT = {"num_trainee_steps": 100, "batch_size": 256}


@pytest.mark.parametrize(
    ("name", "least_accuracy"), [("fashion_mnist_lenet5", 0.7), ("cifar10_lenet5", 0.2)]
)
def test_a_short_run_learns(name, least_accuracy):
    task = tasks.make_task(name, **_SHORT)
    episode = run_episode(task, schedules.Constant(3e-3), seed=0)
    accuracy = episode.column("validation_accuracy")
    assert accuracy[0] < 0.2
    assert episode.test_accuracy > least_accuracy
    assert not episode.diverged


def test_committed_controller_drives_fashion_mnist():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.path.join(root, "results", "fashion_mnist_lenet5", "controller")
    controller = Controller.load(path)
    task = tasks.make_task("fashion_mnist_lenet5", **_SHORT)
    greedy = run_episode(
        task, adaptive_schedules.Learned(controller), seed=0, test=False
    )
    rates = greedy.column("learning_rate")
    assert rates[1:].max() > 3 * controller.spec.initial_learning_rate
    explored = collect_episode(controller, task, EnvironmentConfig(), seed=0)
    assert explored.observations.shape == (11, 8)
    np.testing.assert_array_equal(
        explored.episode.trajectory[0, 2:], greedy.trajectory[0, 2:]
    )
