"""The user's optimizer: its variables, its count of updates, and the learning rate that is owned."""

from __future__ import annotations

import array
import dataclasses
import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from learned_lr.callback import backends, running_fit


def variables(optimizer: Any) -> list[Any]:
    """Returns an optimizer's variables, but for its count of updates."""
    found = optimizer.variables
    if not isinstance(found, (list, tuple)):
        found = found()  # A method, in the legacy optimizers of Keras 2.
    # With gradient accumulation `iterations` is computed from the variable that counts.
    counts = [
        getattr(o, name, None)
        for o in (optimizer, inner(optimizer))
        for name in ("iterations", "_iterations")
    ]
    return [v for v in found if not any(v is count for count in counts)]


def build(model: Any) -> None:
    """Makes the variables of a model's optimizer, where they wait for its first step and don't all start from 0."""
    optimizer = inner(model.optimizer) if backends.IS_KERAS_2 else model.optimizer
    is_zero = not getattr(optimizer, "use_ema", False)
    is_zero = is_zero and not hasattr(optimizer, "initial_accumulator_value")
    if backends.IS_KERAS_2 and is_zero:
        # Keras would trace the step once less, and the seeds of dropout count the traces.
        return
    # The legacy optimizers of Keras 2 have nothing to build with, and its newer ones no `built`.
    can_build = hasattr(optimizer, "_build_index_dict") or hasattr(optimizer, "built")
    is_built = getattr(optimizer, "built", getattr(optimizer, "_built", False))
    if can_build and model.built and not is_built:
        optimizer.build(model.trainable_variables)


def begin_averages(optimizer: Any) -> None:
    """Lets the averages of weights that an optimizer keeps (`use_ema`) begin with the weights as they are."""
    optimizer = inner(optimizer)
    if getattr(optimizer, "use_ema", False):
        averages = optimizer._model_variables_moving_average
        # Keras 2 makes them with the weights' values.
        variables = getattr(optimizer, "_trainable_variables", ())
        for average, variable in zip(averages, variables):
            # A copy: JAX donates each array once.
            average.assign(np.array(backends.to_numpy(variable)))


def num_updates(optimizer: Any) -> int:
    """Returns the optimizer's count of updates, with gradient accumulation that of minibatches."""
    own = inner(optimizer)
    count = optimizer.iterations
    if getattr(own, "gradient_accumulation_steps", None):
        count = own._iterations
    return int(backends.to_numpy(count))


