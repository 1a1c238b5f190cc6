"""A model's `test_step`, run in the middle of its training without a trace, and what its steps log as loss."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from learned_lr.callback import (
    backends,
    devices,
    layers,
    metric_resets,
    nested_structures,
)

# Float32 sums of the same numbers in another order differ by less.
_SAME = 1e-5
# Keras' own losses that compare the examples of a minibatch, or sum over them before they divide.
_OF_BATCHES = ("circle", "dice", "tversky")


def is_own(model: keras.Model, name: str) -> bool:
    """Whether a method of a model (`train_step`, `test_step`, `compute_loss`) is the user's, not Keras'."""
    return not getattr(model, name).__module__.startswith("keras.")


def may_depend_on_batch_size(model: keras.Model, loss: Any = None) -> bool:
    """Whether a model's loss may be another with smaller minibatches, as a sum's is or that of a contrast within one.

    Args:
      model: a compiled Keras model.
      loss: what is used in place of its own; None for nothing.
    """
    if any(is_own(model, name) for name in ("train_step", "test_step", "compute_loss")):
        return True
    losses = nested_structures.leaves(model.loss if loss is None else loss)
    # Without one all of it is added by layers.
    return not losses or not all(map(_is_mean_of_examples, losses))


def _is_mean_of_examples(loss: Any) -> bool:
    """Whether a loss is Keras' own, under any of its names, and no sum."""
    loss = keras.losses.get(loss)  # A string may name a registered one of the user's.
    name = (getattr(loss, "__name__", "") or type(loss).__name__).lower()
    if any(kind in name for kind in _OF_BATCHES):
        return False
    function = getattr(loss, "fn", loss)  # Keras wraps functions.
    module = getattr(function, "__module__", None) or type(function).__module__
    return module.startswith("keras.") and getattr(loss, "reduction", "") != "sum"


def is_running_mean(model: keras.Model, loss: float) -> bool:
    """Whether a logged loss is what one of the model's metrics has as its mean since they were reset.

    Args:
      model: a model whose variables are up to date.
      loss: float, the loss in the latest log.
    """
    return counted(means_and_counts(model), loss) is not None


def means_and_counts(model: keras.Model) -> Iterator[tuple[float, float]]:
    """Yields (mean, what was counted) of each metric that is a mean, since they were reset; the loss comes first.

    With Keras' own `train_step` examples are counted.

    Args:
      model: a model whose variables are up to date.
    """
    for metric in model.metrics:
        # A metric of the user's own may have a dict as its result.
        mean = metric.result() if isinstance(metric, keras.metrics.Mean) else None
        if hasattr(mean, "shape") and tuple(mean.shape) == ():
            count = backends.to_numpy(metric.count)
            yield float(backends.to_numpy(mean)), float(count)


def counted(
    means: Iterable[tuple[float, float]], loss: float, only: int | None = None
) -> tuple[int, float] | None:
    """Returns (index, what it has counted) of the first metric whose mean is a loss; None if there is none.

    Args:
      means: as `means_and_counts` yields them; read no further than need be.
      loss: float, as it was logged.
      only: int, the index of the metric to look at; None for all.
    """
    for index, (mean, count) in enumerate(means):
        if only in (None, index) and math.isclose(mean, loss, rel_tol=_SAME):
            return index, count
        if only == index:
            break
    return None


