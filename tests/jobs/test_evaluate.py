"""The evaluation job on the toy task: seeds, statistics, replays, transfer."""

from __future__ import annotations

import csv
import json
import pathlib

import numpy as np
import pytest
from job_results import NAMES, TASK, rows_of

from learned_lr.control.controller import Controller
from learned_lr.report import assembly, statistics
from learned_lr.trainees import schedules

MY_TASK = """
import numpy as np
import tensorflow as tf

from learned_lr.trainees.datasets import Dataset
from learned_lr.trainees.tasks import Task


def bright():
    images = np.random.default_rng(0).integers(256, size=(60, 2, 2, 1)).astype(np.uint8)
    labels = (images.mean((1, 2, 3)) > 128).astype(np.int32)
    parts = zip(np.split(images, [20, 40]), np.split(labels, [20, 40]))
    return Dataset("bright", *(array for part in parts for array in part), num_classes=2)


def dense(input_shape, num_classes):
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [tf.keras.Input(input_shape), layers.Flatten(), layers.Dense(num_classes)]
    )


def bright_dense():
    return Task("bright_dense", bright, dense, batch_size=10, num_trainee_steps=10)
"""
MY_EVALUATION = """
task.name = 'bright_dense'
evaluate.families = [@constant_rate]
evaluate.num_seeds = 2
constant_rate.learning_rates = (0.01, 0.1)
"""


def test_all_schedules_of_an_evaluation_share_seeds_of_their_own(grid, evaluation):
    rows = rows_of(evaluation / "evaluation.csv")
    seeds = {}
    for row in rows:
        seeds.setdefault(row["schedule"], []).append(int(row["seed"]))
    best = json.loads((grid / "best.json").read_text())["name"]
    plateau = "plateau 1.9, 0.5, 1"
    assert list(seeds) == [
        f"best of grid: {best}",
        "step decay 0.5, 10, 0.5",
        "step decay 0.5, 20, 0.5",
        "replay",
        plateau,
    ]
    expected = list(range(2_000_000_000, 2_000_000_004))
    assert list(seeds.values()) == [expected] * 5
    assert not set(expected) & {int(row["seed"]) for row in rows_of(grid / "grid.csv")}
    starts = [
        {
            row["validation_loss"]
            for row in rows_of(evaluation / "trajectories.csv")
            if row["trainee_step"] == "0" and int(row["seed"]) == seed
        }
        for seed in expected
    ]
    assert [len(losses) for losses in starts] == [1] * 4


def test_statistics_are_those_of_the_table(evaluation):
    losses = {}
    for row in rows_of(evaluation / "evaluation.csv"):
        losses.setdefault(row["schedule"], []).append(float(row["test_loss"]))
    rows = [
        row
        for row in rows_of(evaluation / "statistics.csv")
        if row["metric"] == "test_loss"
    ]
    reference = next(iter(losses))
    assert [row["schedule"] for row in rows] == list(losses)
    assert {row["reference"] for row in rows} == {reference}
    for row in rows[1:]:
        expected = statistics.compare(losses[row["schedule"]], losses[reference])
        for name in ("mean", "difference", "difference_high", "p_welch", "p_paired"):
            np.testing.assert_equal(float(row[name]), getattr(expected, name))
        assert row["star"] == ("*" if expected.p_student < 0.05 else "")
        assert float(row["p_student_holm"]) >= float(row["p_student"])
    # The headline: the paired test, corrected for the table's comparisons; a schedule
    # that equals the winner has none.
    holm = [float(row["p_paired_holm"]) for row in rows[1:]]
    p_values = [float(row["p_paired"]) for row in rows[1:]]
    np.testing.assert_array_equal(holm, statistics.holm(p_values))
    assert np.nanmax(np.subtract(holm, p_values)) > 0
    lines = (evaluation / "evaluation.md").read_text().splitlines()
    for row, corrected in zip(rows[1:], holm):
        (line,) = (n for n in lines if n.startswith(f"| {row['schedule']} "))
        expected = "" if np.isnan(corrected) else f"{corrected:.2g}"
        assert line.split("|")[6].strip() == expected
    assert rows[0]["p_student"] == "nan" and rows[0]["star"] == ""


