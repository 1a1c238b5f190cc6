"""What users get wrong: each ends in one clear message and exit code 1, without a traceback."""

from __future__ import annotations

import errno
import os
import pathlib
import shutil
import sys

import pytest
from job_results import GRID

import gin
from learned_lr import launch, train
from learned_lr.execution import gin_config
from learned_lr.execution.worker_processes import WorkerError
from learned_lr.trainees import tfds_files

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def error_of(launch_train, tmp_path, capsys):
    """A function that runs the job, and returns what it says when it fails."""

    def error_of(*bindings, **kwargs):
        assert launch_train(kwargs.pop("root_dir", tmp_path), *bindings, **kwargs) == 1
        error = capsys.readouterr().err
        assert error.startswith("Error: ") and "Traceback" not in error
        assert "In call to configurable" not in error
        return error[len("Error: ") :]

    return error_of


@pytest.mark.parametrize(
    ("binding", "messages"),
    [
        (
            "task.name = 'quadratc'",
            ["Unknown task 'quadratc' (did you mean 'quadratic'?)", "Known: ["],
        ),
        (
            "train.num_iteration = 3",
            [
                "doesn't have a parameter named 'num_iteration'",
                "Did you mean 'num_iterations'?",
            ],
        ),
        (
            "tran.num_iterations = 3",
            ["No configurable matching 'tran'", "Did you mean 'train'?"],
        ),
        (
            "task.num_step = 3",
            ["Unknown parameter task.num_step", "QuadraticTask has: ["],
        ),
        (
            "task.num_trainee_step = 3",
            ["task.num_trainee_step (did you mean 'num_trainee_steps'?)"],
        ),
        (
            "task.trainee_steps_per_action = 7",
            [
                "task.trainee_steps_per_action to divide task.num_trainee_steps = 40",
                "found 7; the nearest that does is 8.",
            ],
        ),
        ("train.num_iterations = 0", ["Expected train.num_iterations >= 1, found 0."]),
        ("train.seed = -1", ["Expected a run seed in [0, 10000), found -1."]),
        ("ppo.actor = 'gru'", ["Expected ppo.actor to be one of ["]),
        ("ppo.num_epochs = 0", ["Expected ppo.num_epochs > 0 and finite, found 0."]),
        (
            "ppo.entropy_regularization = 1e400",
            ["Expected ppo.entropy_regularization >= 0 and finite, found inf."],
        ),
        (
            "ppo.entropy_regularization = -1",
            ["Expected ppo.entropy_regularization >= 0 and finite, found -1."],
        ),
        ("comparison.num_seeds = -1", ["comparison.num_seeds >= 0, found -1."]),
        ("workers.num_workers = -1", ["Expected workers.num_workers >= 0, found -1."]),
        ("task.file = 'no_such.py'", [f"a task at {os.path.abspath('no_such.py')}"]),
        ("train.seed 3", ["expected ':' or '='", "\n  train.seed 3\n"]),
        (
            "task.dataset = kmnist",
            [
                "Expected text in quotes, --gin_bindings=\"task.dataset = 'kmnist'\"",
                ", found kmnist.\n",
            ],
        ),
        (
            "task.raw_dir = /data/x",
            ["in quotes, --gin_bindings=\"task.raw_dir = '/data/x'"],
        ),
        ("ppo.actor = lstm-32", ["in quotes, --gin_bindings=\"ppo.actor = 'lstm-32'"]),
        ("train.seed = 3x", ["Expected newline. (line 1)", "\n  train.seed = 3x\n"]),
        (
            "train.seed = 'x'",
            ["Expected train.seed to be of the type int, found 'x'.\n"],
        ),
        (
            "train.seed = None",
            ["Expected train.seed to be of the type int, found None."],
        ),
        ("train.num_iterations = 2.0", ["to be of the type int, found 2.0."]),
        ("train.curves_interval = True", ["to be of the type int, found True."]),
        (
            "comparison.constant_learning_rates = 0.1",
            ["constant_learning_rates to be of the type tuple[float, ...], found 0.1."],
        ),
        (
            "comparison.constant_learning_rates = ('a',)",
            ["to be of the type tuple[float, ...], found ('a',)."],
        ),
        (
            "task.noise = 'x'",
            ["Expected task.noise to be of the type float, found 'x'."],
        ),
    ],
)
def test_wrong_bindings(error_of, binding, messages):
    error = error_of(binding)
    for message in messages:
        assert message in error


