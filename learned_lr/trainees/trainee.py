"""One network being trained on a task, an interval at a time. Knows nothing of who picks the learning rate.

One interval is one call of one `tf.function`: the optimizer steps on data that is
resident in memory, then the validation pass and all statistics; only a handful of floats
come back to Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from learned_lr.control.measurements import NUM_NUMBERS, Measurement
from learned_lr.trainees import (
    building,
    initialization,
    interval_statistics,
    losses,
    minibatches,
)
from learned_lr.trainees.interval_rates import interval_rates
from learned_lr.trainees.reduced_data import load

# A diverged run earns this multiple of the loss of a uniform guess, ln(num_classes).
_CAP_FACTOR = 1.5


class Trainee:
    """Trains one network; `reset` begins a new training run without building anything anew.

    The same seed gives the same initial weights, minibatch order and dropout masks,
    whatever ran before, and bit-identical results with one TensorFlow thread.

    Attributes:
      task: the `Task`.
      loss_cap: float, losses are capped here; a diverged run earns it to its end.
      model: the Keras model.
      optimizer: the Keras optimizer.
    """

    def __init__(self, task):
        """Loads the data and builds the network.

        Raises:
          ValueError: if the model doesn't fit the data, has no dense layer, or the batch is
            larger than the training split.
        """
        self.task = task
        data = load(task)
        if task.batch_size > len(data.train_labels):
            raise ValueError(
                f"Expected task.batch_size <= {len(data.train_labels)} training images, "
                f"found {task.batch_size}."
            )
        self.loss_cap = _CAP_FACTOR * math.log(data.num_classes)
        self.model = building.build_model(task, data)
        self._final_kernel = building.final_kernel(self.model)
        self._initializer = initialization.Initializer(self.model)
        self.optimizer = building.build_optimizer(task)
        self.optimizer.build(self.model.trainable_variables)
        self._initial_optimizer_state = [v.numpy() for v in self.optimizer.variables]
        self._train_data = minibatches.resident(data.train_images, data.train_labels)
        self._validation_data = minibatches.resident(
            data.validation_images, data.validation_labels
        )
        self._test_data = minibatches.resident(data.test_images, data.test_labels)
        shape = (len(data.validation_labels), data.num_classes)
        self._previous_predictions = tf.Variable(tf.zeros(shape), trainable=False)
        self._best_loss = tf.Variable(math.inf, trainable=False)
        self._best_weights = [
            tf.Variable(v, trainable=False, name="best") for v in self.model.variables
        ]
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begins a training run: draws the initial weights and the data order from `seed`.

        Args:
          seed: int >= 0.
        """
        self._initializer.initialize(seed)
        for variable, value in zip(
            self.optimizer.variables, self._initial_optimizer_state
        ):
            variable.assign(value)
        initialization.start_averages(self.optimizer, self.model.trainable_variables)
        self._best_loss.assign(math.inf)
        self._previous_predictions.assign(tf.zeros_like(self._previous_predictions))
        self._order = minibatches.order(
            seed,
            self._train_data[1].shape[0],
            self.task.batch_size,
            self.task.num_trainee_steps,
        )
        self._num_steps_done = 0
        self._last = None

    def measure(self) -> Measurement:
        """Measures the untrained network; the prediction change is 0.

        The train loss is that of the first minibatch, in inference mode.

        Raises:
          ValueError: after the first interval, whose `train` has measured already.
        """
        if self._num_steps_done:
            raise ValueError(
                "Expected measure() right after reset(), found "
                f"{self._num_steps_done} trainee steps done."
            )
        return self._measurement(self._measure_untrained(tf.constant(self._order[0])))

    def train(
        self,
        learning_rate: float | np.ndarray,
        optimizer_step: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ) -> Measurement:
        """Runs one interval at a learning rate, or at one a step, and measures.

        Args:
          learning_rate: float > 0, held for `task.trainee_steps_per_action` steps, or
            float `[trainee_steps_per_action]`, a rate for each of them.
          optimizer_step: function of the indices of a minibatch, int32 `[batch]`, that updates
            the model and returns its loss, a float32 scalar; it may move the optimizer's
            rate. It is traced once: the same object must come each time. The
            interval then starts at the first rate. None for plain steps.

        Returns:
          The measurement. Once the run has diverged its losses are `loss_cap`, and nothing
          is computed any more.

        Raises:
          ValueError: if the budget of the task is used up, a rate is not positive, or there
            is not one for each step.
        """
        rates = interval_rates(learning_rate, self.task.trainee_steps_per_action)
        indices = self._next_interval()
        if indices is None:
            return self._last
        rates = tf.constant(rates, tf.float32)
        if optimizer_step is None:
            statistics = self._run_interval(indices, rates)
        else:
            statistics = self._run_own_interval(indices, rates[0], optimizer_step)
        return self._measurement(statistics)

    def _next_interval(self):
        """Checks and counts; returns the next minibatch indices, None once diverged."""
        start, interval = self._num_steps_done, self.task.trainee_steps_per_action
        if start + interval > self.task.num_trainee_steps:
            raise ValueError(
                f"Expected at most {self.task.num_trainee_steps} trainee steps, found a "
                f"call for steps {start} to {start + interval}."
            )
        self._num_steps_done += interval
        if self._last is not None and self._last.diverged:
            return None
        return tf.constant(self._order[start : start + interval])

    def test(self) -> tuple[float, float]:
        """Returns (test loss, test accuracy) of the weights with the best validation loss.

        Until something finite was measured, these are the weights as they are. The run can
        go on afterwards.
        """
        if not math.isfinite(float(self._best_loss)):
            return self.loss_cap, 0.0
        weights = [v.numpy() for v in self.model.variables]
        for variable, best in zip(self.model.variables, self._best_weights):
            variable.assign(best)
        loss, accuracy = self._evaluate_test().numpy().tolist()
        for variable, value in zip(self.model.variables, weights):
            variable.assign(value)
        return min(self.loss_cap, loss), accuracy  # NaN comes to the cap.

    def _measurement(self, statistics) -> Measurement:
        self._last = interval_statistics.measurement(
            statistics.numpy(),
            self.model.trainable_variables,
            self.loss_cap,
            self._last,
        )
        return self._last

    @tf.function
    def _run_interval(self, indices, learning_rates):
        def optimizer_step(minibatch, step):
            self.optimizer.learning_rate.assign(learning_rates[step])
            return self._optimizer_step(minibatch)

        return self._steps_and_statistics(indices, optimizer_step)

    @tf.function
    def _run_own_interval(self, indices, learning_rate, optimizer_step):
        self.optimizer.learning_rate.assign(learning_rate)
        return self._steps_and_statistics(
            indices, lambda minibatch, step: optimizer_step(minibatch)
        )

    def _steps_and_statistics(self, indices, optimizer_step):
        """Steps through the rows of `indices`, int32 `[steps, batch]`, then measures."""
        total_loss, finite, step = tf.constant(0.0), tf.constant(True), tf.constant(0)
        while finite and step < tf.shape(indices)[0]:
            loss = optimizer_step(indices[step], step)
            finite = tf.math.is_finite(loss)
            total_loss += loss
            step += 1
        for variable in self.model.trainable_variables:
            finite = tf.logical_and(finite, tf.reduce_all(tf.math.is_finite(variable)))
        train_loss = total_loss / tf.cast(step, tf.float32)
        if finite:
            result = self._statistics(train_loss, self._previous_predictions)
        else:
            result = tf.zeros([NUM_NUMBERS])
        return self._with_weights(result)

    @tf.function
    def _measure_untrained(self, indices):
        images, labels = minibatches.rows(self._train_data, indices)
        train_loss = losses.mean_loss(self._logits(images, training=False), labels)
        return self._with_weights(self._statistics(train_loss, None))

    def _with_weights(self, numbers):
        variables = self.model.trainable_variables
        return interval_statistics.with_weights(numbers, variables)

    @tf.function
    def _evaluate_test(self):
        labels = self._test_data[1]
        logits = self._all_logits(self._test_data[0])
        return tf.stack(
            [losses.mean_loss(logits, labels), losses.accuracy(logits, labels)]
        )

    def _optimizer_step(self, indices):
        loss, gradients = self.gradients(indices)
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(gradients, variables))
        return loss

    def gradients(self, indices: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Returns (loss without penalties, gradients with them) of a minibatch, for an optimizer step.

        Args:
          indices: int32 `[batch]`, rows of the training split.
        """
        images, labels = minibatches.rows(self._train_data, indices)
        with tf.GradientTape() as tape:
            loss = losses.mean_loss(self._logits(images, training=True), labels)
            penalized_loss = tf.add_n([loss, *self.model.losses])
        variables = self.model.trainable_variables
        return loss, tape.gradient(penalized_loss, variables)

    def _logits(self, images, training):
        """uint8 `[batch, height, width, channels]` to float32 `[batch, num_classes]`."""
        inputs = minibatches.scaled(images, self.task.input_scaling)
        return tf.cast(self.model(inputs, training=training), tf.float32)

    def _all_logits(self, images):
        logits = minibatches.mapped(
            lambda batch: self._logits(batch, training=False),
            images,
            self.task.validation_batch_size,
        )
        num_classes = self._previous_predictions.shape[1]
        return tf.ensure_shape(logits, [images.shape[0], num_classes])

    def _statistics(self, train_loss, previous_predictions):
        """float32 `[8]`: the numbers of a Measurement in order, then 1 for finite."""
        labels = self._validation_data[1]
        logits = self._all_logits(self._validation_data[0])
        loss = losses.mean_loss(logits, labels)
        probabilities = self.task.predictions == "probabilities"
        predictions = tf.nn.softmax(logits) if probabilities else logits
        change = tf.constant(0.0)
        if previous_predictions is not None:
            change = tf.math.reduce_variance(predictions - previous_predictions)
        with tf.control_dependencies([change]):
            self._previous_predictions.assign(predictions)
        if loss < self._best_loss:
            self._best_loss.assign(loss)
            for best, variable in zip(self._best_weights, self.model.variables):
                best.assign(variable)
        kernel = tf.cast(self._final_kernel, tf.float32)
        return tf.stack(
            [
                train_loss,
                loss,
                tf.math.reduce_variance(predictions),
                change,
                tf.reduce_mean(kernel),
                tf.math.reduce_variance(kernel),
                losses.accuracy(logits, labels),
                tf.cast(tf.math.is_finite(loss), tf.float32),
            ]
        )
