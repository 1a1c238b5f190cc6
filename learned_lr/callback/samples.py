"""A fixed sample of held-out examples, out of whatever `fit` accepts as validation data."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from learned_lr.callback import backends, nested_structures

# A forward pass costs a third of a training step, so that this fraction of an interval's examples is about 1.3%.
_FRACTION = 0.04
_TRAINING_COST = 3
_MIN_EXAMPLES, _MAX_EXAMPLES = 64, 4096
# What tells ragged tensors, and sparse ones of TensorFlow and of scipy and JAX.
_NOT_DENSE = ("row_splits", "dense_shape", "todense")


def default_size(batch_size: int, control_interval: int, is_whole: bool = False) -> int:
    """Returns how many examples to measure on, for about 1.3% of the arithmetic of training.

    At least 64, below which the loss says little; whole minibatches, once there is one.

    Args:
      batch_size: int, examples of a minibatch.
      control_interval: int, training steps between two measurements.
      is_whole: whether it must be one at least, whatever it costs.
    """
    size = int(_FRACTION * batch_size * control_interval)
    size = min(max(size, _MIN_EXAMPLES), _MAX_EXAMPLES)
    if size < batch_size:
        return batch_size if is_whole else size
    return size - size % batch_size


def cost(num_examples: int, batch_size: int, control_interval: int) -> float:
    """Returns the estimated cost of measuring, as a fraction of the arithmetic of training."""
    return num_examples / (_TRAINING_COST * batch_size * control_interval)


def in_words(num_examples: int, batch_size: int, control_interval: int) -> str:
    """Returns how often it is decided, on how much, and what that costs."""
    share = cost(num_examples, batch_size, control_interval)
    return (
        f"decides every {control_interval} steps on {num_examples} held-out examples, about "
        f"{share:.1%} of the arithmetic of training"
    )


def take(data: Any, num_examples: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """Returns (inputs, targets, weights) of at most `num_examples` examples, as nested numpy arrays.

    Args:
      data: what `fit` takes: inputs, or a tuple of these, targets and weights, of which rows are drawn
        at random; or a Sequence or PyDataset, of which minibatches are taken from all over it; or a tf.data pipeline
        or a DataLoader, of which the first examples are taken. Targets and weights are None where there are none.
      num_examples: int >= 1.
      seed: seed of the draw.

    Raises:
      ValueError: if there are no examples, or values that are not finite.
    """
    is_pair = isinstance(data, (tuple, list)) and not hasattr(data, "__next__")
    if is_pair or isinstance(data, dict) or hasattr(data, "shape"):
        parts = _parts(data)
        sizes = [len(array) for array in nested_structures.leaves(parts)]
        size = sizes[0]
        if set(sizes) != {size}:
            raise ValueError(
                f"Expected as many examples in all arrays of the validation data, found {sizes}."
            )
        rows = np.random.default_rng(seed).permutation(size)[:num_examples]
        rows.sort()
        parts = nested_structures.map_structure(lambda a: _array(a, rows), parts)
    else:
        parts = _first(data, num_examples)
    if not len(nested_structures.leaves(parts)[0]):
        raise ValueError("Expected validation data with examples, found none.")
    for name, part in zip(("inputs", "targets", "weights"), parts):
        for array in nested_structures.leaves(part):
            if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
                raise ValueError(
                    f"Expected finite validation {name}, found NaN or infinity in them: leave these examples out, or "
                    "give the callback validation_data= of its own."
                )
    return parts


def _parts(batch: Any) -> tuple[Any, Any, Any]:
    if isinstance(batch, (tuple, list)) and not 1 <= len(batch) <= 3:
        raise ValueError(
            "Expected validation data (inputs, targets) or (inputs, targets, weights), "
            f"found {len(batch)} parts."
        )
    return keras.utils.unpack_x_y_sample_weight(batch)


def _first(data: Any, num_examples: int) -> Any:
    # The image iterators of Keras can be read by index as well.
    if hasattr(data, "__next__") and not _is_indexed(data):
        raise ValueError(
            "Expected validation data that can be read again, found an iterator: give the "
            "callback validation_data=(inputs, targets) of its own."
        )
    parts, found = [], 0
    for batch in _batches(data):
        # Tensors of a pipeline stay as they are, and Keras makes none of them anew.
        array = functools.partial(_array, is_cast=False)
        parts.append(nested_structures.map_structure(array, _parts(batch)))
        found += len(nested_structures.leaves(parts[-1])[0])
        if found >= num_examples:
            break
    if not parts:
        raise ValueError("Expected validation data with examples, found none.")
    return _concatenate(parts, num_examples)


def _is_indexed(data: Any) -> bool:
    return hasattr(data, "__getitem__") and hasattr(data, "__len__")


def _batches(data: Any) -> Iterator[Any]:
    """All minibatches. By index they come spread over the data, which may be sorted by class."""
    if not _is_indexed(data):
        return iter(data)
    # 0, 1/2, 1/4, 3/4, 1/8 of the way, and so on: the binary digits of 0, 1, 2, ... in reverse (van der Corput).
    num_digits = max(len(data) - 1, 1).bit_length()
    indices = (int(f"{i:0{num_digits}b}"[::-1], 2) for i in range(2**num_digits))
    return (data[index] for index in indices if index < len(data))


def _concatenate(parts: list[Any], num_examples: int) -> Any:
    first = parts[0]
    if first is None:
        return None
    if isinstance(first, dict):
        return {
            name: _concatenate([p[name] for p in parts], num_examples) for name in first
        }
    if isinstance(first, (tuple, list)):
        columns = zip(*parts)
        parts = [_concatenate(list(c), num_examples) for c in columns]
        return nested_structures.like(first, parts)
    if len({a.shape[1:] for a in parts}) > 1:
        raise ValueError(
            "Expected validation examples of one shape, found minibatches padded to several: give "
            "the callback validation_data=(inputs, targets), padded alike, of its own."
        )
    return np.concatenate(parts)[:num_examples]


def whole(data: tuple[Any, Any]) -> tuple[Any, Any]:
    """Returns (inputs, targets) of all examples, as nested numpy arrays, in the dtypes that `fit` trains with."""
    inputs, targets = nested_structures.map_structure(_array, tuple(data))
    return inputs, targets


def _array(value: Any, rows: Any = slice(None), is_cast: bool = True) -> Any:
    """Returns rows of an array or tensor as numpy's, cast as Keras does.

    Args:
      value: what is not nested.
      rows: an index.
      is_cast: whether a tensor is cast as well, which Keras 2 never does.
    """
    if any(map(functools.partial(hasattr, value), _NOT_DENSE)):
        raise ValueError(
            f"Expected validation data of dense arrays, found a {type(value).__name__}: give the callback "
            "validation_data=(inputs, targets) of its own, dense and padded alike."
        )
    if hasattr(value, "to_numpy"):  # pandas.
        array = value.to_numpy()[rows]
        array = array[:, None] if array.ndim == 1 else array  # As Keras does.
    else:
        array = backends.to_numpy(value)[rows]
    is_tensor = hasattr(value, "numpy")
    if array.dtype.kind != "f" or (is_tensor and (backends.IS_KERAS_2 or not is_cast)):
        return array
    return array.astype(keras.backend.floatx(), copy=False)
