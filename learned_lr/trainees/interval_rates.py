"""The learning rates of an interval: one that is held, or one a trainee step."""

from __future__ import annotations

import numpy as np


def interval_rates(learning_rate: float | np.ndarray, num_steps: int) -> np.ndarray:
    """Returns the rate of each step of an interval, float64 `[num_steps]`.

    Args:
      learning_rate: a rate that is held, or a sequence of `num_steps` rates, all > 0.
      num_steps: int > 0, the steps of the interval.

    Raises:
      ValueError: if a rate is not positive and finite, or there is not one for each step.
    """
    rates = np.asarray(learning_rate, np.float64)
    if rates.shape not in ((), (num_steps,)):
        raise ValueError(
            f"Expected one learning rate, or one for each of {num_steps} steps, found "
            f"shape {rates.shape}."
        )
    if not (np.all(rates > 0) and np.all(np.isfinite(rates))):
        raise ValueError(f"Expected a learning rate > 0, found {learning_rate!r}.")
    return np.broadcast_to(rates, (num_steps,))
