"""An evaluation or a grid with more schedules takes an earlier one's runs over, and ends as if it had run them."""

import csv
import json
import shutil

import numpy as np
import pytest
from job_results import GRID, TASK, rows_of

from learned_lr.execution.run_directory import RunDirectory, RunDirectoryError
from learned_lr.jobs import baseline, comparison, earlier_runs, recorded_episodes
from learned_lr.trainees.episode import TRAJECTORY_COLUMNS, Episode, run_episode
from learned_lr.trainees.schedules import Constant
from learned_lr.trainees.tasks import QuadraticTask

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
    results = json.loads((_path(first) / "run.json").read_text())["results"]
    assert (results["num_runs"], results["num_taken_over"]) == (9, 0)


def test_tables_alone_tell_the_runs(launch_job, first, runs, capsys):
    """What is committed has no episodes: an evaluation goes on from its tables."""
    shutil.copytree(first / "first", first / "kept")
    shutil.rmtree(_path(first / "first") / "episodes")
    for root_dir in ("first", "kept"):
        earlier = EARLIER.replace("first", root_dir)
        assert launch_job("evaluate", first, earlier, config=WIDER) == 0
        assert "6 of 9 runs" in capsys.readouterr().out
        (first / "evaluate").rename(first / f"of_{root_dir}")
    assert [name for name, _ in runs] == ["constant 0.2"] * 6
    of_tables, of_episodes = (
        first / name / "quadratic" / "toy" for name in ("of_first", "of_kept")
    )
    for name in ("statistics.csv", "evaluation.md", "schedules.json"):
        assert (of_tables / name).read_bytes() == (of_episodes / name).read_bytes()
    name = "trajectories.csv"
    assert rows_of(of_tables / name) == rows_of(of_episodes / name)


# The toy computes in float64, the network in float32.
@pytest.mark.parametrize("task, tolerance", [("quadratic", 5e-9), ("digits_cnn", 0)])
def test_tables_tell_all_of_float32_and_nine_digits_of_the_rest(
    launch_job, tmp_path, task, tolerance
):
    config = (
        CONFIG.replace("quadratic", task).replace("= 40", "= 20")
        + """
evaluate.families = [@constant_rate, @controllers]
evaluate.num_seeds = 1
constant_rate.learning_rates = (0.1,)
controllers.paths = ('default', 'trapezoid')
"""
    )
    assert launch_job("evaluate", tmp_path, config=config) == 0
    path = tmp_path / "evaluate" / task / "toy"
    found = recorded_episodes.read(str(path))
    files = sorted((path / "episodes").iterdir())
    assert sorted(found) == [file.stem for file in files] and len(files) == 3
    for file in files:
        told, ran = found[file.stem], Episode.from_bytes(file.read_bytes())
        for name in ("seed", "diverged", "test_loss", "test_accuracy"):
            np.testing.assert_equal(getattr(told, name), getattr(ran, name))
        assert told.cpu_sec == round(ran.cpu_sec, 3)
        for name in TRAJECTORY_COLUMNS:
            rtol = 5e-9 if name == "learning_rate" else tolerance
            np.testing.assert_allclose(told.column(name), ran.column(name), rtol)


@pytest.mark.parametrize(
    "name, old, new, message",
    [
        ("evaluation.csv", "best_validation_loss", "loss", "KeyError"),
        ("evaluation.csv", ",False,", ",no,", "KeyError: 'no'"),
        ("trajectories.csv", ",40,", ",40,x", "could not convert"),
        ("schedules.json", "{", "", "JSONDecodeError"),
    ],
)
def test_damaged_tables_are_refused(launch_job, first, capsys, name, old, new, message):
    path = _path(first / "first")
    shutil.rmtree(path / "episodes")
    text = (path / name).read_text()
    assert old in text
    (path / name).write_text(text.replace(old, new))
    assert launch_job("evaluate", first, EARLIER, config=WIDER) == 1
    error = capsys.readouterr().err
    assert "to hold the tables of an evaluation, found them damaged" in error
    assert message in error


def test_a_trajectory_that_was_cut_is_refused(launch_job, first, capsys):
    path = _path(first / "first")
    shutil.rmtree(path / "episodes")
    file = path / "trajectories.csv"
    lines = file.read_text().splitlines(keepends=True)
    last = [n for n, line in enumerate(lines) if line.startswith("constant 0.1,")][-1]
    file.write_text("".join(lines[:last] + lines[last + 1 :]))
    assert launch_job("evaluate", first, EARLIER, config=WIDER) == 1
    message = "validation_loss of constant 0.1, seed 2000000002, is"
    assert message in capsys.readouterr().err


def _interrupted(*arguments):
    raise KeyboardInterrupt


def test_runs_of_another_task_are_not_taken(launch_job, first, capsys):
    longer = WIDER.replace("num_trainee_steps = 40", "num_trainee_steps = 20")
    assert launch_job("evaluate", first, EARLIER, config=longer) == 1
    message = "the same task, found another: task.num_trainee_steps is 40 there and 20"
    assert message in capsys.readouterr().err
    assert not _path(first).exists()


def test_runs_of_a_task_that_a_macro_makes_another_are_not_taken(
    launch_job, tmp_path, capsys
):
    by_macro = "task.num_trainee_steps = %STEPS"
    config = WIDER.replace("task.num_trainee_steps = 40", by_macro)
    assert by_macro in config
    root_dir = tmp_path / "first"
    assert launch_job("evaluate", root_dir, "STEPS = 20", config=config) == 0
    assert launch_job("evaluate", tmp_path, "STEPS = 40", EARLIER, config=config) == 1
    message = "the same task, found another: task.num_trainee_steps is 20 there and 40"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("is_earlier_start", [False, True])
