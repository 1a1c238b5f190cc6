"""Which Keras and which backend runs, and arrays and tensors of any of them.

Keras 2 and Keras 3 on TensorFlow, JAX and PyTorch differ behind these few functions. Nothing here
knows layers or optimizers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

IS_KERAS_2: bool = keras.__version__.startswith("2.")
# Whether each execution's end is told: Keras 3 below 3.11 tells where it began.
TELLS_ENDS = IS_KERAS_2


def name() -> str:
    """Returns 'tensorflow', 'jax' or 'torch'."""
    return "tensorflow" if IS_KERAS_2 else keras.backend.backend()


def sync(model: Any) -> None:
    """Brings the variables up to date, which JAX training keeps elsewhere."""
    if name() == "jax":
        model.jax_state_sync()


def is_tracing(variables: Iterable[Any]) -> bool:
    """Whether code runs while it is compiled, when variables, such as these, have no values."""
    if name() == "tensorflow":
        import tensorflow as tf

        return not tf.executing_eagerly()
    if name() == "jax":
        import jax

        try:
            return any(isinstance(v.value, jax.core.Tracer) for v in variables)
        except TypeError:  # Of a variable that is made in the trace.
            return True
    return False


def to_numpy(value: Any) -> np.ndarray:
    """Returns an array, tensor or variable of any backend as numpy; bfloat16 becomes float32."""
    dtype = getattr(value, "dtype", "")
    # numpy has no arithmetic for it; TensorFlow's and numpy's data types have their name apart.
    if str(getattr(dtype, "name", dtype)).endswith("bfloat16"):
        is_array = isinstance(value, np.ndarray)
        value = value.astype(np.float32) if is_array else cast_float32(value)
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def to_tensor(array: np.ndarray) -> Any:
    """Returns a numpy array as the backend's tensor."""
    if IS_KERAS_2:
        import tensorflow as tf

        return tf.convert_to_tensor(array)
    return keras.ops.convert_to_tensor(array)


def assigning(variable: Any) -> Callable[[float], Any]:
    """Returns the function that sets a variable without axes with the least work in Python.

    Between two training steps, when nothing of it is in the processor's caches, `assign` of TensorFlow takes four times as long
    as the operation that it ends in.
    """
    if name() != "tensorflow":
        return variable.assign
    import tensorflow as tf

    inner = variable if IS_KERAS_2 else variable.value
    is_copied = isinstance(inner, tf.distribute.DistributedValues)
    if is_copied or inner.dtype != tf.float32:  # As which the operation takes a float.
        return variable.assign
    handle, operation = inner.handle, tf.raw_ops.AssignVariableOp
    return lambda number: operation(resource=handle, value=number)


def rounded(number: float, like: Any) -> float:
    """Returns a number as a variable holds it, in the precision of that; a Python float rounds nothing."""
    if not hasattr(like, "dtype"):
        return number
    if like.dtype == "float32":
        return float(np.float32(number))
    if IS_KERAS_2:
        import tensorflow as tf

        return float(to_numpy(tf.convert_to_tensor(number, like.dtype)))
    return float(to_numpy(keras.ops.convert_to_tensor(number, like.dtype)))


def cast_float32(value: Any) -> Any:
    """Returns a tensor as float32."""
    if IS_KERAS_2:
        import tensorflow as tf

        return tf.cast(value, tf.float32)
    return keras.ops.cast(value, "float32")


def mean(value: Any) -> Any:
    """Returns the mean over all of a tensor."""
    if IS_KERAS_2:
        import tensorflow as tf

        return tf.reduce_mean(value)
    return keras.ops.mean(value)


def thinned(value: Any, step: int) -> Any:
    """Returns every `step`-th entry of a variable, flattened, as a tensor on its device."""
    if IS_KERAS_2:
        import tensorflow as tf

        return tf.reshape(value, [-1])[::step]
    return keras.ops.reshape(keras.ops.convert_to_tensor(value), (-1,))[::step]
