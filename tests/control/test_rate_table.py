"""Tables of learning rates: files there and back, and what is refused."""

from __future__ import annotations

import math
import re

import pytest

from learned_lr.control.rate_table import RateTable, RateTableError

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
        ((0,), (1e39,), "finite number, in float32 too, found 1e"),
        ((0,), ("0.1",), "each learning_rate to be a finite number, .*found '0.1'"),
        ((0, 1.5), (0.1, 0.1), "each step to be an int >= 0, found 1.5"),
        ((0, 2**31), (0.1, 0.1), "each step to be an int >= 0, found 2147483648"),
        ((False,), (0.1,), "each step to be an int >= 0, found False"),
    ],
)
def test_wrong_numbers_are_refused(steps, rates, message):
    with pytest.raises(RateTableError, match=message):
        RateTable(steps, rates)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "empty table"),
        ("step,rate\n0,1\n", "found \\['step', 'rate'\\]"),
        (
            "trainee_step,learning_rate\n0,fast\n",
            "as learning_rate in .*lr.csv, found 'fast'",
        ),
        ("trainee_step,learning_rate\n0\n", "as learning_rate in .*lr.csv, found None"),
        ("trainee_step,learning_rate\ninf,1\n", "lr.csv: .*each step .*found inf"),
        ("trainee_step,learning_rate\n0.5,1\n", "lr.csv: .*each step .*found 0.5"),
        ("trainee_step,learning_rate\n0,nan\n", "lr.csv: .*each learning_rate .*nan"),
        ("\udcff", "CSV table in .*lr.csv, found something else"),
    ],
)
def test_wrong_files_are_named(tmp_path, text, message):
    path = tmp_path / "lr.csv"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(RateTableError, match="Expected .*, found") as error:
        RateTable.load(str(path))
    assert re.search(message, str(error.value))


def test_whole_steps_may_be_written_as_floats(tmp_path):
    path = tmp_path / "lr.csv"
    path.write_text("trainee_step,learning_rate\n0.0,0.5\n1e2,0.25\n")
    assert RateTable.load(str(path)) == RateTable((0, 100), (0.5, 0.25))


def test_other_columns_are_ignored(tmp_path):
    path = tmp_path / "lr.csv"
    path.write_text("seed,trainee_step,learning_rate\n3,0,0.5\n", encoding="utf-8")
    assert RateTable.load(str(path)) == RateTable((0,), (0.5,))


def test_a_step_below_0_has_no_rate():
    with pytest.raises(ValueError, match="Expected a training step >= 0, found -1"):
        _TABLE.at(-1)