def inner(optimizer: Any) -> Any:
    """Returns the optimizer that one which scales losses wraps; any other itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def has_plain_rate(optimizer: Any) -> bool:
    """Whether the learning rate is a number: no schedule, no function; False for no optimizer."""
    optimizer = inner(optimizer)
    if not hasattr(optimizer, "learning_rate"):
        return False
    # A `get_config` of the user's own may leave it out, in Keras 2.
    own = getattr(optimizer, "_learning_rate", None)
    rate = optimizer.get_config().get("learning_rate", own)
    return isinstance(rate, (int, float, np.number, np.ndarray)) or (
        rate is own and hasattr(rate, "assign")
    )


def decay(optimizer: Any) -> float:
    """Returns by how much a legacy optimizer of Keras 2 divides the rate at each update: 1 + decay * updates; 0 of the others."""
    return float(inner(optimizer).get_config().get("decay", 0.0))


@dataclasses.dataclass
class _Rates:
    """What an optimizer was compiled with, all that it was set to, and the most updates that it was seen with."""

    compiled: float
    own: array.array[float]
    num_updates: int = 0

    def is_own(self, found: float, like: Any, is_back: bool) -> bool:
        """Whether a checkpoint of weights may have brought a rate back.

        Args:
          found: float, the rate.
          like: the variable that holds it.
          is_back: whether the optimizer has fewer updates than it had; else the compiled rate, whose checkpoints are
            from before the run, was set by somebody.
        """
        is_compiled = found == backends.rounded(self.compiled, like)
        rates = reversed(() if is_compiled and not is_back else self.own)
        return any(backends.rounded(rate, like) == found for rate in rates)

    def see(self, optimizer: Any) -> bool:
        """Looks at the count of updates; returns whether it has been higher."""
        count, before = num_updates(optimizer), self.num_updates
        self.num_updates = max(count, before)
        return count < before


_RATES: weakref.WeakKeyDictionary[Any, _Rates] = weakref.WeakKeyDictionary()


def compiled_rate(optimizer: Any) -> float:
    """Returns the rate that the user gave an optimizer, also if an interrupted fit or a checkpoint left another in it."""
    rate = optimizer.learning_rate
    found = float(backends.to_numpy(rate))
    rates = _RATES.get(optimizer)
    if rates is None:
        return found
    # A checkpoint of the latest fit's end has the rate before the compiled one; one from before has fewer updates. Else
    # it may be the user who has set a rate that was set here as well.
    is_latest = found in (backends.rounded(r, rate) for r in rates.own[-2:])
    is_back = num_updates(optimizer) < rates.num_updates
    is_own = is_latest or (is_back and rates.is_own(found, rate, is_back))
    return rates.compiled if is_own else found


class OwnedRate:
    """The learning rate of a model's optimizer, which nothing else may set."""

    def __init__(self, model: keras.Model, compiled: float | None = None):
        """Sets nothing yet.

        Args:
          model: a compiled Keras model.
          compiled: float > 0, the rate that `give_back` leaves; None for the one that it was compiled with, which
            a restored optimizer doesn't tell.
        """
        self._model = model
        self._set: float | None = None
        compiled = compiled_rate(model.optimizer) if compiled is None else compiled
        new = _Rates(compiled, array.array("d", [compiled]))
        self._known = _RATES.setdefault(model.optimizer, new)
        self._known.compiled = compiled
        self._assign: Callable[[float], Any] | None = None

    def move(self, learning_rate: float) -> None:
        """Sets the rate of the next step, as `set` does, by the shortest way: each step waits for it."""
        if learning_rate == self._set:
            return
        if self._assign is None:
            self.set(learning_rate)
        else:
            self._assign(learning_rate)
            self._set = learning_rate
            self._known.own.append(learning_rate)

    def set(self, learning_rate: float) -> None:
        """Sets the rate of the next step, also in the middle of a `fit`; no device is waited for."""
        optimizer = self._model.optimizer
        states = running_fit.jax_optimizer_states(self._model)
        if states is None:
            backends.sync(self._model)
        rate = optimizer.learning_rate
        optimizer.learning_rate = learning_rate
        self._set = learning_rate
        self._known.own.append(learning_rate)
        # JAX trains with a copy, and in the legacy optimizers of Keras 2 the rate may be a number still.
        is_all = backends.name() != "jax" and hasattr(rate, "assign")
        self._assign = backends.assigning(rate) if is_all else None
        if states is not None:
            index = next(i for i, v in enumerate(optimizer.variables) if v is rate)
            for state in states:
                state[index] = rate.value

    def give_back(self) -> None:
        """Leaves the optimizer with the rate it was compiled with, from which another fit starts."""
        self.set(self._known.compiled)
        self._set = None
        self._known.see(self._model.optimizer)

    def check(self) -> None:
        """Raises ValueError if the rate is another than was set; waits for the device.

        One that was set earlier comes from a checkpoint of this run, and is set again.
        """
        rate = self._model.optimizer.learning_rate
        found = float(backends.to_numpy(rate))
        is_back = self._known.see(self._model.optimizer)
        if self._set is None or found == backends.rounded(self._set, rate):
            return
        if self._known.is_own(found, rate, is_back):
            self.set(self._set)
        else:
            raise ValueError(
                f"Expected the learning rate {self._set:g} that LearnedLearningRate has set, "
                f"found {found:g}: something else sets it, too; remove one of them."
            )
