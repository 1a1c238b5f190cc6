"""Episodes: whole trajectories, pairing by seed, and the figures of a table row."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learned_lr.control.measurements import Measurement
from learned_lr.trainees import episode as episodes
from learned_lr.trainees import schedules
from learned_lr.trainees.tasks import QuadraticTask

SCHEDULE = schedules.StepDecay(0.1, 10, 0.1)


def test_an_episode_depends_on_its_arguments_alone(tiny_task):
    for task in (QuadraticTask(), tiny_task()):
        first = episodes.run_episode(task, SCHEDULE, 3)
        episodes.run_episode(task, schedules.Constant(1.0), 4)
        if isinstance(task, QuadraticTask):
            episodes.run_episode(QuadraticTask(noise=0.1), SCHEDULE, 3)
        again = episodes.run_episode(task, SCHEDULE, 3)
        assert again.trajectory.tobytes() == first.trajectory.tobytes()
        np.testing.assert_equal(
            (again.seed, again.diverged, again.test_loss, again.test_accuracy),
            (first.seed, first.diverged, first.test_loss, first.test_accuracy),
        )


def test_the_trajectory_of_a_trainee(tiny_task):
    task = tiny_task()
    found = episodes.run_episode(task, SCHEDULE, 3)
    trainee = episodes.trainee_for(task)
    trainee.reset(3)
    rows = [trainee.measure()] + [trainee.train(r) for r in (0.1, 0.1, 0.01, 0.01)]
    assert episodes.TRAJECTORY_COLUMNS[2:] == Measurement._fields[:-2]
    np.testing.assert_array_equal(
        found.trajectory[:, 2:], [list(row.numbers[:-1]) for row in rows]
    )
    assert found.column("trainee_step").tolist() == [0, 5, 10, 15, 20]
    assert found.column("learning_rate") == pytest.approx([0.1] * 3 + [0.01] * 2)
    assert (found.test_loss, found.test_accuracy) == trainee.test()
    assert not found.diverged


def test_schedules_with_one_seed_start_from_one_network(tiny_task):
    first, second, other = (
        episodes.run_episode(tiny_task(), schedules.Constant(rate), seed, test=False)
        for rate, seed in ((0.1, 3), (0.001, 3), (0.1, 4))
    )
    np.testing.assert_array_equal(first.trajectory[0, 2:], second.trajectory[0, 2:])
    assert np.all(first.trajectory[1:, 2:4] != second.trajectory[1:, 2:4])
    assert np.all(first.trajectory[:, 2:4] != other.trajectory[:, 2:4])
    assert math.isnan(first.test_loss) and math.isnan(first.test_accuracy)


def test_a_diverged_episode(tiny_task):
    task = tiny_task(optimizer="sgd", momentum=0.0)
    schedule = schedules.RecordedRates((0, 10), (0.1, 1e30))
    found = episodes.run_episode(task, schedule, 0)
    cap = 1.5 * math.log(3)
    losses = found.column("validation_loss")
    assert found.diverged
    assert losses[3:].tolist() == [cap, cap]
    assert losses[:3].max() < cap
    assert found.test_loss < cap


def test_the_figures_of_a_table_row():
    recorder = episodes.EpisodeRecorder(9)
    losses = (2.0, 0.5, 0.25, 1.0)
    for number, loss in enumerate(losses):
        measurement = Measurement(3.0, loss, 0.1, 0.2, 0.3, 0.4, 0.5, number == 3)
        recorder.add(10 * number, 0.1, measurement)
    found = recorder.episode((0.7, 0.8))
    assert found.summary() == {
        "seed": 9,
        "best_validation_loss": 0.25,
        "best_trainee_step": 20,
        "final_validation_loss": 1.0,
        "mean_validation_loss": pytest.approx(1.75 / 3),
        "diverged": True,
    }
    assert (found.test_loss, found.test_accuracy) == (0.7, 0.8)
    assert found.trajectory[1].tolist() == [10, 0.1, 3.0, 0.5, 0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize("test", [True, False])
def test_an_episode_comes_back_from_its_bytes(test):
    episode = episodes.run_episode(QuadraticTask(), SCHEDULE, 5, test=test)
    copy = episodes.Episode.from_bytes(episode.to_bytes())
    assert copy.trajectory.dtype == np.float64
    assert copy.trajectory.tobytes() == episode.trajectory.tobytes()
    np.testing.assert_equal(
        (copy.seed, copy.diverged, copy.test_loss, copy.test_accuracy),
        (episode.seed, episode.diverged, episode.test_loss, episode.test_accuracy),
    )
