"""A trained controller as a Keras callback: Keras 2 and Keras 3, on TensorFlow, JAX or PyTorch."""

from __future__ import annotations

import math
import os
import time
import warnings

import keras

from learned_lr.callback import keras_models, samples
from learned_lr.callback.brake import SafetyBrake
from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.callback.held_out_sample import HeldOutSample
from learned_lr.callback.state_files import StateFiles
from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.controller import Controller
from learned_lr.control.rate_table import RateTable

# Decisions between two copies of the weights to go back to; each costs about as much as an optimizer step's update.
_SNAPSHOT_INTERVAL = 5
# So many explosions without a good interval between them, and training stops.
_MAX_EXPLOSIONS = 3
_DEFAULT_BATCH_SIZE = 32
_STATE_FOLDER = "learned_learning_rate"


class LearnedLearningRate(keras.callbacks.Callback):
    """Lets a trained controller pick the learning rate.

    Example:
      model.compile("adam", "sparse_categorical_crossentropy")
      model.fit(x, y, epochs=10, validation_data=(x_val, y_val), callbacks=[LearnedLearningRate()])

    Every `fit` is a run of its own, from `initial_learning_rate` on, unless it goes on from
    an earlier one: with `initial_epoch`, with `BackupAndRestore`, or because
    `num_training_steps` says that the run is longer than one `fit`.

    Attributes:
      schedule: the `RateTable` of the latest run; `schedule.save('lr.csv')` for `Replay`.
      measuring_fraction: float, the share of the latest `fit`'s time that measuring took.
    """

    def __init__(
        self,
        controller: Controller | str = "default",
        validation_data=None,
        validation_batch: int | None = None,
        control_interval: int | None = None,
        num_training_steps: int | None = None,
        initial_learning_rate: float | None = None,
        min_learning_rate: float | None = None,
        max_learning_rate: float | None = None,
        final_layer: str | None = None,
        loss=None,
        training_sample=None,
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
            about 1.3% of the arithmetic of training, 64 at least.
          control_interval: int, training steps between two decisions; None for as many
            decisions as the controller's own training had.
          num_training_steps: int, minibatches of the whole run; None for those of `fit`.
          initial_learning_rate: float, the rate that the first decision scales; None for
            the controller's own. The optimizer's own rate is not looked at.
          min_learning_rate: float, a lower bound; None for the controller's own.
          max_learning_rate: float, an upper bound; None for the controller's own.
          final_layer: name of the dense layer whose kernel the controller looks at; None for
            the last one as wide as the output.
          loss: function of (targets, predictions), for models whose loss isn't compiled in.
          training_sample: (inputs, targets) on which the train loss of the untrained model
            is measured; None for its validation loss, which an untrained model shares.
          brake_factor: float > 1, how far above their running means the losses count as an
            explosion; None for losses that are not finite alone.
          backup_dir: folder of the state that a restored training goes on from; None for
            that of `BackupAndRestore`, where `fit` has it.
          seed: seed of the choice of held-out examples.
          verbose: 0 for no output, 1 for a line at the start and one at the end.

        Raises:
          ControllerError: if the controller can't be loaded.
          ValueError: on a number out of its range.
        """
        super().__init__()
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
        if validation_batch is not None and validation_batch < 1:
            raise ValueError(
                f"Expected validation_batch >= 1, found {validation_batch!r}."
            )
        self._new_run(num_training_steps or 1, 0)  # Checks the numbers.
        self._run: ControlledRun | None = None
        self._num_updates = None

    @property
    def schedule(self) -> RateTable:
        """The learning rates of the latest run, by training step.

        Raises:
          ValueError: before the first decision.
        """
        if self._run is None:
            raise ValueError("Expected a fit() before schedule, found none.")
        return self._run.loop.schedule

    @property
    def num_explosions(self) -> int:
        """How often the safety brake had to help in the latest run."""
        return 0 if self._run is None else self._run.num_explosions

    def on_train_begin(self, logs=None):
        """Refuses what can't work, before a step is trained."""
        keras_models.check_plain_rate(self.model.optimizer)
        callbacks = keras_models.running_fit(self.model).callbacks
        keras_models.check_rivals(self, callbacks)
        self._rate = keras_models.OwnedRate()
        self._is_started = False
        self._measuring_sec = 0.0
        self._begin = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        """Starts or goes on with the run; the running mean of the loss starts anew."""
        self._first_batch = 0
        if not self._is_started:
            self._start(epoch)
            self._is_started = True
        self._run.losses.begin_epoch()

    def on_train_batch_begin(self, batch, logs=None):
        """Remembers where this execution begins, which may be of several steps."""
        self._first_batch = batch

    def on_train_batch_end(self, batch, logs=None):
        """Decides, once an interval is over."""
        run = self._run
        # An execution of several steps may end short, with the epoch.
        end = min(batch + 1, self.params.get("steps") or math.inf)
        num_steps = end - self._first_batch
        run.step += num_steps
        run.losses.count(num_steps)
        if run.loop.is_due(run.step):
            start = time.perf_counter()
            keras_models.sync(self.model)
            run.losses.read(logs)
            self._decide()
            self._measuring_sec += time.perf_counter() - start

    def on_epoch_end(self, epoch, logs=None):
        """Writes the rate into the logs, and the state for a restored training."""
        self._run.losses.read(logs)
        if not self._run.losses.is_finite():
            self._brake()
        if logs is not None:
            logs["learning_rate"] = self._run.loop.learning_rate
        before = self._num_updates
        self._num_updates = keras_models.num_updates(self.model.optimizer)
        if self._files is not None:
            self._files.save(self._num_updates, self._run.state())
            # A backup may be that of the epoch before.
            self._files.remove_before(before or 0)

    def on_train_end(self, logs=None):
        """Looks at the weights a last time, and sums up."""
        if not keras_models.Snapshot(self.model).is_finite():
            self._brake()
        total = time.perf_counter() - self._begin
        self.measuring_fraction = self._measuring_sec / total
        if self._files is not None:
            self._files.clear()
        if self.verbose:
            rates = self.schedule.learning_rates
            print(
                f"LearnedLearningRate: {len(rates)} rates between {min(rates):.2e} and "
                f"{max(rates):.2e}; measuring took {self.measuring_fraction:.1%} of the time."
            )

    def _new_run(self, num_steps, num_done):
        loop = ControlLoop(
            self.controller, num_steps, self.control_interval, *self._rates
        )
        brake = SafetyBrake(self.brake_factor or math.inf)
        return ControlledRun(loop, brake, num_done)

    def _start(self, epoch):
        """Begins a run, or goes on with the one before or with one from a backup."""
        fit = keras_models.running_fit(self.model)
        num_steps, num_done = keras_models.run_lengths(
            self.params, self.num_training_steps, epoch
        )
        keras_models.sync(self.model)
        num_updates = keras_models.num_updates(self.model.optimizer)
        self._files = self._state_files(fit)
        saved = self._files and num_updates and self._files.load(num_updates)
        goes_on = epoch > 0 or self.num_training_steps is not None
        if saved:
            self._run = self._new_run(num_steps, num_done)
            self._run.restore(saved[1])
            # Updates after the state was written were done, though its losses lack them.
            self._run.step += num_updates - saved[0]
        elif self._run is None or num_updates != self._num_updates or not goes_on:
            self._run = self._new_run(num_steps, num_done)
        loop = self._run.loop
        loop.set_length(num_steps, self.control_interval)
        self._prepare_measuring(fit)
        self._snapshot = None
        if loop.training_step is not None:
            self._snapshot = keras_models.Snapshot(self.model)
            self._set_rate()
            if loop.is_due(self._run.step):
                self._decide()
            return
        if epoch > 0:
            warnings.warn(
                f"LearnedLearningRate begins at epoch {epoch} without a state to go on from: "
                f"it starts at the rate {loop.learning_rate:g}.",
                stacklevel=2,
            )
        self._decide()

    def _state_files(self, fit):
        folder = self.backup_dir
        for other in fit.callbacks:
            if folder is None and isinstance(other, keras.callbacks.BackupAndRestore):
                folder = other.backup_dir
        return folder and StateFiles(os.path.join(folder, _STATE_FOLDER))

    def _prepare_measuring(self, fit):
        data = self.validation_data
        if data is None:
            data = fit.validation_data
        if data is None:
            raise ValueError(
                "Expected held-out data to measure on, found none: give fit() "
                "validation_data or validation_split, or the callback validation_data."
            )
        batch_size = fit.batch_size or _DEFAULT_BATCH_SIZE
        interval = self._run.loop.control_interval
        size = self.validation_batch or samples.default_size(batch_size, interval)
        inputs, targets = samples.take(data, size, self.seed)
        self._sample = HeldOutSample(self.model, inputs, targets, batch_size, self.loss)
        self._training_sample = None
        if self.training_sample is not None:
            self._training_sample = HeldOutSample(
                self.model, *self.training_sample, batch_size, self.loss
            )
        if self.verbose:
            found = self._sample.num_examples
            share = samples.cost(found, batch_size, interval)
            print(
                f"LearnedLearningRate: decides every {interval} steps on {found} held-out "
                f"examples, about {share:.1%} of the arithmetic of training."
            )

    def _decide(self):
        """Measures and sets the rate; brakes instead if the run has exploded."""
        run, is_first = self._run, self._run.loop.training_step is None
        self._rate.check(self.model.optimizer)
        if not is_first and not run.losses.is_finite():
            self._brake()
            return
        validation_loss, predictions = self._sample.measure()
        train_loss = run.losses.mean()
        if is_first:
            train_loss = self._untrained_loss(validation_loss)
        if run.brake.is_explosion(train_loss, validation_loss):
            self._brake()
            return
        if self._snapshot is None or run.num_decisions % _SNAPSHOT_INTERVAL == 0:
            # A NaN weight may hide behind a ReLU, which turns it into 0 on some backends.
            snapshot = keras_models.Snapshot(self.model)
            if not snapshot.is_finite():
                self._brake()
                return
            self._snapshot = snapshot
        kernel = self._sample.final_kernel(predictions, self.final_layer)
        run.observe(train_loss, validation_loss, predictions, kernel)
        self._set_rate()
        if self._files is not None:
            self._files.save(
                keras_models.num_updates(self.model.optimizer), run.state()
            )

    def _untrained_loss(self, validation_loss):
        loss = validation_loss
        if self._training_sample is not None:
            loss = self._training_sample.measure()[0]
        if not math.isfinite(loss):
            raise ValueError(
                "Expected a finite loss of the untrained model on the held-out examples, "
                f"found {loss!r}."
            )
        return loss

    def _brake(self):
        """Goes back to the last good weights, cuts the rate, and says so."""
        run = self._run
        exploded = run.loop.learning_rate
        self._snapshot.restore(self.model)
        self.model.reset_metrics()
        run.explode()
        self._set_rate()
        if run.num_explosions == 1:
            warnings.warn(
                f"The loss exploded at training step {run.step} with the learning rate "
                f"{exploded:g}: the weights are those of an earlier step again, and the rate "
                f"is {run.loop.learning_rate:g}.",
                stacklevel=2,
            )
        if run.num_explosions_in_a_row == _MAX_EXPLOSIONS:
            self.model.stop_training = True
            warnings.warn(
                f"Training stops: the loss exploded {_MAX_EXPLOSIONS} times in a row, down to "
                f"the learning rate {exploded:g}. The weights are the last good ones. Are "
                "there NaNs in the training data?",
                stacklevel=2,
            )

    def _set_rate(self):
        self._rate.set(self.model.optimizer, self._run.loop.learning_rate)
