"""Episodes on disk are read back; missing and damaged ones are run."""

from __future__ import annotations

import dataclasses

import pytest

from learned_lr.execution import cache
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.execution.workers_config import WorkersConfig
from learned_lr.trainees.episode import Episode, run_episode
from learned_lr.trainees.schedules import Constant
from learned_lr.trainees.tasks import QuadraticTask

TASK = QuadraticTask(num_trainee_steps=20)


@pytest.fixture
def map_seeds(tmp_path):
    """A function that runs seeds, and returns (episodes, seeds run, seeds seen)."""
    run = RunDirectory(str(tmp_path))

    def map_seeds(seeds):
        ran, seen = [], []

        def function(seed):
            ran.append(seed)
            return run_episode(TASK, Constant(0.1), seed)

        episodes = cache.map_episodes(
            run,
            Workers(WorkersConfig(num_workers=0)),
            function,
            [(seed,) for seed in seeds],
            [f"seed_{seed}" for seed in seeds],
            Episode,
            lambda index, episode: seen.append((index, episode.seed)),
        )
        return episodes, ran, seen

    return map_seeds


def test_finished_episodes_are_read_back(map_seeds):
    first, ran, seen = map_seeds([4, 5])
    assert ran == [4, 5] and seen == [(0, 4), (1, 5)]
    second, ran, seen = map_seeds([6, 5, 4])
    assert ran == [6] and seen == [(1, 5), (2, 4), (0, 6)]
    assert [episode.seed for episode in second] == [6, 5, 4]
    for before, after in zip(first, (second[2], second[1])):
        assert after.to_bytes() == before.to_bytes()


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_damaged_file_is_run_again(map_seeds, tmp_path, content):
    (before,), _, _ = map_seeds([4])
    file = tmp_path / "episodes" / "seed_4.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100] if content is None else content)
    (after,), ran, _ = map_seeds([4])
    assert ran == [4]
    assert file.read_bytes() == after.to_bytes()
    # Timings aside, the same bits.
    timings = {"duration_sec": 0.0, "cpu_sec": 0.0}
    repeated, first = (dataclasses.replace(e, **timings) for e in (after, before))
    assert repeated.to_bytes() == first.to_bytes()


def test_a_file_whose_compression_is_altered_is_run_again(map_seeds, tmp_path):
    map_seeds([4])
    file = tmp_path / "episodes" / "seed_4.npz"
    content = bytearray(file.read_bytes())
    # The method of the first entry in the central directory: 12, bzip2, whose reader finds no
    # stream of its own and raises OSError.
    content[content.index(b"PK\x01\x02") + 10] = 12
    file.write_bytes(content)
    assert map_seeds([4])[1] == [4]
