"""The toy trainee: noisy gradient descent on a quadratic, in numpy. No data, no TensorFlow."""

from __future__ import annotations

import math
import types
from collections.abc import Callable

import numpy as np

from learned_lr.control import weight_path
from learned_lr.control.measurements import Measurement
from learned_lr.trainees.interval_rates import interval_rates


class QuadraticTrainee:
    """Minimises 0.5 * sum(curvature * x^2) by gradient descent with noisy gradients.

    It has the interface of `trainee.Trainee`, whose optimizer steps draw their minibatch, here
    the noise, themselves. The "predictions" are x, the "final kernel"
    is x too. A loss above the cap of 100 counts as divergence.
    """

    loss_cap = 100.0

    def __init__(self, task):
        self.task = task
        self.optimizer = types.SimpleNamespace(learning_rate=math.nan)
        self._curvature = np.geomspace(0.1, 1.0, task.num_dimensions)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begins an episode: draws the start and the noise from `seed`."""
        self._rng = np.random.default_rng(seed)
        self._x = self._rng.normal(size=self.task.num_dimensions)
        self._previous_x = self._x.copy()
        self._train_loss = self._loss()
        self._diverged = False
        self._num_steps_done = 0
        self._best_loss, self._best_x = math.inf, self._x.copy()

    def measure(self) -> Measurement:
        """Returns the measurement of the present x; the change is 0 right after reset."""
        if self._diverged:
            cap = self.loss_cap
            return Measurement(
                cap, cap, 0.0, 0.0, 0.0, 0.0, diverged=True, weights=self._weights()
            )
        loss = min(self._loss(), self.loss_cap)
        if loss < self._best_loss:
            self._best_loss, self._best_x = loss, self._x.copy()
        change = self._x - self._previous_x
        self._previous_x = self._x.copy()
        return Measurement(
            train_loss=min(self._train_loss, self.loss_cap),
            validation_loss=loss,
            prediction_variance=float(np.var(self._x)),
            prediction_change_variance=float(np.var(change)),
            final_kernel_mean=float(np.mean(self._x)),
            final_kernel_variance=float(np.var(self._x)),
            weights=self._weights(),
        )

    def _weights(self):
        return weight_path.sample([self._x])

    def train(
        self,
        learning_rate: float | np.ndarray,
        optimizer_step: Callable[[], None] | None = None,
    ) -> Measurement:
        """Runs one interval at a rate, or at one a step, and measures."""
        rates = interval_rates(learning_rate, self.task.trainee_steps_per_action)
        self._num_steps_done += len(rates)
        if self._num_steps_done > self.task.num_trainee_steps:
            raise ValueError(
                f"Expected at most {self.task.num_trainee_steps} trainee steps, found a call to step "
                f"{self._num_steps_done}."
            )
        self.optimizer.learning_rate = float(rates[0])
        losses = []
        for rate in rates.tolist():
            self._noise = self._rng.normal(size=self._x.shape) * self.task.noise
            losses.append(self._loss())
            if not self._diverged:
                if optimizer_step is None:
                    self.optimizer.learning_rate = rate
                    self.descend(self.gradient())
                else:
                    optimizer_step()
                self._diverged = not self._loss() < self.loss_cap
        self._train_loss = float(np.mean(losses))
        return self.measure()

    def gradient(self) -> np.ndarray:
        """Returns the noisy gradient of the present step, float64 `[num_dimensions]`."""
        return self._curvature * self._x + self._noise

    def descend(self, gradient: np.ndarray) -> None:
        """Moves x against a gradient, by the optimizer's learning rate."""
        self._x = self._x - self.optimizer.learning_rate * gradient

    def test(self):
        """Returns (loss, NaN) at the x with the best validation loss."""
        return 0.5 * float(np.sum(self._curvature * self._best_x**2)), math.nan

    def _loss(self):
        return 0.5 * float(np.sum(self._curvature * self._x**2))
