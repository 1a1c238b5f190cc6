"""How a controller answers: the factor on the learning rate, as one feature moves and the others stay."""

from __future__ import annotations

import numpy as np

from learned_lr.control.controller import Controller

_BLOCKS = "▁▂▃▄▅▆▇█"


def mean_response(
    controller: Controller, num_points: int = 21, num_deviations: float = 2.0
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns, by feature, (values, factors), float64 `[num_points]` each.

    One feature moves over its mean +- `num_deviations` of its standard deviations in
    training, within its bounds; the others are at their means. The factor is what the
    learning rate is multiplied by, above 1 for faster. An LSTM answers from its initial
    state.
    """
    spec, weights = controller.spec, controller.weights
    mean = weights["normalizer_mean"].astype(np.float64)
    deviation = np.sqrt(weights["normalizer_variance"].astype(np.float64))
    low, high = spec.observation.bounds()
    responses = {}
    for index, name in enumerate(spec.observation.features):
        reach = num_deviations * deviation[index]
        values = np.linspace(mean[index] - reach, mean[index] + reach, num_points)
        values = np.clip(values, low[index], high[index])
        factors = []
        for value in values:
            observation = mean.copy()
            observation[index] = value
            action, _ = controller.act(observation, controller.initial_state())
            factors.append(spec.scaling.max_scale ** np.clip(action, -1, 1))
        responses[name] = values, np.array(factors)
    return responses


def text_plot(controller: Controller) -> str:
    """Returns a line a feature: the range it moves over, and the factor as a bar chart."""
    scale = controller.spec.scaling.max_scale
    lines = []
    for name, (values, factors) in mean_response(controller).items():
        # log(factor) / log(max_scale) is in [-1, 1].
        levels = (np.log(factors) / np.log(scale) + 1) / 2 * (len(_BLOCKS) - 1)
        bars = "".join(_BLOCKS[round(level)] for level in levels)
        lines.append(
            f"{name:<27}{values[0]:>9.3g} {bars} {values[-1]:<9.3g} "
            f"x{factors[0]:.3f} to x{factors[-1]:.3f}"
        )
    lines.append(f"lowest bar: x{1 / scale:.3f}, highest: x{scale:.3f}")
    return "\n".join(lines)
