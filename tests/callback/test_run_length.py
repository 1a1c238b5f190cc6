"""Lengths of runs."""

from __future__ import annotations

import pytest

from learned_lr.callback.run_length import run_length


@pytest.mark.parametrize(
    "params, num_training_steps, epoch, expected",
    [
        ({"steps": 20, "epochs": 4}, None, 0, (80, 0)),
        ({"steps": 20, "epochs": 4}, None, 3, (80, 60)),
        ({"steps": 20, "epochs": 4}, 500, 3, (500, 60)),
        ({"steps": None, "epochs": 4}, 500, 3, (500, 0)),
        ({}, 500, 0, (500, 0)),
    ],
)
def test_length_and_what_is_done(params, num_training_steps, epoch, expected):
    assert run_length(params, num_training_steps, epoch) == expected


@pytest.mark.parametrize(
    "params, message",
    [
        ({}, "known number of steps an epoch"),
        ({"steps": None, "epochs": 4}, "give the callback num_training_steps, or fit"),
        ({"steps": 20}, "known number of epochs, found None: give the callback num_tr"),
    ],
)
def test_unknown_length(params, message):
    with pytest.raises(ValueError, match=message):
        run_length(params, None, 0)
