"""The user's optimizer: its variables, its count of updates, and the learning rate that is owned."""

from __future__ import annotations

from typing import Any

from learned_lr.callback import backends


def variables(optimizer: Any) -> list[Any]:
    """Returns an optimizer's variables, but for its count of updates."""
    found = optimizer.variables
    if not isinstance(found, (list, tuple)):
        found = found()  # A method, in the legacy optimizers of Keras 2.
    return [v for v in found if v is not optimizer.iterations]


def num_updates(optimizer: Any) -> int:
    """Returns the optimizer's count of updates."""
    return int(backends.to_numpy(optimizer.iterations))


class OwnedRate:
    """The learning rate of an optimizer, which nothing else may set."""

    def __init__(self) -> None:
        self._set: float | None = None

    def set(self, optimizer: Any, learning_rate: float) -> None:
        """Sets the rate."""
        optimizer.learning_rate = learning_rate
        self._set = float(backends.to_numpy(optimizer.learning_rate))

    def check(self, optimizer: Any) -> None:
        """Raises ValueError if the rate is another than was set."""
        found = float(backends.to_numpy(optimizer.learning_rate))
        if self._set is not None and found != self._set:
            raise ValueError(
                f"Expected the learning rate {self._set:g} that LearnedLearningRate has set, "
                f"found {found:g}: something else sets it, too; remove one of them."
            )
