"""Seeds of training, selection, comparison and development never meet."""

from __future__ import annotations

import pytest

from learned_lr.execution import seeds

LAST_RUN, LAST_INDEX = 9_999, 99_999


def test_values():
    assert seeds.training_seed(0, 7) == 7
    assert seeds.training_seed(3, 7) == 300_007
    assert seeds.selection_seed(3, 7) == 1_000_300_007
    assert seeds.held_out_seed(7) == 2_000_000_007
    assert seeds.held_out_seed(7, run_seed=3) == 2_000_300_007
    assert seeds.development_seed(7) == 3_000_000_007


def test_ranges_touch_but_never_meet():
    # Each function grows with the run and the index, so its ends bound it.
    assert seeds.training_seed(0, LAST_INDEX) + 1 == seeds.training_seed(1, 0)
    assert seeds.training_seed(LAST_RUN, LAST_INDEX) + 1 == seeds.selection_seed(0, 0)
    assert seeds.selection_seed(LAST_RUN, LAST_INDEX) + 1 == seeds.held_out_seed(0)
    last = seeds.held_out_seed(LAST_INDEX, LAST_RUN)
    assert last + 1 == seeds.development_seed(0)
    # TensorFlow and others take seeds of 32 bits.
    assert seeds.development_seed(LAST_INDEX) < 2**32


def test_a_seed_tells_what_it_is_for():
    functions = {
        "training": lambda index: seeds.training_seed(0, index),
        "selection": lambda index: seeds.selection_seed(LAST_RUN, index),
        "held-out": seeds.held_out_seed,
        "development": seeds.development_seed,
    }
    for purpose, seed_fn in functions.items():
        assert {seeds.purpose(seed_fn(i)) for i in (0, LAST_INDEX)} == {purpose}
    for seed in (-1, 4_000_000_000):
        with pytest.raises(ValueError, match=rf"in \[0, 4e9\), found {seed}"):
            seeds.purpose(seed)


@pytest.mark.parametrize("seed_fn", [seeds.training_seed, seeds.selection_seed])
@pytest.mark.parametrize(
    ("run_seed", "index", "message"),
    [
        (-1, 0, r"run seed in \[0, 10000\), found -1"),
        (LAST_RUN + 1, 0, r"run seed in \[0, 10000\), found 10000"),
        (0, -1, "at most 100000 episodes of a run, found index -1"),
        (0, LAST_INDEX + 1, "at most 100000 episodes of a run, found index 100000"),
    ],
)
def test_seeds_outside_their_range_are_refused(seed_fn, run_seed, index, message):
    with pytest.raises(ValueError, match=message):
        seed_fn(run_seed, index)
