"""The safety brake tells explosions from noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learned_lr.callback.brake import SafetyBrake


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_explodes_at_once(bad):
    assert SafetyBrake().is_explosion(bad, 1.0)
    assert SafetyBrake().is_explosion(1.0, bad)
    assert SafetyBrake(math.inf).is_explosion(1.0, bad)


def test_both_losses_must_jump():
    brake = SafetyBrake(5.0)
    assert not brake.is_explosion(1.0, 1.0)
    assert not brake.is_explosion(100.0, 1.0)
    brake = SafetyBrake(5.0)
    brake.is_explosion(1.0, 1.0)
    assert brake.is_explosion(5.1, 5.1)


def test_an_explosion_leaves_the_means_alone():
    brake = SafetyBrake(5.0)
    brake.is_explosion(1.0, 1.0)
    for _ in range(3):
        assert brake.is_explosion(50.0, 50.0)
    assert brake.means == (1.0, 1.0)


def test_noise_of_a_factor_two_is_no_explosion():
    brake, generator = SafetyBrake(5.0), np.random.default_rng(0)
    losses = 2.0 ** generator.uniform(-1, 1, (1000, 2))
    assert not any(brake.is_explosion(*pair) for pair in losses)


@pytest.mark.parametrize("factor", [1.0, 0.0, -3.0, math.nan])
def test_factors_up_to_one_are_refused(factor):
    with pytest.raises(ValueError, match="brake_factor > 1"):
        SafetyBrake(factor)