def test_runs_of_another_version_are_not_taken(
    launch_job, first, capsys, is_earlier_start
):
    file = _path(first / "first") / "run.json"
    record = json.loads(file.read_text())
    older = {**record["versions"], "tensorflow-cpu": "2.14.0"}
    if is_earlier_start:
        record["earlier_starts"] = [{"commit": "a", "versions": older}]
    else:
        record["versions"] = older
    file.write_text(json.dumps(record))
    assert launch_job("evaluate", first, EARLIER, config=WIDER) == 1
    assert "the version of tensorflow-cpu is 2.14.0 there" in capsys.readouterr().err


def test_runs_of_another_content_of_the_tasks_file_are_not_taken(tmp_path):
    file = tmp_path / "my_task.py"
    config = f"task.file = {str(file)!r}\n"
    found = []
    for content in ("width = 4\n", "width = 8\n", "width = 4\n"):
        file.write_text(content)
        path = tmp_path / "evaluate" / "my_task" / str(len(found))
        found.append(RunDirectory(str(path)))
        found[-1].begin(config, {})
    first, other, same = found
    episode = run_episode(QuadraticTask(num_trainee_steps=20), Constant(0.1), 1)
    first.write("episodes/a_1.npz", episode.to_bytes())
    with pytest.raises(RunDirectoryError, match="the content of task.file is "):
        earlier_runs.take_over(other, "evaluate/my_task/0", ["a_1"])
    assert earlier_runs.take_over(same, "evaluate/my_task/0", ["a_1"]) == {"a_1"}
    for run in found:
        run.close()


def test_runs_of_another_number_of_threads_are_not_taken(launch_job, tmp_path, capsys):
    threads = "workers.num_threads = 2"
    assert launch_job("evaluate", tmp_path / "first", threads, config=CONFIG) == 0
    assert launch_job("evaluate", tmp_path, EARLIER, config=WIDER) == 1
    assert "workers.num_threads is 2 there and 1 here" in capsys.readouterr().err


def test_a_run_does_not_take_its_own_runs_over(launch_job, tmp_path, capsys):
    own = "evaluate.earlier_run = 'evaluate/quadratic/toy'"
    assert launch_job("evaluate", tmp_path, own, config=CONFIG) == 1
    assert "earlier run, found this run's own" in capsys.readouterr().err


def test_a_damaged_episode_is_run_again_and_counted(launch_job, first, runs, capsys):
    episodes = sorted((_path(first / "first") / "episodes").iterdir())
    episodes[0].write_bytes(b"PK")
    assert launch_job("evaluate", first, EARLIER, config=WIDER) == 0
    assert "5 of 9 runs" in capsys.readouterr().out
    results = json.loads((_path(first) / "run.json").read_text())["results"]
    assert results["num_runs"] == len(runs) == 4


def test_runs_on_other_data_are_not_taken(tmp_path):
    paths = [tmp_path / "evaluate" / "fashion" / name for name in ("a", "b")]
    first, other = (RunDirectory(str(path)) for path in paths)
    for run in (first, other):
        run.begin(f"datasets.raw_dir = '/data/{run.path[-1]}'\n", {})
    first.write("episodes/a_1.npz", b"episode")
    with pytest.raises(RunDirectoryError, match="datasets.raw_dir is '/data/a' there"):
        earlier_runs.take_over(other, "evaluate/fashion/a", ["a_1"])
    first.close()
    other.close()


def test_where_there_is_no_run_one_sentence_says_so(launch_job, tmp_path, capsys):
    assert launch_job("evaluate", tmp_path, EARLIER, config=WIDER) == 1
    assert "Expected the run directory of an earlier run at" in capsys.readouterr().err
    assert not _path(tmp_path).exists()


DENSER = GRID.replace("learning_rates = (0.1,", "learning_rates = (0.1, 0.3,")
GRID_FILES = ("grid.md", "best.json")


def test_a_denser_grid_runs_what_it_adds(launch_job, tmp_path, monkeypatch):
    assert DENSER != GRID
    ran = []

    def run(task, schedule, seed, test):
        ran.append((schedule.name, seed))
        return run_episode(task, schedule, seed, test)

    monkeypatch.setattr(baseline, "run_episode", run)
    assert launch_job("baseline", tmp_path / "first", config=GRID) == 0
    before = list(ran)
    earlier = "baseline.earlier_run = 'first/baseline/quadratic/toy'"
    assert launch_job("baseline", tmp_path, earlier, config=DENSER) == 0
    added = ran[len(before) :]
    assert ("constant 0.3", 1_000_000_000) in added
    assert not set(added) & set(before)
    assert launch_job("baseline", tmp_path / "whole", config=DENSER) == 0
    path, whole = (
        root / "baseline" / "quadratic" / "toy"
        for root in (tmp_path, tmp_path / "whole")
    )
    assert rows_of(path / "grid.csv") == rows_of(whole / "grid.csv")
    for name in GRID_FILES:
        assert (path / name).read_bytes() == (whole / name).read_bytes()
    found, of_whole = (
        json.loads((p / "run.json").read_text())["results"] for p in (path, whole)
    )
    # Its choice rests on all of them, whoever ran them.
    assert found["num_runs"] == of_whole["num_runs"]
    assert found["num_gradient_samples"] == of_whole["num_gradient_samples"]
    assert found["num_taken_over"] == found["num_runs"] - len(added)
    assert of_whole["num_taken_over"] == 0


def test_a_grid_without_its_earlier_run_leaves_nothing(launch_job, tmp_path, capsys):
    earlier = "baseline.earlier_run = 'first/baseline/quadratic/toy'"
    assert launch_job("baseline", tmp_path, earlier, config=GRID) == 1
    assert "the run directory of an earlier run at" in capsys.readouterr().err
    assert not (tmp_path / "baseline").exists()
