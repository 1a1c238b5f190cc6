"""What the figures' axes say."""

from __future__ import annotations

import matplotlib.figure
import pytest

from learned_lr.report import drawing


def _labels(low, high):
    axes = matplotlib.figure.Figure().subplots()
    axes.plot([0, 1], [low, high])
    axes.set(yscale="log", ylim=(low, high))
    drawing.plain_ticks(axes.yaxis)
    axes.figure.canvas.draw()
    ticks = axes.get_yticklabels() + axes.get_yticklabels(minor=True)
    within = [t for t in ticks if low <= t.get_position()[1] <= high]
    return [t.get_text() for t in within if t.get_text()]


@pytest.mark.parametrize(("low", "high"), [(1.0, 2.3), (0.28, 0.61), (1.29, 1.48)])
def test_a_short_log_axis_has_decimals(low, high):
    labels = _labels(low, high)
    assert 4 <= len(labels) <= 8
    assert all(low <= float(label) <= high for label in labels)


def test_a_long_log_axis_has_powers_of_ten():
    labels = _labels(5e-5, 2e-1)
    assert [label for label in labels if "10^" in label] == labels
    assert len(labels) == 4
