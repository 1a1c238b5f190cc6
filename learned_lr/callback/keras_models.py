"""What differs between Keras 2 and Keras 3 on TensorFlow, JAX and PyTorch, behind a few functions."""

from __future__ import annotations

import inspect
import types
from typing import Any

import keras
import numpy as np

IS_KERAS_2 = keras.__version__.startswith("2.")
# Frames between a callback's method and the `fit` that calls it, with room for decorators.
_MAX_NUM_FRAMES = 12


def backend() -> str:
    """Returns 'tensorflow', 'jax' or 'torch'."""
    return "tensorflow" if IS_KERAS_2 else keras.backend.backend()


def running_fit(model) -> types.SimpleNamespace:
    """Returns what the `fit` that is running was given and keeps from callbacks.

    Keras hands a callback neither its siblings nor the data, so the callers are looked at.

    Returns:
      callbacks: list of all callbacks; empty if not found.
      validation_data: as `fit` was given it, or the split it made; None if there is none.
      batch_size: int, examples of a minibatch; None if it can't be told.
    """
    found = types.SimpleNamespace(callbacks=[], validation_data=None, batch_size=None)
    frame = inspect.currentframe()
    for _ in range(_MAX_NUM_FRAMES):
        frame = frame.f_back
        if frame is None:
            return found
        values = frame.f_locals
        if values.get("self") is model and "validation_data" in values:
            break
    else:
        return found
    found.callbacks = list(getattr(values.get("callbacks"), "callbacks", []))
    found.validation_data = values["validation_data"]
    if "epoch_iterator" in values:  # Keras 3.
        adapter = getattr(values["epoch_iterator"], "data_adapter", None)
        found.batch_size = getattr(adapter, "batch_size", None)
    elif "data_handler" in values:
        adapter = getattr(values["data_handler"], "_adapter", None)
        found.batch_size = adapter.batch_size() if adapter is not None else None
    if found.batch_size is None:
        found.batch_size = _static_batch_size(values.get("x"))
    return found


def _static_batch_size(data):
    """The batch dimension a tf.data pipeline declares; None where it doesn't."""
    spec = getattr(data, "element_spec", None)
    while isinstance(spec, (tuple, list, dict)) and spec:
        spec = next(iter(spec.values())) if isinstance(spec, dict) else spec[0]
    shape = getattr(spec, "shape", None)
    return shape[0] if shape is not None and shape.rank else None


def sync(model) -> None:
    """Brings the variables up to date, which JAX training keeps elsewhere."""
    if backend() == "jax":
        model.jax_state_sync()


def to_numpy(value) -> np.ndarray:
    """Returns an array, tensor or variable of any backend as numpy; low precisions become float32."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if str(getattr(value, "dtype", "")).endswith("bfloat16"):
        value = value.float() if backend() == "torch" else _as_float32(value)
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def _as_float32(value):
    if backend() == "tensorflow" and not isinstance(value, np.ndarray):
        import tensorflow as tf

        return tf.cast(value, tf.float32)
    return np.asarray(value).astype(np.float32)


def map_structure(function, structure):
    """Applies a function to every array in nested dicts, lists and tuples."""
    if isinstance(structure, dict):
        return {name: map_structure(function, v) for name, v in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_structure(function, v) for v in structure)
    return function(structure)


def leaves(structure) -> list:
    """Returns every array in nested dicts, lists and tuples."""
    found: list[Any] = []
    map_structure(found.append, structure)
    return found


def optimizer_variables(optimizer) -> list:
    """Returns an optimizer's variables, but for its count of updates."""
    variables = optimizer.variables
    if not isinstance(variables, (list, tuple)):
        variables = variables()  # A method, in the legacy optimizers of Keras 2.
    return [v for v in variables if v is not optimizer.iterations]


def run_lengths(params, num_training_steps: int | None, epoch: int) -> tuple[int, int]:
    """Returns (training steps of the whole run, those done before an epoch).

    Args:
      params: what `fit` tells its callbacks: steps of an epoch, None if unknown, and epochs.
      num_training_steps: the length of the run, if the user named one.
      epoch: int, the epoch that begins.

    Raises:
      ValueError: if the length is not known.
    """
    per_epoch, epochs = params.get("steps"), params.get("epochs")
    if num_training_steps is not None:
        return num_training_steps, epoch * (per_epoch or 0)
    if not per_epoch:
        raise ValueError(
            "Expected a known number of steps an epoch, found data without a length: give the "
            "callback num_training_steps, or fit steps_per_epoch."
        )
    return per_epoch * epochs, epoch * per_epoch


def num_updates(optimizer) -> int:
    """Returns the optimizer's count of updates."""
    return int(to_numpy(optimizer.iterations))


