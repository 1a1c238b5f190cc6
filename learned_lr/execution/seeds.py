"""Which seeds serve which purpose. The ranges never meet, so nothing is judged on what it was trained on."""

from __future__ import annotations

_SEEDS_PER_RUN = 100_000
_MAX_RUNS = 10_000
_SELECTION = 1_000_000_000
_HELD_OUT = 2_000_000_000
_DEVELOPMENT = 3_000_000_000
# The ranges in their order, a billion seeds each.
_PURPOSES = ("training", "selection", "held-out", "development")


def training_seed(run_seed: int, index: int) -> int:
    """Returns the seed of a run's `index`-th training episode, in [0, 1e9)."""
    return _in_run(run_seed, index)


def selection_seed(run_seed: int, index: int) -> int:
    """Returns the seed of the `index`-th episode that selects a controller, in [1e9, 2e9)."""
    return _SELECTION + _in_run(run_seed, index)


def held_out_seed(index: int, run_seed: int = 0) -> int:
    """Returns the `index`-th seed of final comparisons, in [2e9, 3e9): of an evaluation, the same for all runs."""
    return _HELD_OUT + _in_run(run_seed, index)


def development_seed(index: int) -> int:
    """Returns the `index`-th seed of what is looked at while things are tried out, from 3e9.

    The same for all runs, so that they can be set side by side. Test losses on these may be seen
    as often as one likes: no final comparison is on them.
    """
    return _DEVELOPMENT + _in_run(0, index)


def purpose(seed: int) -> str:
    """Returns what a seed's range is for: 'training', 'selection', 'held-out' or 'development'.

    Raises:
      ValueError: if it is in none.
    """
    if not 0 <= seed < len(_PURPOSES) * _SELECTION:
        raise ValueError(f"Expected a seed in [0, 4e9), found {seed!r}.")
    return _PURPOSES[int(seed // _SELECTION)]


def _in_run(run_seed, index):
    if not 0 <= run_seed < _MAX_RUNS:
        raise ValueError(
            f"Expected a run seed in [0, {_MAX_RUNS}), found {run_seed!r}."
        )
    if not 0 <= index < _SEEDS_PER_RUN:
        raise ValueError(
            f"Expected at most {_SEEDS_PER_RUN} episodes of a run, found index {index!r}."
        )
    return run_seed * _SEEDS_PER_RUN + index
