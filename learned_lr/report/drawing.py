"""What all figures share: how curves are told apart, rates over time, PNG files. With matplotlib and numpy alone."""

from __future__ import annotations

import io

import matplotlib
import matplotlib.axes
import matplotlib.axis
import matplotlib.figure
import matplotlib.ticker
import numpy as np

_DPI = 110
_DASHES = ("-", "--", ":", "-.")
# Below so many times its least value a log axis has too few powers of ten to be read.
_DECADE = 10.0


def tell_apart(axes: matplotlib.axes.Axes) -> None:
    """Gives curves that come after those of all colours the same colours again, dashed."""
    dashes = matplotlib.cycler(linestyle=_DASHES)
    axes.set_prop_cycle(dashes * matplotlib.rcParams["axes.prop_cycle"])


def plain_ticks(axis: matplotlib.axis.Axis) -> None:
    """Writes decimals at a log axis that spans less than a decade, once it has its data; leaves a longer one alone."""
    low, high = sorted(axis.get_view_interval())
    if high < _DECADE * low:
        axis.set_major_locator(matplotlib.ticker.MaxNLocator(7))
        axis.set_minor_locator(matplotlib.ticker.NullLocator())
        axis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))


def rates_from(rates: np.ndarray) -> np.ndarray:
    """Returns the learning rate from each step on, for lines with `steps-post`.

    The last interval's stands twice, so that its line goes on to the end.

    Args:
      rates: `[..., num_steps]`, those of the intervals that end at each step.
    """
    return np.concatenate([rates[..., 1:], rates[..., -1:]], axis=-1)


def png(figure: matplotlib.figure.Figure) -> bytes:
    """Returns a figure as a PNG file, without a time stamp."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()
