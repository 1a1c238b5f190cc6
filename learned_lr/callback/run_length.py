"""How long a run is, in training steps, and how far into it an epoch begins."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import keras


def epoch_steps(params: Mapping[str, Any]) -> int | None:
    """Returns the training steps of an epoch, None if unknown; of a fraction Keras makes a whole one, too."""
    steps = params.get("steps")
    return None if steps is None else math.ceil(steps)


def run_length(
    params: Mapping[str, Any], num_training_steps: int | None, epoch: int
) -> tuple[int, int]:
    """Returns (training steps of the whole run, those done before an epoch).

    Args:
      params: what `fit` tells its callbacks: steps of an epoch, None if unknown, and epochs.
      num_training_steps: the length of the run, if the user named one.
      epoch: int, the epoch that begins.

    Raises:
      ValueError: if the length is not known.
    """
    per_epoch, epochs = epoch_steps(params), params.get("epochs")
    if num_training_steps is not None:
        return num_training_steps, epoch * (per_epoch or 0)
    if not per_epoch:
        raise ValueError(
            "Expected a known number of steps an epoch, found data without a length: give the "
            "callback num_training_steps, or fit steps_per_epoch."
        )
    if not epochs:
        raise ValueError(
            f"Expected a known number of epochs, found {epochs!r}: give the callback "
            "num_training_steps."
        )
    return per_epoch * epochs, epoch * per_epoch


def going_on(
    planned: int,
    num_done: int,
    step: int,
    params: Mapping[str, Any],
    callbacks: Iterable[keras.callbacks.Callback],
) -> int:
    """Returns the training steps of a whole run at whose step an epoch begins.

    They are those planned where the epochs before had as many steps each. Where they had not, since another fit had larger
    minibatches or ended inside an epoch, it is the steps of this fit that count, and those that were done.

    Args:
      planned: training steps of the whole run, if all its epochs are alike.
      num_done: those done before the epoch that begins, likewise.
      step: those done.
      params: as `run_length` takes them, with a known number of steps an epoch.
      callbacks: those of the fit; a `BackupAndRestore` may begin inside an epoch.
    """
    end = num_done + (epoch_steps(params) or 0)
    is_inside = num_done < step < end and any(
        isinstance(x, keras.callbacks.BackupAndRestore) and x.save_freq != "epoch"
        for x in callbacks
    )
    return planned if is_inside else step + planned - num_done