def test_missing_number_of_iterations_is_told(error_of, tmp_path):
    gin_file = tmp_path / "short.gin"
    gin_file.write_text("task.name = 'quadratic'\n", encoding="utf-8")
    error = error_of(gin_files=[str(gin_file)])
    assert "`train`" in error and "num_iterations" in error


@pytest.mark.parametrize("job", ["train", "sweep"])
def test_no_gin_file(launch_job, tmp_path, capsys, job):
    assert launch_job(job, tmp_path / "runs", gin_files=[]) == 1
    assert capsys.readouterr().err == (
        "Error: Expected --gin_file, for example: "
        f"python -m learned_lr.{job} --gin_file=gin/{job}/digits_cnn.gin\n"
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("job", "file", "owner"),
    [
        ("train", "gin/baseline/digits_cnn.gin", "baseline"),
        ("baseline", "gin/train/digits_cnn.gin", "train"),
        ("train", "gin/transfer/cifar10_to_fashion_mnist_cnn.gin", "evaluate"),
        ("train", "gin/sweep/digits_cnn.gin", "sweep"),
        ("sweep", "gin/train/digits_cnn.gin", "train"),
        ("references", "gin/imitate/default.gin", "imitate"),
        # One that includes a grid, and binds the task alone.
        ("evaluate", "gin/baseline/fashion_mnist_lenet5_cosines.gin", "baseline"),
    ],
)
def test_gin_file_of_another_job(launch_job, tmp_path, capsys, job, file, owner):
    assert launch_job(job, tmp_path / "runs", gin_files=[file]) == 1
    assert capsys.readouterr().err == (
        f"Error: Expected a gin file for {job}, found {file}, which is for {owner}: "
        f"python -m learned_lr.{owner} --gin_file={file}\n"
    )


def test_every_gin_file_is_recognised_as_its_jobs():
    for path in (ROOT / "gin").rglob("*.gin"):
        folder = path.parent.name
        # Recipes are parts of a training or of several jobs, transfers are evaluations.
        owners = {
            "families": (None,),
            "recipes": ("train", None),
            "transfer": ("evaluate",),
        }
        expected = owners.get(folder, (folder,))
        assert gin_config.job_of(str(path), launch.JOBS) in expected, path
    for job in launch.JOBS:
        assert (ROOT / "learned_lr" / f"{job}.py").is_file()
        assert (ROOT / "gin" / job).is_dir()


@pytest.mark.parametrize(
    ("job", "bindings"),
    [
        ("train", ["task.name = 'quadratc'"]),
        ("train", ["train.seed = 'x'"]),
        ("train", ["train.seed = -1"]),
        ("train", ["nothing.at_all = 3"]),
        # The data are looked for by a worker, once the config is written.
        ("train", ["task.name = 'fashion_mnist_lenet5'", "datasets.raw_dir = '/none'"]),
        ("evaluate", ["best_of_grid.run = 'baseline/none'"]),
        ("imitate", ["imitate.references = 'none'"]),
        ("meta_train", ["meta_train.references = 'none'"]),
        ("judge", ["judge.references = 'none'"]),
        ("sweep", ["sweep.seeds = (0, 0)"]),
    ],
)
def test_a_start_that_fails_leaves_no_folder(
    launch_job, tmp_path, capsys, job, bindings
):
    name = "default" if job in ("imitate", "judge", "meta_train") else "digits_cnn"
    files = [str(ROOT / "gin" / job / f"{name}.gin")]
    root_dir = tmp_path / "new" / "runs"
    bindings = [*bindings, "workers.num_workers = 0"]
    assert launch_job(job, root_dir, *bindings, gin_files=files) == 1
    assert capsys.readouterr().err.startswith("Error: ")
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_fails_leaves_what_was_there(launch_job, tmp_path):
    files = [str(ROOT / "gin" / "train" / "digits_cnn.gin")]
    folder = tmp_path / "train" / "digits_cnn"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    assert launch_job("train", tmp_path, "train.seed = -1", gin_files=files) == 1
    assert os.listdir(folder) == ["notes.txt"]


def test_a_job_has_one_thread(launch_job, thread_limits, tmp_path):
    assert launch_job("baseline", tmp_path, config=GRID) == 0
    assert thread_limits == [1]


def test_missing_gin_file(error_of):
    message = "Expected a gin file at gin/train/none.gin, found none.\n"
    assert error_of(gin_files=["gin/train/none.gin"]) == message


