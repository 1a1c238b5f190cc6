"""Learned learning-rate control: a trained controller picks the learning rate while a network trains.

`LearnedLearningRate` puts a trained controller into Keras' `fit`, `ControlLoop` into any
other training loop, and `Replay` runs the learning rates again that one of them chose.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Imported when asked for: some need numpy alone, the others bring the user's Keras.
_MODULES = {
    "Controller": "learned_lr.control.controller",
    "ControlLoop": "learned_lr.control.control_loop",
    "LearnedLearningRate": "learned_lr.callback.callback",
    "Replay": "learned_lr.callback.replay",
}
__all__ = ["ControlLoop", "Controller", "LearnedLearningRate", "Replay"]

if TYPE_CHECKING:
    from learned_lr.callback.callback import LearnedLearningRate
    from learned_lr.callback.replay import Replay
    from learned_lr.control.control_loop import ControlLoop
    from learned_lr.control.controller import Controller
else:
    # Hidden from type checkers, which would take any misspelt name for one that this finds.
    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
