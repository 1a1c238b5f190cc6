"""Tasks whose episodes take milliseconds, and controllers with random weights."""

from __future__ import annotations

import numpy as np
import pytest

from learned_lr.agents.environment import EnvironmentConfig
from learned_lr.control.controller import Controller, ControllerSpec
from learned_lr.trainees.tasks import QuadraticTask, Task

TASKS = {
    "tiny": Task(
        "tiny",
        "digits",
        "mlp",
        batch_size=8,
        num_trainee_steps=30,
        trainee_steps_per_action=5,
        num_train_images=40,
        num_validation_images=20,
        width=8,
    ),
    "quadratic": QuadraticTask(num_trainee_steps=60, trainee_steps_per_action=10),
}


@pytest.fixture(params=TASKS, scope="session")
def task(request):
    """Each of the two tasks, of six intervals."""
    return TASKS[request.param]


@pytest.fixture(scope="session")
def quadratic():
    """The quadratic task, of six intervals."""
    return TASKS["quadratic"]


@pytest.fixture(scope="session")
def tiny():
    """The task with a network, of six intervals."""
    return TASKS["tiny"]


def _random_controller(task, config=None, network="mlp", seed=0):
    config = config or EnvironmentConfig()
    max_loss = 100.0 if task.name == "quadratic" else 1.5 * np.log(10)
    spec = ControllerSpec(
        network=network,
        num_units=4,
        activation="tanh",
        observation=config.observation_spec(max_loss),
        scaling=config.scaling(),
        initial_learning_rate=config.initial_learning_rate,
        trainee_steps_per_action=task.trainee_steps_per_action,
        num_trainee_steps=task.num_trainee_steps,
        act_before_first_interval=config.act_before_first_interval,
    )
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.normal(scale=0.7, size=shape).astype(np.float32)
        for name, shape in spec.weight_shapes().items()
    }
    weights["normalizer_variance"] = np.abs(weights["normalizer_variance"])
    weights["action_deviation"] = np.float32([1.5])
    return Controller(spec, weights)


@pytest.fixture(scope="session")
def random_controller():
    """A function (task, config, network, seed) -> controller of four units."""
    return _random_controller
