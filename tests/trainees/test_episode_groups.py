"""Groups of episodes: each as if it had been run alone, and bytes that come back."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from learned_lr.trainees import schedules
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.episode_groups import EpisodeGroup, run_episodes
from learned_lr.trainees.tasks import QuadraticTask

TASK = QuadraticTask(num_trainee_steps=40)
SCHEDULE = schedules.Constant(0.3)


@pytest.mark.parametrize("test", [True, False])
def test_episodes_are_those_run_alone(test):
    group = run_episodes(TASK, SCHEDULE, (3, 4), test)
    for seed, found in zip((3, 4), group.episodes):
        expected = run_episode(TASK, SCHEDULE, seed, test)
        np.testing.assert_array_equal(found.trajectory, expected.trajectory)
        np.testing.assert_equal(found.test_loss, expected.test_loss)
        assert (found.seed, found.diverged) == (seed, False)


def test_to_bytes_and_back():
    group = run_episodes(TASK, schedules.Constant(30.0), (3, 4))
    assert [episode.diverged for episode in group.episodes] == [True, True]
    found = EpisodeGroup.from_bytes(group.to_bytes())
    for one, other in zip(found.episodes, group.episodes):
        np.testing.assert_array_equal(one.trajectory, other.trajectory)
        assert one.summary() == other.summary()
        assert (one.test_loss, one.cpu_sec) == (other.test_loss, other.cpu_sec)


def test_damaged_bytes():
    content = run_episodes(TASK, SCHEDULE, (3,)).to_bytes()
    with pytest.raises(zipfile.BadZipFile):
        EpisodeGroup.from_bytes(content[:-50])
