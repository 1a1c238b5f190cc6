"""A controller over one training run, in any framework: measurements in, learning rates out. numpy only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from learned_lr.control import base_schedules, loop_state, rate_bounds
from learned_lr.control.checks import as_count, check_count
from learned_lr.control.controller import Controller
from learned_lr.control.levels import Levels
from learned_lr.control.loss_logarithms import NoLogarithm, check_finite
from learned_lr.control.measurements import Measurement, MeasurementBuilder
from learned_lr.control.observations import ObservationBuilder
from learned_lr.control.rate_table import RateTable
from learned_lr.control.weight_path import WeightSample

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class ControlLoop:
    """Picks the learning rate of one training run: observe the untrained network, then every interval.

    Example:
      loop = ControlLoop("default", num_training_steps=1000)
      loop.observe(loss, validation_loss, weights=weights)
      for step in range(1000):
          train(loop.rate_at(step))
          if loop.is_due(step + 1):
              loop.observe(mean_loss, validation_loss, training_step=step + 1, weights=weights)

    A controller with a base schedule, such as the default, moves the rate at every step: `loop.rate_at(step)` is that
    of any step until the next decision. `observe`, `decide` and `brake` return that of the step they come before.

    Attributes:
      controller: the `Controller`.
      num_training_steps: int, minibatch updates of the whole run.
      control_interval: int, minibatch updates between two decisions.
      level: float, what decisions move: the learning rate, or what the controller's base schedule scales.
      training_step: int, the step of the latest decision; None before the first.
    """

    def __init__(
        self,
        controller: Controller | str | os.PathLike[str],
        num_training_steps: int,
        control_interval: int | None = None,
        initial_learning_rate: float | None = None,
        min_learning_rate: float | None = None,
        max_learning_rate: float | None = None,
        num_normalizer_decisions: int = 0,
        is_sgd: bool = False,
    ):
        """Starts a run.

        Args:
          controller: a controller, the name of one of the package's, or a folder.
          num_training_steps: int > 0, minibatch updates of the whole run.
          control_interval: int > 0, updates between two decisions; None scales the
            controller's own interval to the length of this run, so that there are as many
            decisions as in its training.
          initial_learning_rate: float > 0, the level the first decision scales; None for the
            controller's own.
          min_learning_rate: float > 0, a lower bound of the level; None for the controller's
            own.
          max_learning_rate: float > 0, an upper bound of it; None for the controller's own.
          num_normalizer_decisions: int, after so many decisions the normaliser's mean and
            variance become those of the observations of this run so far; 0 leaves the
            normaliser as it was trained.
          is_sgd: whether the network's optimizer is SGD, with or without momentum; a
            controller may start it at another level than Adam and its kind.

        Raises:
          ValueError: on a number out of its range.
          ControllerError: if the controller can't be loaded.
        """
        if not isinstance(controller, Controller):
            controller = Controller.load(controller)
        check_count("num_normalizer_decisions", num_normalizer_decisions, 0)
        spec = controller.spec
        self.controller = self._own = controller
        self.scaling = rate_bounds.bounded(
            spec.scaling, min_learning_rate, max_learning_rate
        )
        own = spec.first_level(is_sgd)
        level = rate_bounds.first_level(initial_learning_rate, own, self.scaling)
        self.initial_learning_rate = self.level = level
        self._max_level = self.scaling.max_learning_rate
        self._num_brakes = 0
        self._no_logarithm = NoLogarithm(spec.base_schedule is not None)
        self._levels = Levels()
        self.set_length(num_training_steps, control_interval)
        self.training_step: int | None = None
        self._is_started = False
        self._measurements = MeasurementBuilder(spec.observation.features)
        self._builder = ObservationBuilder(spec.observation)
        self._state = controller.initial_state()
        self._num_normalizer_decisions = num_normalizer_decisions
        self._observations: list[np.ndarray] = []

    def set_length(
        self,
        num_training_steps: int,
        control_interval: int | None = None,
        training_step: int | None = None,
    ) -> None:
        """Changes the length of the run, and with it the interval unless one is given.

        Args:
          num_training_steps: int > 0, minibatch updates of the whole run, with those that are done.
          control_interval: int > 0, updates between two decisions; None as for a new run.
          training_step: int, updates done; from there on `schedule` has the new length. None for the latest decision's.
        """
        spec = self.controller.spec
        num_training_steps = as_count("num_training_steps", num_training_steps, 1)
        if control_interval is None:
            fraction = spec.trainee_steps_per_action / spec.num_trainee_steps
            control_interval = max(1, round(num_training_steps * fraction))
        control_interval = as_count("control_interval", control_interval, 1)
        self._levels.change_length(training_step, self.level, num_training_steps)
        self.num_training_steps = num_training_steps
        self.control_interval = control_interval

    @property
    def schedule(self) -> RateTable:
        """The rates by the step each begins with; those of steps to come as if no decision followed.

        Raises:
          ValueError: before the first decision.
        """
        return self.schedule_until(self.num_training_steps)

    def schedule_until(self, training_step: int) -> RateTable:
        """Returns `schedule` without what comes after so many updates, and after the latest decision."""
        return self._levels.table(self.controller.spec.base_schedule, training_step)

    @property
    def learning_rate(self) -> float:
        """The rate of the step after the latest decision or brake."""
        return self.rate_at(self.training_step or 0)

    def rate_at(self, training_step: int) -> float:
        """Returns the learning rate of the update after `training_step` updates, until the next decision."""
        base, length = self.controller.spec.base_schedule, self.num_training_steps
        return base_schedules.rate_at(base, self.level, training_step, length)

    def is_due(self, training_step: int) -> bool:
        """Whether the rate is to be decided before the update after `training_step` updates."""
        if training_step >= self.num_training_steps:
            return False
        last = self.training_step
        return last is None or training_step - last >= self.control_interval

    def observe(
        self,
        train_loss: float,
        validation_loss: float,
        predictions: ArrayLike | None = None,
        final_kernel: ArrayLike | None = None,
        training_step: int | None = None,
        weights: Iterable[Any] | WeightSample | None = None,
    ) -> float:
        """Takes what was measured and returns the learning rate of the next interval.

        Args:
          train_loss: float, mean loss of the minibatches since the call before; of the
            untrained network at the first call, on any sample.
          validation_loss: float, loss on held-out examples, the same at every call.
          predictions: float array of what the network predicts for those examples, of one
            shape at every call; probabilities, for a classification. None if the controller
            doesn't look at them.
          final_kernel: float array, the kernel of the last dense layer; None likewise.
          training_step: int, updates done; None for one interval after the call before.
          weights: float arrays or tensors, all that are trained, in one order at every call; but for 2,000 entries of
            each they are not kept. None likewise.

        Returns:
          The learning rate of the next step, a Python float.

        Raises:
          ValueError: if a loss is not finite, a feature's input is missing, or the step is before that of the call before.
        """
        last = self.training_step if self._is_started else None
        due = 0 if last is None else last + self.control_interval
        training_step = self._levels.checked(training_step, due)
        check_finite(train_loss, validation_loss, training_step)
        measurement = self._measurements.build(
            train_loss, validation_loss, predictions, final_kernel, weights
        )
        return self.decide(measurement, training_step)

    def decide(self, measurement: Measurement, training_step: int) -> float:
        """Returns the learning rate of the next interval, from statistics that are there already.

        Args:
          measurement: the latest measurement.
          training_step: int >= 0, updates done when it was taken.
        """
        training_step = self._levels.checked(training_step)
        is_first = not self._is_started
        if is_first:
            self._builder.start(measurement, self.initial_learning_rate)
        self._is_started, self.training_step = True, training_step
        if not is_first or self.controller.spec.act_before_first_interval:
            action = self._action(measurement, training_step)
            self.level = self.scaling.next_learning_rate(self.level, action)
            self.scaling = rate_bounds.lifted(
                self.scaling, self._max_level, self._num_brakes
            )
        self._levels.add(training_step, self.level, self.num_training_steps)
        return self.learning_rate

    def _action(self, measurement: Measurement, step: int) -> float:
        """What the controller wants; 0, which keeps the level, where a loss has no logarithm."""
        has_logarithms = self._builder.has_logarithms(measurement)
        length = self.num_training_steps
        progress = min(step / length, 1.0)
        observation = self._builder.build(measurement, self.level, progress, length)
        if not has_logarithms:
            self._no_logarithm.warn(*measurement[:2], step)
            return 0.0
        self._adapt_normalizer(observation)
        action, self._state = self.controller.act(observation, self._state)
        return action

    def brake(self, training_step: int | None = None) -> float:
        """Cuts the rate after an explosion and returns it: a tenth, and at first no more than a fifth of what exploded.

        That upper bound doubles in two decisions, and after the n-th brake of a run in 2n.

        Args:
          training_step: int, updates done; None for the step of the latest decision.
        """
        self.training_step = step = self._levels.checked(training_step)
        base, length = self.controller.spec.base_schedule, self.num_training_steps
        # Warm-up goes on to raise the rate.
        part = base_schedules.part_of_largest(base, step, length)
        self.scaling, self.level = rate_bounds.braked(self.scaling, self.level, part)
        self._num_brakes += 1
        self._levels.add(step, self.level, length)
        return self.learning_rate

    def state(self) -> dict[str, np.ndarray]:
        """Returns everything that a run in progress consists of, as arrays by name."""
        state = {
            "training_step": -1 if self.training_step is None else self.training_step,
            "initial_learning_rate": self.initial_learning_rate,
            "level": self.level,
            "max_learning_rate": self.scaling.max_learning_rate,
            "num_brakes": self._num_brakes,
            "rows": self._levels.state(),
            "lstm_state": np.array(self._state, np.float32),
            "measurements": self._builder.state(),
            "observations": np.array(self._observations, np.float32),
            "normalizer": self.controller.normalizer,
            "previous_predictions": self._measurements.previous_predictions,
            "weight_path": self._builder.path and self._builder.path.state(),
        }
        return {n: np.asarray(value) for n, value in state.items() if value is not None}

    def restore(self, state: Mapping[str, ArrayLike]) -> None:
        """Goes on from what `state` returned, in a loop made with the same arguments and of the same length.

        Args:
          state: arrays or tensors by name.

        Raises:
          ValueError: if it is no such state, with what was expected and found; nothing is changed then.
        """
        arrays = {name: np.asarray(value) for name, value in state.items()}
        counts = self._num_normalizer_decisions, self.num_training_steps
        loop_state.check(arrays, self._own, *counts)
        names = ("level", "max_learning_rate", "num_brakes")
        found = [arrays[name].item() for name in names]
        self.scaling = rate_bounds.restored(self.scaling, self._max_level, *found)
        step = int(arrays["training_step"])
        self.training_step = None if step < 0 else step
        self.initial_learning_rate = float(arrays["initial_learning_rate"])
        self.level = float(arrays["level"])
        self._num_brakes = int(arrays["num_brakes"])
        self._levels.restore(arrays["rows"])
        self._state = tuple(arrays["lstm_state"].astype(np.float32))
        measurements, path = arrays["measurements"], arrays.get("weight_path")
        self._builder.restore(measurements, self.initial_learning_rate, path)
        self._is_started = bool(measurements.size)
        self._observations = list(arrays["observations"].astype(np.float32))
        self.controller = self._own.with_normalizer(*arrays["normalizer"])
        self._measurements.restore(arrays.get("previous_predictions"))

    def _adapt_normalizer(self, observation: np.ndarray) -> None:
        if len(self._observations) >= self._num_normalizer_decisions:
            return
        self._observations.append(observation)
        if len(self._observations) == self._num_normalizer_decisions:
            own, seen = self.controller, np.array(self._observations)
            self.controller = own.with_normalizer(seen.mean(axis=0), seen.var(axis=0))
