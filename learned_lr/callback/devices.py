"""A model on several devices of one machine: minibatches split over them, and a step that all of them run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from learned_lr.callback import backends, nested_structures


def strategy(model: keras.Model) -> Any:
    """Returns the `tf.distribute.Strategy` that copies a model to its devices; None for another or another backend.

    That of a `MirroredStrategy` of one device is such a copy, too: nothing but the strategy may update it.
    """
    if backends.name() != "tensorflow":
        return None
    import tensorflow as tf

    found = model.distribute_strategy
    is_copied = isinstance(found, tf.distribute.MirroredStrategy)
    return found if is_copied or found.num_replicas_in_sync > 1 else None


def split(model: keras.Model, data: Any) -> Any:
    """Splits a minibatch over the devices of a model, as `evaluate` does.

    Each device has all of it where there are fewer examples than devices, and on JAX where they can't be split evenly.

    Args:
      model: a Keras model.
      data: nested tensors, examples first.
    """
    if backends.name() == "jax":
        return nested_structures.map_structure(_laid_out, data)
    copies = strategy(model)
    if copies is None:
        return data
    num_parts = copies.num_replicas_in_sync

    def part(context: Any) -> Any:
        index = context.replica_id_in_sync_group
        return nested_structures.map_structure(
            lambda tensor: tensor[_rows(len(tensor), num_parts, index)], data
        )

    return copies.experimental_distribute_values_from_function(part)


def on_all(copies: Any, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Returns a function of what `split` made to the logs of a step, averaged over the devices.

    Args:
      copies: what `strategy` returned.
      step: function of a device's part to logs.
    """
    import tensorflow as tf

    def mean(values: Any) -> Any:
        return tf.reduce_mean(tf.stack(copies.experimental_local_results(values)), 0)

    def run(data: Any) -> Any:
        return tf.nest.map_structure(mean, copies.run(step, args=(data,)))

    return run


def _rows(num_rows: int, num_parts: int, index: int) -> slice:
    if num_rows < num_parts:
        return slice(None)
    size, num_longer = divmod(num_rows, num_parts)
    start = index * size + min(index, num_longer)
    return slice(start, start + size + (index < num_longer))


def _laid_out(tensor: Any) -> Any:
    distribution = keras.distribution.distribution()
    if distribution is None:
        return tensor
    layout = distribution.get_data_layout(tensor.shape)
    mesh = distribution.device_mesh
    num_parts = mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]
    if len(tensor) % num_parts:
        return tensor
    return keras.distribution.distribute_tensor(tensor, layout)
