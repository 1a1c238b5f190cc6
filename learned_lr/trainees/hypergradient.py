"""Hypergradient descent: the learning rate moves along its own gradient at every trainee step.

lr_t = lr_(t-1) + beta * g_t . u_(t-1), with the gradient g and the direction u of the
optimizer's last update, theta_t = theta_(t-1) - lr * u (Baydin et al., 2018,
arXiv:1703.04782, the additive rule), kept in [1e-7, 1]. A trainee's step is made once and
reset for each episode, so that its graph is traced once.
"""

from __future__ import annotations

import weakref

import tensorflow as tf

from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.measurements import Measurement
from learned_lr.trainees.quadratic import QuadraticTrainee

# A learning rate that moves within an interval stays in the bounds of all others.
_BOUNDS = LearningRateScaling()
_STEPS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class HypergradientInterval:
    """Trains intervals whose rate descends at every step; the rate of the last one is the interval's.

    Attributes:
      learning_rate: float, the rate before the next step.
    """

    def __init__(self, learning_rate: float, hypergradient_learning_rate: float):
        """Begins an episode.

        Args:
          learning_rate: float > 0, the rate before the first step.
          hypergradient_learning_rate: float >= 0, beta.
        """
        self.learning_rate = learning_rate
        self._beta = hypergradient_learning_rate
        self._step = None

    def __call__(self, trainee) -> tuple[Measurement, float]:
        """Runs one interval.

        Returns:
          (measurement, the learning rate of the interval's last step).

        Raises:
          ValueError: as `Trainee.train` does.
        """
        if self._step is None:
            if trainee not in _STEPS:
                is_toy = isinstance(trainee, QuadraticTrainee)
                _STEPS[trainee] = (_ToyStep if is_toy else _Step)(trainee)
            self._step = _STEPS[trainee]
            self._step.reset(self._beta)
        measurement = trainee.train(self.learning_rate, self._step)
        if not measurement.diverged:
            self.learning_rate = float(trainee.optimizer.learning_rate)
        return measurement, self.learning_rate


class _Step:
    """An optimizer step of a Keras trainee, to be traced.

    The direction of the last update is read off the variables, so that it works with any
    optimizer. It keeps no trainee alive.
    """

    def __init__(self, trainee):
        self._trainee = weakref.proxy(trainee)
        self._beta = tf.Variable(0.0, trainable=False, name="beta")
        self._directions = [
            tf.Variable(tf.zeros_like(v), trainable=False, name="direction")
            for v in trainee.model.trainable_variables
        ]

    def reset(self, beta):
        self._beta.assign(beta)
        for direction in self._directions:
            direction.assign(tf.zeros_like(direction))

    def __call__(self, indices):
        loss, gradients = self._trainee.gradients(indices)
        variables = self._trainee.model.trainable_variables
        rate = self._trainee.optimizer.learning_rate
        hypergradient = tf.add_n(
            [tf.reduce_sum(g * u) for g, u in zip(gradients, self._directions)]
        )
        rate.assign(
            tf.clip_by_value(
                rate + self._beta * hypergradient,
                _BOUNDS.min_learning_rate,
                _BOUNDS.max_learning_rate,
            )
        )
        # Copies: the optimizer writes into the variables' own memory.
        before = [tf.raw_ops.DeepCopy(x=v) for v in variables]
        self._trainee.optimizer.apply_gradients(zip(gradients, variables))
        for direction, old, variable in zip(self._directions, before, variables):
            direction.assign((old - variable) / rate)
        return loss


class _ToyStep:
    """The same for the toy trainee, in numpy."""

    def __init__(self, trainee):
        self._trainee = weakref.proxy(trainee)

    def reset(self, beta):
        self._beta, self._direction = beta, 0.0

    def __call__(self):
        gradient = self._trainee.gradient()
        optimizer = self._trainee.optimizer
        if self._beta:
            rate = optimizer.learning_rate
            rate += self._beta * float((gradient * self._direction).sum())
            optimizer.learning_rate = _BOUNDS.next_learning_rate(rate, 0.0)
        self._trainee.descend(gradient)
        self._direction = gradient
