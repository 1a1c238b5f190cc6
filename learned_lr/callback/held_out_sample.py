"""A model measured on held-out examples in the middle of its training, without disturbing it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from learned_lr.callback import (
    backends,
    devices,
    forward,
    layers,
    nested_structures,
    own_steps,
    samples,
    train_log,
)
from learned_lr.callback.running_fit import FitArguments
from learned_lr.callback.train_log import TrainLog


class HeldOutSample:
    """A fixed sample of held-out examples on which a model is measured, without disturbing its training.

    The loss is that of `evaluate`, by the model's own `test_step`, with the weights of the examples if they have any. Batch
    normalisation and dropout stay out of it; metrics, and seeds in Keras 3, are what they were before.

    Attributes:
      num_examples: int.
    """

    def __init__(
        self,
        model: keras.Model,
        inputs: Any,
        targets: Any,
        batch_size: int,
        loss: Callable[[Any, Any], Any] | None = None,
        with_predictions: bool = True,
        weights: Any = None,
    ):
        """Prepares the measurement.

        Args:
          model: a compiled Keras model.
          inputs: numpy arrays, nested as the model takes them, examples first.
          targets: numpy arrays, nested as its loss takes them; None for a model that needs none.
          batch_size: examples of one forward pass.
          loss: function of (targets, predictions), used in place of the model's.
          with_predictions: whether predictions are asked for; that takes a forward pass more.
          weights: numpy arrays, nested as `fit` takes weights of examples; None for none.

        Raises:
          ValueError: if the model has no loss that can be computed, or a loss needs targets and there are none.
        """
        _check_loss(model, loss, inputs, targets)
        self._model = model
        self.num_examples = len(nested_structures.leaves(inputs)[0])
        self._batches = []
        for start in range(0, self.num_examples, batch_size):
            rows = slice(start, start + batch_size)
            batch = nested_structures.map_structure(
                functools.partial(_rows, rows), (inputs, targets, weights)
            )
            num_examples = min(batch_size, self.num_examples - start)
            self._batches.append((num_examples, *batch))
        pack = keras.utils.pack_x_y_sample_weight
        self._packed = [
            (n, devices.split(model, pack(*batch))) for n, *batch in self._batches
        ]
        self._step = own_steps.EvaluationStep(model)
        self._loss_pass = None if loss is None else forward.loss_pass(model, loss)
        self._prediction_pass = None
        if with_predictions:
            self._prediction_pass = forward.prediction_pass(model, loss or model.loss)

    def measure(self) -> tuple[float, np.ndarray | None]:
        """Returns (mean loss, predictions): probabilities of a classifier; None for several outputs, or if unwanted."""
        predictions: list[Any] = [()]
        with own_steps.put_back(self._model):
            if self._loss_pass is None:
                loss = self._step.mean_loss(self._packed)
            else:
                losses = [float(self._loss_pass(*b)) for _, *b in self._batches]
                loss = float(np.average(losses, weights=[n for n, *_ in self._batches]))
            if self._prediction_pass is not None:
                predictions = [self._prediction_pass(x) for _, x, *_ in self._batches]
        if len(nested_structures.leaves(predictions[0])) != 1:
            return loss, None
        arrays = list(map(backends.to_numpy, predictions))
        return loss, np.concatenate(arrays).astype(np.float32, copy=False)

    def final_kernel(
        self, predictions: np.ndarray | None, layer: str | None = None
    ) -> np.ndarray | None:
        """Returns the kernel of a dense layer: the named one, or the last one as wide as the predictions."""
        if layer is not None:
            return backends.to_numpy(self._model.get_layer(layer).kernel)
        if predictions is None:  # Several outputs: which kernel is meant can't be told.
            return None
        width = predictions.shape[-1] if predictions.ndim > 1 else None
        kernel = layers.final_kernel(self._model, width)
        return None if kernel is None else backends.to_numpy(kernel)


def draw(
    model: keras.Model,
    fit: FitArguments,
    with_predictions: bool,
    control_interval: int,
    num_examples: int | None,
    seed: int,
    loss: Callable[[Any, Any], Any] | None,
    training_sample: tuple[Any, Any] | None,
    is_verbose: bool,
) -> tuple[HeldOutSample, HeldOutSample | None, TrainLog]:
    """Returns (a sample of the held-out data of a fit, one of the user's training examples, what the train loss is).

    Args:
      model: a compiled Keras model.
      fit: the arguments of its fit.
      with_predictions: as `HeldOutSample` takes it.
      control_interval: int, training steps between two measurements.
      num_examples: int, the size of the sample; None for one that costs little. Whole minibatches for a model that
        takes no others.
      seed: seed of the draw.
      loss: as `HeldOutSample` takes it.
      training_sample: (inputs, targets); None for none.
      is_verbose: whether to say what the sample costs.
    """
    size = num_examples or samples.default_size(
        fit.batch_size,
        control_interval,
        own_steps.may_depend_on_batch_size(model, loss),
    )
    fixed = _fixed_batch_size(model)
    if fixed is not None:
        size = max(size // fixed, 1) * fixed
    inputs, targets, weights = samples.take(fit.validation_data, size, seed)
    held_out = HeldOutSample(
        model, inputs, targets, fit.batch_size, loss, with_predictions, weights
    )
    training = None
    if training_sample is not None:
        pair = samples.whole(training_sample)
        training = HeldOutSample(model, *pair, fit.batch_size, loss, False)
    if is_verbose:
        told = samples.in_words(held_out.num_examples, fit.batch_size, control_interval)
        print(f"LearnedLearningRate: {told}.")
    return held_out, training, train_log.find(model, fit, targets, weights)


def untrained_loss(
    validation_loss: float, training_sample: HeldOutSample | None
) -> float:
    """Returns the train loss before the first step, where no minibatch has given one.

    Args:
      validation_loss: the loss on held-out examples, which an untrained model shares.
      training_sample: training examples to measure it on instead; None if there are none.

    Raises:
      ValueError: if it is not finite.
    """
    losses = {"held-out": validation_loss}
    if training_sample is not None:
        losses["training"] = training_sample.measure()[0]
    for name, loss in losses.items():
        if not math.isfinite(loss):
            raise ValueError(
                f"Expected a finite loss of the untrained model on the {name} examples, "
                f"found {loss!r}."
            )
    return loss


def _fixed_batch_size(model: keras.Model) -> int | None:
    """The number of examples that a model's inputs prescribe, as a stateful recurrent network needs; None for any."""
    inputs = nested_structures.leaves(getattr(model, "inputs", None))
    shape = tuple(inputs[0].shape) if inputs else ()
    return shape[0] if shape else None


def _rows(rows: slice, array: np.ndarray) -> Any:
    return backends.to_tensor(array[rows])


def _check_loss(model: keras.Model, loss: Any, inputs: Any, targets: Any) -> None:
    """Refuses a model without a loss, and one that needs targets where there are none."""
    is_own = any(
        own_steps.is_own(model, name) for name in ("test_step", "compute_loss")
    )
    if targets is None and (loss is not None or (model.loss and not is_own)):
        raise ValueError(
            "Expected validation data (inputs, targets), found inputs alone: give the callback "
            "validation_data=(inputs, targets) of its own."
        )
    if loss is not None or model.loss or is_own:
        return
    with own_steps.put_back(model):  # A layer adds its losses in a call.
        row = functools.partial(_rows, slice(1))
        model(nested_structures.map_structure(row, inputs), training=False)
    if not model.losses:
        raise ValueError(
            "Expected a model compiled with a loss, found none: give the callback "
            "loss=, a function of (targets, predictions)."
        )
