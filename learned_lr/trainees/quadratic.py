"""The toy trainee: noisy gradient descent on a quadratic, in numpy. No data, no TensorFlow."""

from __future__ import annotations

import math

import numpy as np

from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.observations import Measurement
from learned_lr.trainees.interval_rates import interval_rates

_BOUNDS = LearningRateScaling()


class QuadraticTrainee:
    """Minimises 0.5 * sum(curvature * x^2) by gradient descent with noisy gradients.

    It has the interface of `trainee.Trainee`. The "predictions" are x, the "final kernel"
    is x too. A loss above the cap of 100 counts as divergence.
    """

    loss_cap = 100.0

    def __init__(self, task):
        self.task = task
        self._curvature = np.geomspace(0.1, 1.0, task.num_dimensions)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begins an episode: draws the start and the noise from `seed`."""
        self._rng = np.random.default_rng(seed)
        self._x = self._rng.normal(size=self.task.num_dimensions)
        self._previous_x = self._x.copy()
        self._direction = np.zeros_like(self._x)
        self._train_loss = self._loss()
        self._diverged = False
        self._best_loss, self._best_x = math.inf, self._x.copy()

    def measure(self) -> Measurement:
        """Returns the measurement of the present x; the change is 0 right after reset."""
        if self._diverged:
            cap = self.loss_cap
            return Measurement(cap, cap, 0.0, 0.0, 0.0, 0.0, diverged=True)
        loss = self._loss()
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
        )

    def train(self, learning_rate: float | np.ndarray) -> Measurement:
        """Runs one interval at a rate, or at one a step, and measures."""
        return self.train_adapting(learning_rate, 0.0)[0]

    def train_adapting(
        self, learning_rate: float, hypergradient_learning_rate: float
    ) -> tuple[Measurement, float]:
        """Runs one interval whose rate follows its hypergradient, as `Trainee` does."""
        rates = interval_rates(learning_rate, self.task.trainee_steps_per_action)
        losses = []
        for rate in rates.tolist():
            if not hypergradient_learning_rate:
                learning_rate = rate
            noise = self._rng.normal(size=self._x.shape) * self.task.noise
            losses.append(self._loss())
            if not self._diverged:
                gradient = self._curvature * self._x + noise
                if hypergradient_learning_rate:
                    hypergradient = float(np.sum(gradient * self._direction))
                    learning_rate += hypergradient_learning_rate * hypergradient
                    learning_rate = _BOUNDS.next_learning_rate(learning_rate, 0.0)
                self._x = self._x - learning_rate * gradient
                self._direction = gradient
                self._diverged = not self._loss() < self.loss_cap
        self._train_loss = float(np.mean(losses))
        return self.measure(), learning_rate

    def test(self):
        """Returns (loss, NaN) at the x with the best validation loss."""
        return 0.5 * float(np.sum(self._curvature * self._best_x**2)), math.nan

    def _loss(self):
        return 0.5 * float(np.sum(self._curvature * self._x**2))
