"""Tasks whose episodes take milliseconds, and controllers with random weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from learned_lr.agents.collection import CollectedEpisode, collect_episode
from learned_lr.agents.environment import EnvironmentConfig
from learned_lr.agents.ppo import PPOConfig, PPOTrainer
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
        base_schedule=config.base_schedule,
        initial_sgd_learning_rate=config.initial_sgd_learning_rate,
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


@dataclasses.dataclass(frozen=True)
class Training:
    """Two updates of a trainer, with all that is needed to repeat them."""

    config: PPOConfig
    environment_config: EnvironmentConfig
    trainer: PPOTrainer
    episodes: list[list[CollectedEpisode]]
    figures: list[dict[str, float]]
    first_checkpoint: str

    def new_trainer(self, seed: int, **values) -> PPOTrainer:
        """A trainer like this one's before its first update, if its seed is 0."""
        config = dataclasses.replace(self.config, **values)
        task = TASKS["quadratic"]
        return PPOTrainer(config, self.environment_config, task, 100.0, seed)


@pytest.fixture(params=[("mlp", "scaled"), ("lstm", "centered")], scope="session")
def training(request, tmp_path_factory):
    """Two updates at rates that take the policy far from where it started."""
    actor, reward_normalization = request.param
    config = PPOConfig(
        actor,
        num_units=8,
        num_epochs=1,
        actor_learning_rate=0.05,
        critic_learning_rate=0.05,
        reward_normalization=reward_normalization,
    )
    path = str(tmp_path_factory.mktemp(actor) / "checkpoint")
    environment_config = EnvironmentConfig(max_scale=3.0)
    task = TASKS["quadratic"]
    trainer = PPOTrainer(config, environment_config, task, 100.0, 0)
    episodes, figures = [], []
    for seeds in ((0, 1), (2, 3)):
        controller = trainer.controller()
        episodes.append(
            [collect_episode(controller, task, environment_config, s) for s in seeds]
        )
        figures.append(trainer.update(episodes[-1]))
        if len(figures) == 1:
            path = trainer.checkpoint.save(path)
    return Training(config, environment_config, trainer, episodes, figures, path)
