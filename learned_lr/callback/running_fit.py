"""The arguments of the `fit` that is running, read off the call stack.

Keras hands a callback neither its siblings nor the data, so its callers are looked at: here, and
in no other module. Whoever relies on this is told where it fails; nothing is guessed.
"""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import keras

from learned_lr.callback import backends, nested_structures

_DEFAULT_BATCH_SIZE = 32
# Pipelines whose minibatches are others than those that went in.
_OTHER_BATCHES = {"_UnbatchDataset", "_RebatchDataset", "_GroupByWindowDataset"}


@dataclasses.dataclass(frozen=True)
class FitArguments:
    """What a `fit` was given and keeps from its callbacks.

    Attributes:
      validation_data: held-out data: the callback's own, or those that `fit` was given, or the
        split it made.
      callbacks: all of its callbacks; none where it can't be seen.
      batch_size: int, examples of a minibatch; Keras' default where it can't be told.
      targets: those of the training examples; None for a pipeline.
      sample_weight: the weights of the training examples; None for none.
      class_weight: weights by class; None for none.
      has_weights: whether a tf.data pipeline has weights beside inputs and targets.
    """

    validation_data: Any
    callbacks: tuple[keras.callbacks.Callback, ...] = ()
    batch_size: int = _DEFAULT_BATCH_SIZE
    targets: Any = None
    sample_weight: Any = None
    class_weight: Any = None
    has_weights: bool = False

    @property
    def is_weighted(self) -> bool:
        """Whether classes or examples are weighted in training."""
        weights = self.class_weight, self.sample_weight
        return self.has_weights or any(w is not None for w in weights)


def arguments(
    callback: keras.callbacks.Callback, validation_data: Any = None
) -> FitArguments:
    """Returns the arguments of the `fit` that calls one of its callbacks.

    The innermost method of the callback's model is taken that has `callbacks` and
    `validation_data`: `fit`, or a user's own version of it. It counts only if the callback is
    among its callbacks, which it is not in a loop that calls a `CallbackList` itself, or inside
    another callback.

    Args:
      callback: the callback that asks, from a method that Keras calls.
      validation_data: held-out data of the callback's own, in place of those of `fit`. With
        them, a `fit` that can't be seen is no more than a warning.

    Raises:
      ValueError: if there are no held-out data, or none that can be seen.
    """
    values = _locals_of_fit(callback.model)
    callbacks = () if values is None else _callbacks(values)
    is_seen = any(other is callback for other in callbacks)
    if values is None or not is_seen:
        _report(type(callback).__name__, values, callbacks, validation_data)
        return FitArguments(validation_data)
    if getattr(values["callbacks"], "_async_train", False):
        # Keras on JAX overlooks a callback that isn't in a list, and calls it from a thread, too late.
        values["callbacks"]._async_train = False
    if validation_data is None:
        validation_data = values["validation_data"]
    if validation_data is None:
        raise ValueError(
            "Expected held-out data to measure on, found none: give fit() "
            "validation_data or validation_split, or the callback validation_data."
        )
    batch_size = _batch_size(values) or _DEFAULT_BATCH_SIZE
    return FitArguments(
        validation_data,
        callbacks,
        batch_size,
        values.get("y"),
        values.get("sample_weight"),
        values.get("class_weight"),
        _has_weights(values.get("x")),
    )


def jax_optimizer_states(model: keras.Model) -> list[Any] | None:
    """Returns the lists of the optimizer's values that a JAX `fit` keeps between two steps.

    The lists themselves, so that what is put into them reaches the next step: that which is handed to it, and the copy
    from which another callback that looks at its `model` brings the variables up to date. Between two steps the
    variables hold nothing that matters, and bringing all of them up to date and back costs more
    than a step of a deep model.

    Args:
      model: a model, from a callback of a batch.

    Returns:
      Lists of as many arrays as the optimizer has variables, in their order; None where the variables count, or where
      the lists can't be seen.
    """
    if backends.name() != "jax" or getattr(model, "_jax_state_synced", True):
        return None
    state = (_locals_of_fit(model) or {}).get("state")
    if not isinstance(state, tuple) or len(state) != 4:
        return None
    # After the weights and what else is in the layers. Keras makes a copy of a list that a model gets as an attribute.
    lists = [
        state[2],
        (getattr(model, "_jax_state", None) or {}).get("optimizer_variables"),
    ]
    size = len(model.optimizer.variables)
    are_lists = all(isinstance(x, list) and len(x) == size for x in lists)
    return lists if are_lists else None


