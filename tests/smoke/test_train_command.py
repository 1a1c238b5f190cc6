"""`python -m learned_lr.train`: killed and interrupted, it resumes; what is wrong ends in a message."""

from __future__ import annotations

import os
import random
import signal

import pytest

pytestmark = pytest.mark.smoke

MY_TASK = """
import dataclasses

import keras
import numpy as np

from learned_lr.trainees.datasets import Dataset
from learned_lr.trainees.tasks import Task


@dataclasses.dataclass
class Size:
    num_classes: int = 3


def stripes():
    rng = np.random.default_rng(0)
    parts = []
    for num_images in (40, 20, 20):
        labels = rng.integers(Size().num_classes, size=num_images).astype(np.int32)
        noise = rng.integers(100, size=(num_images, 4, 4, 1))
        parts += [(noise + 50 * labels[:, None, None, None]).astype(np.uint8), labels]
    return Dataset("stripes", *parts, num_classes=Size().num_classes)


def network(input_shape, num_classes):
    layers = [keras.Input(input_shape), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(num_classes)])


def my_task():
    return Task("stripes", stripes, network, batch_size=8, num_trainee_steps=20)
"""


def test_killed_and_interrupted_run_ends_as_one_that_was_not(
    command, undisturbed, tmp_path
):
    first = command(tmp_path)
    episode = first.run_path / "episodes" / "training_000000.npz"
    assert first.signal_when(episode.exists)[0] == -signal.SIGKILL
    assert first.num_rows("iterations.csv") < 12

    # The number of workers is free to change between the parts of a run.
    second = command(tmp_path, num_workers=1)
    code, _, _ = second.signal_when(lambda: second.num_rows("iterations.csv") >= 2)
    assert code == -signal.SIGKILL
    assert 2 <= second.num_rows("iterations.csv") < 12

    third = command(tmp_path)
    greedy = third.run_path / "episodes" / "greedy_000008_0.npz"
    code, output, errors = third.signal_when(greedy.exists, signal.SIGINT)
    assert code == 130, errors
    assert "Stopped. To go on where it stopped, run it again:\n  python -m " in output
    assert "Traceback" not in errors
    assert not (third.run_path / "controller").exists()

    last = command(tmp_path)
    code, output, errors = last.finish()
    assert code == 0, errors
    assert "| learned " in output and f"Everything is in {last.run_path}" in output
    assert last.results() == undisturbed()


def test_interrupted_while_workers_start(command, tmp_path):
    interrupted = command(tmp_path, num_workers=2)
    record = interrupted.run_path / "run.json"
    code, output, errors = interrupted.signal_when(record.exists, signal.SIGINT)
    assert code == 130, errors
    assert "Stopped. To go on where it stopped" in output
    assert "Traceback" not in errors


def test_task_file_with_a_worker_from_another_working_directory(command, tmp_path):
    (tmp_path / "my_task.py").write_text(MY_TASK, encoding="utf-8")
    own = command(
        "runs",
        "task.name = 'my_task'",
        "task.file = 'my_task.py'",
        "train.num_iterations = 1",
        num_workers=1,
        cwd=tmp_path,
    )
    code, output, errors = own.finish()
    assert code == 0, errors
    assert "| learned " in output
    run_path = tmp_path / "runs" / "train" / "my_task" / "digits_cnn"
    assert (run_path / "controller" / "weights.npz").is_file()


def test_missing_data_set_in_a_worker_is_one_message(command, tmp_path):
    # A proxy that refuses at once stands for no network.
    proxy = "http://127.0.0.1:9"
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    failed = command(
        tmp_path,
        "task.name = 'cifar10_cnn'",
        num_workers=1,
        environment={
            "TFDS_DATA_DIR": str(tmp_path / "empty"),
            **dict.fromkeys(names, proxy),
        },
    )
    code, _, errors = failed.finish()
    assert code == 1
    assert "Error: Data set 'cifar10' was not found. Looked for in:\n" in errors
    assert "- set TFDS_DATA_DIR to a folder" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_killed_at_ten_random_moments(command, tmp_path):
    undisturbed = command(tmp_path / "undisturbed")
    start_sec, work_sec = undisturbed.measure()
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    rng = random.Random(seed)
    num_parts = 0
    for number in range(10):
        num_workers = number % 3
        killed = command(tmp_path / "killed", num_workers=num_workers)
        # A worker starts about as long as the job itself.
        delay_sec = rng.uniform(0, 0.5) * work_sec + start_sec * (num_workers > 0)
        num_parts += killed.kill_at_work(delay_sec)
    assert num_parts >= 1
    last = command(tmp_path / "killed")
    code, _, errors = last.finish()
    assert code == 0, errors
    assert last.results() == undisturbed.results()
