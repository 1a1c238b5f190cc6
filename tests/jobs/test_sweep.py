"""Sweeps of toy jobs, in this process: points, failures, what a second run does, TensorBoard."""

from __future__ import annotations

import contextlib
import csv
import json
import pathlib

import pytest
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.util import tensor_util

from learned_lr.execution import workers
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.worker_processes import WorkerError
from learned_lr.jobs import sweep
from learned_lr.jobs.sweep_points import Point
from learned_lr.jobs.sweep_report import SweepReport, point_path

BASELINE = """
task.name = 'quadratic'
task.num_trainee_steps = 20
baseline.families = [@step_decay]
step_decay.discount_steps = (10,)
step_decay.discount_factors = (0.9,)
"""
PRODUCT = "{'baseline.num_seeds': (1, 2), 'step_decay.discount_steps': ((10,), (5,))}"
# What differs from run to run.
TIMINGS = ("cpu_sec",)


@pytest.fixture
def launch_sweep(launch_job, tmp_path):
    """A function (*bindings) that runs a sweep of the toy baseline and returns its exit code."""
    (tmp_path / "job.gin").write_text(BASELINE, encoding="utf-8")
    gin_file = tmp_path / "toy.gin"
    gin_file.write_text(
        f"sweep.job = 'baseline'\nsweep.gin_files = ('{tmp_path}/job.gin',)\n"
        "workers.num_workers = 0\n",
        encoding="utf-8",
    )

    def launch_sweep(*bindings):
        return launch_job(
            "sweep", tmp_path / "runs", *bindings, gin_files=[str(gin_file)]
        )

    return launch_sweep


@pytest.fixture
def run_path(tmp_path):
    """The sweep's run directory."""
    return tmp_path / "runs" / "sweep" / "baseline" / "toy"


def _rows(run_path):
    with open(run_path / "sweep.csv", encoding="utf-8", newline="") as file:
        return [
            {name: value for name, value in row.items() if name not in TIMINGS}
            for row in csv.DictReader(file)
        ]


def _files(path):
    return sorted(str(f.relative_to(path)) for f in path.rglob("*") if f.is_file())


def test_table_summary_and_run_directories(launch_sweep, run_path, capsys):
    assert launch_sweep(f"sweep.product = {PRODUCT}", "sweep.seeds = (0, 1)") == 0
    rows = _rows(run_path)
    assert list(rows[0]) == [
        "point",
        "baseline.num_seeds",
        "step_decay.discount_steps",
        "baseline.seed",
        "status",
        "best_validation_loss",
        "num_diverged",
        "num_gradient_samples",
        "num_runs",
        "num_taken_over",
        "num_trainee_steps",
        "message",
    ]
    assert [row["point"] for row in rows] == [
        f"{number:02d}-num_seeds={num_seeds}-discount_steps={steps}-seed={seed}"
        for number, (num_seeds, steps, seed) in enumerate(
            (n, s, seed) for n in (1, 2) for s in ("10", "5") for seed in (0, 1)
        )
    ]
    assert {row["status"] for row in rows} == {"finished"}
    # Four schedules on one seed or two, and three finalists on three more.
    assert [row["num_runs"] for row in rows] == ["13"] * 4 + ["17"] * 4
    for row in rows:
        point = run_path / "points" / row["point"]
        record = json.loads((point / "run.json").read_text(encoding="utf-8"))
        assert record["status"] == "finished"
        loss = float(row["best_validation_loss"])
        assert record["results"]["best_validation_loss"] == loss
        assert "step decay" in (point / "log").read_text(encoding="utf-8")
    output = capsys.readouterr().out
    assert (run_path / "sweep.md").read_text(encoding="utf-8") in output
    assert "| 05-num_seeds=2-discount_steps=10-seed=1 | finished |" in output


def test_a_points_command_is_the_sweeps_whatever_process_runs_it(
    launch_sweep, run_path, monkeypatch
):
    own = "python -m learned_lr.sweep --gin_file=toy.gin"
    monkeypatch.setattr(sweep, "command", lambda: own)
    assert launch_sweep("sweep.seeds = (0,)") == 0
    record = json.loads((run_path / "points" / "00" / "run.json").read_text())
    assert record["command"] == own


