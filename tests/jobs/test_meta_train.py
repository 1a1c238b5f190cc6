"""PPO over toy tasks: what the job leaves behind, and that stopped anywhere it resumes to the same end."""

from __future__ import annotations

import json

import family_jobs
import numpy as np
import pytest
from killed_writes import run_killed_at_writes

from learned_lr.agents import groups
from learned_lr.agents.collection import CollectedEpisode
from learned_lr.agents.ppo import PPOTrainer
from learned_lr.control.controller import Controller
from learned_lr.jobs.family_training import FamilyTraining
from learned_lr.trainees import families
from learned_lr.trainees.adaptive_schedules import Learned
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.tasks import QuadraticTask

TRAINING = [f"quadratic-d{size}-noise10-s20" for size in (3, 4, 5)]
SELECTION = ["quadratic-d4-noise30-s20"]
CONFIG = f"""
family.name = 'toys'
family.training = {TRAINING}
family.selection = {SELECTION}
family.num_decisions = 5
meta_train.references = 'references/toys/toy'
meta_train.num_iterations = 4
meta_train.num_tasks_per_iteration = 2
meta_train.num_pairs_per_task = 2
meta_train.evaluation_interval = 3
meta_train.num_evaluation_episodes = 2
environment.transform = 'relative'
environment.features = ('validation_loss', 'learning_rate', 'progress', 'num_training_steps')
environment.base_schedule = @base_schedule()
environment.initial_learning_rate = 0.1
environment.max_scale = 2.0
environment.reward = 'log_best_validation_loss_decrease'
ppo.num_units = 4
ppo.num_epochs = 2
workers.num_workers = 0
"""
_LOSSES = {"0.1": 0.5, "0.3": 0.2, "1": 0.3}
_TUNED = {"peak": 1.0, "best_loss": 0.1, "losses": _LOSSES}
REFERENCES = {
    **{name: {**_TUNED, "spread": 0.1 + i} for i, name in enumerate(TRAINING)},
    SELECTION[0]: {**_TUNED, "best_loss": 0.2, "spread": 1.0},
}
TABLES = ("meta_training.csv", "updates.csv", "episodes.csv", "evaluations.csv")


def _run(launch_job, root_dir, *bindings):
    return family_jobs.launch(
        launch_job,
        "meta_train",
        root_dir,
        *bindings,
        references=REFERENCES,
        config=CONFIG,
    )


def _path(root_dir):
    return family_jobs.path_of(root_dir, "meta_train")


def _results(path):
    return family_jobs.results_of(path, *TABLES, "meta_training.md")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, launch_job):
    """The run directory of a run that nothing disturbed; not to be written to."""
    root_dir = tmp_path_factory.mktemp("finished")
    assert _run(launch_job, root_dir) == 0
    return _path(root_dir)


def test_a_group_shares_task_seed_and_multiplier(finished):
    rows = family_jobs.read_rows(finished, "episodes.csv")
    assert [row["iteration"] for row in rows] == [n for n in "1234" for _ in range(8)]
    # Two tasks an iteration, a seed each, two antithetic pairs each.
    assert [row["seed"] for row in rows] == [str(n) for n in range(8) for _ in "abcd"]
    for index in range(0, len(rows), 4):
        group = rows[index : index + 4]
        assert len({row["task"] for row in group}) == 1
        multiplier = families.draw_multiplier(4.0, int(group[0]["seed"]))
        assert {float(row["rate_multiplier"]) for row in group} == {multiplier}
        assert len({row["return"] for row in group}) == 4
    # All tasks have their turn before one has its second.
    drawn = [row["task"] for row in rows[::4]]
    assert sorted(drawn[:3]) == sorted(drawn[3:6]) == TRAINING


def test_episodes_are_the_policys_with_antithetic_noise(finished):
    start = Controller.load(str(finished / "controllers/iteration_0000"))
    noise = groups.antithetic_noise(0, 2, 5)
    for number in range(4):
        file = finished / f"episodes/training_0001_00{number}.npz"
        found = CollectedEpisode.from_bytes(file.read_bytes())
        means = [start.act(row)[0] for row in found.observations[:-1]]
        expected = means + start.action_deviation * noise[number]
        np.testing.assert_allclose(found.actions, expected, rtol=1e-5, atol=1e-6)


