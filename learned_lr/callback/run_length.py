"""How long a run is, in training steps, and how far into it an epoch begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
    per_epoch, epochs = params.get("steps"), params.get("epochs")
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
