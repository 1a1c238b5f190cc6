"""The report's figures, with matplotlib alone: tables in, PNG files out."""

from __future__ import annotations

import csv
import importlib.resources
from collections.abc import Iterator

import matplotlib.colors
import matplotlib.figure
import matplotlib.patches
import numpy as np
import pandas as pd

from learned_lr.report.drawing import plain_ticks, png, rates_from, tell_apart
from learned_lr.report.evaluations import Evaluation
from learned_lr.report.tables import number


def validation_loss_figure(evaluation: Evaluation) -> bytes:
    """Draws Figure 1: log validation loss over trainee steps, mean and standard deviation.

    The paper's curves of the same task, where there are some, are dashed.
    """
    figure = matplotlib.figure.Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    tell_apart(axes)
    for name, steps, losses in _curves(evaluation, "validation_loss"):
        logs = np.log(np.maximum(losses, 1e-12))
        mean = logs.mean(axis=0)
        (line,) = axes.plot(steps, mean, label=name, linewidth=1.4)
        if len(logs) > 1:
            band = logs.std(axis=0, ddof=1)
            axes.fill_between(
                steps, mean - band, mean + band, alpha=0.15, color=line.get_color()
            )
    _add_paper(axes, "figure1.csv", evaluation.pair, ("_baseline", "_auto"))
    axes.set(xlabel="trainee step", ylabel="log validation loss")
    _finish(axes)
    return png(figure)


def learning_rate_figure(evaluation: Evaluation) -> bytes:
    """Draws Figure 2: learning rate over trainee steps, geometric mean with least and greatest."""
    figure = matplotlib.figure.Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    tell_apart(axes)
    for name, steps, rates in _curves(evaluation, "learning_rate"):
        rates = rates_from(rates)
        mean = np.exp(np.log(rates).mean(axis=0))
        (line,) = axes.plot(
            steps, mean, drawstyle="steps-post", label=name, linewidth=1.4
        )
        low, high = rates.min(axis=0), rates.max(axis=0)
        if np.any(low < high):
            axes.fill_between(
                steps, low, high, step="post", alpha=0.15, color=line.get_color()
            )
    _add_paper(axes, "figure2.csv", evaluation.pair, ("",))
    axes.set(xlabel="trainee step", ylabel="learning rate", yscale="log")
    _finish(axes)
    return png(figure)


def heat_map(grid: pd.DataFrame, winner: str | None = None) -> bytes:
    """Draws step decays as one panel a discount factor; one cell has a frame.

    Args:
      grid: rows of step decays with their parameters and `best_validation_loss`.
      winner: the schedule that has the frame; None for the least mean.
    """
    axes_names = ["initial_learning_rate", "discount_step", "discount_factor"]
    grid = grid.astype(dict.fromkeys(axes_names, float))
    means = grid.groupby(axes_names)["best_validation_loss"].mean()
    rates, steps, factors = (sorted(set(grid[name])) for name in axes_names)
    width = 1.0 + len(factors) * (0.8 + 0.7 * len(steps))
    figure = matplotlib.figure.Figure(
        figsize=(width, 1.6 + 0.5 * len(rates)), layout="constrained"
    )
    panels = figure.subplots(1, len(factors), squeeze=False)[0]
    norm = matplotlib.colors.LogNorm(means.min(), means.max())
    of_winner = grid.loc[grid["schedule"] == winner, axes_names].to_numpy()
    framed = tuple(of_winner[0]) if len(of_winner) else means.idxmin()
    for panel, factor in zip(panels, factors):
        values = np.array(
            [
                [means.get((rate, step, factor), np.nan) for step in steps]
                for rate in rates
            ]
        )
        image = panel.imshow(values, norm=norm, cmap="viridis_r", aspect="auto")
        for row, column in np.ndindex(values.shape):
            value = values[row, column]
            text = number(value, ".3f")
            is_dark = not np.isnan(value) and norm(value) > 0.5
            panel.text(
                *(column, row, text),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if is_dark else "black",
            )
            if (rates[row], steps[column], factor) == framed:
                frame = matplotlib.patches.Rectangle(
                    (column - 0.5, row - 0.5), 1, 1, fill=False, color="red", lw=2.5
                )
                panel.add_patch(frame)
        panel.set_title(f"discount factor {factor:g}", fontsize=10)
        panel.set_xticks(range(len(steps)), [f"{step:g}" for step in steps])
        panel.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        panel.set_xlabel("discount step")
    panels[0].set_ylabel("initial learning rate")
    bar = figure.colorbar(image, ax=panels, label="best validation loss")
    plain_ticks(bar.ax.yaxis)
    return png(figure)


def returns_figure(iterations: pd.DataFrame) -> bytes:
    """Draws the mean return of each iteration of a controller's training."""
    figure = matplotlib.figure.Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(iterations["iteration"], iterations["mean_return"], marker=".")
    axes.set(xlabel="iteration", ylabel="mean return")
    axes.grid(alpha=0.3)
    return png(figure)


def _curves(
    evaluation: Evaluation, column: str
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields (schedule, steps, values `[num_runs, num_steps]`), of whole runs alone."""
    table = evaluation.trajectories
    for name in evaluation.names:
        rows = table[table["schedule"] == name]
        values = rows.pivot_table(
            index=["member", "seed"], columns="trainee_step", values=column
        )
        values = values.dropna()
        if len(values):
            yield name, values.columns.to_numpy(), values.to_numpy()


def _add_paper(axes, file_name, pair, suffixes):
    file = importlib.resources.files("learned_lr.report") / "paper_data" / file_name
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    for suffix, color in zip(suffixes, ("black", "grey")):
        points = [
            (float(row["trainee_step"]), float(row[pair + suffix]))
            for row in rows
            if row.get(pair + suffix)
        ]
        if points:
            label = f"paper{suffix.replace('_', ', ')}"
            axes.plot(*zip(*points), linestyle="--", color=color, label=label)


def _finish(axes):
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small")
