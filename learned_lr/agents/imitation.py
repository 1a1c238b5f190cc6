"""What a controller learns from a teacher: labelled episodes (DAgger); `imitation_fit` has the regression.

The teacher knows what the controller must find out: the rate that tuning found for the task, and the episode's hidden
multiplier (Ross et al., 2011, arXiv:1011.0686). Must not know run directories, workers or jobs.
"""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Sequence

import numpy as np

import gin
from learned_lr.agents.environment import EnvironmentConfig, LearningRateEnvironment
from learned_lr.control.controller import Controller
from learned_lr.control.controller_spec import NETWORKS, ControllerSpec
from learned_lr.trainees.episode import npz_bytes
from learned_lr.trainees.episode_groups import EpisodeGroup


@gin.register("imitation")
@dataclasses.dataclass(frozen=True)
class ImitationConfig:
    """How episodes are perturbed and how the controller is fitted; plain values.

    Attributes:
      network: 'mlp', a hidden layer of tanh units, or 'lstm', an LSTM layer.
      num_units: width of that layer of one network.
      num_networks: networks that are fitted from initial weights of their own; the controller
        is their mean before the last tanh, which is one network with all their units.
      action_deviation: standard deviation of the Gaussian noise on the controller's actions
        in labelled episodes, in action units.
      num_fitting_steps: steps of Adam, each over all labelled decisions.
      learning_rate: of the first of these; it falls to 0 along half a cosine.
      weight_decay: weight of the mean square of the kernels in the loss.
      too_high_weight: what the square of an action above the teacher's counts for, against
        1 for one below: too high a rate can kill a network, too low a rate only delays it.
    """

    network: str = "mlp"
    num_units: int = 32
    num_networks: int = 5
    action_deviation: float = 0.3
    num_fitting_steps: int = 600
    learning_rate: float = 0.003
    weight_decay: float = 1e-4
    too_high_weight: float = 2.0

    def __post_init__(self):
        if self.network not in NETWORKS:
            raise ValueError(
                f"Expected imitation.network to be one of {list(NETWORKS)}, found {self.network!r}."
            )
        for name in (
            "num_units",
            "num_networks",
            "action_deviation",
            "num_fitting_steps",
            "learning_rate",
            "too_high_weight",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"Expected imitation.{name} > 0, found {getattr(self, name)!r}."
                )
        if not self.weight_decay >= 0:
            raise ValueError(
                f"Expected imitation.weight_decay >= 0, found {self.weight_decay!r}."
            )


@dataclasses.dataclass(frozen=True)
class LabelledEpisodes:
    """The controller's own runs of one task, with what the teacher would have done in every state of them.

    Attributes:
      group: the training runs; their rates are those that the network trained at.
      observations: float32 `[num_episodes, num_decisions, num_features]`.
      actions: float32 `[num_episodes, num_decisions]`, as taken, not clipped.
      teacher_actions: float32 `[num_episodes, num_decisions]`, in [-1, 1].
      levels: float32 `[num_episodes, num_decisions]`, before the actions.
      rate_multipliers: float64 `[num_episodes]`, the hidden ones.
    """

    group: EpisodeGroup
    observations: np.ndarray
    actions: np.ndarray
    teacher_actions: np.ndarray
    levels: np.ndarray
    rate_multipliers: np.ndarray

    def to_bytes(self) -> bytes:
        """Returns an npz archive of everything."""
        arrays = {name: getattr(self, name) for name in _LABELS}
        return npz_bytes({**self.group.arrays(), **arrays})

    @classmethod
    def from_bytes(cls, content: bytes) -> LabelledEpisodes:
        """Reads what `to_bytes` wrote.

        Raises:
          ValueError, KeyError, zipfile.BadZipFile: if it is damaged.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            labels = [archive[name] for name in _LABELS]
            return cls(EpisodeGroup.from_arrays(archive), *labels)


_LABELS = [field.name for field in dataclasses.fields(LabelledEpisodes)][1:]


def teacher_action(target: float, level: float, max_scale: float) -> float:
    """Returns the action that leads to the teacher's level, or as near as one goes.

    clip(log(target / level) / log(max_scale), -1, 1)

    Args:
      target: float > 0, the level that the episode asks for: the task's over the hidden
        multiplier.
      level: float > 0, the level before the action.
      max_scale: float > 1, the largest factor of one action.
    """
    distance = math.log(target / level) / math.log(max_scale)
    return min(max(distance, -1.0), 1.0)


def label_episodes(
    controller: Controller,
    task,
    environment_config: EnvironmentConfig,
    action_deviation: float,
    targets: Sequence[float],
    seeds_and_multipliers: Sequence[tuple[int, float]],
) -> LabelledEpisodes:
    """Runs episodes of perturbed actions and asks the teacher in every state.

    Same machine, threads and arguments: bit-identical result.

    Args:
      controller: what acts.
      task: a task.
      environment_config: the environment's configuration; it acts before the first interval.
      action_deviation: float >= 0, of the Gaussian noise on the actions.
      targets: the teacher's level at each decision; one alone holds for all.
      seeds_and_multipliers: of each episode the seed, int >= 0, of the network and the noise;
        and the hidden multiplier, float > 0, see `LearningRateEnvironment`.
    """
    if len(targets) not in (1, task.num_decisions):
        raise ValueError(
            f"Expected one target or one for each of {task.num_decisions} decisions, found "
            f"{len(targets)}."
        )
    targets = np.broadcast_to(targets, task.num_decisions).tolist()
    runs = []
    for seed, multiplier in seeds_and_multipliers:
        environment = LearningRateEnvironment(
            task, environment_config, seed, multiplier
        )
        noise = action_deviation * np.random.default_rng([seed, 4]).standard_normal(
            len(targets)
        )
        teacher = [target / multiplier for target in targets]
        runs.append((*_run(controller, environment, noise, teacher), multiplier))
    episodes, *labels, multipliers = zip(*runs)
    labels = [np.asarray(values, np.float32) for values in labels]
    return LabelledEpisodes(EpisodeGroup(episodes), *labels, np.asarray(multipliers))


def _run(controller, environment, noise, targets):
    """One episode: itself, observations, actions, the teacher's, and levels."""
    time_step, state = environment.reset(), controller.initial_state()
    max_scale = environment.config.max_scale
    observations, actions, teacher_actions, levels = [], [], [], []
    for disturbance, target in zip(noise.tolist(), targets):
        mean, state = controller.act(time_step.observation, state)
        observations.append(time_step.observation)
        actions.append(mean + disturbance)
        levels.append(environment.level)
        teacher_actions.append(teacher_action(target, levels[-1], max_scale))
        time_step = environment.step(np.float32(actions[-1]))
    return environment.episode(), observations, actions, teacher_actions, levels


def untrained(spec: ControllerSpec, action_deviation: float) -> Controller:
    """Returns a controller whose action is always 0: it follows the base schedule."""
    weights = {
        name: np.zeros(shape, np.float32)
        for name, shape in spec.weight_shapes().items()
    }
    weights["normalizer_variance"] += 1
    weights["action_deviation"] += np.float32(action_deviation)
    return Controller(spec, weights)
