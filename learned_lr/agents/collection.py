"""Collects episodes for PPO: a pure function of controller, task and seed, run in worker processes."""

from __future__ import annotations

import dataclasses
import io

import numpy as np

from learned_lr.agents.environment import EnvironmentConfig, LearningRateEnvironment
from learned_lr.control.controller import Controller
from learned_lr.trainees.episode import Episode, npz_bytes, trainee_for


@dataclasses.dataclass(frozen=True)
class CollectedEpisode:
    """One episode with all that PPO needs of it.

    Attributes:
      episode: the training run.
      observations: float32 `[num_decisions + 1, num_features]`, the last one terminal.
      actions: float32 `[num_decisions]`, as sampled, not clipped.
      means: float32 `[num_decisions]`, the policy's means when it sampled.
      deviation: float, the policy's standard deviation when it sampled.
      rewards: float32 `[num_decisions]`.
    """

    episode: Episode
    observations: np.ndarray
    actions: np.ndarray
    means: np.ndarray
    deviation: float
    rewards: np.ndarray

    def to_bytes(self) -> bytes:
        """Returns an npz archive of everything."""
        values = dataclasses.asdict(self)
        return npz_bytes({**values.pop("episode"), **values})

    @classmethod
    def from_bytes(cls, content: bytes) -> CollectedEpisode:
        """Reads what `to_bytes` wrote.

        Raises:
          ValueError, KeyError, zipfile.BadZipFile: if it is damaged.
        """
        episode = Episode.from_bytes(content)
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return cls(
                episode,
                archive["observations"],
                archive["actions"],
                archive["means"],
                float(archive["deviation"]),
                archive["rewards"],
            )


def loss_cap(task) -> float:
    """Returns the cap of the task's losses; loads the data and builds the network."""
    return trainee_for(task).loss_cap


def collect_episode(
    controller: Controller,
    task,
    config: EnvironmentConfig,
    seed: int,
    rate_multiplier: float = 1.0,
    noise: np.ndarray | None = None,
) -> CollectedEpisode:
    """Runs one episode with actions drawn around the controller's mean.

    Same machine, threads and arguments: bit-identical result.

    Args:
      controller: the policy, with its normaliser and its deviation.
      task: a task.
      config: the environment's configuration.
      seed: int >= 0, of the trainee and of the exploration.
      rate_multiplier: float > 0, the hidden one, see `LearningRateEnvironment`.
      noise: float `[num_decisions]`, how far the actions are from the mean, in deviations; None
        for standard normal noise of the seed.
    """
    environment = LearningRateEnvironment(task, config, seed, rate_multiplier)
    if noise is None:
        rng = np.random.default_rng([seed, 2])
        noise = rng.standard_normal(task.num_decisions)
    time_step = environment.reset()
    state = controller.initial_state()
    observations, actions, means, rewards = [time_step.observation], [], [], []
    disturbances = iter(noise.tolist())
    while not time_step.is_last():
        mean, state = controller.act(time_step.observation, state)
        action = mean + controller.action_deviation * next(disturbances)
        time_step = environment.step(np.float32(action))
        observations.append(time_step.observation)
        actions.append(action)
        means.append(mean)
        rewards.append(time_step.reward)
    return CollectedEpisode(
        environment.episode(),
        np.asarray(observations, np.float32),
        np.asarray(actions, np.float32),
        np.asarray(means, np.float32),
        controller.action_deviation,
        np.asarray(rewards, np.float32),
    )
