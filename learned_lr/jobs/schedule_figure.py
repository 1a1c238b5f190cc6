"""The figure of schedules and losses, with matplotlib alone. Reads episodes, never trains."""

from __future__ import annotations

import matplotlib.figure
import numpy as np

from learned_lr.report.drawing import plain_ticks, rates_from, tell_apart
from learned_lr.trainees.episode import Episode

# A longer legend would lie on the curves.
_MAX_LINES_INSIDE = 5


def draw(
    groups: dict[str, list[Episode]], title: str, highlight: str | None = None
) -> matplotlib.figure.Figure:
    """Draws learning rate and validation loss over trainee steps, both on log scales.

    Args:
      groups: episodes by schedule name; each group is drawn as its mean over seeds with a
        band from its least to its greatest value.
      title: the figure's title.
      highlight: the group to draw thick.
    """
    is_long = len(groups) > _MAX_LINES_INSIDE
    figure = matplotlib.figure.Figure(
        figsize=(10, 5 if is_long else 4), layout="constrained"
    )
    rates, losses = figure.subplots(1, 2)
    tell_apart(rates)
    tell_apart(losses)
    for name, episodes in groups.items():
        width = 2.5 if name == highlight else 1.2
        steps = episodes[0].column("trainee_step")
        rate = np.stack([e.column("learning_rate") for e in episodes])
        rates.plot(
            steps,
            rates_from(rate).mean(axis=0),
            drawstyle="steps-post",
            linewidth=width,
            label=name,
        )
        loss = np.stack([e.column("validation_loss") for e in episodes])
        (line,) = losses.plot(steps, loss.mean(axis=0), linewidth=width, label=name)
        losses.fill_between(
            steps,
            loss.min(axis=0),
            loss.max(axis=0),
            alpha=0.15,
            color=line.get_color(),
        )
    for axes, label in ((rates, "learning rate"), (losses, "validation loss")):
        axes.set(xlabel="trainee step", ylabel=label, yscale="log")
        axes.grid(alpha=0.3, which="both")
        plain_ticks(axes.yaxis)
    if is_long:
        handles, labels = rates.get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=2, fontsize="small"
        )
    else:
        rates.legend(fontsize="small")
    figure.suptitle(title)
    return figure
