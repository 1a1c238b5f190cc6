"""A controller over one training run, in any framework: measurements in, learning rates out. numpy only."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from learned_lr.control import base_schedules, loop_state, rate_bounds
from learned_lr.control.checks import check_count
from learned_lr.control.controller import Controller
from learned_lr.control.loss_logarithms import NoLogarithm, check_finite
from learned_lr.control.measurements import Measurement, MeasurementBuilder
from learned_lr.control.observations import ObservationBuilder
from learned_lr.control.rate_table import RateTable
from learned_lr.control.weight_path import WeightSample

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# A brake cuts the rate to this fraction, with this fraction of it as the new upper bound.
_BRAKE_FACTOR = 0.1
_BRAKE_CEILING = 0.2


class ControlLoop:
    """Picks the learning rate of one training run: observe the untrained network, then every interval.

    Example:
      loop = ControlLoop("default", num_training_steps=1000)
      loop.observe(loss, validation_loss, weights=weights)
      for step in range(1000):
          train(loop.rate_at(step))
          if loop.is_due(step + 1):
              loop.observe(mean_loss, validation_loss, weights=weights)

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
        if isinstance(controller, (str, bytes, os.PathLike)):
            controller = Controller.load(controller)
        check_count("num_training_steps", num_training_steps, 1)
        check_count("num_normalizer_decisions", num_normalizer_decisions, 0)
        spec = controller.spec
        self.controller = controller
        self.scaling = rate_bounds.bounded(
            spec.scaling, min_learning_rate, max_learning_rate
        )
        rate = initial_learning_rate
        if rate is None:
            # The controller's own start gives way to the user's bounds; a start the user named must fit them.
            low, high = self.scaling.min_learning_rate, self.scaling.max_learning_rate
            rate = min(max(spec.first_level(is_sgd), low), high)
        rate_bounds.check_rate("initial_learning_rate", rate, self.scaling)
        self.initial_learning_rate = self.level = float(rate)
        self._max_level = self.scaling.max_learning_rate
        self._num_brakes = 0
        self._no_logarithm = NoLogarithm(spec.base_schedule is not None)
        self.set_length(num_training_steps, control_interval)
        self.training_step: int | None = None
        self._measurements = MeasurementBuilder(spec.observation.features)
        self._builder = ObservationBuilder(spec.observation)
        self._state = controller.initial_state()
        self._num_normalizer_decisions = num_normalizer_decisions
        self._observations: list[np.ndarray] = []
        self._rows: list[tuple[int, float, int]] = []  # Step, level, length.

    def set_length(
        self, num_training_steps: int, control_interval: int | None = None
    ) -> None:
        """Changes the length of the run, and with it the interval unless one is given."""
        spec = self.controller.spec
        self.num_training_steps = num_training_steps
        if control_interval is None:
            fraction = spec.trainee_steps_per_action / spec.num_trainee_steps
            control_interval = max(1, round(num_training_steps * fraction))
        check_count("control_interval", control_interval, 1)
        self.control_interval = control_interval

    @property
    def schedule(self) -> RateTable:
        """The rates so far, by the step each began with.

        Raises:
          ValueError: before the first decision.
        """
        if not self._rows:
            raise ValueError("Expected a decision before schedule, found none.")
        base = self.controller.spec.base_schedule
        return base_schedules.rate_table(base, self._rows, self.control_interval)

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
          ValueError: if a loss is not finite, or a feature that the controller needs is
            missing.
        """
        if training_step is None:
            last = self.training_step
            training_step = 0 if last is None else last + self.control_interval
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
        spec = self.controller.spec
        is_first = self.training_step is None
        if is_first:
            self._builder.start(measurement, self.level)
        self.training_step = training_step
        if not is_first or spec.act_before_first_interval:
            action = self._action(measurement, training_step)
            self.level = self.scaling.next_learning_rate(self.level, action)
            self.scaling = rate_bounds.lifted(
                self.scaling, self._max_level, self._num_brakes
            )
        self._rows.append((training_step, self.level, self.num_training_steps))
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
        step = self.training_step if training_step is None else training_step
        self.training_step = step = step or 0
        low, length = self.scaling.min_learning_rate, self.num_training_steps
        ceiling, base = self.level * _BRAKE_CEILING, self.controller.spec.base_schedule
        if base is not None:  # Warm-up goes on to raise the rate.
            ceiling *= base.multiplier(step, length) / base.largest_from(step, length)
        cut = max(self.level * _BRAKE_FACTOR, low)
        ceiling = max(ceiling, cut)
        self.scaling = dataclasses.replace(self.scaling, max_learning_rate=ceiling)
        self._num_brakes += 1
        self.level = cut
        self._rows.append((step, self.level, length))
        return self.learning_rate

    def state(self) -> dict[str, np.ndarray]:
        """Returns everything that a run in progress consists of, as arrays by name."""
        weights, moments = self.controller.weights, ("mean", "variance")
        state = {
            "training_step": -1 if self.training_step is None else self.training_step,
            "initial_learning_rate": self.initial_learning_rate,
            "level": self.level,
            "max_learning_rate": self.scaling.max_learning_rate,
            "num_brakes": self._num_brakes,
            "rows": np.reshape(np.array(self._rows, np.float64), (-1, 3)),
            "lstm_state": np.array(self._state, np.float32),
            "measurements": self._builder.state(),
            "observations": np.array(self._observations, np.float32),
            "normalizer": np.stack([weights[f"normalizer_{n}"] for n in moments]),
            "previous_predictions": self._measurements.previous_predictions,
            "weight_path": self._builder.path and self._builder.path.state(),
        }
        return {n: np.asarray(value) for n, value in state.items() if value is not None}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from what `state` returned, in a loop made with the same arguments.

        Raises:
          ValueError: if it is no such state, with what was expected and found; nothing is
            changed then.
        """
        loop_state.check(state, self.controller.spec, self._num_normalizer_decisions)
        high = float(state["max_learning_rate"])
        self.scaling = dataclasses.replace(self.scaling, max_learning_rate=high)
        step = int(state["training_step"])
        self.training_step = None if step < 0 else step
        self.initial_learning_rate = float(state["initial_learning_rate"])
        self.level = float(state["level"])
        self._num_brakes = int(state["num_brakes"])
        self._rows = [
            (int(step), float(level), int(n)) for step, level, n in state["rows"]
        ]
        self._state = tuple(state["lstm_state"])
        measurements, path = state["measurements"], state.get("weight_path")
        self._builder.restore(measurements, self.initial_learning_rate, path)
        self._observations = list(state["observations"])
        self.controller = self.controller.with_normalizer(*state["normalizer"])
        self._measurements.restore(state.get("previous_predictions"))

    def _adapt_normalizer(self, observation: np.ndarray) -> None:
        if len(self._observations) >= self._num_normalizer_decisions:
            return
        self._observations.append(observation)
        if len(self._observations) == self._num_normalizer_decisions:
            self.controller = self.controller.with_normalizer(
                np.mean(self._observations, axis=0), np.var(self._observations, axis=0)
            )
