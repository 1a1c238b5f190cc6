"""What the state of a control loop may hold: all arrays there, of their shapes, finite, and one with the other.

May import numpy; must not know where a state lies.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from learned_lr.control.checks import (
    MAX_COUNT,
    check_array,
    check_count,
    check_positive,
)
from learned_lr.control.controller import Controller
from learned_lr.control.measurements import NUM_NUMBERS, Measurement, look_at_weights

_NAMES = {
    "training_step",
    "initial_learning_rate",
    "level",
    "max_learning_rate",
    "num_brakes",
    "rows",
    "lstm_state",
    "measurements",
    "observations",
    "normalizer",
}
_OPTIONAL_NAMES = {"previous_predictions", "weight_path"}
# Of the two measurements and the best loss that an `ObservationBuilder` keeps: what must be finite. Of the others, an
# observation clips what isn't.
_LOSSES = tuple(
    first + Measurement._fields.index(name)
    for first in (0, NUM_NUMBERS)
    for name in ("train_loss", "validation_loss", "diverged")
) + (-1,)


def length(state: Mapping[str, np.ndarray], default: int) -> int:
    """Returns the training steps of a state's run; the default before its first decision, or where that can't be told."""
    rows = state.get("rows", np.zeros((0, 3)))
    are_rows = rows.dtype.kind == "f" and rows.ndim == 2 and rows.shape[1] == 3
    last = rows[-1, 2] if are_rows and len(rows) else default
    return int(last) if 1 <= last <= MAX_COUNT else default


def check(
    state: Mapping[str, np.ndarray],
    controller: Controller,
    num_normalizer_decisions: int,
    num_training_steps: int,
) -> None:
    """Refuses what isn't the state of a loop with this controller.

    Args:
      state: arrays by name, as `ControlLoop.state` returns them.
      controller: the loop's, as it was before a normaliser of the run.
      num_normalizer_decisions: int, the loop's.
      num_training_steps: int, the loop's.

    Raises:
      ValueError: with what was expected and what was found.
    """
    if not _NAMES <= set(state) <= _NAMES | _OPTIONAL_NAMES:
        missing = sorted(_NAMES - set(state))
        unknown = sorted(set(state) - _NAMES - _OPTIONAL_NAMES)
        raise ValueError(
            f"Expected the arrays of a loop's state, found {missing} missing and {unknown} beside them."
        )
    spec = controller.spec
    num_features = len(spec.observation.features)
    is_lstm = spec.network == "lstm"
    for name, minimum in (("training_step", -1), ("num_brakes", 0)):
        check_array(name, state[name], (), "i")
        check_count(name, int(state[name]), minimum)
    for name in ("initial_learning_rate", "level", "max_learning_rate"):
        check_array(name, state[name], ())
        check_positive(name, float(state[name]))
    check_array("rows", state["rows"], (None, 3))
    check_array(
        "lstm_state", state["lstm_state"], (2, spec.num_units) if is_lstm else (0,)
    )
    check_array("normalizer", state["normalizer"], (2, num_features))
    if len(state["observations"].shape) != 1 or state["observations"].size:
        check_array("observations", state["observations"], (None, num_features))
        low, high = spec.observation.bounds()
        if np.any((state["observations"] < low) | (state["observations"] > high)):
            raise ValueError("Expected observations within their bounds, found others.")
    if "previous_predictions" in state:
        predictions = state["previous_predictions"]
        check_array(
            "previous_predictions", predictions, predictions.shape, is_finite=False
        )
    if look_at_weights(spec.observation.features) != ("weight_path" in state):
        raise ValueError(
            "Expected weight_path where the controller looks at weights alone, found "
            f"{'it' if 'weight_path' in state else 'none'}."
        )
    if "weight_path" in state and state["weight_path"].size:
        check_array("weight_path", state["weight_path"], (3, None))
    _check_relations(state, num_normalizer_decisions)
    found = length(state, num_training_steps)
    if found != num_training_steps:
        raise ValueError(
            f"Expected the state of a run of {num_training_steps} training steps, found one of {found}: make the loop "
            "with that length, and change it by set_length() afterwards."
        )
    if len(state["observations"]) < max(num_normalizer_decisions, 1):
        _check_normalizer(state["normalizer"], controller)


def _check_relations(
    state: Mapping[str, np.ndarray], num_normalizer_decisions: int
) -> None:
    """What one array says of another."""
    step, rows = int(state["training_step"]), state["rows"]
    steps, levels, lengths = rows.T
    known = steps.tolist() or [-1]
    if step not in known:  # After the latest decision, a row where the length changes.
        raise ValueError(
            f"Expected training_step = {known[-1]:.0f}, of the last row, or of one before, found {step}."
        )
    counts = np.concatenate([steps, lengths])
    if np.any(counts != np.floor(counts)) or np.any(counts > MAX_COUNT):
        raise ValueError("Expected whole steps and lengths in rows, found others.")
    if np.any(np.diff(steps, prepend=0) < 0) or np.any(lengths < 1):
        raise ValueError(
            f"Expected ascending steps from 0 and lengths > 0 in rows, found {rows[:5]}..."
        )
    for level in levels.tolist():
        check_positive("each level in rows", level)
    if state["level"] > state["max_learning_rate"]:
        raise ValueError(
            f"Expected level <= max_learning_rate = {state['max_learning_rate']}, found "
            f"{state['level']}."
        )
    if np.any(state["normalizer"][1] < 0):
        raise ValueError("Expected variances >= 0 in normalizer, found less.")
    if len(state["observations"]) > num_normalizer_decisions:
        raise ValueError(
            f"Expected at most {num_normalizer_decisions} observations, found "
            f"{len(state['observations'])}."
        )
    measurements = state["measurements"]
    # A brake may come before the first decision.
    is_started = len(rows) and (measurements.size or not state["num_brakes"])
    num_values = 2 * NUM_NUMBERS + 1 if is_started else 0
    check_array("measurements", measurements, (num_values,), is_finite=False)
    if num_values:
        losses = measurements[list(_LOSSES)]
        check_array("the losses in measurements", losses, losses.shape)


def _check_normalizer(normalizer: np.ndarray, controller: Controller) -> None:
    """A state of another controller has arrays of the same shapes, too."""
    if not np.array_equal(normalizer.astype(np.float32), controller.normalizer):
        raise ValueError(
            "Expected the normalizer of this loop's controller, found another: the state is of a run with "
            "another controller, so make the loop with that one."
        )
