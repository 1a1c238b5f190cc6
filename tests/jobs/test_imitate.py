"""The imitation job on toy tasks: what it leaves behind, and that stopped anywhere it resumes to the same end."""

from __future__ import annotations

import contextlib
import json
import shutil

import family_jobs
import numpy as np
import pytest
from killed_writes import run_killed_at_writes

from learned_lr.agents import imitation, imitation_fit
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.controller import Controller
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.jobs.imitation_rounds import Rounds, teacher_levels
from learned_lr.trainees import families
from learned_lr.trainees.adaptive_schedules import Learned
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.tasks import QuadraticTask

TRAINING = ["quadratic-d4-noise10-s20", "quadratic-d5-noise90-s40"]
SELECTION = ["quadratic-d4-noise30-s20"]
CONFIG = f"""
family.name = 'toys'
family.training = {TRAINING}
family.selection = {SELECTION}
family.num_decisions = 5
imitate.references = 'references/toys/toy'
imitate.num_rounds = 2
imitate.num_evaluation_episodes = 2
imitation.num_units = 4
imitation.num_networks = 2
imitation.num_fitting_steps = 20
environment.transform = 'relative'
environment.features = ('validation_loss', 'learning_rate', 'progress', 'num_training_steps')
environment.base_schedule = @base_schedule()
environment.initial_learning_rate = 0.1
environment.max_scale = 2.0
workers.num_workers = 0
"""
LOSSES = {"0.1": 0.5, "0.3": 0.2, "1": 0.3}
REFERENCES = {
    TRAINING[0]: {"peak": 1.0, "best_loss": 0.1, "losses": LOSSES},
    TRAINING[1]: {"peak": 0.2, "best_loss": 0.2, "losses": LOSSES},
    SELECTION[0]: {"peak": 0.3, "best_loss": 0.2, "losses": LOSSES},
}
TABLES = ("imitation.csv", "episodes.csv", "evaluations.csv")


def _run(launch_job, root_dir, *bindings, references=REFERENCES):
    return family_jobs.launch(
        launch_job, "imitate", root_dir, *bindings, references=references, config=CONFIG
    )


def _path(root_dir):
    return family_jobs.path_of(root_dir, "imitate")


def _results(path):
    return family_jobs.results_of(path, *TABLES, "imitation.md")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, launch_job):
    """The run directory of a run that nothing disturbed; not to be written to."""
    root_dir = tmp_path_factory.mktemp("finished")
    assert _run(launch_job, root_dir) == 0
    return _path(root_dir)


def test_tables_hold_a_row_for_each_thing_done(finished):
    episodes = family_jobs.read_rows(finished, "episodes.csv")
    assert [(row["round"], row["task"], row["seed"]) for row in episodes] == [
        ("1", TRAINING[0], "0"),
        ("1", TRAINING[1], "1"),
        ("2", TRAINING[0], "2"),
        ("2", TRAINING[1], "3"),
    ]
    multipliers = [float(row["rate_multiplier"]) for row in episodes]
    assert multipliers == [families.draw_multiplier(4.0, seed) for seed in range(4)]
    evaluations = family_jobs.read_rows(finished, "evaluations.csv")
    assert [(row["round"], row["task"], row["seed"]) for row in evaluations] == [
        (number, SELECTION[0], seed)
        for number in "12"
        for seed in ("1000000000", "1000000001")
    ]
    rounds = family_jobs.read_rows(finished, "imitation.csv")
    found = [(r["round"], r["num_episodes"], r["num_decisions"]) for r in rounds]
    assert found == [("1", "2", "10"), ("2", "4", "20")]


def test_regrets_are_those_of_the_table(finished):
    by_round = {}
    for row in family_jobs.read_rows(finished, "evaluations.csv"):
        loss = float(row["best_validation_loss"])
        assert float(row["regret"]) == pytest.approx(np.log((loss + 0.02) / 0.22))
        by_round.setdefault(row["round"], []).append(float(row["regret"]))
    for row in family_jobs.read_rows(finished, "imitation.csv"):
        expected = np.mean(by_round[row["round"]])
        for name in ("mean_regret", "median_regret", "worst_regret"):
            assert float(row[name]) == pytest.approx(expected)
    losses = [
        float(r["mean_regret"])
        for r in family_jobs.read_rows(finished, "imitation.csv")
    ]
    controller = Controller.load(str(finished / "controller"))
    # Of two rounds the first is no candidate, however good it looks.
    assert controller.spec.provenance["round"] == 2
    assert controller.spec.provenance["mean_regret"] == losses[1]


def test_evaluations_are_runs_of_the_controllers(finished):
    task = QuadraticTask(SELECTION[0], 20, 4, 4, 0.3)
    for row in family_jobs.read_rows(finished, "evaluations.csv"):
        controller = Controller.load(
            str(finished / f"controllers/round_0{row['round']}")
        )
        episode = run_episode(task, Learned(controller), int(row["seed"]), test=False)
        assert float(row["best_validation_loss"]) == episode.best_validation_loss


