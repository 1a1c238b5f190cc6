"""The search for a task's best peak: the base schedule at peaks on a grid, wider where the best is at its edge, refined."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence

import numpy as np

from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.jobs.regrets import log_loss
from learned_lr.trainees.episode import Episode, npz_bytes, run_episode
from learned_lr.trainees.scaled_schedules import BaseAtPeak

# Beyond these a grid isn't widened: the bounds of a controller's rates are 1e-7 and 1.
_MIN_PEAK, _MAX_PEAK = 1e-5, 1.0
# Peaks nearer than this, in log, tell seeds apart and not peaks.
_MIN_REFINEMENT = 0.1


@dataclasses.dataclass(frozen=True)
class PeakSearch:
    """All runs of the search on one task, in the order in which they were made.

    Attributes:
      peaks: float64 `[num_runs]`, the peak of each.
      seeds: int64 `[num_runs]`.
      steps: int64 `[num_intervals + 1]`, the trainee steps that were measured at.
      curves: float64 `[num_runs, num_intervals + 1]`, validation losses.
      diverged: bool `[num_runs]`.
      cpu_sec: float64 `[num_runs]`, processor seconds.
    """

    peaks: np.ndarray
    seeds: np.ndarray
    steps: np.ndarray
    curves: np.ndarray
    diverged: np.ndarray
    cpu_sec: np.ndarray

    @classmethod
    def of_episodes(cls, found: Sequence[tuple[float, Episode]]) -> PeakSearch:
        """Gathers (peak, episode) of each run."""
        peaks, episodes = zip(*found)
        return cls(
            np.asarray(peaks, np.float64),
            np.asarray([episode.seed for episode in episodes], np.int64),
            episodes[0].column("trainee_step").astype(np.int64),
            np.stack([episode.column("validation_loss") for episode in episodes]),
            np.asarray([episode.diverged for episode in episodes]),
            np.asarray([episode.cpu_sec for episode in episodes]),
        )

    @property
    def best_losses(self) -> np.ndarray:
        """The least validation loss of each run, float64 `[num_runs]`."""
        return self.curves.min(axis=1)

    def losses(self) -> dict[float, float]:
        """Returns the mean over seeds of the best validation losses, by peak, ascending."""
        return {
            peak: float(np.mean(self.best_losses[self.peaks == peak]))
            for peak in np.unique(self.peaks).tolist()
        }

    def best_peak(self) -> float:
        """Returns the peak of the least mean loss; of equals, the smallest."""
        losses = self.losses()
        return min(losses, key=losses.get)

    def curve(self, peak: float) -> list[list[float]]:
        """Returns [trainee step, mean validation loss] at each measurement, at a peak."""
        means = self.curves[self.peaks == peak].mean(axis=0)
        return [list(point) for point in zip(self.steps.tolist(), means.tolist())]

    def to_bytes(self) -> bytes:
        """Returns an npz archive of everything."""
        return npz_bytes(dataclasses.asdict(self))

    @classmethod
    def from_bytes(cls, content: bytes) -> PeakSearch:
        """Reads what `to_bytes` wrote.

        Raises:
          ValueError, KeyError, zipfile.BadZipFile: if it is damaged.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return cls(*(archive[f.name] for f in dataclasses.fields(cls)))


def search(
    task, base: BaseSchedule, peaks: Sequence[float], seeds: Sequence[int]
) -> PeakSearch:
    """Runs the base schedule on a task at every peak, then where the best may lie.

    While the best peak is the least or the greatest so far, the next one beyond follows, half
    a decade on and within [1e-5, 1]. Then the one at the vertex of the parabola through the
    best and its two neighbours, of log losses over log peaks, unless it is within a tenth of
    a peak that was run.

    Args:
      task: a task.
      base: the base schedule.
      peaks: floats > 0 in half decades, the grid.
      seeds: of the runs at each peak.
    """
    found: list[tuple[float, Episode]] = []

    def run(peak):
        schedule = BaseAtPeak(peak, base)
        found.extend((peak, run_episode(task, schedule, s, test=False)) for s in seeds)
        return PeakSearch.of_episodes(found)

    for peak in peaks:
        so_far = run(peak)
    while (beyond := _peak_beyond(so_far)) is not None:
        so_far = run(beyond)
    refined = refined_peak(so_far.losses())
    distances = [abs(np.log(refined / peak)) for peak in so_far.losses()]
    return run(refined) if min(distances) > _MIN_REFINEMENT else so_far


def refined_peak(losses: dict[float, float]) -> float:
    """Returns the vertex of the parabola through the best peak and its neighbours.

    Args:
      losses: mean losses by peak.

    Returns:
      The peak, to three digits; the best of `losses` itself, where it has no neighbour on
      one side, or the three lie on a line.
    """
    peaks = sorted(losses)
    best = peaks.index(min(peaks, key=losses.get))
    if not 0 < best < len(peaks) - 1:
        return peaks[best]
    x = np.log(peaks[best - 1 : best + 2])
    y = np.array([log_loss(losses[peak]) for peak in peaks[best - 1 : best + 2]])
    curvature, slope, _ = np.polyfit(x - x[1], y - y[1], 2)
    if curvature <= 1e-9:
        return peaks[best]
    return float(f"{np.exp(x[1] - slope / (2 * curvature)):.3g}")


def half_decades(low: float, high: float) -> list[float]:
    """Returns 1e-3, 3e-3, 1e-2, ...: the numbers of that kind from `low` to `high`, both included."""
    numbers = [float(f"{digit}e{power}") for power in range(-9, 4) for digit in (1, 3)]
    return [number for number in numbers if low <= number <= high]


def _peak_beyond(so_far):
    """The next peak of the grid on the side where the best is at the edge, None if it isn't."""
    peaks, best = sorted(so_far.losses()), so_far.best_peak()
    if best == peaks[0]:
        smaller = half_decades(_MIN_PEAK, best)[:-1]
        return smaller[-1] if smaller else None
    if best == peaks[-1]:
        greater = half_decades(best, _MAX_PEAK)[1:]
        return greater[0] if greater else None
    return None
