"""What the report's figures show, read off their curves and frames."""

from __future__ import annotations

import dataclasses

import matplotlib.patches
import numpy as np
import pandas as pd
import pytest
from hand_made_runs import make_evaluate

from learned_lr.report import figures
from learned_lr.report.evaluations import read_evaluation
from learned_lr.report.reading import find_runs


@pytest.fixture(autouse=True)
def as_drawn(monkeypatch):
    """Figures as they are, in place of PNG files."""
    monkeypatch.setattr(figures, "png", lambda figure: figure)


@pytest.fixture
def evaluation(tmp_path):
    """An evaluation of twelve schedules with two decisions each."""
    make_evaluate(tmp_path / "evaluate" / "toy" / "run")
    (run,) = find_runs(str(tmp_path))
    names = [f"schedule {number}" for number in range(12)]
    rows = pd.DataFrame(
        [
            {
                "schedule": name,
                "member": name,
                "seed": 0,
                "trainee_step": float(step),
                "validation_loss": 1.0,
                "learning_rate": rate,
            }
            for name in names
            for step, rate in ((0, 0.1), (10, 0.1), (20, 0.2))
        ]
    )
    runs = pd.DataFrame({"schedule": names, "member": names})
    return dataclasses.replace(read_evaluation(run), rows=runs, trajectories=rows)


@pytest.mark.parametrize(
    "draw", [figures.validation_loss_figure, figures.learning_rate_figure]
)
def test_curves_beyond_the_colours_are_dashed(evaluation, draw):
    (axes,) = draw(evaluation).axes
    styles = [(line.get_linestyle(), line.get_color()) for line in axes.lines]
    assert len(set(styles)) == 12
    assert [style for style, _ in styles] == ["-"] * 10 + ["--"] * 2


def test_the_last_interval_has_its_rate(evaluation):
    (axes,) = figures.learning_rate_figure(evaluation).axes
    np.testing.assert_allclose(
        axes.lines[0].get_xydata(), [[0, 0.1], [10, 0.2], [20, 0.2]]
    )


@pytest.mark.parametrize(
    ("winner", "framed"), [(None, (0, 0)), ("b", (1, 1)), ("not of the grid", (0, 0))]
)
def test_the_frame_of_a_heat_map_is_the_winner(winner, framed):
    rates, steps = [0.1, 0.1, 0.2, 0.2], [10, 20, 10, 20]
    grid = pd.DataFrame(
        {
            "schedule": list("acdb"),
            "initial_learning_rate": rates,
            "discount_step": steps,
            "discount_factor": 0.9,
            "best_validation_loss": [0.25, 0.75, 0.5, 0.375],
        }
    )
    panel, _ = figures.heat_map(grid, winner).axes
    (frame,) = (p for p in panel.patches if isinstance(p, matplotlib.patches.Rectangle))
    assert frame.get_xy() == (framed[0] - 0.5, framed[1] - 0.5)


def test_the_colours_of_a_heat_map_are_named_in_decimals():
    grid = pd.DataFrame(
        {
            "schedule": list("ab"),
            "initial_learning_rate": 0.1,
            "discount_step": [10, 20],
            "discount_factor": 0.9,
            "best_validation_loss": [1.0, 2.5],
        }
    )
    figure = figures.heat_map(grid)
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[-1].get_yticklabels()]
    assert "1.5" in labels and "2" in labels