def test_an_update_learns_from_rewards_against_the_other_pairs(
    launch_job, tmp_path, monkeypatch
):
    learned_from, update = [], PPOTrainer.update

    def spy(self, episodes):
        learned_from.append([e.rewards for e in episodes])
        return update(self, episodes)

    monkeypatch.setattr(PPOTrainer, "update", spy)
    assert _run(launch_job, tmp_path, "meta_train.num_iterations = 1") == 0
    rows = family_jobs.read_rows(_path(tmp_path), "episodes.csv")
    expected = []
    for index in (0, 4):
        group = []
        for number in range(index, index + 4):
            file = _path(tmp_path) / f"episodes/training_0001_00{number}.npz"
            group.append(CollectedEpisode.from_bytes(file.read_bytes()).rewards)
        spread = REFERENCES[rows[index]["task"]]["spread"]
        for number, (other, mirror) in enumerate([(1, 3), (0, 2), (1, 3), (0, 2)]):
            baseline = (group[other] + group[mirror]) / 2
            expected.append((group[number] - baseline) / spread)
    (found,) = learned_from
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(found).max() > 0


def test_what_is_started_from_and_the_last_are_evaluated(finished):
    rows = family_jobs.read_rows(finished, "meta_training.csv")
    found = [(row["iteration"], row["num_episodes"]) for row in rows]
    assert found == [("0", "0"), ("3", "24"), ("4", "32")]
    assert len({row["mean_regret"] for row in rows}) == 3
    task = QuadraticTask(SELECTION[0], 20, 4, 4, 0.3)
    by_iteration = {}
    for row in family_jobs.read_rows(finished, "evaluations.csv"):
        folder = finished / f"controllers/iteration_000{row['iteration']}"
        schedule = Learned(Controller.load(str(folder)))
        episode = run_episode(task, schedule, int(row["seed"]), test=False)
        loss = episode.best_validation_loss
        assert float(row["best_validation_loss"]) == loss
        assert float(row["regret"]) == pytest.approx(np.log((loss + 0.02) / 0.22))
        by_iteration.setdefault(row["iteration"], []).append(float(row["regret"]))
    for row in rows:
        expected = np.mean(by_iteration[row["iteration"]])
        assert float(row["mean_regret"]) == pytest.approx(expected)


def test_the_best_on_selection_tasks_is_exported(finished):
    rows = family_jobs.read_rows(finished, "meta_training.csv")
    best = min(rows, key=lambda row: float(row["mean_regret"]))
    controller = Controller.load(str(finished / "controller"))
    assert controller.spec.provenance["iteration"] == int(best["iteration"])
    assert controller.spec.provenance["mean_regret"] == float(best["mean_regret"])
    assert controller.spec.source_tasks == tuple(TRAINING)
    lines = (finished / "meta_training.md").read_text().splitlines()
    labels = [line.split("|")[1].strip() for line in lines[2:]]
    assert labels == ["iteration 0", "iteration 3", "iteration 4", "cosine 0.3"]


def test_another_seed_is_another_training(finished, launch_job, tmp_path):
    assert _run(launch_job, tmp_path, "meta_train.seed = 1") == 0
    rows = family_jobs.read_rows(_path(tmp_path), "episodes.csv")
    assert [int(row["seed"]) for row in rows[::4]] == [100_000 + n for n in range(8)]
    name = "controllers/iteration_0000/weights.npz"
    assert _results(_path(tmp_path))[name] != _results(finished)[name]


@pytest.mark.parametrize("is_before", [True, False])
def test_stopped_at_writes_all_along_it_resumes_to_the_same_bytes(
    launch_job, finished, tmp_path, is_before
):
    num_kills = run_killed_at_writes(
        lambda: _run(launch_job, tmp_path), is_before, int(not is_before), stride=8
    )
    assert num_kills >= 4
    assert _results(_path(tmp_path)) == _results(finished)


