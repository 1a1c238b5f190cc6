"""Performance profiles by hand. What the figures look like is for eyes; tests/jobs/test_judge.py draws them."""

from __future__ import annotations

import numpy as np

from learned_lr.report import regret_figures


def test_profiles_by_hand():
    losses = np.array([[1.0, 2.0, 3.0, 1.0], [1.5, 1.0, 3.0, 10.0]])
    shares = regret_figures.profiles(losses, np.array([1.0, 1.5, 2.0]))
    np.testing.assert_array_equal(shares, [[0.75, 0.75, 1.0], [0.5, 0.75, 0.75]])
