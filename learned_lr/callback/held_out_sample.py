"""A model measured on held-out examples in the middle of its training, without disturbing it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from learned_lr.callback import backends, layers, nested_structures, samples
from learned_lr.callback.running_fit import FitArguments


class HeldOutSample:
    """A fixed sample of held-out examples on which a model is measured, without disturbing its training.

    Inference mode: batch normalisation and dropout stay out of it, metrics are not touched.
    """

    def __init__(
        self,
        model: keras.Model,
        inputs: Any,
        targets: Any,
        batch_size: int,
        loss: Callable[[Any, Any], Any] | None = None,
        with_predictions: bool = True,
    ):
        """Prepares the measurement.

        Args:
          model: a compiled Keras model.
          inputs: numpy arrays, nested as the model takes them, examples first.
          targets: numpy arrays, nested as its loss takes them.
          batch_size: examples of one forward pass.
          loss: function of (targets, predictions), used in place of the compiled loss.
          with_predictions: whether predictions leave the device; what looks at losses alone can
            do without them, and they grow with the outputs.

        Raises:
          ValueError: if the model has no loss that can be computed.
        """
        if loss is None and not model.loss:
            raise ValueError(
                "Expected a model compiled with a loss, found none: give the callback "
                "loss=, a function of (targets, predictions)."
            )
        self._model = model
        self._with_predictions = with_predictions
        self._loss = model.loss if loss is None else loss
        self._loss_weights = None
        if loss is None and hasattr(model, "get_compile_config"):
            self._loss_weights = (model.get_compile_config() or {}).get("loss_weights")
        self.num_examples = len(nested_structures.leaves(inputs)[0])
        self._batches = []
        for start in range(0, self.num_examples, batch_size):
            rows = slice(start, start + batch_size)
            batch = nested_structures.map_structure(
                functools.partial(_rows, rows), (inputs, targets)
            )
            num_examples = min(batch_size, self.num_examples - start)
            self._batches.append((num_examples, *batch))
        self._forward = self._make_forward()

    def measure(self) -> tuple[float, np.ndarray | None]:
        """Returns (mean loss, predictions): probabilities of a classifier; None for several outputs, or if unwanted."""
        total, predictions = 0.0, []
        for num_examples, inputs, targets in self._batches:
            loss, predicted = self._forward(inputs, targets)
            total += float(loss) * num_examples
            predictions.append(predicted)
        loss = total / self.num_examples
        if len(nested_structures.leaves(predictions[0])) != 1:
            return loss, None
        arrays = [
            backends.to_numpy(nested_structures.leaves(p)[0]) for p in predictions
        ]
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

    def _evaluate(
        self, targets: Any, predictions: Any, penalties: Sequence[Any]
    ) -> tuple[Any, Any]:
        loss = _total_loss(self._loss, self._loss_weights, targets, predictions)
        for penalty in penalties:
            loss = loss + backends.cast_float32(penalty)
        if not self._with_predictions:
            return loss, ()
        if len(nested_structures.leaves(predictions)) == 1:
            predictions = nested_structures.leaves(predictions)[0]
            predictions = _probabilities(self._loss, predictions)
        return loss, predictions

    def _make_forward(self) -> Callable[[Any, Any], tuple[Any, Any]]:
        if backends.name() == "jax":
            return self._make_jax_forward()
        model = self._model

        def forward(inputs: Any, targets: Any) -> tuple[Any, Any]:
            predictions = model(inputs, training=False)
            return self._evaluate(targets, predictions, model.losses)

        if backends.name() == "torch":
            import torch

            return torch.no_grad()(forward)
        import tensorflow as tf

        # reduce_retracing would give up static shapes, which some models need.
        return forward if model.run_eagerly else tf.function(forward)

    def _make_jax_forward(self) -> Callable[[Any, Any], tuple[Any, Any]]:
        import jax

        model = self._model
        # A `call` without `training` has the same in both modes; only `__call__` would leave it out.
        takes_it = getattr(model, "_call_has_training_arg", True)
        mode = {"training": False} if takes_it else {}

        @jax.jit
        def apply(trainable: Any, others: Any, inputs: Any, targets: Any) -> Any:
            predictions, _, penalties = model.stateless_call(
                trainable, others, inputs, return_losses=True, **mode
            )
            return self._evaluate(targets, predictions, penalties)

        def forward(inputs: Any, targets: Any) -> tuple[Any, Any]:
            trainable = [v.value for v in model.trainable_variables]
            others = [v.value for v in model.non_trainable_variables]
            return apply(trainable, others, inputs, targets)

        return forward


def _rows(rows: slice, array: np.ndarray) -> Any:
    return backends.to_tensor(array[rows])


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
) -> tuple[HeldOutSample, HeldOutSample | None]:
    """Returns (a sample of the held-out data of a fit, one of the user's training examples).

    Args:
      model: a compiled Keras model.
      fit: the arguments of its fit.
      with_predictions: as `HeldOutSample` takes it.
      control_interval: int, training steps between two measurements.
      num_examples: int, the size of the sample; None for one that costs little.
      seed: seed of the draw.
      loss: as `HeldOutSample` takes it.
      training_sample: (inputs, targets); None for none.
      is_verbose: whether to say what the sample costs.
    """
    size = num_examples or samples.default_size(fit.batch_size, control_interval)
    data = samples.take(fit.validation_data, size, seed)
    held_out = HeldOutSample(model, *data, fit.batch_size, loss, with_predictions)
    training = None
    if training_sample is not None:
        training = HeldOutSample(model, *training_sample, fit.batch_size, loss, False)
    if is_verbose:
        told = samples.in_words(held_out.num_examples, fit.batch_size, control_interval)
        print(f"LearnedLearningRate: {told}.")
    return held_out, training


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
    loss = validation_loss
    if training_sample is not None:
        loss = training_sample.measure()[0]
    if not math.isfinite(loss):
        raise ValueError(
            "Expected a finite loss of the untrained model on the held-out examples, "
            f"found {loss!r}."
        )
    return loss


def _total_loss(loss: Any, weights: Any, targets: Any, predictions: Any) -> Any:
    """The compiled loss of a batch: the weighted sum over outputs of the mean loss."""
    if isinstance(loss, dict):
        pairs = [(loss[name], targets[name], predictions[name]) for name in loss]
        weights = [(weights or {}).get(name, 1.0) for name in loss]
    elif isinstance(predictions, (list, tuple)) and len(predictions) > 1:
        losses = loss if isinstance(loss, (list, tuple)) else [loss] * len(predictions)
        pairs = list(zip(losses, targets, predictions))
        weights = weights or [1.0] * len(pairs)
    elif isinstance(predictions, dict) and len(predictions) > 1:
        pairs = [(loss, targets[name], predictions[name]) for name in predictions]
        weights = [(weights or {}).get(name, 1.0) for name in predictions]
    else:
        single = loss[0] if isinstance(loss, (list, tuple)) else loss
        pairs = [
            (
                single,
                nested_structures.leaves(targets)[0],
                nested_structures.leaves(predictions)[0],
            )
        ]
        weights = weights or [1.0]
        weights = (
            list(weights.values())
            if isinstance(weights, dict)
            else nested_structures.leaves(weights)
        )
    total = 0.0
    for weight, (function, target, prediction) in zip(weights, pairs):
        function = keras.losses.get(function)
        prediction = backends.cast_float32(prediction)
        if len(target.shape) == len(prediction.shape) - 1 and prediction.shape[-1] == 1:
            target = target[..., None]  # Else (n,) and (n, 1) would give (n, n).
        total = total + weight * backends.mean(function(target, prediction))
    return total


def _probabilities(loss: Any, predictions: Any) -> Any:
    """Predictions of a classifier as probabilities, of any other model as they are; float32."""
    predictions = backends.cast_float32(predictions)
    while isinstance(loss, (list, tuple, dict)):
        loss = next(iter(loss.values())) if isinstance(loss, dict) else loss[0]
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", None)
    name = (name or type(loss).__name__).lower().replace("_", "")
    if "crossentropy" not in name or not hasattr(loss, "get_config"):
        return predictions
    if not loss.get_config().get("from_logits", False):
        return predictions
    activation = "sigmoid" if "binary" in name else "softmax"
    return keras.activations.get(activation)(predictions)