def test_point_is_the_run_of_the_jobs_own_command(
    launch_job, finished, results, tmp_path
):
    gin_file = tmp_path / "sweep.gin"
    toy = finished.parents[2] / "toy.gin"
    gin_file.write_text(
        f"sweep.job = 'train'\nsweep.gin_files = ('{toy}',)\nsweep.seeds = (0,)\n"
        "workers.num_workers = 0\n",
        encoding="utf-8",
    )
    assert launch_job("sweep", tmp_path, gin_files=[str(gin_file)]) == 0
    (point,) = (tmp_path / "sweep" / "train" / "sweep" / "points").iterdir()
    assert results(point) == results(finished)
    config = "operative_config.gin"
    assert (point / config).read_bytes() == (finished / config).read_bytes()
    names = [name for name in _files(finished) if "tfevents" not in name]
    assert [name for name in _files(point) if "tfevents" not in name] == sorted(
        [*names, "log"]
    )


def test_failed_point_is_reported_and_alone_runs_again(launch_sweep, run_path, capsys):
    bindings = (
        "baseline.families = [@step_decay, @best_of_grid]",
        "sweep.product = {'best_of_grid.run': ('first', 'second')}",
    )
    root_dir = run_path.parents[2]
    best = {"schedule": {"kind": "constant", "learning_rate": 0.2}}
    (root_dir / "second").mkdir(parents=True)
    (root_dir / "second" / "best.json").write_text(json.dumps(best), encoding="utf-8")

    assert launch_sweep(*bindings) == 1
    error = capsys.readouterr().err
    log = run_path / "points" / "00-run=first" / "log"
    message = (
        f"Expected the winner of a finished baseline job at {root_dir}/first/best.json"
    )
    assert "Error: 1 of 2 points failed.\n- 00-run=first: ValueError: " in error
    assert message in error and f"\n  log: {log}\n" in error
    text = log.read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in text and message in text
    failed, other = _rows(run_path)
    assert (failed["status"], failed["best_validation_loss"]) == ("failed", "")
    assert message in failed["message"]
    assert (other["status"], other["message"]) == ("finished", "")

    (root_dir / "first").mkdir()
    (root_dir / "first" / "best.json").write_text(json.dumps(best), encoding="utf-8")
    finished_log = run_path / "points" / "01-run=second" / "log"
    before = finished_log.read_bytes()
    assert launch_sweep(*bindings) == 0
    assert finished_log.read_bytes() == before
    first, second = _rows(run_path)
    assert second == other
    assert {**first, "point": "", "best_of_grid.run": ""} == {
        **second,
        "point": "",
        "best_of_grid.run": "",
    }


def test_finished_sweep_runs_nothing_again(launch_sweep, run_path, monkeypatch):
    bindings = (f"sweep.product = {PRODUCT}",)
    assert launch_sweep(*bindings) == 0
    table, files = (run_path / "sweep.csv").read_bytes(), _files(run_path)
    monkeypatch.setattr(sweep, "run_point", None)
    assert launch_sweep(*bindings) == 0
    assert (run_path / "sweep.csv").read_bytes() == table
    assert len(_files(run_path)) == len(files)


def test_death_of_a_points_process_fails_that_point(
    launch_sweep, run_path, monkeypatch, capsys
):
    mapped = []

    class DyingWorkers(workers.Workers):
        """Works in place, until the second of three points takes its worker down."""

        def map(self, function, arguments):
            mapped.append(len(arguments))
            for index, result in super().map(function, arguments):
                yield index, result
                if len(mapped) == 1:
                    raise WorkerError("A worker process died 3 times.", index=1)

    monkeypatch.setattr(sweep, "Workers", DyingWorkers)
    assert launch_sweep("sweep.seeds = (0, 1, 2)") == 1
    assert mapped == [3, 1]
    error = capsys.readouterr().err
    assert "Error: 1 of 3 points failed.\n- 01-seed=1: Its process died" in error
    rows = _rows(run_path)
    assert [row["status"] for row in rows] == ["finished", "failed", "finished"]


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        (["sweep.job = 'trian'"], "Expected sweep.job out of ['train', 'baseline', "),
        (
            ["sweep.points = [{'baseline.num_seed': 2}]"],
            "Point 00: Configurable 'baseline' doesn't have a parameter named 'num_seed'",
        ),
        (["sweep.points = [{'bseline.seed': 2}]"], "Did you mean 'baseline'?"),
        (
            ["sweep.product = {'task.name': ('quadratic', 'quadratc')}"],
            "Point 01-name=quadratc: Unknown task 'quadratc' (did you mean 'quadratic'?)",
        ),
        (
            ["sweep.gin_files = ('no.gin',)"],
            "Expected a gin file at no.gin, found none.",
        ),
    ],
)
def test_wrong_bindings_show_before_anything_runs(
    launch_sweep, run_path, capsys, bindings, message
):
    assert launch_sweep("sweep.seeds = (0,)", *bindings) == 1
    assert message in capsys.readouterr().err
    assert not (run_path / "points").exists()