class EvaluationStep:
    """The loss that `evaluate` finds, by the model's own `test_step`; `put_back` is for what that leaves in the metrics."""

    def __init__(self, model: keras.Model):
        """Takes a compiled model; nothing is traced yet."""
        self._model = model
        self._is_built = False
        self._step = self._make_step()

    def mean_loss(self, batches: Sequence[tuple[int, Any]]) -> float:
        """Returns the mean loss of minibatches.

        That is the loss in the log of the last one, a running mean, as in `evaluate`. Where a `test_step` of the user's
        logs the loss of each minibatch alone, of which `evaluate` shows the last, it is the mean over all examples.

        Args:
          batches: (number of examples, data as `test_step` takes them) of each.

        Raises:
          ValueError: if `test_step` logs no loss.
        """
        model = self._model
        metric_resets.reset(model)
        logged = [self._step(data) for _, data in batches]
        last = self._loss(logged[-1])
        if devices.strategy(model) is not None and not backends.IS_KERAS_2:
            # What devices log is their own; the metrics have the sums of all.
            whole = model.get_metrics_result()
            if set(whole) == set(logged[-1]):
                return self._loss(whole)
        if not is_own(model, "test_step") or is_running_mean(model, last):
            return last
        losses = [*map(self._loss, logged[:-1]), last]
        sizes = [size for size, _ in batches]
        return float(np.average(losses, weights=sizes))

    def _loss(self, logs: Any) -> float:
        if isinstance(logs, dict) and "loss" in logs:
            return float(backends.to_numpy(logs["loss"]))
        found = sorted(logs) if isinstance(logs, dict) else type(logs).__name__
        way_out = "return it under this name, or give the callback loss=, a function of (targets, predictions)"
        if not is_own(self._model, "test_step"):  # In Keras 2, where compute_loss logs.
            way_out = "update a keras.metrics.Mean(name='loss') in compute_loss"
        raise ValueError(
            f"Expected test_step of {type(self._model).__name__} to return its 'loss', found {found}: {way_out}."
        )

    def _make_step(self) -> Callable[[Any], Any]:
        model = self._model
        if backends.name() == "jax":
            return self._make_jax_step()
        if backends.name() == "torch":
            return self._torch_step
        import tensorflow as tf

        def test_step(data: Any) -> Any:
            return model.test_step(data)

        copies = devices.strategy(model)
        step = test_step if copies is None else devices.on_all(copies, test_step)
        # reduce_retracing would give up static shapes, which some models need.
        return step if model.run_eagerly else tf.function(step)

    def _torch_step(self, data: Any) -> Any:
        import torch

        model = self._model
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad():
                # Keras multiplies weights by a mask in place.
                return model.test_step(nested_structures.map_structure(_copy, data))
        finally:
            model.train(was_training)

    def _make_jax_step(self) -> Callable[[Any], Any]:
        import jax

        model = self._model
        test_step = model.test_step if model.run_eagerly else jax.jit(model.test_step)

        def step(data: Any) -> Any:
            if not self._is_built:
                # What `fit` does first; a loop of the user's own may not have.
                model._symbolic_build(data_batch=data)
                self._is_built = True
            metrics = [v for m in model.metrics for v in m.variables]
            values = [
                [v.value for v in variables]
                for variables in (
                    model.trainable_variables,
                    model.non_trainable_variables,
                    metrics,
                )
            ]
            logs, (_, _, values) = test_step(tuple(values), data)
            for variable, value in zip(metrics, values):
                variable.assign(value)
            return logs

        return step


def _copy(tensor: Any) -> Any:
    return tensor.clone()


@contextlib.contextmanager
def put_back(model: keras.Model) -> Iterator[None]:
    """Lets metrics, states of recurrent layers, and seeds of random numbers, have their values again at the end.

    Metrics that were not made yet begin at their first value. In Keras 2 seeds are no variables, and stay out of this.
    """
    states = _states(model)
    kept = [np.array(backends.to_numpy(v)) for v in states]
    try:
        yield
    finally:
        if len(_states(model)) > len(states):
            metric_resets.reset(model)
        for variable, value in zip(states, kept):
            variable.assign(value)


def _states(model: keras.Model) -> list[Any]:
    """The variables of metrics, of layers that are `stateful` and, in Keras 3, of generators of seeds."""
    states = [v for m in model.metrics for v in m.variables]
    for layer in layers.flat(model):
        if getattr(layer, "stateful", False):
            states += nested_structures.leaves(getattr(layer, "states", None))
    if backends.IS_KERAS_2:
        return states
    weights = {id(v) for v in model.weights}
    seeds = (v for v in model.non_trainable_variables if id(v) not in weights)
    return [*states, *seeds]
