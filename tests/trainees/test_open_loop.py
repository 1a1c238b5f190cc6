"""Open loops: the mean rates of a schedule's runs, step by step, and what they are played back to."""

import numpy as np
import pytest

from learned_lr.trainees import episode_groups
from learned_lr.trainees.adaptive_schedules import ReduceOnPlateau
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.families import parse
from learned_lr.trainees.open_loop import OpenLoop, StepRates
from learned_lr.trainees.schedules import Constant, WarmupLinear

TASK = parse("quadratic-d4-noise90-s20", 5)  # 5 decisions of 4 steps.
SEEDS = [3, 4, 5]
REACTS = ReduceOnPlateau(0.5, patience=1)


def _rates(group):
    return np.array([episode.column("learning_rate") for episode in group])


def test_the_mean_is_geometric_and_a_line_between_the_ends_of_intervals():
    own = episode_groups.run_episodes(TASK, REACTS, SEEDS).episodes
    rates = _rates(own)
    assert len({tuple(row) for row in rates}) > 1, "runs that don't differ"
    played = OpenLoop(REACTS).of(own).learning_rates
    assert len(played) == 20
    mean = np.prod(rates, axis=0) ** (1 / 3)
    assert played[0] == pytest.approx(mean[0])
    # The rate of an interval is that of its last step.
    assert played[3::4] == pytest.approx(mean[1:])
    assert played[5] == pytest.approx(mean[1] + (mean[2] - mean[1]) / 2)


def test_it_plays_to_a_run_what_the_others_did_times_its_multiplier():
    group = episode_groups.run_schedules(
        TASK, [REACTS, OpenLoop(REACTS), OpenLoop(REACTS, 0.25)], SEEDS
    ).episodes
    for index, seed in enumerate(SEEDS):
        others = [group[other] for other in range(3) if other != index]
        plain = run_episode(TASK, OpenLoop(REACTS).of(others), seed)
        assert group[3 + index].test_loss == plain.test_loss
    once, quarter = _rates(group[3:6]), _rates(group[6:])
    assert len({tuple(row) for row in once}) > 1, "other runs for each"
    assert quarter == pytest.approx(once / 4)


def test_a_single_run_has_no_others():
    with pytest.raises(ValueError, match=r"at least 2 seeds .*, found \[3\]"):
        episode_groups.run_schedules(TASK, [REACTS, OpenLoop(REACTS)], [3])


def test_what_does_not_react_is_played_back_as_it_was():
    group = episode_groups.run_schedules(
        TASK, [Constant(0.1), OpenLoop(Constant(0.1))], SEEDS
    ).episodes
    found = [episode.test_loss for episode in group]
    assert found[3:] == pytest.approx(found[:3])


def test_what_it_plays_back_is_run_before():
    schedules = [WarmupLinear(0.5), OpenLoop(REACTS), REACTS]
    with pytest.raises(ValueError, match="before its open loop, found .Warm"):
        episode_groups.run_schedules(TASK, schedules, SEEDS)


@pytest.mark.parametrize("multiplier", [0.0, -1.0, float("nan"), float("inf")])
def test_a_multiplier_is_positive_and_finite(multiplier):
    with pytest.raises(ValueError, match="Expected multiplier > 0"):
        OpenLoop(REACTS, multiplier)


def test_a_rate_for_every_step():
    rates = tuple(0.1 + 0.01 * step for step in range(20))
    episode = run_episode(TASK, StepRates(rates), 0)
    assert episode.column("learning_rate")[1:] == pytest.approx(rates[3::4])