def test_first_round_follows_the_base_and_later_ones_the_fit(finished):
    controllers = [imitation.untrained(_spec(finished), 0.3)]
    controllers.append(Controller.load(str(finished / "controllers/round_01")))
    for number, controller in enumerate(controllers, 1):
        file = finished / f"episodes/round_0{number}_{TRAINING[0]}.npz"
        items = imitation.LabelledEpisodes.from_bytes(file.read_bytes())
        actions, multiplier = items.actions[0], items.rate_multipliers[0]
        noise = np.random.default_rng([2 * number - 2, 4])
        expected = [
            controller.act(row)[0] + 0.3 * noise.standard_normal()
            for row in items.observations[0]
        ]
        np.testing.assert_allclose(actions, expected, rtol=1e-5)
        levels = 0.1 * 2.0 ** np.cumsum([0, *np.clip(actions, -1, 1)])[:-1]
        expected = np.clip(np.log2(1.0 / (multiplier * levels)), -1, 1)
        np.testing.assert_allclose(items.teacher_actions[0], expected, rtol=1e-5)


def test_without_a_base_the_teacher_leads_to_the_tuned_rates():
    task = QuadraticTask(TRAINING[0], 20, 4, 4, 0.1)
    tuned = BaseSchedule(warmup_fraction=0.5)
    assert teacher_levels(0.3, task, tuned, tuned) == (0.3,)
    levels = teacher_levels(0.3, task, None, tuned)
    # Five intervals of four steps; the middle of the third is the second step after ten of warm-up.
    assert levels[:2] == pytest.approx([0.3 * 3 / 10, 0.3 * 7 / 10])
    fall = 0.999 * (1 + np.cos(np.pi * np.array([1, 5, 9]) / 10)) / 2
    assert levels[2:] == pytest.approx(0.3 * (0.001 + fall))


def test_without_a_base_the_labels_lead_there(launch_job, tmp_path):
    bindings = ("environment.base_schedule = None", "imitate.num_rounds = 1")
    assert _run(launch_job, tmp_path, *bindings) == 0
    path = _path(tmp_path)
    assert Controller.load(str(path / "controller")).spec.base_schedule is None
    file = path / f"episodes/round_01_{TRAINING[0]}.npz"
    items = imitation.LabelledEpisodes.from_bytes(file.read_bytes())
    task = QuadraticTask(TRAINING[0], 20, 4, 4, 0.1)
    targets = teacher_levels(1.0, task, None, BaseSchedule())
    multiplier = families.draw_multiplier(4.0, 0)
    expected = [
        imitation.teacher_action(target / multiplier, level, 2.0)
        for target, level in zip(targets, items.levels[0].tolist())
    ]
    assert items.teacher_actions[0] == pytest.approx(expected)
    assert len(set(expected)) > 1


def _spec(path):
    return Controller.load(str(path / "controllers/round_01")).spec


def test_spec_of_the_controller(finished):
    spec = _spec(finished)
    assert spec.base_schedule == BaseSchedule()
    assert spec.source_tasks == tuple(TRAINING)
    assert (spec.trainee_steps_per_action, spec.num_trainee_steps) == (8, 40)
    assert (spec.network, spec.num_units, spec.activation) == ("mlp", 8, "tanh")


def test_summary_has_the_calibrated_cosine(finished):
    lines = (finished / "imitation.md").read_text().splitlines()
    # At 0.3 the training tasks have the least regret; it is the selection task's best.
    assert [cell.strip() for cell in lines[-1].split("|")[1:-1]] == ["cosine 0.3", *["0.000"] * 3]  # fmt: skip
    assert len(lines) == 5


@pytest.mark.parametrize("is_before", [True, False])
def test_stopped_at_writes_all_along_it_resumes_to_the_same_bytes(
    launch_job, finished, tmp_path, is_before
):
    num_kills = run_killed_at_writes(
        lambda: _run(launch_job, tmp_path), is_before, int(not is_before), stride=2
    )
    assert num_kills >= 5
    assert _results(_path(tmp_path)) == _results(finished)


def test_a_finished_run_is_not_run_again(
    launch_job, finished, tmp_path, monkeypatch, capsys
):
    shutil.copytree(finished, _path(tmp_path))
    monkeypatch.setattr(imitation_fit, "fit", None)
    assert _run(launch_job, tmp_path) == 0
    output = capsys.readouterr().out
    assert "holds a finished run: nothing is left to do" in output
    assert (finished / "imitation.md").read_text() in output


