"""One `fit` under control: it measures, decides, sets the rate, and brakes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import keras

from learned_lr.callback import (
    backends,
    metric_resets,
    optimizers,
    own_steps,
    run_hints,
    weights,
)
from learned_lr.callback.brake import EXPLOSION
from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.callback.held_out_sample import HeldOutSample, untrained_loss
from learned_lr.callback.recovery import Recovery
from learned_lr.callback.state_files import StateFiles
from learned_lr.callback.train_log import TrainLog
from learned_lr.control import measurements

# An optimizer without an update for so many intervals and steps trains nothing; others accumulate some. One that scales
# losses leaves out steps until it has found its scale, halving it each time.
_IDLE_INTERVALS, _IDLE_STEPS, _IDLE_STEPS_OF_SCALES = 2, 10, 60


class ControlledFit:
    """A run while one `fit` lasts, which may be all of it or a part.

    Attributes:
      run: the `ControlledRun`.
      sample: the `HeldOutSample` it measures on.
      measuring_sec: float, seconds that measuring took, but for what was before the first step.
    """

    def __init__(
        self,
        model: keras.Model,
        run: ControlledRun,
        sample: HeldOutSample,
        training_sample: HeldOutSample | None = None,
        final_layer: str | None = None,
        files: StateFiles | None = None,
        log: TrainLog | None = None,
        compiled_rate: float | None = None,
    ):
        """Copies the weights that the fit starts from.

        Args:
          model: a compiled Keras model.
          run: a new one, or one that goes on.
          sample: held-out examples.
          training_sample: training examples for the train loss of the untrained model; None for
            its loss on the held-out ones.
          final_layer: name of the dense layer whose kernel the controller looks at; None for the
            last one as wide as the output.
          files: where states are kept for a restored training; None for nowhere.
          log: what the logged train loss is; None for a running mean, comparable as it is.
          compiled_rate: the rate that the optimizer gets back at the end; None for the one it has.

        Raises:
          ValueError: if these are not finite.
        """
        self.run = run
        self.sample = sample
        self.measuring_sec = 0.0
        self._model = model
        self._training_sample = training_sample
        self._final_layer = final_layer
        self._files = files
        self._rate = optimizers.OwnedRate(model, compiled_rate)
        self._is_rate_checked = False
        # The step it begins with, and the updates then; None once the optimizer is known to make some.
        num_updates = optimizers.num_updates(model.optimizer)
        self._begun: tuple[int, int] | None = run.step, num_updates
        # Of the steps until the next decision is due, so that no step waits for them; None for one that is held.
        self._rates: list[float] | None = None
        self._first_step = 0
        features = run.loop.controller.spec.observation.features
        self._looks_at_weights = measurements.look_at_weights(features)
        if not model.built:
            sample.measure()  # Keras 2 makes weights at the first call; before it there is nothing to copy.
        self._recovery = Recovery(model)
        log = log or TrainLog()
        self._scale = log.scale
        self._logs: Mapping[str, Any] | None = None
        run.losses.is_running_mean = log.is_running_mean
        self._is_reset = False
        # Of the metrics, as they were before the reset.
        self._means: list[tuple[float, float]] = []
        # Which of them has the loss of the epoch as its mean; None while that is not known.
        self._metric: int | None = None
        self._is_log_of_metrics = log.is_of_metrics
        if log.is_of_metrics:
            metric_resets.watch(model, self.leave_metrics)

    def begin(self) -> None:
        """Takes hold of the learning rate: by a first decision, or by the rate of a run that goes on.

        Raises:
          ValueError: if the loss of the untrained model is not finite.
        """
        run = self.run
        is_first = run.loop.training_step is None
        if not is_first:
            self._set_rate()
        if is_first or run.loop.is_due(run.step):
            self._decide()

    def begin_epoch(self) -> None:
        """The running mean of the loss starts anew."""
        if self._is_log_of_metrics:  # An `evaluate` may have come before.
            metric_resets.reset(self._model)
        self.run.losses.begin_epoch()
        self._logs = self._metric = None
        self._is_rate_checked = self._is_reset = False

    def leave_metrics(self) -> None:
        """Keeps what the metrics have the sum of, before something else resets them."""
        is_needed = self.run.losses.is_running_mean is not False
        # A `train_step` of the user's own may reset them, too, as it is traced.
        if not is_needed or self._is_reset:
            return
        if backends.is_tracing(v for m in self._model.metrics for v in m.variables):
            return
        backends.sync(self._model)
        self._means = [*own_steps.means_and_counts(self._model)]
        self._is_reset = True

    def begin_execution(self, num_steps: int) -> None:
        """Sets the rate of the next training steps, if a base schedule moves it.

        Args:
          num_steps: int, those that run in one execution and share the rate of their middle one.

        Raises:
          ValueError: if something else has set it since the latest decision or epoch's end.
        """
        if self._is_reset:  # An `evaluate` has left the sums of its own examples.
            self._read(self._logs)
            metric_resets.reset(self._model)
            self.run.losses.begin_epoch()
            self._logs, self._is_reset = None, False
        if self._rates is None:
            return
        if not self._is_rate_checked:  # What is set over can't be found later.
            self._rate.check()
            self._is_rate_checked = True
        step = self.run.step + (num_steps - 1) // 2
        index = step - self._first_step
        is_known = index < len(self._rates)  # Else the next decision is late.
        rate = self._rates[index] if is_known else self.run.loop.rate_at(step)
        self._rate.move(rate)

    def train(self, num_steps: int, logs: Mapping[str, Any] | None) -> None:
        """Counts training steps, and decides once an interval is over.

        Args:
          num_steps: int, those that were just done.
          logs: what Keras logs of them; read at decisions alone.
        """
        run = self.run
        run.step += num_steps
        run.losses.count(num_steps, logs)
        self._logs = logs
        if run.losses.is_running_mean is None and run.losses.num_epoch_steps > 1:
            # After one step a running mean is the loss itself.
            backends.sync(self._model)
            latest = run.losses.latest()
            run.losses.is_running_mean = self._num_examples(latest) is not None
        if run.loop.is_due(run.step):
            start = time.perf_counter()
            backends.sync(self._model)
            self._read(logs)
            self._decide()
            self.measuring_sec += time.perf_counter() - start

    def end_epoch(self, logs: Mapping[str, Any] | None) -> None:
        """Looks at the epoch's last losses, and keeps the state for a restored training."""
        run = self.run
        # Those of the last minibatch; Keras may put a metric's value of the same name into the epoch's.
        self._read(self._logs or logs)
        if not run.losses.is_finite():
            self._brake()
        before = run.num_updates
        run.num_updates = optimizers.num_updates(self._model.optimizer)
        if self._files is not None:
            self._files.save(run.num_updates, run.state())
            # A backup may be that of the epoch before.
            self._files.remove_before(before or 0)

    def end(self, is_over: bool = True) -> None:
        """Looks at the weights a last time.

        Args:
          is_over: whether the run ends with this fit, so that nothing is left to restore.
        """
        if not weights.are_finite(self._model):
            self._brake()
        metric_resets.leave(self._model)
        self._rate.give_back()
        if self._files is not None and is_over:
            self._files.clear()

    def _read(self, logs: Mapping[str, Any] | None) -> None:
        self.run.losses.read(logs, self._num_examples)

    def _num_examples(self, loss: float) -> float | None:
        """Of how many the running mean in the latest logs is."""
        if not self._is_log_of_metrics:
            return None
        is_kept, model = self._is_reset, self._model
        means = self._means if is_kept else own_steps.means_and_counts(model)
        # One metric an epoch: others may agree for a while.
        found = own_steps.counted(means, loss, self._metric)
        if found is None:
            return None
        self._metric, count = found
        return count

    def _check_updates(self) -> None:
        """Looks once whether it is the compiled optimizer that trains."""
        run = self.run
        optimizer = self._model.optimizer
        is_scaling = optimizers.inner(optimizer) is not optimizer
        steps = _IDLE_STEPS_OF_SCALES if is_scaling else _IDLE_STEPS
        enough = max(_IDLE_INTERVALS * run.loop.control_interval, steps)
        if self._begun is None or run.step - self._begun[0] < enough:
            return
        num_updates = optimizers.num_updates(optimizer)
        run_hints.warn_of_idle(run.step - self._begun[0], num_updates - self._begun[1])
        self._begun = None

    def _decide(self) -> None:
        """Measures and sets the rate; brakes instead if the run has exploded."""
        run, is_first = self.run, self.run.loop.training_step is None
        self._rate.check()
        self._check_updates()
        if not is_first and not run.losses.is_finite():
            self._brake()
            return
        if not is_first and not run.losses.weight:
            return  # Its state is older than the weights, which some steps later have losses.
        validation_loss, predictions = self.sample.measure()
        train_loss = run.losses.mean() * self._scale
        if is_first:
            train_loss = untrained_loss(validation_loss, self._training_sample)
        alarm = run.brake.alarm(train_loss, validation_loss)
        if alarm is None and not self._recovery.keep(
            run.num_decisions, validation_loss
        ):
            alarm = EXPLOSION
        if alarm is not None:
            self._brake(alarm)
            return
        kernel = self.sample.final_kernel(predictions, self._final_layer)
        sample = weights.sample(self._model) if self._looks_at_weights else None
        run.observe(train_loss, validation_loss, predictions, kernel, sample)
        self._set_rate()
        if self._files is not None:
            num_updates = optimizers.num_updates(self._model.optimizer)
            self._files.save(num_updates, run.state())

    def _brake(self, alarm: str = EXPLOSION) -> None:
        self._recovery.recover(self.run, alarm)
        self._set_rate()

    def _set_rate(self) -> None:
        step, loop = self.run.step, self.run.loop
        self._rate.set(loop.rate_at(step))
        self._is_rate_checked = False
        if loop.controller.spec.base_schedule is not None:
            steps = range(step, step + loop.control_interval)
            self._first_step, self._rates = step, [*map(loop.rate_at, steps)]
