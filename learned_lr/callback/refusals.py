"""What a fit is refused for before a step is trained: whatever else would set the learning rate, and what can't be measured."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, TypeVar

import keras

from learned_lr.callback import backends, nested_structures, optimizers, own_steps
from learned_lr.control.checks import check_count

_Part = TypeVar("_Part")
# Kinds of optimizers with which networks ended untrained in benchmarks/optimizers.py (docs/optimizers.md).
_REFUSED = ("Adafactor", "Ftrl")


def begun(part: _Part | None, expected: str) -> _Part:
    """Returns what an earlier method of a callback has made.

    Raises:
      ValueError: if it has not been called, which a loop of the user's own may leave out.
    """
    if part is None:
        raise ValueError(
            f"Expected {expected}, as fit() calls them, found none of them."
        )
    return part


def check_arguments(callback: Any) -> None:
    """Raises ValueError for arguments of a callback that no run can begin with; its rates and its brake check themselves."""
    for name in ("validation_batch", "num_training_steps"):
        if getattr(callback, name) is not None:
            check_count(name, getattr(callback, name), 1)
    loss, sample = callback.loss, callback.training_sample
    if loss is not None and not callable(loss):
        raise ValueError(
            f"Expected loss to be a function of (targets, predictions), found {loss!r}: that of a model that is compiled "
            "with it needs not be given."
        )
    is_pair = isinstance(sample, (tuple, list)) and len(sample) == 2
    if sample is not None and not is_pair:
        found = type(sample).__name__
        found += f" of {len(sample)}" if isinstance(sample, (tuple, list)) else ""
        raise ValueError(
            f"Expected training_sample to be (inputs, targets), found a {found}."
        )


def check_metrics(model: keras.Model) -> None:
    """Raises ValueError for a compiled metric by the name of the loss, which Keras' own `train_step` logs in its place."""
    # Of several outputs the names of these are put before those of metrics; a subclassed model knows its losses alone.
    parts = (getattr(model, name, None) for name in ("outputs", "loss"))
    is_of_several = any(len(nested_structures.leaves(part)) > 1 for part in parts)
    if own_steps.is_own(model, "train_step") or is_of_several:
        return
    name = "compiled_metrics" if backends.IS_KERAS_2 else "_compile_metrics"
    compiled = getattr(model, name, None)
    for kind in ("_user_metrics", "_user_weighted_metrics"):
        metrics = nested_structures.leaves(getattr(compiled, kind, None))
        names = (getattr(m, "name", getattr(m, "__name__", None)) for m in metrics)
        if "loss" in names:
            raise ValueError(
                "Expected metrics of other names than that of the loss, found one named 'loss', whose value Keras logs in "
                "place of the loss: compile it under another name."
            )


def check_keras(model: Any) -> None:
    """Raises ValueError for a model of tf_keras, the Keras 2 that may stand beside a Keras 3: what is here is of the latter."""
    packages = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    if "tf_keras" in packages:
        raise ValueError(
            f"Expected a model of the package keras, found {type(model).__name__} of tf_keras: build and compile it with "
            f"keras {keras.__version__}, without TF_USE_LEGACY_KERAS=1, or install TensorFlow 2.15, whose keras is Keras 2."
        )


def check_kind(optimizer: Any) -> None:
    """Raises ValueError for an optimizer, or one that wraps it, of a kind that controllers failed with."""
    name = type(optimizers.inner(optimizer)).__name__
    if name in _REFUSED:
        raise ValueError(
            f"Expected an optimizer that a controller can work with, found {name}, with which networks ended untrained "
            "when this was tried: train without the callback, or with Adam, AdamW or SGD."
        )


def check_plain_rate(optimizer: Any) -> None:
    """Checks that the learning rate can be set.

    Args:
      optimizer: that of the model; None for a model that isn't compiled.

    Raises:
      ValueError: unless the rate is a number: no schedule, no function, no decay.
    """
    if optimizer is None:
        raise ValueError(
            "Expected a compiled model, found one without an optimizer: compile it first."
        )
    name = type(optimizers.inner(optimizer)).__name__
    if not hasattr(optimizers.inner(optimizer), "learning_rate"):
        raise ValueError(
            f"Expected an optimizer with a learning_rate, found {name}, which has none of its own: compile the "
            "model with one optimizer for all weights."
        )
    if not optimizers.has_plain_rate(optimizer):
        raise ValueError(
            f"Expected an optimizer whose learning_rate is a number, found a schedule in {name}: compile it "
            "without one, the callback sets the rate."
        )
    decay = optimizers.decay(optimizer)
    if decay:
        raise ValueError(
            f"Expected an optimizer that takes the rate as it is set, found decay={decay:g} in {name}, which lowers it at "
            "every step: compile it without, the callback sets the rate."
        )


def check_processes(model: keras.Model) -> None:
    """Raises ValueError for a training of several processes, and for strategies that were never tried."""
    found = ""
    if backends.name() == "tensorflow":
        import tensorflow as tf

        # Some classes go by other names inside of TensorFlow.
        names = (
            "MultiWorkerMirroredStrategy",
            "ParameterServerStrategy",
            "TPUStrategy",
            "experimental.CentralStorageStrategy",
        )
        for name in names:
            kind = operator.attrgetter(name)(tf.distribute)
            if isinstance(model.distribute_strategy, kind):
                found = name
    elif backends.name() == "jax":
        import jax

        found = _of_processes(jax.process_count(), "jax.distributed")
    else:
        import torch.distributed

        distributed = torch.distributed
        if distributed.is_available() and distributed.is_initialized():
            found = _of_processes(distributed.get_world_size(), "torch.distributed")
    if found:
        raise ValueError(
            f"Expected a training of one process, found {found}, where each would decide for itself: train "
            "on one machine, give the optimizer a Replay of rates that one has "
            "found, or let one ControlLoop decide for all (examples/pytorch_ddp.py)."
        )


def _of_processes(count: int, module: str) -> str:
    return f"{count} processes of {module}" if count > 1 else ""


def check_rivals(
    callback: keras.callbacks.Callback, callbacks: Iterable[keras.callbacks.Callback]
) -> None:
    """Raises ValueError if another of the callbacks sets the learning rate, too."""
    rivals = (
        keras.callbacks.LearningRateScheduler,
        keras.callbacks.ReduceLROnPlateau,
        type(callback),
    )
    found = [other for other in callbacks if isinstance(other, rivals)]
    for other in found:
        # The same one twice would count each step twice.
        if other is not callback or found.count(callback) > 1:
            raise ValueError(
                "Expected one callback that sets the learning rate, found "
                f"{type(other).__name__} as well: remove one of them."
            )