def test_the_quadratic_has_no_accuracy(evaluation):
    rows = rows_of(evaluation / "statistics.csv")
    accuracies = [row for row in rows if row["metric"] == "test_accuracy"]
    assert {row["mean"] for row in accuracies} == {"nan"}
    assert {row["p_student_holm"] for row in accuracies} == {"nan"}


def test_a_schedule_that_reacts_can_be_replayed(evaluation):
    assert len(list((evaluation / "replay").iterdir())) == 5
    replayed = schedules.RecordedRates.from_csv(
        str(evaluation / "replay" / "plateau_1_9__0_5__1.csv")
    )
    assert replayed.trainee_steps == (0, 10, 20, 30)
    rates = [
        [
            float(row["learning_rate"])
            for row in rows_of(evaluation / "trajectories.csv")
            if row["schedule"].startswith("plateau") and int(row["seed"]) == seed
        ]
        for seed in range(2_000_000_000, 2_000_000_004)
    ]
    expected = np.exp(np.log(rates).mean(axis=0))[1:]
    np.testing.assert_allclose(replayed.learning_rates, expected, rtol=1e-6)


def test_equal_schedules_are_run_once(run_jobs, grid, evaluation):
    best = json.loads((grid / "best.json").read_text())["name"]
    assert best in NAMES[3:]  # These are evaluated under their own names, too.
    assert len(list((evaluation / "episodes").iterdir())) == 4 * 4
    results = json.loads((evaluation / "run.json").read_text())["results"]
    assert results["num_runs"] == 4 * 4
    assert results["num_trainee_steps"] == results["num_gradient_samples"] == 16 * 40
    first, second = (
        [
            {k: v for k, v in row.items() if k not in ("schedule", "kind")}
            for row in rows_of(evaluation / "evaluation.csv")
            if row["schedule"] == name
        ]
        for name in (f"best of grid: {best}", best)
    )
    assert first == second