def test_a_sample_of_the_tasks_with_two_episodes_each(launch_job, tmp_path):
    bindings = "imitate.num_tasks_per_round = 1", "imitate.num_episodes_per_task = 2"
    assert _run(launch_job, tmp_path, *bindings) == 0
    episodes = family_jobs.read_rows(_path(tmp_path), "episodes.csv")
    assert [(row["round"], row["seed"]) for row in episodes] == [
        ("1", "0"),
        ("1", "1"),
        ("2", "2"),
        ("2", "3"),
    ]
    assert episodes[0]["task"] == episodes[1]["task"]
    rounds = family_jobs.read_rows(_path(tmp_path), "imitation.csv")
    found = [(row["num_episodes"], row["num_decisions"]) for row in rounds]
    assert found == [("2", "10"), ("4", "20")]


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        (["imitate.num_rounds = 0"], "imitate.num_rounds >= 1, found 0"),
        (["environment.transform = 'log'"], "'relative', the one without units"),
        (
            ["environment.act_before_first_interval = False"],
            "act_before_first_interval = True, found False",
        ),
        (["family.selection = ()"], "with selection tasks, found 2 and 0"),
        (["imitate.references = 'nowhere'"], "python -m learned_lr.references"),
        (["imitate.seed = 10000"], "a run seed in [0, 10000), found 10000"),
        (
            ["imitate.num_episodes_per_task = 30000"],
            "at most 100000 episodes of a run, found index 119999",
        ),
    ],
)
def test_what_can_not_work_is_refused(launch_job, tmp_path, capsys, bindings, message):
    assert _run(launch_job, tmp_path, *bindings) == 1
    assert message in capsys.readouterr().err
    assert not _path(tmp_path).exists()


def test_calibrated_peak_is_one_that_the_selection_tasks_were_run_at(
    launch_job, tmp_path
):
    bindings = (f"family.training = {TRAINING[:1]}", "imitate.num_rounds = 1")
    # The peak that was refined for the one training task, and nowhere else.
    losses = {**LOSSES, "0.234": 0.1}
    references = {
        **REFERENCES,
        TRAINING[0]: {**REFERENCES[TRAINING[0]], "losses": losses},
    }
    assert _run(launch_job, tmp_path, *bindings, references=references) == 0
    assert "cosine 0.3" in (_path(tmp_path) / "imitation.md").read_text()


def test_a_first_episode_that_fails_leaves_no_folder(launch_job, tmp_path, monkeypatch):
    def fail(*arguments):
        raise ValueError("no data")

    monkeypatch.setattr(imitation, "label_episodes", fail)
    assert _run(launch_job, tmp_path) == 1
    assert not _path(tmp_path).exists()


def test_tasks_without_a_reference_are_named(launch_job, tmp_path, capsys):
    references = {name: REFERENCES[name] for name in TRAINING}
    assert _run(launch_job, tmp_path, references=references) == 1
    assert f"found none for 1: {SELECTION[0]}." in capsys.readouterr().err


def test_a_sweep_over_seeds(finished, launch_job, tmp_path):
    job = tmp_path / "toy.gin"
    job.write_text(CONFIG, encoding="utf-8")
    folder = tmp_path / "runs" / "references" / "toys" / "toy"
    folder.mkdir(parents=True)
    (folder / "references.json").write_text(json.dumps(REFERENCES))
    sweep = f"sweep.job = 'imitate'\nsweep.gin_files = ('{job}',)\nsweep.seeds = (0, 1)\nworkers.num_workers = 0\n"  # fmt: skip
    assert launch_job("sweep", tmp_path / "runs", config=sweep) == 0
    (path,) = (tmp_path / "runs" / "sweep").glob("*/*")
    rows = family_jobs.read_rows(path, "sweep.csv")
    assert [row["imitate.seed"] for row in rows] == ["0", "1"]
    record = json.loads((finished / "run.json").read_text())
    expected = record["results"]["mean_regret"]
    assert float(rows[0]["mean_regret"]) == expected != float(rows[1]["mean_regret"])
    (second,) = (path / "points").glob("01-*")
    rows = family_jobs.read_rows(second, "episodes.csv")
    assert [row["seed"] for row in rows] == ["100000", "100001", "100002", "100003"]
    rows = family_jobs.read_rows(second, "evaluations.csv")
    assert [row["seed"] for row in rows] == ["1000100000", "1000100001"] * 2


@pytest.mark.parametrize(
    ("regrets", "expected"), [((0.0, 0.3, 0.1), 3), ((0.0, 0.1, 0.3), 2), ((0.2,), 1)]
)
def test_the_exported_round_has_the_least_regret_after_the_first(
    tmp_path, finished, regrets, expected
):
    controller = Controller.load(str(finished / "controller"))
    with contextlib.closing(RunDirectory(str(tmp_path))) as run:
        run.begin("", {})
        # No round is run: the tasks and the references are not looked at.
        rounds = Rounds(run, {}, {}, None, None, None, None, 4.0, 1, 0)
        for number, regret in enumerate(regrets, 1):
            run.save_controller(f"controllers/round_{number:02d}", controller)
            row = {"round": number, "mean_regret": regret, "worst_regret": 1 - regret}
            rounds._rounds.append(row)
        provenance = rounds.export_best().spec.provenance
    assert provenance["round"] == expected
    assert provenance["mean_regret"] == regrets[expected - 1]