class OwnedRate:
    """The learning rate of an optimizer, which nothing else may set."""

    def __init__(self):
        self._set: float | None = None

    def set(self, optimizer, learning_rate: float) -> None:
        """Sets the rate."""
        optimizer.learning_rate = learning_rate
        self._set = float(to_numpy(optimizer.learning_rate))

    def check(self, optimizer) -> None:
        """Raises ValueError if the rate is another than was set."""
        found = float(to_numpy(optimizer.learning_rate))
        if self._set is not None and found != self._set:
            raise ValueError(
                f"Expected the learning rate {self._set:g} that LearnedLearningRate has set, "
                f"found {found:g}: something else sets it, too; remove one of them."
            )


def check_plain_rate(optimizer) -> None:
    """Raises ValueError unless the learning rate is a number that can be set: no schedule, no function."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    rate = None
    if hasattr(inner, "learning_rate"):
        rate = inner.get_config().get("learning_rate")
    is_number = isinstance(rate, (int, float, np.number, np.ndarray))
    if not is_number:
        raise ValueError(
            "Expected an optimizer whose learning_rate is a number, found a schedule in "
            f"{type(inner).__name__}: compile it without one, the callback sets the rate."
        )


def check_rivals(callback, callbacks) -> None:
    """Raises ValueError if another of the callbacks sets the learning rate, too."""
    rivals = (
        keras.callbacks.LearningRateScheduler,
        keras.callbacks.ReduceLROnPlateau,
        type(callback),
    )
    for other in callbacks:
        if other is not callback and isinstance(other, rivals):
            raise ValueError(
                "Expected one callback that sets the learning rate, found "
                f"{type(other).__name__} as well: remove one of them."
            )


def final_kernel(model, num_outputs: int | None):
    """Returns the kernel of the last dense layer that is as wide as the output; None if there is none."""
    found = None
    for layer in _flat_layers(model):
        kernel = getattr(layer, "kernel", None)
        if not isinstance(layer, keras.layers.Dense) or kernel is None:
            continue
        if num_outputs in (None, kernel.shape[-1]):
            found = kernel
    return found


def _flat_layers(layer):
    children = getattr(layer, "layers", None)
    if not children and hasattr(layer, "_flatten_layers"):
        children = [
            c
            for c in layer._flatten_layers(include_self=False, recursive=False)
            if c is not layer
        ]
    for child in children or []:
        yield child
        yield from _flat_layers(child)


def to_tensor(array):
    """Returns a numpy array as the backend's tensor."""
    if IS_KERAS_2:
        import tensorflow as tf

        return tf.convert_to_tensor(array)
    return keras.ops.convert_to_tensor(array)


def cast_float32(value):
    """Returns a tensor as float32."""
    if IS_KERAS_2:
        import tensorflow as tf

        return tf.cast(value, tf.float32)
    return keras.ops.cast(value, "float32")


def mean(value):
    """Returns the mean over all of a tensor."""
    if IS_KERAS_2:
        import tensorflow as tf

        return tf.reduce_mean(value)
    return keras.ops.mean(value)


def lookup(steps, values, step):
    """Returns the float32 value of the last of the ascending steps that is not after this one."""
    if IS_KERAS_2:
        import tensorflow as tf

        is_reached = tf.cast(steps, tf.int64) <= tf.cast(step, tf.int64)
        index = tf.reduce_sum(tf.cast(is_reached, tf.int32)) - 1
        return tf.gather(tf.constant(values, tf.float32), index)
    ops = keras.ops
    is_reached = ops.convert_to_tensor(steps, "int32") <= ops.cast(step, "int32")
    index = ops.sum(ops.cast(is_reached, "int32")) - 1
    return ops.take(ops.convert_to_tensor(values, "float32"), index)


class Snapshot:
    """The weights of a model and the state of its optimizer at one moment, to go back to."""

    def __init__(self, model):
        """Copies everything into host memory."""
        self._weights = [np.array(to_numpy(v)) for v in model.weights]
        self._optimizer = [
            np.array(to_numpy(v)) for v in optimizer_variables(model.optimizer)
        ]

    def restore(self, model) -> None:
        """Puts it back; what the optimizer had not made yet at that moment becomes zero."""
        for variable, value in zip(model.weights, self._weights):
            variable.assign(value)
        variables = optimizer_variables(model.optimizer)
        missing = len(variables) - len(self._optimizer)
        for variable, value in zip(variables, [*self._optimizer, *[None] * missing]):
            if value is None:
                value = np.zeros(tuple(variable.shape), to_numpy(variable).dtype)
            variable.assign(value)

    def is_finite(self) -> bool:
        """Whether no weight is NaN or infinite."""
        return all(np.all(np.isfinite(w)) for w in self._weights if w.dtype.kind == "f")
