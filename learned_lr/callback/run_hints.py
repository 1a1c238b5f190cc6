"""Warnings about a run that begins and will not be what its controller plans for."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import keras

from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.callback.run_length import epoch_steps

# A run this long beside an EarlyStopping, in epochs, or in times of its patience, is seldom meant to end by itself.
_MANY_EPOCHS, _MANY_PATIENCES = 200, 20
# So many times of its length a run may be trained without a word: epochs are seldom whole multiples of it.
_LONGER = 1.1
# By optimizer: how many fits of one epoch have begun.
_NUM_SHORT_RUNS: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


def warn(
    optimizer: Any,
    callbacks: Iterable[keras.callbacks.Callback],
    params: Mapping[str, Any],
    num_training_steps: int | None,
    epoch: int,
    run: ControlledRun,
) -> None:
    """Warns about a run that a fit goes beyond, and a new one that is to be cut short, or to be one of many.

    Args:
      optimizer: that of the model.
      callbacks: those of the fit.
      params: what `fit` tells its callbacks.
      num_training_steps: the length of the run, if the user named one.
      epoch: int, the epoch that begins.
      run: the one that begins or goes on.
    """
    if num_training_steps is not None:
        _warn_of_end(callbacks, params, num_training_steps, epoch, run)
    epochs = params.get("epochs") or 0
    if num_training_steps is None and epochs == epoch + 1:
        _warn_of_single_epochs(optimizer, epoch)
    if run.loop.training_step is not None:
        return
    if epoch > 0:
        warnings.warn(
            f"LearnedLearningRate begins at epoch {epoch} without a state to go on from: "
            f"its first decision scales the rate {run.loop.rate_at(run.step):g}.",
            stacklevel=3,
        )
    if num_training_steps is not None or epoch > 0:
        return
    for other in callbacks:
        if not isinstance(other, keras.callbacks.EarlyStopping):
            continue
        if epochs >= min(_MANY_EPOCHS, _MANY_PATIENCES * (other.patience + 1)):
            warnings.warn(
                f"LearnedLearningRate plans for all {epochs} epochs, of which EarlyStopping may "
                "leave few, and with them few decisions: give fit the epochs you expect, or "
                "the callback num_training_steps.",
                stacklevel=3,
            )
            break


def _warn_of_single_epochs(optimizer: Any, epoch: int) -> None:
    """Warns of the second fit of one epoch: each is planned to its end alone."""
    _NUM_SHORT_RUNS[optimizer] = _NUM_SHORT_RUNS.get(optimizer, 0) + 1
    if _NUM_SHORT_RUNS[optimizer] != 2:
        return
    if epoch:
        found = "goes on for one epoch, as in the fit before: the rate falls to the end of each"
    else:
        found = "begins a second run of one epoch on the same model: each fit starts anew, at the initial rate"
    warnings.warn(
        f"LearnedLearningRate {found}. For one run of many fits give one callback num_training_steps, the steps of all "
        "of them, and use it in each.",
        stacklevel=4,
    )


def warn_of_idle(num_steps: int, num_updates: int) -> None:
    """Warns where an optimizer made no update.

    Args:
      num_steps: int, those that were trained.
      num_updates: int, those of the optimizer meanwhile.
    """
    if not num_updates:
        warnings.warn(
            f"Expected updates by the optimizer that the model is compiled with, found none in {num_steps} steps: the rate "
            "that LearnedLearningRate sets trains nothing. Compile the model with the optimizer that its train_step uses.",
            stacklevel=3,
        )


def _warn_of_end(
    callbacks: Iterable[keras.callbacks.Callback],
    params: Mapping[str, Any],
    length: int,
    epoch: int,
    run: ControlledRun,
) -> None:
    """Warns where a fit trains on after the steps that the user named."""
    num_epochs = max((params.get("epochs") or 0) - epoch, 0)
    end = run.step + num_epochs * (epoch_steps(params) or 0)
    # It ends a fit that is to be long by itself.
    is_stopped = any(isinstance(c, keras.callbacks.EarlyStopping) for c in callbacks)
    if run.step < length and (end <= _LONGER * length or is_stopped):
        return
    warnings.warn(
        f"LearnedLearningRate has num_training_steps={length}, of which {min(run.step, length)} are done when this fit "
        "begins, and the fit goes on beyond them: there the rate stays where the run ended, which is next to nothing "
        "with a base schedule. For a new run make a new callback; for one run name the steps of all of it.",
        stacklevel=4,
    )