def test_gin_file_is_found_from_another_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gin.clear_config()
    train._load()
    launch.parse_gin(["gin/train/digits_cnn.gin"], ["train.seed = 4"])
    assert gin.query_parameter("task.name") == "digits_cnn"
    assert gin.query_parameter("train.seed") == 4
    gin.clear_config()


@pytest.mark.parametrize(
    ("bindings", "path"),
    [
        ("task.name = 'cifar10_cnn'", "r/train/cifar10_cnn/b"),
        (
            "task.dataset = 'my/set:1.0.0'\ntask.model = 'lenet5'",
            "r/train/my_set_1_0_0_lenet5/b",
        ),
        ("NAME = 'digits_cnn'\ntask.name = %NAME", "r/train/digits_cnn/b"),
    ],
)
def test_run_path_is_named_after_task_and_last_gin_file(bindings, path):
    gin.clear_config()
    train._load()
    gin.parse_config(bindings)
    assert launch.run_path("r", "train", ["x/a.gin", "y/b.gin"]) == path
    gin.clear_config()


def test_a_folder_that_checkpoints_take_for_a_pattern_is_refused(error_of, tmp_path):
    error = error_of("task.name = 'quadratic'", root_dir=tmp_path / "r[1]")
    assert error.startswith("Expected --root_dir and gin files without any of []*? in")


def test_missing_raw_files(error_of, tmp_path):
    error = error_of(
        "task.name = 'fashion_mnist_lenet5'",
        "task.num_trainee_steps = 10",
        f"datasets.raw_dir = '{tmp_path}'",
    )
    assert error.startswith("Data set 'fashion_mnist' was not found. Looked for in:\n")
    assert "- raw_dir: " in error and str(tmp_path) in error


def test_missing_data_set_without_a_network(error_of, tmp_path, monkeypatch):
    def no_network(builder_class):
        raise OSError("no network")

    monkeypatch.setattr(tfds_files, "check_network", no_network)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    error = error_of("task.name = 'cifar10_cnn'", "task.num_trainee_steps = 10")
    assert error.startswith("Data set 'cifar10' was not found. Looked for in:\n")
    assert "- TFDS download: no network\n" in error
    assert "- set TFDS_DATA_DIR to a folder" in error


def test_directory_of_another_config_names_the_binding(finished, error_of, tmp_path):
    root_dir = tmp_path / "copy"
    run_path = root_dir / "train" / "quadratic" / "toy"
    shutil.copytree(finished, run_path)
    error = error_of("train.seed = 3", "workers.num_workers = 1", root_dir=root_dir)
    assert error == (
        f"Expected {run_path} to hold a run of this config, found another: train.seed is "
        "0 there and 3 here. Choose another --root_dir, or the same bindings.\n"
    )


def test_root_directory_within_a_file(error_of, tmp_path):
    gin_file = str(ROOT / "gin" / "train" / "digits_cnn.gin")
    (tmp_path / "file").write_bytes(b"")
    error = error_of(root_dir=tmp_path / "file" / "runs", gin_files=[gin_file])
    assert "Not a directory" in error and str(tmp_path / "file") in error


@pytest.fixture
def launch_raising(launch_train, tmp_path, monkeypatch):
    """A function that launches a job which raises an exception."""

    def launch_raising(error):
        def job(run):
            raise error

        monkeypatch.setattr(train, "_load", lambda: job)
        return launch_train(tmp_path)

    return launch_raising


def test_dying_workers_end_in_a_message(launch_raising, capsys):
    assert launch_raising(WorkerError("A worker process died 3 times.")) == 1
    assert capsys.readouterr().err == "Error: A worker process died 3 times.\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_says_what_to_do(
    launch_raising, capsys, monkeypatch, tmp_path, number
):
    monkeypatch.setattr(sys, "argv", ["job.py", "--gin_bindings=task.name='quadratic'"])
    assert launch_raising(OSError(number, os.strerror(number))) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"Error: No space left on the disk of {tmp_path}. ")
    assert """'--gin_bindings=task.name='"'"'quadratic'"'"''\n""" in error


def test_interrupt_says_how_to_go_on(launch_raising, capsys):
    assert launch_raising(KeyboardInterrupt()) == 130
    output = capsys.readouterr().out
    assert "\nStopped. To go on where it stopped, run it again:\n  python " in output


def test_other_errors_keep_their_traceback(launch_raising):
    with pytest.raises(KeyError, match="a bug"):
        launch_raising(KeyError("a bug"))
