"""Run directories are told apart by what they hold."""

from __future__ import annotations

import pytest
from hand_made_runs import make_evaluate, make_sweep, make_train

from learned_lr.report import assembly
from learned_lr.report.reading import Run, find_runs


def _jobs(root_dir):
    return {run.name: run.job for run in find_runs(str(root_dir))}


@pytest.mark.parametrize("name", ["train/toy/run", "copied/toy/run", "run"])
@pytest.mark.parametrize("command", ["python -m learned_lr.train", "python own.py"])
def test_training_with_an_evaluation_is_a_training(tmp_path, name, command):
    make_train(tmp_path / name, command=command)
    assert _jobs(tmp_path) == {name: "train"}


def test_evaluation_is_an_evaluation_wherever_it_is(tmp_path):
    names = ["copied/run", "evaluate/toy/run"]
    for name in names:
        make_evaluate(tmp_path / name)
    assert _jobs(tmp_path) == dict.fromkeys(names, "evaluate")


def test_point_of_a_sweep_is_of_its_job(tmp_path):
    sweep = make_sweep(tmp_path / "sweep" / "toy" / "run")
    command = "python -m learned_lr.sweep"
    make_train(sweep / "points" / "0", command=command)
    make_train(sweep / "points" / "1", with_evaluation=False, command=command)
    make_evaluate(sweep / "points" / "2", command=command)
    assert _jobs(tmp_path) == {
        "sweep/toy/run": "sweep",
        "sweep/toy/run/points/0": "train",
        "sweep/toy/run/points/1": "train",
        "sweep/toy/run/points/2": "evaluate",
    }


def test_a_point_that_failed_at_its_start_says_so(tmp_path):
    sweep = make_sweep(tmp_path / "sweep" / "toy" / "run")
    point = make_train(sweep / "points" / "0", with_evaluation=False)
    (point / "iterations.csv").unlink()
    assert _jobs(tmp_path)["sweep/toy/run/points/0"] == "unknown"
    (run,) = (run for run in find_runs(str(tmp_path)) if run.is_point)
    assert any("it failed, or has just begun" in text for text in run.problems)


def test_training_killed_before_its_first_iteration_is_known_by_its_command(tmp_path):
    path = make_train(
        tmp_path / "copied" / "run",
        with_evaluation=False,
        command="python -m learned_lr.train --gin_file=toy.gin",
    )
    (path / "iterations.csv").unlink()
    assert _jobs(tmp_path) == {"copied/run": "train"}


@pytest.mark.parametrize(
    ("name", "table", "job"),
    [
        ("references/family/run", "other.csv", "references"),
        ("sweep/imitate/run/points/0", "imitation.csv", "imitate"),
        ("copied/run", "judge.csv", "judge"),
    ],
)
def test_whole_runs_of_jobs_that_the_report_does_not_show_are_whole(
    tmp_path, name, table, job
):
    path = make_sweep(tmp_path / name)
    (path / "sweep.csv").rename(path / table)
    assert _jobs(tmp_path) == {name: job}
    assert f"1 run directory (1 {job}). All whole." in assembly.report(str(tmp_path))


def test_problem_is_noted_once_and_in_one_line():
    run = Run("path", "name")
    for _ in range(2):
        run.note("table.csv has no run of a\nb")
    assert run.problems == ["table.csv has no run of a b"]


def test_table_without_demands_keeps_all_columns_as_text(tmp_path):
    make_sweep(tmp_path / "sweep")
    (run,) = find_runs(str(tmp_path))
    table = run.read_table("sweep.csv", ())
    assert list(table.columns) == ["point", "seed", "status"]
    assert table.to_numpy().tolist() == [["0", "0", "finished"], ["1", "1", "finished"]]


def test_links_are_followed_and_circles_are_not(tmp_path):
    make_evaluate(tmp_path / "real" / "toy" / "run")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "evaluate").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "toy" / "circle").symlink_to(tmp_path / "runs")
    assert _jobs(tmp_path / "runs") == {"evaluate/toy/run": "evaluate"}


@pytest.mark.parametrize("flag", ["'--root_dir=/my runs'", "--root_dir '/my runs'", "--root_dir=/a"])  # fmt: skip
def test_commands_are_shown_without_the_root_directory(flag):
    rest = "--gin_file=x.gin '--gin_bindings=a.b = 1'"
    run = Run("", "", record={"command": f"python -m learned_lr.train {flag} {rest}"})
    assert run.command == f"python -m learned_lr.train {rest}"
    for own in ("python 'own.py", f"python own.py  {rest}"):
        assert Run("", "", record={"command": own}).command == own
