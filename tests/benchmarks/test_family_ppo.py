"""PPO over a family at toy size: it learns, goes on where it was stopped, and keeps the best by selection tasks."""

from __future__ import annotations

import csv
import json
import types

import numpy as np
import pytest

import gin
from benchmarks import family_ppo
from learned_lr.control.controller import Controller

TRAINING = [f"quadratic-d{size}-s100" for size in (3, 4, 5)]
SELECTION = ["quadratic-d6-s100"]


def test_noise_comes_in_antithetic_pairs():
    found = family_ppo.noises(3, 2, 7)
    assert found.shape == (4, 7)
    np.testing.assert_array_equal(found[2:], -found[:2])
    assert len(np.unique(found)) == 28
    assert not np.any(found == family_ppo.noises(4, 2, 7))


def test_rewards_are_less_their_groups_mean_in_spreads(collected_groups):
    found = family_ppo.advantages(collected_groups, [2.0, 0.0])
    rewards = [episode.rewards.tolist() for episode in found]
    # The second group's spread is chance alone, and taken for 0.05.
    expected = [[-0.5, 0.5], [0.5, -0.5], [-2.0, 0.0], [2.0, 0.0]]
    np.testing.assert_allclose(rewards, expected, rtol=1e-6)


@pytest.fixture
def collected_groups():
    """Two groups of two episodes, with rewards and what else an update reads left out."""

    def episode(*rewards):
        return family_ppo.CollectedEpisode(
            None, None, None, None, 0.1, np.array(rewards, np.float32)
        )

    return [
        [episode(1.0, 4.0), episode(3.0, 2.0)],
        [episode(0.1, 5.0), episode(0.3, 5.0)],
    ]


def test_all_tasks_have_their_turn():
    options = types.SimpleNamespace(num_tasks=2, seed=0)
    training = family_ppo.FamilyTraining.__new__(family_ppo.FamilyTraining)
    training._options, training._training = options, dict.fromkeys("abcd")
    drawn = [training._drawn(iteration) for iteration in (1, 2, 3, 4)]
    for first in (0, 2):
        assert sorted(drawn[first] + drawn[first + 1]) == list("abcd")


@pytest.mark.smoke
def test_a_run_that_is_stopped_goes_on(tmp_path, monkeypatch):
    family = tmp_path / "toys.gin"
    family.write_text(
        "family.name = 'toys'\nfamily.num_decisions = 5\n"
        f"family.training = {TRAINING}\nfamily.selection = {SELECTION}\n"
    )
    reference = {"peak": 0.01, "best_loss": 0.1, "spread": 1.0, "losses": {}}
    references = tmp_path / "references.json"
    references.write_text(json.dumps(dict.fromkeys(TRAINING + SELECTION, reference)))

    def run(name, *more):
        arguments = [
            f"--out_dir={tmp_path / name}",
            f"--family={family}",
            f"--references={references}",
            "--num_iterations=4",
            "--num_tasks=3",
            "--num_epochs=2",
            "--evaluation_interval=2",
            "--num_evaluation_episodes=2",
            "--num_workers=0",
            *more,
        ]
        gin.clear_config()
        family_ppo.main(arguments)
        with open(
            tmp_path / name / "family_ppo.csv", newline="", encoding="utf-8"
        ) as f:
            rows = [{**row, "cpu_sec": None} for row in csv.DictReader(f)]
        return rows, Controller.load(str(tmp_path / name / "controller"))

    whole, controller = run("whole")
    assert [row["iteration"] for row in whole] == ["0", "2", "4"]
    assert [row["num_training_episodes"] for row in whole] == ["0", "24", "48"]
    assert len({row["mean_regret"] for row in whole}) == 3
    best = min(whole, key=lambda row: float(row["mean_regret"]))
    assert controller.spec.provenance["iteration"] == int(best["iteration"])
    assert controller.spec.source_tasks == tuple(sorted(TRAINING))
    run("resumed", "--num_iterations=2")
    resumed, found = run("resumed")
    assert resumed == whole
    assert found.files() == controller.files()
    # From a controller on, the first row is that controller's.
    started, _ = run(
        "started", f"--initial_controller={tmp_path / 'whole' / 'controller'}"
    )
    assert started[0]["mean_regret"] == best["mean_regret"]
