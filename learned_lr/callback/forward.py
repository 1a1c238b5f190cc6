"""A forward pass in inference mode, compiled where the backend compiles: predictions, or a loss that isn't the model's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from learned_lr.callback import backends, devices, nested_structures


def loss_pass(
    model: keras.Model, loss: Callable[[Any, Any], Any]
) -> Callable[[Any, Any, Any], Any]:
    """Returns a function of (inputs, targets, weights) to a loss of the user's, with the penalties of the model.

    Args:
      model: a Keras model.
      loss: function of (targets, predictions) to the loss of an example, or of all; with several outputs it is summed
        over them.
    """

    def evaluate(
        data: tuple[Any, Any], predictions: Any, penalties: Sequence[Any]
    ) -> Any:
        targets, weights = data
        # A product of its own, since on PyTorch Keras multiplies weights by a mask in place.
        weights = nested_structures.map_structure(lambda w: w * 1.0, weights)
        total = _total_loss(_OwnLoss(loss), targets, predictions, weights)
        copies = devices.strategy(model)
        if copies is not None and not backends.IS_KERAS_2:
            # Keras takes it for that of one device of several.
            total = total * float(copies.num_replicas_in_sync)
        for penalty in penalties:
            total = total + backends.cast_float32(penalty)
        return total

    compiled = _compiled(model, evaluate)
    return lambda inputs, targets, weights: compiled(inputs, (targets, weights))


def prediction_pass(model: keras.Model, loss: Any) -> Callable[[Any], Any]:
    """Returns a function of inputs to predictions: of a classifier as probabilities, float32; () for several outputs.

    Args:
      model: a Keras model.
      loss: what it is compiled with, which tells logits.
    """

    def evaluate(data: tuple[()], predictions: Any, penalties: Sequence[Any]) -> Any:
        leaves = nested_structures.leaves(predictions)
        return _probabilities(loss, leaves[0]) if len(leaves) == 1 else ()

    compiled = _compiled(model, evaluate)
    return lambda inputs: compiled(inputs, ())


class _OwnLoss(keras.losses.Loss):
    """Weighs and averages the losses of examples, as Keras does for a compiled function."""

    def __init__(self, function: Callable[[Any, Any], Any]):
        super().__init__(reduction="sum_over_batch_size", name="loss")
        self._function = function
        # Keras 2 refuses an average beside a strategy, where it may be that of a part.
        self._allow_sum_over_batch_size = True

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._function(y_true, y_pred)


def _total_loss(loss: Any, targets: Any, predictions: Any, weights: Any) -> Any:
    if isinstance(predictions, dict):
        names = list(predictions)
        predictions = [predictions[name] for name in names]
        if isinstance(targets, dict):
            targets = [targets[name] for name in names]
        if isinstance(weights, dict):
            weights = [weights.get(name) for name in names]
    predictions, targets = map(nested_structures.leaves, (predictions, targets))
    if not isinstance(weights, (list, tuple)):
        weights = [weights] * len(predictions)
    total = 0.0
    for target, prediction, weight in zip(targets, predictions, weights):
        prediction = backends.cast_float32(prediction)
        if len(target.shape) == len(prediction.shape) - 1 and prediction.shape[-1] == 1:
            target = target[..., None]  # Else (n,) and (n, 1) would give (n, n).
        total = total + loss(target, prediction, sample_weight=weight)
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


def _compiled(
    model: keras.Model, evaluate: Callable[[Any, Any, Sequence[Any]], Any]
) -> Callable[[Any, Any], Any]:
    """Returns a function of (inputs, data) to what `evaluate` makes of (data, predictions, penalties)."""
    if backends.name() == "jax":
        return _compiled_by_jax(model, evaluate)

    def forward(inputs: Any, data: Any) -> Any:
        predictions = model(inputs, training=False)
        return evaluate(data, predictions, model.losses)

    if backends.name() == "torch":
        import torch

        return torch.no_grad()(forward)
    import tensorflow as tf

    # reduce_retracing would give up static shapes, which some models need.
    return forward if model.run_eagerly else tf.function(forward)


def _compiled_by_jax(
    model: keras.Model, evaluate: Callable[[Any, Any, Sequence[Any]], Any]
) -> Callable[[Any, Any], Any]:
    import jax

    # A `call` without `training` has the same in both modes; only `__call__` would leave it out.
    takes_it = getattr(model, "_call_has_training_arg", True)
    mode = {"training": False} if takes_it else {}

    @jax.jit
    def apply(trainable: Any, others: Any, inputs: Any, data: Any) -> Any:
        predictions, _, penalties = model.stateless_call(
            trainable, others, inputs, return_losses=True, **mode
        )
        return evaluate(data, predictions, penalties)

    def forward(inputs: Any, data: Any) -> Any:
        trainable = [v.value for v in model.trainable_variables]
        others = [v.value for v in model.non_trainable_variables]
        return apply(trainable, others, inputs, data)

    return forward
