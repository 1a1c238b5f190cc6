"""How a controller learns from a teacher: labelled episodes, and the regression of its actions on theirs (DAgger).

The teacher knows what the controller must find out: the rate that tuning found for the task, and the episode's hidden
multiplier (Ross et al., 2011, arXiv:1011.0686). Must not know run directories, workers or jobs.
"""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

import gin
from learned_lr.agents.environment import EnvironmentConfig, LearningRateEnvironment
from learned_lr.control.controller import Controller
from learned_lr.control.controller_spec import ControllerSpec
from learned_lr.trainees.episode import npz_bytes
from learned_lr.trainees.episode_groups import EpisodeGroup


@gin.register("imitation")
@dataclasses.dataclass(frozen=True)
class ImitationConfig:
    """How episodes are perturbed and how the controller is fitted; plain values.

    Attributes:
      num_units: width of the hidden layer of tanh units of one network.
      num_networks: networks that are fitted from initial weights of their own; the controller
        is their mean before the last tanh, which is one MLP with all their units.
      action_deviation: standard deviation of the Gaussian noise on the controller's actions
        in labelled episodes, in action units.
      num_fitting_steps: steps of Adam, each over all labelled decisions.
      learning_rate: of the first of these; it falls to 0 along half a cosine.
      weight_decay: weight of the mean square of the kernels in the loss.
      too_high_weight: what the square of an action above the teacher's counts for, against
        1 for one below: too high a rate can kill a network, too low a rate only delays it.
    """

    num_units: int = 32
    num_networks: int = 5
    action_deviation: float = 0.3
    num_fitting_steps: int = 600
    learning_rate: float = 0.003
    weight_decay: float = 1e-4
    too_high_weight: float = 2.0

    def __post_init__(self):
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


def fit(
    spec: ControllerSpec,
    config: ImitationConfig,
    episodes: Mapping[str, Sequence[LabelledEpisodes]],
    seed: int,
) -> tuple[Controller, dict[str, float]]:
    """Fits a controller to the teacher's actions, from scratch.

    Args:
      spec: of the controller, an MLP of `num_networks * num_units` units.
      config: how it is fitted.
      episodes: by the name of their task. All tasks weigh the same, whatever their number
        of episodes.
      seed: int >= 0, of the initial weights.

    Returns:
      The controller; and figures: `fitting_loss`, the mean over networks, and
      `explained_variance`, the share of the variance of the teacher's actions, in [0, 1] but
      for a bad fit.
    """
    observations, actions, weights = _rows(episodes)
    mean = np.average(observations, axis=0, weights=weights)
    variance = np.average((observations - mean) ** 2, axis=0, weights=weights)
    controller = untrained(spec, config.action_deviation).with_normalizer(
        mean, variance
    )
    inputs = controller.normalized(observations)
    networks, losses = [], []
    for number in range(config.num_networks):
        number += seed * config.num_networks
        model = _new_model(config.num_units, 2 * number)
        model.build(inputs.shape)
        losses.append(_fit_model(model, config, inputs, actions, weights))
        networks.append(model.get_weights())
    kernels, biases, action_kernels, action_biases = zip(*networks)
    merged = {
        "hidden_kernel": np.concatenate(kernels, axis=1),
        "hidden_bias": np.concatenate(biases),
        "action_kernel": np.concatenate(action_kernels) / np.float32(len(networks)),
        "action_bias": np.mean(action_biases, axis=0),
    }
    controller = Controller(spec, {**controller.weights, **merged})
    hidden = np.tanh(inputs @ merged["hidden_kernel"] + merged["hidden_bias"])
    found = np.tanh(hidden @ merged["action_kernel"] + merged["action_bias"])[:, 0]
    unexplained = np.average((found - actions) ** 2, weights=weights)
    spread = np.average(
        (actions - np.average(actions, weights=weights)) ** 2, weights=weights
    )
    return controller, {
        "fitting_loss": float(np.mean(losses)),
        "explained_variance": float(1 - unexplained / max(spread, 1e-12)),
    }


def _new_model(num_units, seed):
    return tf.keras.Sequential(
        [
            tf.keras.layers.Dense(
                units,
                activation="tanh",
                kernel_initializer=tf.keras.initializers.GlorotUniform(seed + number),
            )
            for number, units in enumerate((num_units, 1))
        ]
    )


def _rows(episodes):
    """Observations, the teacher's actions and weights that sum to 1, over all decisions."""
    observations, actions, weights = [], [], []
    for groups in episodes.values():
        num_rows = sum(item.actions.size for item in groups)
        for item in groups:
            observations.append(item.observations.reshape(item.actions.size, -1))
            actions.append(item.teacher_actions.ravel())
            weights.append(np.full(item.actions.size, 1 / num_rows / len(episodes)))
    return tuple(map(np.concatenate, (observations, actions, weights)))


def _fit_model(model, config, inputs, actions, weights):
    inputs, actions, weights = (
        tf.constant(values, tf.float32) for values in (inputs, actions, weights)
    )
    num_steps = config.num_fitting_steps
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        config.learning_rate, num_steps
    )
    optimizer = tf.keras.optimizers.Adam(schedule, jit_compile=False)
    optimizer.build(model.trainable_variables)
    kernels = [layer.kernel for layer in model.layers]

    @tf.function
    def run():
        loss = tf.constant(0.0)
        for _ in tf.range(num_steps):
            with tf.GradientTape() as tape:
                error = model(inputs)[:, 0] - actions
                cost = tf.where(error > 0, config.too_high_weight, 1.0)
                loss = tf.reduce_sum(weights * cost * error**2)
                penalty = tf.add_n([tf.reduce_mean(kernel**2) for kernel in kernels])
                total = loss + config.weight_decay * penalty
            gradients = tape.gradient(total, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return float(run())
