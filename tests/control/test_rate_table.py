"""Tables of learning rates: files there and back, and what is refused."""

from __future__ import annotations

import math

import pytest

from learned_lr.control.rate_table import RateTable

_TABLE = RateTable((0, 10, 30), (1e-3, 0.1 / 3, 7e-4))


def test_round_trip_is_exact(tmp_path):
    path = str(tmp_path / "lr.csv")
    _TABLE.save(path)
    assert RateTable.load(path) == _TABLE


@pytest.mark.parametrize(
    "step, rate", [(0, 1e-3), (9, 1e-3), (10, 0.1 / 3), (29, 0.1 / 3), (99, 7e-4)]
)
def test_each_rate_holds_until_the_next(step, rate):
    assert _TABLE.at(step) == rate


@pytest.mark.parametrize(
    "steps, rates, message",
    [
        ((), (), "at least one"),
        ((0, 1), (0.1,), "as many learning rates"),
        ((1, 2), (0.1, 0.1), "ascending steps from 0"),
        ((0, 2, 2), (0.1, 0.1, 0.1), "ascending steps from 0"),
        ((0,), (0.0,), "found 0.0"),
        ((0,), (math.nan,), "found nan"),
        ((0,), (math.inf,), "found inf"),
    ],
)
def test_wrong_numbers_are_refused(steps, rates, message):
    with pytest.raises(ValueError, match=message):
        RateTable(steps, rates)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "empty table"),
        ("step,rate\n0,1\n", "found \\['step', 'rate'\\]"),
        ("trainee_step,learning_rate\n0,fast\n", "lr.csv: could not convert"),
        ("trainee_step,learning_rate\n0\n", "lr.csv"),
    ],
)
def test_wrong_files_are_named(tmp_path, text, message):
    path = tmp_path / "lr.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        RateTable.load(str(path))


def test_other_columns_are_ignored(tmp_path):
    path = tmp_path / "lr.csv"
    path.write_text("seed,trainee_step,learning_rate\n3,0,0.5\n", encoding="utf-8")
    assert RateTable.load(str(path)) == RateTable((0,), (0.5,))
