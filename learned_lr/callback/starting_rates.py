"""Where the rate starts and between which bounds it stays: as the user says, as compiled, or as the controller learned."""

from __future__ import annotations

import inspect
import warnings
from typing import Any, NamedTuple

from learned_lr.callback import backends, optimizers

# A rate that the user compiled in is left by no more than this factor, up or down.
_MAX_FACTOR = 30.0
# From 0.001, with SGD 0.01, the controllers learned to rise to the best peaks, in the median ten times as high. From a rate that is
# one already they rise as well; beyond these bounds of the usual start such a rate is left upwards by three times at most.
_USUAL_BOUND, _USUAL_SGD_BOUND, _MAX_FACTOR_BEYOND = 0.03, 0.3, 3.0
# Kinds of optimizers that the package's controllers know: they learned on them, or on one that scales its steps alike.
_LEARNED_ON = ("Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "SGD")
# Others that benchmarks/optimizers.py found to be no worse with the callback at any of their rates (docs/optimizers.md).
_SERVED = ("Adadelta", "Adagrad", "Muon")


class StartingRates(NamedTuple):
    """What a `ControlLoop` starts from.

    Attributes:
      initial_learning_rate: float > 0; None for the controller's own.
      min_learning_rate: likewise.
      max_learning_rate: likewise.
      optimizer: str, the name of its class.
      is_compiled: bool, whether the rate that was compiled in decides.
    """

    initial_learning_rate: float | None
    min_learning_rate: float | None
    max_learning_rate: float | None
    optimizer: str = "Adam"
    is_compiled: bool = False

    @property
    def is_sgd(self) -> bool:
        """Whether the optimizer is SGD."""
        return self.optimizer == "SGD"

    def tell(self, is_verbose: bool) -> None:
        """Says where the rate comes from if it isn't the controller's own, and warns where none has learned."""
        if self.optimizer not in (*_LEARNED_ON, *_SERVED):
            warnings.warn(
                f"No controller of LearnedLearningRate's has learned on {self.optimizer}: compare "
                "with a run without it.",
                stacklevel=4,
            )
        if self.is_compiled and is_verbose:
            print(
                f"LearnedLearningRate: starts from the rate {self.initial_learning_rate:g} that "
                f"{self.optimizer} was compiled with, and what decisions scale stays between "
                f"{self.min_learning_rate:.2g} and {self.max_learning_rate:.2g}."
            )


def find(
    optimizer: Any,
    compiled_rate: float,
    initial: float | None,
    minimum: float | None,
    maximum: float | None,
) -> StartingRates:
    """Returns what a run starts from.

    What the user gave comes first. A compiled rate that isn't its class's default is a statement, too: the run
    starts from it and stays within a factor of 30, and above 0.03 (0.3 with SGD) of 3. So is any rate of an optimizer that
    no controller learned on.

    Args:
      optimizer: a Keras optimizer whose rate is a number.
      compiled_rate: float > 0, the rate it was compiled with.
      initial: float > 0, the first rate that the user gave; None for none.
      minimum: likewise, the lower bound.
      maximum: likewise, the upper bound.
    """
    inner = optimizers.inner(optimizer)
    name = type(inner).__name__
    is_own = name in _LEARNED_ON and compiled_rate == _rounded_default(inner)
    if initial is not None or is_own:
        return StartingRates(initial, minimum, maximum, name)
    low = compiled_rate / _MAX_FACTOR if minimum is None else minimum
    high = _upper_bound(name, compiled_rate) if maximum is None else maximum
    # One bound of the user's may lie beyond the other end of what a compiled rate gives.
    if minimum is None and low > high:
        low = high / _MAX_FACTOR
    if maximum is None and high < low:
        high = low * _MAX_FACTOR
    initial = min(max(compiled_rate, low), high)
    return StartingRates(initial, low, high, name, True)


def _upper_bound(name: str, rate: float) -> float:
    """The highest rate of a run that starts from a compiled one."""
    usual = _USUAL_SGD_BOUND if name == "SGD" else _USUAL_BOUND
    return min(rate * _MAX_FACTOR, max(rate * _MAX_FACTOR_BEYOND, usual))


def _rounded_default(optimizer: Any) -> float | None:
    """The rate that the optimizer's class has unless it is told, as a variable holds it; None if there is none."""
    parameters = inspect.signature(type(optimizer).__init__).parameters
    default = getattr(parameters.get("learning_rate"), "default", None)
    if not isinstance(default, float):
        return None
    return backends.rounded(default, optimizer.learning_rate)
