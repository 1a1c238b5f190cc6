"""A trained controller as a Keras callback: Keras 2 and Keras 3, on TensorFlow, JAX or PyTorch."""

from __future__ import annotations

import copy
import math
import time
from typing import Any, Callable

import keras

from learned_lr.callback import (
    backends,
    held_out_sample,
    norm_hints,
    optimizers,
    refusals,
    run_hints,
    run_start,
    running_fit,
    starting_rates,
)
from learned_lr.callback.brake import SafetyBrake
from learned_lr.callback.controlled_fit import ControlledFit
from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.callback.run_length import epoch_steps, going_on, run_length
from learned_lr.callback.running_fit import FitArguments
from learned_lr.control import measurements
from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.controller import Controller
from learned_lr.control.rate_table import RateTable


class LearnedLearningRate(keras.callbacks.Callback):
    """Lets a trained controller pick the learning rate.

    Example:
      model.compile("adam", "sparse_categorical_crossentropy")
      model.fit(x, y, epochs=10, validation_data=(x_val, y_val), callbacks=[LearnedLearningRate()])

    Every `fit` is a run of its own, from `initial_learning_rate` on, unless it goes on from
    an earlier one: with `initial_epoch`, with `BackupAndRestore`, or because
    `num_training_steps` says that the run is longer than one `fit`.

    With a controller that has a base schedule every step trains at its own rate, except that with
    `steps_per_execution` > 1 the steps of an execution share the rate of their middle one.

    It reads `fit`'s validation data and other callbacks off the call stack. Where it can't, in a
    training loop of your own that calls a `keras.callbacks.CallbackList`, or inside another
    callback, it needs `validation_data`. Such a loop gives it what `fit` does: `params` with
    `epochs` and `steps`, and logs whose `loss` is the running mean of the epoch.

    Attributes:
      schedule: the `RateTable` of the latest run, with an entry a decision, or a step with a base
        schedule; `schedule.save('lr.csv')` for `Replay`.
      measuring_fraction: float, the share of the latest `fit`'s time that measuring took.
    """

    def __init__(
        self,
        controller: Controller | str = "default",
        validation_data: Any = None,
        validation_batch: int | None = None,
        control_interval: int | None = None,
        num_training_steps: int | None = None,
        initial_learning_rate: float | None = None,
        min_learning_rate: float | None = None,
        max_learning_rate: float | None = None,
        final_layer: str | None = None,
        loss: Callable[[Any, Any], Any] | None = None,
        training_sample: tuple[Any, Any] | None = None,
        brake_factor: float | None = 5.0,
        backup_dir: str | None = None,
        seed: int = 0,
        verbose: int = 1,
    ):
        """Loads the controller.

        Args:
          controller: a `Controller`, the name of one of the package's, or a folder.
          validation_data: held-out data, in any form that `fit` takes but an iterator; None
            for the `validation_data` or `validation_split` of `fit`. Not the test set.
          validation_batch: int, the number of held-out examples it measures on; None for
            about 1.3% of the arithmetic of training, 64 at least, or a minibatch if the loss may depend on its size.
          control_interval: int, training steps between two decisions; None for as many
            decisions as the controller's own training had.
          num_training_steps: int, minibatches of the whole run; None for those of `fit`.
          initial_learning_rate: float, the rate that the first decision scales, with a base
            schedule its peak; None for the rate that the optimizer was compiled with if it isn't
            its class's default, and else the controller's own.
          min_learning_rate: float, a lower bound of what decisions scale; None for a thirtieth of
            the compiled rate where the run starts from that, and else the controller's own.
          max_learning_rate: float, an upper bound; None likewise: thirty times, but at most 0.03 (SGD 0.3) or three times.
          final_layer: name of the dense layer whose kernel the controller looks at; None for
            the last one as wide as the output.
          loss: function of (targets, predictions), for models whose loss isn't compiled in.
          training_sample: (inputs, targets) on which the train loss of the untrained model
            is measured; None for its validation loss, which an untrained model shares.
          brake_factor: float > 1, how far above their running means the losses count as an
            explosion; None for a brake on losses and weights that are not finite alone.
          backup_dir: folder of the state that a restored training goes on from; None for
            that of `BackupAndRestore`, where `fit` has it.
          seed: seed of the choice of held-out examples.
          verbose: 0 for no output, 1 for a line at the start and one at the end.

        Raises:
          ControllerError: if the controller can't be loaded.
          ValueError: on a number out of its range.
        """
        super().__init__()
        # Keras 2 makes it when `fit` tells what it does, which a loop of the user's own may leave out.
        self.params: dict[str, Any] = {}
        # Logs stay tensors until a decision reads them (Keras 2).
        self._supports_tf_logs = True
        if not isinstance(controller, Controller):
            controller = Controller.load(controller)
        self.controller = controller
        self.validation_data = validation_data
        self.validation_batch = validation_batch
        self.control_interval = control_interval
        self.num_training_steps = num_training_steps
        self._rates = (initial_learning_rate, min_learning_rate, max_learning_rate)
        self.final_layer = final_layer
        self.loss = loss
        self.training_sample = training_sample
        self.brake_factor = brake_factor
        self.backup_dir = backup_dir
        self.seed = seed
        self.verbose = verbose
        self.measuring_fraction = math.nan
        refusals.check_arguments(self)
        given = starting_rates.StartingRates(*self._rates)
        self._new_run(num_training_steps or 1, 0, given)  # Checks the numbers.
        self._run: ControlledRun | None = None
        # From on_train_begin to the first epoch, and from there on.
        self._arguments: FitArguments | None = None
        self._fit: ControlledFit | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle has: the arguments, and neither a model nor a run."""
        model = "model" if backends.IS_KERAS_2 else "_model"
        fresh = {model: None, "_run": None, "_fit": None, "_arguments": None}
        numbers = {"params": {}, "measuring_fraction": math.nan}
        return {**self.__dict__, **fresh, **numbers}

    def __deepcopy__(self, memo: dict[int, Any]) -> LearnedLearningRate:
        """Returns a copy that shares the controller and the data, which are never written to."""
        return copy.copy(self)

    def set_model(self, model: keras.Model) -> None:
        """Reads the compiled rate, before a restoration of the optimizer puts another in its place."""
        refusals.check_keras(model)  # Its next call would be of what this Keras lacks.
        super().set_model(model)
        optimizer = getattr(model, "optimizer", None)
        is_plain = optimizers.has_plain_rate(optimizer)
        rate = optimizers.compiled_rate(optimizer) if is_plain else math.nan
        self._compiled_rate = rate

    @property
    def schedule(self) -> RateTable:
        """The learning rates of the latest run, by training step.

        Raises:
          ValueError: before the first decision.
        """
        if self._run is None:
            raise ValueError("Expected a fit() before schedule, found none.")
        return self._run.schedule

    @property
    def num_explosions(self) -> int:
        """How often the safety brake had to help in the latest run."""
        return 0 if self._run is None else self._run.num_explosions

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Refuses what can't work, before a step is trained."""
        self._begin = time.perf_counter()
        self._fit = None
        optimizer = getattr(self.model, "optimizer", None)
        refusals.check_kind(optimizer)
        refusals.check_plain_rate(optimizer)
        refusals.check_processes(self.model)
        refusals.check_metrics(self.model)
        self._arguments = running_fit.arguments(self, self.validation_data)
        refusals.check_rivals(self, self._arguments.callbacks)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts or goes on with the run; the running mean of the loss starts anew."""
        self._first_batch = 0
        if self._fit is None:
            self._fit = self._start(epoch)
            self._fit.begin()
        self._fit.begin_epoch()
        # Keras 2 has None for 1, or a variable.
        num_steps = self.model.steps_per_execution or 1
        self._steps_per_execution = int(backends.to_numpy(num_steps))

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Sets the rate of this execution, which may be of several steps, if each step has its own."""
        fit, self._first_batch = self._running(), batch
        fit.begin_execution(self._num_steps(self._steps_per_execution))

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Decides, once an interval is over."""
        fit, num_steps = self._running(), batch + 1 - self._first_batch
        if num_steps == 1 and not backends.TELLS_ENDS:
            num_steps = self._steps_per_execution
        self._steps_per_execution = num_steps  # Keras 2 may have changed it.
        fit.train(self._num_steps(num_steps), logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the rate into the logs, and the state for a restored training."""
        fit = self._running()
        fit.end_epoch(logs)
        if logs is not None:
            logs["learning_rate"] = fit.run.loop.rate_at(fit.run.step)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Looks at the weights a last time, and sums up."""
        if self._fit is None:  # Nothing was left to train.
            return
        fit, self._fit = self._fit, None  # With its copies of the weights.
        fit.end(fit.run.step >= (self.num_training_steps or 0))
        total = time.perf_counter() - self._begin
        self.measuring_fraction = fit.measuring_sec / total
        if self.verbose:
            print(
                f"LearnedLearningRate: {fit.run.rates_in_words()}; "
                f"measuring took {self.measuring_fraction:.1%} of the time."
            )

    def _num_steps(self, planned: int) -> int:
        """Those of this execution, which may end short, with the epoch."""
        end = epoch_steps(self.params) or self._first_batch + planned
        return min(planned, end - self._first_batch)

    def _running(self) -> ControlledFit:
        return refusals.begun(self._fit, "on_train_begin() and on_epoch_begin() first")

    def _new_run(
        self,
        num_steps: int,
        num_done: int,
        rates: starting_rates.StartingRates,
    ) -> ControlledRun:
        loop = ControlLoop(
            self.controller,
            num_steps,
            self.control_interval,
            *rates[:3],
            is_sgd=rates.is_sgd,
        )
        factor = math.inf if self.brake_factor is None else self.brake_factor
        return ControlledRun(loop, SafetyBrake(factor), num_done)

    def _start(self, epoch: int) -> ControlledFit:
        """Makes a run, or goes on with the one before or with one from a backup."""
        fit = refusals.begun(
            self._arguments, "on_train_begin() before on_epoch_begin()"
        )
        self._arguments = None  # Let go of, so that its data are not kept alive.
        planned = run_length(self.params, self.num_training_steps, epoch)
        backends.sync(self.model)
        num_updates = optimizers.num_updates(self.model.optimizer)
        files = run_start.state_files(self.backup_dir, fit.callbacks)
        previous = self._run if epoch > 0 or self.num_training_steps else None
        optimizer, compiled = self.model.optimizer, self._compiled_rate
        rates = starting_rates.find(optimizer, compiled, *self._rates)
        self._run = run_start.start(
            lambda: self._new_run(*planned, rates),
            previous,
            files,
            num_updates,
        )
        run, length = self._run, self.num_training_steps
        num_steps = length or going_on(*planned, run.step, self.params, fit.callbacks)
        run.set_length(num_steps, self.control_interval, fit.is_weighted)
        inside = measurements.look_inside(self.controller.spec.observation.features)
        sample, training, log = held_out_sample.draw(
            self.model,
            fit,
            inside,
            run.loop.control_interval,
            self.validation_batch,
            self.seed,
            self.loss,
            self.training_sample,
            bool(self.verbose),
        )
        rates.tell(bool(self.verbose))
        run_hints.warn(optimizer, fit.callbacks, self.params, length, epoch, run)
        norm_hints.warn(self.model, run)
        measured = sample, training, self.final_layer
        return ControlledFit(self.model, run, *measured, files, log, compiled)
