"""Schedules drawn at random from ranges: a random search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from learned_lr.trainees import schedules

# The least value of a range; of one that is drawn log-uniformly none that is 0.
_LEAST = {"discount_steps": 1, "warmup_steps": 0, "final_fractions": 0}


def draw(
    num_runs: int, seed: int, kind: str, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Any]:
    """Returns different schedules by name, as `schedule_families.random_search` describes them.

    Args:
      num_runs: how many.
      seed: of the draw.
      kind: 'step_decay' or 'cosine'.
      ranges: (least, greatest) by the name of the search's parameter.

    Raises:
      ValueError: on a number out of its range, a range that is none, or more schedules than there are.
    """
    if num_runs < 1:
        raise ValueError(f"Expected random_search.num_runs >= 1, found {num_runs!r}.")
    if kind not in ("step_decay", "cosine"):
        raise ValueError(
            f"Expected random_search.kind 'step_decay' or 'cosine', found {kind!r}."
        )
    for name, (low, high) in ranges.items():
        is_enough = low >= _LEAST[name] if name in _LEAST else low > 0
        if not (is_enough and low <= high < math.inf):
            least = f">= {_LEAST[name]}" if name in _LEAST else "> 0"
            raise ValueError(
                f"Expected random_search.{name} as (least, greatest), least {least}, found {(low, high)!r}."
            )
    rng = np.random.default_rng(seed)
    drawn: dict[str, Any] = {}
    for _ in range(100 * num_runs):
        schedule = _draw(rng, kind, ranges)
        drawn[schedule.name] = schedule
        if len(drawn) == num_runs:
            return drawn
    most = len(drawn)
    raise ValueError(f"Expected random_search.num_runs <= {most}, found {num_runs}.")


def _draw(rng, kind, ranges):
    # Three digits are enough, and make names that one can type.
    rate = _three_digits(_log_uniform(rng, *ranges["learning_rates"]))
    if kind == "step_decay":
        step = round(_log_uniform(rng, *ranges["discount_steps"]))
        factor = _three_digits(rng.uniform(*ranges["discount_factors"]))
        return schedules.StepDecay(rate, step, factor)
    low, high = ranges["warmup_steps"]
    warmup = int(rng.integers(low, high + 1))
    final = _three_digits(rng.uniform(*ranges["final_fractions"]))
    return schedules.WarmupCosine(rate, warmup, final)


def _log_uniform(rng, low, high):
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def _three_digits(value):
    return float(f"{value:.3g}")
