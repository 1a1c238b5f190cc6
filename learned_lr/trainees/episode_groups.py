"""Several episodes of one task as one piece of work: the task's graph is traced once for all of them."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from learned_lr.trainees.episode import Episode, npz_bytes, run_episode
from learned_lr.trainees.open_loop import OpenLoop

_FIELDS = [field.name for field in dataclasses.fields(Episode)]


@dataclasses.dataclass(frozen=True)
class EpisodeGroup:
    """Episodes of one task.

    Attributes:
      episodes: at least one.
    """

    episodes: tuple[Episode, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the fields of all episodes by name, stacked: `[num_episodes, ...]` each."""
        return {
            name: np.stack([np.asarray(getattr(e, name)) for e in self.episodes])
            for name in _FIELDS
        }

    @classmethod
    def from_arrays(cls, arrays: Any) -> EpisodeGroup:
        """Takes what `arrays` returned, perhaps among others.

        Raises:
          KeyError: if a field is missing.
        """
        columns = [arrays[name] for name in _FIELDS]
        # All fields but the trajectory are plain numbers.
        rows = zip(*(c if c.ndim > 1 else c.tolist() for c in columns))
        return cls(tuple(Episode(*row) for row in rows))

    def to_bytes(self) -> bytes:
        """Returns an npz archive of everything."""
        return npz_bytes(self.arrays())

    @classmethod
    def from_bytes(cls, content: bytes) -> EpisodeGroup:
        """Reads what `to_bytes` wrote.

        Raises:
          ValueError, KeyError, zipfile.BadZipFile: if it is damaged.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return cls.from_arrays(archive)


def run_episodes(
    task, schedule, seeds: Sequence[int], test: bool = True
) -> EpisodeGroup:
    """Runs an episode a seed, see `run_episode`."""
    return EpisodeGroup(tuple(run_episode(task, schedule, s, test) for s in seeds))


def run_schedules(
    task, schedules: Sequence[Any], seeds: Sequence[int], test: bool = True
) -> EpisodeGroup:
    """Runs an episode a schedule and seed, all seeds of a schedule together, see `run_episode`.

    An `OpenLoop` plays to each seed what its schedule did with the other seeds.

    Raises:
      ValueError: if an `OpenLoop` plays back a schedule that isn't before it, or there are no
        other seeds.
    """
    played: list[tuple[Any, EpisodeGroup]] = []
    for schedule in schedules:
        if isinstance(schedule, OpenLoop):
            group = _run_open_loop(task, schedule, played, seeds, test)
        else:
            group = run_episodes(task, schedule, seeds, test)
        played.append((schedule, group))
    return EpisodeGroup(tuple(e for _, group in played for e in group.episodes))


def _run_open_loop(task, schedule, played, seeds, test):
    """Plays to each seed what the schedule did with the others, out of (schedule, group) pairs."""
    groups = [group for before, group in played if before == schedule.schedule]
    if not groups:
        raise ValueError(
            f"Expected {schedule.schedule!r} before its open loop, found {[before for before, _ in played]!r}."
        )
    if len(seeds) < 2:
        raise ValueError(
            f"Expected at least 2 seeds for an open loop, which plays to a run what the others did, found {seeds!r}."
        )
    episodes = groups[0].episodes
    found = []
    for own, seed in enumerate(seeds):
        of_others = schedule.of([*episodes[:own], *episodes[own + 1 :]])
        found.append(run_episode(task, of_others, seed, test))
    return EpisodeGroup(tuple(found))