def test_from_a_controller_on(finished, launch_job, tmp_path):
    bindings = (
        f"meta_train.initial_controller = '{finished / 'controller'}'",
        "meta_train.num_iterations = 1",
        "environment.max_scale = 3.0",  # The controller's own counts.
    )
    assert _run(launch_job, tmp_path, *bindings) == 0
    initial = Controller.load(str(finished / "controller"))
    path = _path(tmp_path)
    assert Controller.load(str(path / "initial_controller")).files() == initial.files()
    first = Controller.load(str(path / "controllers/iteration_0000"))
    assert first.spec.scaling.max_scale == 2.0
    names = [name for name in initial.weights if name != "action_deviation"]
    for name in names:
        np.testing.assert_array_equal(first.weights[name], initial.weights[name])
    rows = family_jobs.read_rows(path, "meta_training.csv")
    earlier = family_jobs.read_rows(finished, "meta_training.csv")
    assert float(rows[0]["mean_regret"]) == min(float(r["mean_regret"]) for r in earlier)  # fmt: skip


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        (["meta_train.num_iterations = 0"], "meta_train.num_iterations >= 1, found 0"),
        (["meta_train.num_pairs_per_task = 1"], "num_pairs_per_task >= 2, found 1"),
        (
            ["environment.transform = 'log'"],
            "Expected environment.transform to be 'relative', the one without units",
        ),
        (
            ["meta_train.initial_controller = 'digits_cnn'"],
            "of meta_train.initial_controller to be 'relative'",
        ),
        (
            ["environment.reward = 'validation_loss'"],
            "'log_best_validation_loss_decrease'], found 'validation_loss'",
        ),
        (["family.selection = ()"], "with selection tasks, found 3 and 0"),
        (["meta_train.references = 'nowhere'"], "python -m learned_lr.references"),
        (["meta_train.seed = 10000"], "a run seed in [0, 10000), found 10000"),
        (["meta_train.num_iterations = 60000"], "found index 119999"),
        (
            ["meta_train.initial_controller = 'default'"],
            "the 25 decisions that meta_train.initial_controller takes in a run, found 5: set family.num_decisions",
        ),
    ],
)
def test_what_can_not_work_is_refused(launch_job, tmp_path, capsys, bindings, message):
    assert _run(launch_job, tmp_path, *bindings) == 1
    assert message in capsys.readouterr().err
    assert not _path(tmp_path).exists()


def test_a_sweep_over_seeds(finished, launch_job, tmp_path):
    job = tmp_path / "toy.gin"
    job.write_text(CONFIG, encoding="utf-8")
    folder = tmp_path / "runs" / "references" / "toys" / "toy"
    folder.mkdir(parents=True)
    (folder / "references.json").write_text(json.dumps(REFERENCES))
    sweep = f"sweep.job = 'meta_train'\nsweep.gin_files = ('{job}',)\nsweep.seeds = (0, 1)\nworkers.num_workers = 0\n"  # fmt: skip
    assert launch_job("sweep", tmp_path / "runs", config=sweep) == 0
    (path,) = (tmp_path / "runs" / "sweep").glob("*/*")
    rows = family_jobs.read_rows(path, "sweep.csv")
    record = json.loads((finished / "run.json").read_text())
    expected = record["results"]["mean_regret"]
    assert float(rows[0]["mean_regret"]) == expected != float(rows[1]["mean_regret"])


def test_all_tasks_have_their_turn():
    training = FamilyTraining.__new__(FamilyTraining)
    training._seed, training._training = 0, dict.fromkeys("abcdefgh")
    drawn = [name for number in range(1, 7) for name in training.drawn(number, 4)]
    turns = drawn[:8], drawn[8:16], drawn[16:]
    assert [sorted(turn) for turn in turns] == [list("abcdefgh")] * 3
    assert turns[0] != turns[1]