def test_other_config_is_refused(launch_sweep, run_path, tmp_path, capsys):
    assert launch_sweep("sweep.seeds = (0,)") == 0
    assert launch_sweep("sweep.seeds = (0, 1)") == 1
    error = capsys.readouterr().err
    assert "another: sweep.seeds is (0,) there and (0, 1) here. Choose " in error
    job = tmp_path / "job.gin"
    text = job.read_text(encoding="utf-8")
    job.write_text(text.replace("steps = 20", "steps = 30"), encoding="utf-8")
    assert launch_sweep("sweep.seeds = (0,)") == 1
    error = capsys.readouterr().err
    assert "task.num_trainee_steps is 20 there and 30 here" in error
    assert [path.name for path in (run_path / "points").iterdir()] == ["00"]


def test_hparams_page_has_bindings_and_final_metrics(launch_sweep, run_path):
    bindings = (f"sweep.product = {PRODUCT}", "sweep.seeds = (3, 4)")
    assert launch_sweep(*bindings) == 0
    assert launch_sweep(*bindings) == 0  # Writes nothing twice.
    log_dir = run_path / "tensorboard"
    assert len(list(log_dir.rglob("*tfevents*"))) == 9

    experiment = metadata.parse_experiment_plugin_data(_hparams_content(log_dir))
    domains = {
        info.name: list(info.domain_discrete) for info in experiment.hparam_infos
    }
    assert domains == {
        "baseline.num_seeds": [1, 2],
        "step_decay.discount_steps": ["(10,)", "(5,)"],
        "baseline.seed": [3, 4],
    }
    names = [info.name.tag for info in experiment.metric_infos]
    assert names == [
        "best_validation_loss",
        "cpu_sec",
        "num_diverged",
        "num_gradient_samples",
        "num_runs",
        "num_taken_over",
        "num_trainee_steps",
    ]
    for row in _rows(run_path):
        point = log_dir / row["point"]
        start = metadata.parse_session_start_info_plugin_data(_hparams_content(point))
        values = start.hparams
        assert values["baseline.num_seeds"].number_value == int(
            row["baseline.num_seeds"]
        )
        steps = values["step_decay.discount_steps"].string_value
        assert steps == row["step_decay.discount_steps"]
        accumulator = event_accumulator.EventAccumulator(str(point)).Reload()
        (loss,) = accumulator.Tensors("best_validation_loss")
        value = float(tensor_util.make_ndarray(loss.tensor_proto))
        assert value == pytest.approx(float(row["best_validation_loss"]))


def _hparams_content(log_dir):
    accumulator = event_accumulator.EventAccumulator(str(log_dir)).Reload()
    (content,) = accumulator.PluginTagToContent(metadata.PLUGIN_NAME).values()
    return content


def test_example_is_valid(launch_job, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "run_point", lambda *arguments: pytest.fail("ran"))
    root = pathlib.Path(__file__).resolve().parents[2]
    for path in sorted((root / "gin" / "sweep").glob("*.gin")):
        with pytest.raises(pytest.fail.Exception, match="^ran$"):
            launch_job(
                "sweep",
                tmp_path,
                "workers.num_workers = 0",
                gin_files=[str(path)],
            )


def test_a_point_is_finished_as_long_as_its_record_and_its_tasks_file_say_so(tmp_path):
    file = tmp_path / "my_task.py"
    file.write_text("width = 4\n", encoding="utf-8")
    point = Point("00-a", {"task.file": str(file), "train.seed": 1})
    with contextlib.closing(RunDirectory(str(tmp_path / "sweep"))) as run:
        report = SweepReport(run, [point])
        assert not report.add_finished(point)
        with contextlib.closing(RunDirectory(point_path(run, point))) as own:
            own.begin(f"task.file = {str(file)!r}\n", {})
            assert not report.add_finished(point)
            own.finish(loss=0.5)
        assert report.add_finished(point)
        file.write_text("width = 8\n", encoding="utf-8")
        assert not report.add_finished(point)
        file.write_text("width = 4\n", encoding="utf-8")
        assert report.add_finished(point)
        own.write("run.json", b'{"status')
        assert not report.add_finished(point)
