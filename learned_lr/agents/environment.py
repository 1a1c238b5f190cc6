"""The training of a network as a TF-Agents environment: the action scales the learning rate."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

import gin
from learned_lr.control import base_schedules
from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.controller_spec import ControllerSpec, first_level
from learned_lr.control.observations import (
    FEATURES,
    ObservationBuilder,
    ObservationSpec,
)
from learned_lr.trainees import episode as episodes

REWARDS = (
    "validation_loss",
    "log_validation_loss",
    "log_validation_loss_decrease",
    "log_best_validation_loss_decrease",
)
# A loss of 0 would give an infinite logarithm.
_LOSS_FLOOR = 1e-6


@gin.register("environment")
@dataclasses.dataclass(frozen=True)
class EnvironmentConfig:
    """What the controller sees, does and earns; plain values.

    Attributes:
      features: the observation's features, in order.
      transform: 'raw', 'log' or 'relative', see `ObservationSpec`.
      reward: 'validation_loss', minus the validation loss (the paper's);
        'log_validation_loss', minus its logarithm; 'log_validation_loss_decrease', what
        the interval took off the logarithm, which sums to that of the final loss; or
        'log_best_validation_loss_decrease', what it took off that of the least loss so far,
        which sums to that of the best loss, by which weights and controllers are chosen.
      initial_learning_rate: the rate that the first decision scales; with a base schedule,
        the level.
      max_scale: the largest factor of one decision.
      min_learning_rate: lower bound of the learning rate.
      max_learning_rate: upper bound of the learning rate.
      act_before_first_interval: True, the untrained network is observed and the first
        decision scales the initial rate; False, the first interval runs at it.
      base_schedule: what decisions scale, `@base_schedule()` in gin; None for the rate
        itself, the paper's action.
      initial_sgd_learning_rate: in place of `initial_learning_rate` where the task's
        optimizer is SGD, whose good rates are larger; None for no difference.
    """

    features: tuple[str, ...] = FEATURES + ("progress",)
    transform: str = "log"
    reward: str = "log_validation_loss"
    initial_learning_rate: float = 1e-3
    max_scale: float = 1.5
    min_learning_rate: float = 1e-7
    max_learning_rate: float = 1.0
    act_before_first_interval: bool = True
    base_schedule: base_schedules.BaseSchedule | None = None
    initial_sgd_learning_rate: float | None = None

    def __post_init__(self):
        object.__setattr__(self, "features", tuple(self.features))
        if self.reward not in REWARDS:
            raise ValueError(
                f"Expected environment.reward to be one of {list(REWARDS)}, found "
                f"{self.reward!r}."
            )
        self.scaling()  # The bounds themselves.
        low, high = self.min_learning_rate, self.max_learning_rate
        for name in ("initial_learning_rate", "initial_sgd_learning_rate"):
            rate = getattr(self, name)
            if rate is not None and not low <= rate <= high:
                raise ValueError(
                    f"Expected environment.{name} in [{low!r}, {high!r}], found {rate!r}."
                )
        self.observation_spec(1.0)

    @property
    def is_reward_a_decrease(self) -> bool:
        """Whether a reward is the difference of two losses' rewards."""
        return self.reward.endswith("_decrease")

    def first_level(self, task) -> float:
        """Returns what the first decision on a task scales."""
        return first_level(
            self.initial_learning_rate, self.initial_sgd_learning_rate, task.is_sgd
        )

    @classmethod
    def of_controller(cls, spec: ControllerSpec, reward: str) -> EnvironmentConfig:
        """Returns the configuration in which a controller sees and does what it was trained for."""
        return cls(
            features=spec.observation.features,
            transform=spec.observation.transform,
            reward=reward,
            initial_learning_rate=spec.initial_learning_rate,
            max_scale=spec.scaling.max_scale,
            min_learning_rate=spec.scaling.min_learning_rate,
            max_learning_rate=spec.scaling.max_learning_rate,
            act_before_first_interval=spec.act_before_first_interval,
            base_schedule=spec.base_schedule,
            initial_sgd_learning_rate=spec.initial_sgd_learning_rate,
        )

    def controller_spec(self, max_loss: float, task, **fields) -> ControllerSpec:
        """Returns the spec of a controller that is trained in this configuration.

        Args:
          max_loss: the cap of the losses, see `observation_spec`.
          task: the task whose budget it has.
          **fields: the fields that are not the environment's.
        """
        return ControllerSpec(
            observation=self.observation_spec(max_loss),
            scaling=self.scaling(),
            initial_learning_rate=self.initial_learning_rate,
            trainee_steps_per_action=task.trainee_steps_per_action,
            num_trainee_steps=task.num_trainee_steps,
            act_before_first_interval=self.act_before_first_interval,
            base_schedule=self.base_schedule,
            initial_sgd_learning_rate=self.initial_sgd_learning_rate,
            **fields,
        )

    def scaling(self) -> LearningRateScaling:
        """Returns how an action changes the learning rate."""
        return LearningRateScaling(
            self.max_scale, self.min_learning_rate, self.max_learning_rate
        )

    def observation_spec(self, max_loss: float) -> ObservationSpec:
        """Returns the observation spec of a task whose losses are capped at `max_loss`."""
        return ObservationSpec(
            self.features,
            self.transform,
            max_loss,
            self.min_learning_rate,
            self.max_learning_rate,
        )


class LearningRateEnvironment(py_environment.PyEnvironment):
    """Trains one network an episode; the agent scales its learning rate every interval.

    Observation: float32 `[num_features]`, bounded, see `ObservationSpec`. Action: float32
    scalar in [-1, 1], the exponent of `max_scale`; values outside are clipped, as a Gaussian
    policy has no bounds. Reward: minus the validation loss (or its logarithm) after the
    interval. The episode ends with the task's budget, by termination (discount 0): the
    budget is part of the task.

    Each episode has a seed of its own: `seed(n)` makes the next episode use `n`, and the
    ones after it n + 1, n + 2, ...

    Attributes:
      level: float, what the latest action left the learning rate at, or, with a base
        schedule, what that multiplies.
    """

    def __init__(
        self,
        task,
        config: EnvironmentConfig | None = None,
        seed: int = 0,
        rate_multiplier: float = 1.0,
    ):
        """Builds the trainee, or takes the one this process has for the task.

        Args:
          task: a task.
          config: what is observed, done and earned.
          seed: the seed of the first episode.
          rate_multiplier: float > 0, the network trains at the agent's rates times this,
            which the agent isn't told: the same task then asks for other rates.
        """
        super().__init__(handle_auto_reset=True)
        self.task = task
        self.config = config or EnvironmentConfig()
        self._trainee = episodes.trainee_for(task)
        self._scaling = self.config.scaling()
        spec = self.config.observation_spec(self._trainee.loss_cap)
        self._builder = ObservationBuilder(spec)
        minimum, maximum = spec.bounds()
        self._observation_spec = array_spec.BoundedArraySpec(
            minimum.shape, np.float32, minimum, maximum, name="observation"
        )
        self._action_spec = array_spec.BoundedArraySpec(
            (), np.float32, -1.0, 1.0, name="log_scale"
        )
        cap = self._trainee.loss_cap
        bounds = self._reward_bounds(cap)
        self._reward_spec = array_spec.BoundedArraySpec(
            (), np.float32, min(bounds), max(bounds), name="reward"
        )
        self._next_seed = seed
        self._recorder = None
        self.level = float(self.config.first_level(self.task))
        self._rate_multiplier = rate_multiplier

    def observation_spec(self):
        """The bounds of each feature, in the order of `config.features`."""
        return self._observation_spec

    def action_spec(self):
        """A scalar in [-1, 1]."""
        return self._action_spec

    def reward_spec(self):
        """A scalar between the reward of a diverged run and that of no loss at all."""
        return self._reward_spec

    def seed(self, seed: int) -> None:
        """Makes the next episode use this seed."""
        self._next_seed = int(seed)

    def episode(self, test: bool = False) -> episodes.Episode:
        """Returns the present episode so far; with `test`, tests its best weights.

        Raises:
          ValueError: before the first reset.
        """
        if self._recorder is None:
            raise ValueError("Expected reset() before episode(), found no episode.")
        return self._recorder.episode(*([self._trainee.test()] if test else []))

    def _reset(self):
        self._trainee.reset(self._next_seed)
        self._recorder = episodes.EpisodeRecorder(self._next_seed)
        self._next_seed += 1
        self._num_steps = 0
        self.level = float(self.config.first_level(self.task))
        self._measurement = self._trainee.measure()
        self._least_validation_loss = self._measurement.validation_loss
        self._builder.start(self._measurement, self.level)
        if not self.config.act_before_first_interval:
            self._run_interval()
        return ts.restart(self._observation())

    def _step(self, action):
        # As the control loop has it: where a loss has no logarithm the level stays.
        action = action if self._has_logarithms else 0.0
        self.level = self._scaling.next_learning_rate(self.level, action)
        before, least = self._measurement.validation_loss, self._least_validation_loss
        self._run_interval()
        after = self._measurement.validation_loss
        if self.config.reward == "log_best_validation_loss_decrease":
            before, after = least, self._least_validation_loss
        reward = self._reward_of(after)
        if self.config.is_reward_a_decrease:
            reward -= self._reward_of(before)
        is_last = self._num_steps >= self.task.num_trainee_steps
        return (ts.termination if is_last else ts.transition)(
            self._observation(), np.float32(reward)
        )

    def _run_interval(self):
        interval = self.task.trainee_steps_per_action
        rates = self._rate_multiplier * base_schedules.rates_from(
            self.config.base_schedule,
            self.level,
            self._num_steps,
            interval,
            self.task.num_trainee_steps,
        )
        if self._num_steps == 0:
            self._recorder.add(0, float(np.ravel(rates)[0]), self._measurement)
        self._measurement = self._trainee.train(rates)
        self._least_validation_loss = min(
            self._least_validation_loss, self._measurement.validation_loss
        )
        self._num_steps += interval
        last_rate = float(np.ravel(rates)[-1])
        self._recorder.add(self._num_steps, last_rate, self._measurement)

    def _observation(self):
        num_steps = self.task.num_trainee_steps
        progress = self._num_steps / num_steps
        self._has_logarithms = self._builder.has_logarithms(self._measurement)
        return self._builder.build(self._measurement, self.level, progress, num_steps)

    def _reward_of(self, validation_loss):
        """The reward of a loss; a decrease is that of the one after minus that of the one before."""
        if self.config.reward == "validation_loss":
            return -validation_loss
        return -math.log(max(validation_loss, _LOSS_FLOOR))

    def _reward_bounds(self, cap):
        low, high = self._reward_of(cap), self._reward_of(0.0)
        if self.config.is_reward_a_decrease:
            return low - high, high - low
        return low, high
