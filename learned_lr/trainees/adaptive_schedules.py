"""Schedules that react to the run: a reduction on plateaus, hypergradient descent, a trained controller."""

from __future__ import annotations

import dataclasses

from learned_lr.control import base_schedules
from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.controller import Controller
from learned_lr.trainees.hypergradient import HypergradientInterval
from learned_lr.trainees.schedules import NextLearningRate, check_rate


@dataclasses.dataclass(frozen=True)
class ReduceOnPlateau:
    """Cuts the rate when the validation loss has not improved for some decisions.

    The rule and the defaults of `factor` and `min_delta` are those of Keras'
    ReduceLROnPlateau, with a decision in place of an epoch.

    Attributes:
      initial_learning_rate: float > 0.
      factor: float in (0, 1), the rate is multiplied by it.
      patience: int >= 1, decisions without an improvement before a cut.
      min_delta: float >= 0, what counts as an improvement of the validation loss.
      min_learning_rate: float > 0, a lower bound.
    """

    initial_learning_rate: float
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4
    min_learning_rate: float = 1e-7

    def __post_init__(self):
        check_rate("initial_learning_rate", self.initial_learning_rate)
        check_rate("min_learning_rate", self.min_learning_rate)
        if not 0 < self.factor < 1 or self.patience < 1 or self.min_delta < 0:
            raise ValueError(
                "Expected factor in (0, 1), patience >= 1 and min_delta >= 0, found "
                f"{self.factor!r}, {self.patience!r} and {self.min_delta!r}."
            )

    @property
    def name(self) -> str:
        """A short name for tables."""
        return (
            f"plateau {self.initial_learning_rate:g}, {self.factor:g}, {self.patience}"
        )

    def start(self, task) -> NextLearningRate:
        """Begins an episode."""
        rate, best, waited = self.initial_learning_rate, float("inf"), 0

        def next_learning_rate(trainee_step, measurement):
            nonlocal rate, best, waited
            if measurement.validation_loss < best - self.min_delta:
                best, waited = measurement.validation_loss, 0
            else:
                waited += 1
            if waited >= self.patience:
                rate, waited = max(rate * self.factor, self.min_learning_rate), 0
            return rate

        return next_learning_rate


@dataclasses.dataclass(frozen=True)
class Hypergradient:
    """The rate descends along its own gradient at every trainee step (Baydin et al., 2018).

    It needs the gradients, so that it trains its intervals itself (`hypergradient`); this
    schedule names the rate of the first step and how fast it moves.

    Attributes:
      initial_learning_rate: float > 0.
      hypergradient_learning_rate: float >= 0, "beta"; the authors use 1e-7 with Adam.
    """

    initial_learning_rate: float
    hypergradient_learning_rate: float = 1e-7

    def __post_init__(self):
        check_rate("initial_learning_rate", self.initial_learning_rate)
        if not 0 <= self.hypergradient_learning_rate < float("inf"):
            raise ValueError(
                "Expected hypergradient_learning_rate >= 0, found "
                f"{self.hypergradient_learning_rate!r}."
            )

    @property
    def name(self) -> str:
        """A short name for tables."""
        return (
            f"hypergradient {self.initial_learning_rate:g}, "
            f"{self.hypergradient_learning_rate:g}"
        )

    def start(self, task) -> NextLearningRate:
        """Begins an episode, in which intervals are trained by a function of its own."""
        interval = HypergradientInterval(
            self.initial_learning_rate, self.hypergradient_learning_rate
        )
        return lambda trainee_step, measurement: interval


@dataclasses.dataclass(frozen=True)
class Learned:
    """A trained controller: the mean action at every decision.

    Without a base schedule it decides at every interval of the task, as in the paper. With one it
    decides as often in a run as in its training, if the task's intervals allow (`num_decisions`);
    where they are shorter, it sees the mean train loss since the decision before, and the change of
    the predictions over the last interval.

    One whose actions scale a base schedule gives the rates of all steps that are left, as if
    no decision followed.

    Attributes:
      controller: the controller.
      initial_learning_rate: the rate, or level, the first decision scales; None for the
        controller's own.
      label: a name for tables.
      num_normalizer_decisions: int, after so many decisions the normaliser's mean and
        variance become those of the observations of this episode so far; 0 leaves the
        normaliser as it was trained.
    """

    controller: Controller
    initial_learning_rate: float | None = None
    label: str = "learned"
    num_normalizer_decisions: int = 0

    def __post_init__(self):
        if self.num_normalizer_decisions < 0 or self.num_normalizer_decisions == 1:
            raise ValueError(
                "Expected num_normalizer_decisions to be 0 or at least 2, which have a variance, found "
                f"{self.num_normalizer_decisions!r}."
            )

    @property
    def name(self) -> str:
        """A short name for tables."""
        return self.label

    def num_decisions(self, task) -> int:
        """Returns how often it decides in a run of a task: at the ends of the task's intervals alone.

        With a base schedule that is fewer than in its training where they are longer than its own
        interval, or don't divide it.
        """
        own, interval = self._loop(task).control_interval, task.trainee_steps_per_action
        between = interval * -(-own // interval)
        return -(-task.num_trainee_steps // between)

    def _loop(self, task):
        has_base = self.controller.spec.base_schedule is not None
        return ControlLoop(
            self.controller,
            task.num_trainee_steps,
            None if has_base else task.trainee_steps_per_action,
            initial_learning_rate=self.initial_learning_rate,
            num_normalizer_decisions=self.num_normalizer_decisions,
            is_sgd=task.is_sgd,
        )

    def start(self, task) -> NextLearningRate:
        """Begins an episode."""
        loop = self._loop(task)
        is_late = not self.controller.spec.act_before_first_interval
        num_observations = self.num_decisions(task) - is_late
        if self.num_normalizer_decisions > num_observations:
            raise ValueError(
                f"Expected num_normalizer_decisions <= {num_observations}, the observations of a run of {task.name}, "
                f"found {self.num_normalizer_decisions}."
            )
        train_losses = []  # Of the intervals since the latest decision.

        def next_learning_rates(trainee_step, measurement):
            train_losses.append(measurement.train_loss)
            if loop.is_due(trainee_step):
                mean_loss = sum(train_losses) / len(train_losses)
                loop.decide(measurement._replace(train_loss=mean_loss), trainee_step)
                train_losses.clear()
            return base_schedules.rates_from(
                self.controller.spec.base_schedule,
                loop.level,
                trainee_step,
                task.trainee_steps_per_action,
                task.num_trainee_steps,
            )

        return next_learning_rates
