"""The mean rates of a schedule that reacts to its run, played back to other runs, which it can't see."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from learned_lr.trainees.episode import Episode
from learned_lr.trainees.schedules import NextLearningRate, check_rate


def mean_rates(episodes: Sequence[Episode]) -> np.ndarray:
    """Returns the geometric mean over episodes of their rates, float64 `[num_rows]`, a row of their trajectories each."""
    rates = np.stack([episode.column("learning_rate") for episode in episodes])
    return np.exp(np.log(rates).mean(axis=0))


@dataclasses.dataclass(frozen=True)
class OpenLoop:
    """What another schedule did in the mean on the task's other runs, played back. Moves every step.

    The geometric mean, over the runs of `schedule` in the same group with other seeds, of the rates at
    the first step and at the end of each interval; linear in between. `episode_groups.run_schedules`
    makes it playable, since its rates are those of runs.

    Attributes:
      schedule: the schedule that is played back, run in the same group and before.
      multiplier: float > 0, its rates are multiplied by it.
    """

    schedule: Any
    multiplier: float = 1.0

    def __post_init__(self):
        check_rate("multiplier", self.multiplier)

    def of(self, episodes: Sequence[Episode]) -> StepRates:
        """Returns what is played: the mean of these episodes of the schedule."""
        mean = mean_rates(episodes)
        ends = episodes[0].column("trainee_step")
        # A row has the rate of the last step before it; the first one, of the first step.
        at = np.concatenate([[0], ends[1:] - 1])
        steps = np.interp(np.arange(int(ends[-1])), at, mean)
        return StepRates(tuple((self.multiplier * steps).tolist()))


@dataclasses.dataclass(frozen=True)
class StepRates:
    """A rate for every step.

    Attributes:
      learning_rates: as many floats > 0 as the task has trainee steps.
    """

    learning_rates: tuple[float, ...]

    def start(self, task) -> NextLearningRate:
        """Begins an episode."""
        rates = np.asarray(self.learning_rates)
        return lambda trainee_step, measurement: rates[trainee_step:]