def _report(
    name: str,
    values: Mapping[str, Any] | None,
    callbacks: tuple[keras.callbacks.Callback, ...],
    validation_data: Any,
) -> None:
    """Says that `fit` can't be seen, and which arguments of the callback take the place of its own."""
    found = "no fit() of its model that runs"
    if values is not None:
        others = ", ".join(type(other).__name__ for other in callbacks) or "none"
        found = f"a fit() of its model whose callbacks are others: {others}"
    found = f"Expected {name} among the callbacks of a fit(), found {found}"
    if validation_data is None:
        raise ValueError(
            f"{found}. No validation data can be read there: give {name} validation_data= of "
            "its own."
        )
    warnings.warn(
        f"{found}. It goes on with its own validation_data, but can't see other callbacks that "
        "set the learning rate, nor the folder of a BackupAndRestore (backup_dir= names it), nor "
        "the size of a minibatch (validation_batch= sets that of the sample).",
        stacklevel=4,
    )


def _locals_of_fit(model: Any) -> Mapping[str, Any] | None:
    frame = inspect.currentframe()
    while frame is not None:
        values = frame.f_locals
        is_fit = "validation_data" in values and "callbacks" in values
        if is_fit and values.get("self") is model:
            return values
        frame = frame.f_back
    return None


def _callbacks(values: Mapping[str, Any]) -> tuple[keras.callbacks.Callback, ...]:
    """Those of a `CallbackList`, or of a plain list, which a `fit` of the user's own may keep."""
    callbacks = getattr(values["callbacks"], "callbacks", values["callbacks"])
    return tuple(callbacks) if isinstance(callbacks, (list, tuple)) else ()


def _batch_size(values: Mapping[str, Any]) -> int | None:
    if "data_handler" in values:  # Keras 2.
        adapter = getattr(values["data_handler"], "_adapter", None)
        # Of a Sequence or a generator it is that of the first minibatch.
        size = adapter.representative_batch_size() if adapter is not None else None
    else:
        adapter = getattr(values.get("epoch_iterator"), "data_adapter", None)
        size = getattr(adapter, "batch_size", None)
        size = _first_batch_size(adapter) if size is None else size
    return _pipeline_batch_size(values.get("x")) if size is None else int(size)


def _first_batch_size(adapter: Any) -> int | None:
    """What Keras 3 doesn't ask its data for: the size of the first minibatch; None where that can't be told."""
    if hasattr(adapter, "_dataloader"):
        # Its minibatches are drawn by a sampler of the user's.
        return getattr(adapter._dataloader.batch_sampler, "batch_size", None)
    batch = None
    if hasattr(adapter, "_first_batches"):  # A generator, which Keras has begun.
        batch = adapter._first_batches[0]
    elif hasattr(adapter, "py_dataset"):
        batch = adapter.py_dataset[0]
    return _first_size(batch)


def _first_size(batch: Any) -> int | None:
    arrays = nested_structures.leaves(batch)
    shape = getattr(arrays[0], "shape", ()) if arrays else ()
    return int(shape[0]) if shape else None


def _has_weights(data: Any) -> bool:
    """Whether the elements of a tf.data pipeline are (inputs, targets, weights)."""
    spec = getattr(data, "element_spec", None)
    return isinstance(spec, tuple) and len(spec) == 3


def _pipeline_batch_size(data: Any) -> int | None:
    """What a tf.data pipeline was batched by, or the size of its first minibatch; None where it can't be told."""
    spec = getattr(data, "element_spec", None)
    while isinstance(spec, (tuple, list, dict)) and spec:
        spec = next(iter(spec.values())) if isinstance(spec, dict) else spec[0]
    shape = getattr(spec, "shape", None)
    if shape is not None and shape.rank and shape[0]:
        return shape[0]
    # Without drop_remainder the last minibatch may be short, and no shape tells the size.
    source = data
    while source is not None:
        kind = type(source).__name__
        if kind in _OTHER_BATCHES:
            return _first_size(next(iter(data), None))
        if getattr(source, "_batch_size", None) is not None:
            return int(source._batch_size)
        inputs = source._inputs() if hasattr(source, "_inputs") else ()
        # The first input of a draw from several pipelines is what draws.
        inputs = inputs[1:] if kind == "_DirectedInterleaveDataset" else inputs
        source = inputs[0] if inputs else None
    return None
