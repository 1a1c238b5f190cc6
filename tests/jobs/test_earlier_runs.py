"""An evaluation with one contender more takes the runs of the earlier one over, and ends as if it had run them."""

import csv
import json

import pytest
from job_results import TASK, rows_of

from learned_lr.jobs import comparison
from learned_lr.trainees.episode import run_episode

CONFIG = (
    TASK
    + """
evaluate.families = [@constant_rate]
evaluate.num_seeds = 3
constant_rate.learning_rates = (0.1, 0.5)
"""
)
WIDER = CONFIG.replace("(0.1, 0.5)", "(0.1, 0.2, 0.5)")
EARLIER = "evaluate.earlier_run = 'first/evaluate/quadratic/toy'"
FILES = ("evaluation.csv", "trajectories.csv")
SUMMARIES = ("statistics.csv", "evaluation.md", "schedules.json", "schedule.png")


@pytest.fixture
def first(launch_job, tmp_path):
    """The root directory that holds a finished evaluation."""
    assert launch_job("evaluate", tmp_path / "first", config=CONFIG) == 0
    return tmp_path


def _path(root_dir):
    return root_dir / "evaluate" / "quadratic" / "toy"


def _rows(root_dir):
    text = (_path(root_dir) / "evaluation.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture
def runs(monkeypatch):
    """(schedule, seed) of each run of a comparison."""
    found = []

    def run(task, schedule, seed, **arguments):
        found.append((schedule.name, seed))
        return run_episode(task, schedule, seed, **arguments)

    monkeypatch.setattr(comparison, "run_episode", run)
    return found


def test_only_what_is_new_is_run(launch_job, first, runs, capsys):
    seeds = [2_000_000_000, 2_000_000_001, 2_000_000_002]
    assert launch_job("evaluate", first, EARLIER, config=WIDER) == 0
    assert runs == [("constant 0.2", seed) for seed in seeds]
    told = "Taken over from first/evaluate/quadratic/toy: 6 of 9 runs."
    assert told in capsys.readouterr().out
    assert launch_job("evaluate", first / "whole", config=WIDER) == 0
    for name in FILES:
        assert rows_of(_path(first) / name) == rows_of(_path(first / "whole") / name)
    for name in SUMMARIES:
        whole = (_path(first / "whole") / name).read_bytes()
        assert (_path(first) / name).read_bytes() == whole
    results = json.loads((_path(first) / "run.json").read_text())["results"]
    # What the earlier run spent is not counted twice.
    own = ["num_runs", "num_taken_over", "num_trainee_steps"]
    assert [results[name] for name in own] == [3, 6, 3 * 40]
    rows = [r for r in _rows(first) if r["schedule"] == "constant 0.2"]
    spent = sum(float(row["cpu_sec"]) for row in rows)
    assert results["cpu_sec"] == pytest.approx(spent, abs=0.01)


def test_a_stopped_run_goes_on_with_it(launch_job, first, runs):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "_write_trajectories", _interrupted)
        assert launch_job("evaluate", first, config=WIDER) == 130
    assert len(runs) == 9
    # Nothing is left to take over, and the binding makes no other run of it.
    assert launch_job("evaluate", first, EARLIER, config=WIDER) == 0
    assert len(runs) == 9


def _interrupted(*arguments):
    raise KeyboardInterrupt


def test_runs_of_another_task_are_not_taken(launch_job, first, capsys):
    longer = WIDER.replace("num_trainee_steps = 40", "num_trainee_steps = 20")
    assert launch_job("evaluate", first, EARLIER, config=longer) == 1
    message = "the same task, found another: task.num_trainee_steps is 40 there and 20"
    assert message in capsys.readouterr().err
    assert not _path(first).exists()


def test_runs_of_another_version_are_not_taken(launch_job, first, capsys):
    file = _path(first / "first") / "run.json"
    record = json.loads(file.read_text())
    record["versions"]["tensorflow-cpu"] = "2.14.0"
    file.write_text(json.dumps(record))
    assert launch_job("evaluate", first, EARLIER, config=WIDER) == 1
    assert "the version of tensorflow-cpu is 2.14.0 there" in capsys.readouterr().err


def test_where_there_is_no_run_one_sentence_says_so(launch_job, tmp_path, capsys):
    assert launch_job("evaluate", tmp_path, EARLIER, config=WIDER) == 1
    assert "Expected a run directory of evaluate at" in capsys.readouterr().err
    assert not _path(tmp_path).exists()
