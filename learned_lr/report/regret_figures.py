"""Figures of many tasks: regrets task by task, performance profiles, and what hidden multipliers cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import matplotlib.figure
import matplotlib.ticker
import numpy as np

from learned_lr.report.drawing import png
from learned_lr.report.statistics import AcrossTasks

# Within it the axis of regrets is straight, beyond it logarithmic.
_STRAIGHT = 0.1
_MARKERS = "osD^vP*Xh<>p"
_GREATEST_FACTOR = 2.0


def regrets_figure(
    tasks: Sequence[str], panels: Mapping[str, Mapping[str, Sequence[float]]]
) -> bytes:
    """Draws the regrets of each task as dots, a row a task, the hardest on top.

    Args:
      tasks: their names.
      panels: by a panel's title, regrets `[num_tasks]` by contender; tasks are sorted by the
        mean over contenders of the last panel.
    """
    last = np.array(list(list(panels.values())[-1].values()))
    order = np.argsort(last.mean(axis=0), kind="stable")
    longest = max(map(len, tasks))
    figure = matplotlib.figure.Figure(
        figsize=(0.075 * longest + 5 * len(panels), 2 + 0.32 * len(tasks)),
        layout="constrained",
    )
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    rows = np.arange(len(tasks))
    everything = np.array([list(regrets.values()) for regrets in panels.values()])
    for panel, (title, regrets) in zip(axes, panels.items()):
        for row in rows[::2]:
            panel.axhspan(row - 0.5, row + 0.5, color="0.95", zorder=0)
        offsets = np.linspace(0.3, -0.3, len(regrets)) if len(regrets) > 1 else [0.0]
        for index, (name, values) in enumerate(regrets.items()):
            panel.plot(
                np.asarray(values)[order],
                rows + offsets[index],
                linestyle="none",
                marker=_MARKERS[index % len(_MARKERS)],
                markersize=5,
                color=_color(index),
                label=name,
            )
        panel.axvline(0, color="black", linewidth=1)
        panel.set_xscale("symlog", linthresh=_STRAIGHT)
        panel.xaxis.set_major_locator(matplotlib.ticker.FixedLocator(_regret_ticks()))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        panel.grid(axis="x", alpha=0.4)
        panel.set(title=title, xlabel="regret (0: as the tuned schedule)")
        panel.set_ylim(-0.6, len(tasks) - 0.4)
        panel.set_xlim(_beyond(everything.min(), -1), _beyond(everything.max(), 1))
    axes[0].set_yticks(rows, [tasks[index] for index in order], fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=4, fontsize="small"
    )
    return png(figure)


def profiles(losses: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Returns the share of tasks on which a contender is within a factor of the best one.

    Args:
      losses: float > 0 `[num_contenders, num_tasks]`.
      factors: float >= 1 `[num_factors]`.

    Returns:
      float `[num_contenders, num_factors]`.
    """
    ratios = losses / losses.min(axis=0)
    return np.mean(ratios[:, None, :] <= factors[None, :, None], axis=-1)


def profiles_figure(losses: Mapping[str, Sequence[float]], mark: str) -> bytes:
    """Draws performance profiles (Dahl et al., 2023), up to twice the best loss.

    Args:
      losses: float > 0 `[num_tasks]` by contender.
      mark: the contender in black, so that the others have their colours of other figures.
    """
    factors = np.linspace(1, _GREATEST_FACTOR, 501)
    shares = profiles(np.array(list(losses.values())), factors)
    figure = matplotlib.figure.Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    others = [name for name in losses if name != mark]
    for name, share in zip(losses, shares):
        index = 0 if name == mark else others.index(name)
        axes.step(
            *(factors, share, ("-", "--", ":", "-.")[index % 4]),
            where="post",
            color="black" if name == mark else _color(index),
            label=name,
        )
    axes.set(
        xlabel="factor: test loss + 0.02 over that of the task's best contender",
        ylabel="share of tasks within the factor",
        xlim=(1, _GREATEST_FACTOR),
        ylim=(0, 1.02),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="lower right")
    return png(figure)


def multipliers_figure(
    multipliers: Sequence[float],
    panels: Mapping[str, Mapping[str, Sequence[AcrossTasks]]],
) -> bytes:
    """Draws mean regrets over hidden multipliers, with their intervals.

    Args:
      multipliers: floats > 0, ascending.
      panels: by a panel's title and a contender's name, its regrets at each multiplier.
    """
    figure = matplotlib.figure.Figure(
        figsize=(5 * len(panels), 4.2), layout="constrained"
    )
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (title, contenders) in zip(axes, panels.items()):
        for index, (name, points) in enumerate(contenders.items()):
            means = [point.mean for point in points]
            lows, highs = zip(*(point.mean_interval for point in points))
            color = _color(index)
            panel.plot(multipliers, means, marker="o", color=color, label=name)
            panel.fill_between(multipliers, lows, highs, alpha=0.15, color=color)
        panel.set_xscale("log", base=2)
        panel.set_xticks(multipliers, [f"{value:g}" for value in multipliers])
        panel.axhline(0, color="black", linewidth=1)
        panel.grid(alpha=0.3)
        panel.set(title=title, xlabel="hidden multiplier of the rates")
    axes[0].set_ylabel("mean regret over tasks")
    handles, labels = axes[0].get_legend_handles_labels()
    # Names may be long: below both panels.
    figure.legend(handles, labels, loc="outside lower left", ncols=2, fontsize="small")
    return png(figure)


def _regret_ticks():
    sizes = [0.05, 0.1, 0.3, 1, 3, 10]
    return [-size for size in reversed(sizes)] + [0, *sizes]


def _beyond(value, sign):
    """An end of the axis of regrets that leaves room for a marker at a value; 0 is always within."""
    size = max(0.0, sign * value)
    return sign * (size * 1.3 if size > _STRAIGHT else size + 0.2 * _STRAIGHT)


def _color(index):
    """Ten colours, then their light sisters."""
    index %= 20
    return matplotlib.colormaps["tab20"].colors[2 * (index % 10) + index // 10]