def test_a_finished_run_is_not_that_of_another_winner(run_jobs, tmp_path, capsys):
    assert run_jobs(tmp_path, "baseline", "evaluate") == 0
    assert run_jobs(tmp_path, "evaluate") == 0
    assert "a finished run: nothing is left to do" in capsys.readouterr().out
    file = tmp_path / "baseline" / "quadratic" / "toy" / "best.json"
    best = json.loads(file.read_text())
    other = {**best, "schedule": {"kind": "constant", "learning_rate": 0.25}}
    file.write_text(json.dumps(other))
    assert run_jobs(tmp_path, "evaluate") == 1
    changed = f"best of grid: {best['name']}, best of grid: constant 0.25"
    message = f"found others in place of: {changed}. Give the gin file another name"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("evaluate.reference = 'best'", "evaluate.reference out of"),
        ("evaluate.num_seeds = 0", "evaluate.num_seeds >= 1, found 0"),
        ("evaluate.families = []", "at least one schedule, found none"),
        ("replay.path = 'none.csv'", "none.csv"),
    ],
)
def test_bad_input_is_one_message(run_jobs, tmp_path, capsys, binding, message):
    assert run_jobs(tmp_path, "baseline") == 0
    assert run_jobs(tmp_path, "evaluate", bindings=[binding]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("Error") == 1


def test_a_controller_from_another_task(launch_job, run_jobs, finished, tmp_path):
    """Transfer: frozen, or with its normaliser estimated anew."""
    assert run_jobs(tmp_path, "baseline") == 0
    config = (
        TASK
        + f"""
task.noise = 0.3
evaluate.families = [@source/best_of_grid, @frozen/controller, @new/controller]
evaluate.num_seeds = 2
source/best_of_grid.run = 'baseline/quadratic/toy'
source/best_of_grid.label = 'best of source'
controller.path = '{pathlib.Path(finished) / "controller"}'
frozen/controller.label = 'frozen'
new/controller.label = 'new'
new/controller.num_normalizer_decisions = 2
"""
    )
    assert launch_job("evaluate", tmp_path, config=config) == 0
    path = tmp_path / "evaluate" / "quadratic" / "toy"
    described = json.loads((path / "schedules.json").read_text())
    assert next(iter(described)).startswith("best of source: ")
    assert described["frozen"]["controller"]["source_tasks"] == ["quadratic"]
    rates = {}
    for row in rows_of(path / "trajectories.csv"):
        if row["seed"] == "2000000000":
            rates.setdefault(row["schedule"], []).append(float(row["learning_rate"]))
    assert rates["frozen"][:2] == rates["new"][:2] and rates["frozen"] != rates["new"]
    controller = Controller.load(str(pathlib.Path(finished) / "controller"))
    assert described["new"]["num_normalizer_decisions"] == 2
    assert described["new"]["controller"]["network"] == controller.spec.network


def test_controllers_of_several_trainings_share_a_row(
    launch_job, run_jobs, finished, tmp_path
):
    assert run_jobs(tmp_path, "baseline") == 0
    folders = [str(f) for f in sorted((finished / "controllers").iterdir())]
    assert len(folders) == 2
    config = (
        TASK
        + f"""
evaluate.families = [@best_of_grid, @controllers]
evaluate.num_seeds = 3
best_of_grid.run = 'baseline/quadratic/toy'
controllers.paths = ({folders[0]!r}, {folders[1]!r})
controllers.label = 'trained'
"""
    )
    assert launch_job("evaluate", tmp_path, config=config) == 0
    path = tmp_path / "evaluate" / "quadratic" / "toy"
    losses = {}
    for row in rows_of(path / "evaluation.csv"):
        losses.setdefault(row["schedule"], []).append(float(row["test_loss"]))
    assert list(losses)[1:] == ["trained 1 of 2", "trained 2 of 2"]
    reference, *members = losses.values()
    assert members[0] != members[1]
    rows = rows_of(path / "statistics.csv")
    (row,) = (
        r for r in rows if (r["metric"], r["schedule"]) == ("test_loss", "trained")
    )
    expected = statistics.compare(np.mean(members, axis=0), reference)
    assert float(row["p_paired"]) == expected.p_paired
    assert (row["num_runs"], row["num_members"], row["p_student"]) == ("6", "2", "nan")
    # The report has the row, and all runs are there.
    assert "All whole." in assembly.report(str(tmp_path))
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    (line,) = (n for n in text.splitlines() if n.startswith("| trained "))
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    deviations = (
        np.sqrt(np.mean(np.var(members, axis=1, ddof=1))),
        np.std(np.mean(members, axis=1), ddof=1),
    )
    assert cells[1] == "6"
    assert cells[2] == (
        f"{np.mean(members):.4f} ({deviations[0]:.4f}, {deviations[1]:.4f})"
    )
    assert "Of several controllers in one row" in text
    with (tmp_path / "report" / "contenders.csv").open() as file:
        (row,) = (r for r in csv.DictReader(file) if r["schedule"] == "trained")
    assert row["num_controllers"] == "2.0" and row["num_runs"] == "6.0"


@pytest.mark.parametrize("paths", ["()", "('default', 'weight_path')"])
def test_controllers_have_to_differ(run_jobs, tmp_path, capsys, paths):
    bindings = ["evaluate.families = [@controllers]", f"controllers.paths = {paths}"]
    assert run_jobs(tmp_path, "evaluate", bindings=bindings) == 1
    error = capsys.readouterr().err
    assert "Expected controllers.paths to name different controllers, found" in error


def test_functions_of_a_task_file_are_recorded_by_their_names(launch_job, tmp_path):
    file = tmp_path / "my_task.py"
    file.write_text(MY_TASK)
    config = f"task.file = {str(file)!r}\n{MY_EVALUATION}"
    assert launch_job("evaluate", tmp_path, config=config) == 0
    (path,) = (tmp_path / "evaluate" / "bright_dense").iterdir()
    record = json.loads((path / "run.json").read_text())
    assert record["status"] == "finished"
    results = record["results"]
    assert (results["dataset"], results["model"]) == ("bright", "dense")
    assert results["num_gradient_samples"] is None
