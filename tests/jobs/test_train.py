"""The training job: what it leaves behind, and that stopped anywhere it resumes to the same end."""

from __future__ import annotations

import csv
import errno
import json
import math
import shutil

import numpy as np
import pytest

from learned_lr.agents import ppo
from learned_lr.control.controller import Controller
from learned_lr.execution import run_directory
from learned_lr.execution.checkpoints import Checkpoints


def _rows(run_path, name):
    with open(run_path / name, encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, launch_train):
    """The root directory of a run stopped in iteration 4, with 3 checkpoints."""
    root_dir = tmp_path_factory.mktemp("stopped")
    save = Checkpoints.save

    def save_three(self, iteration):
        if iteration == 4:
            raise KeyboardInterrupt
        save(self, iteration)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_three)
        assert launch_train(root_dir) == 130
    return root_dir


@pytest.fixture
def copy_of_stopped(stopped, tmp_path):
    """A copy of the stopped run to damage: (root directory, run directory)."""
    root_dir = tmp_path / "copy"
    shutil.copytree(stopped, root_dir)
    return root_dir, root_dir / "train" / "quadratic" / "toy"


def test_tables_hold_a_row_for_each_thing_done(finished):
    iterations = _rows(finished, "iterations.csv")
    assert [row["iteration"] for row in iterations] == list("1234")
    assert all(math.isfinite(float(v)) for row in iterations for v in row.values())
    episodes = _rows(finished, "episodes.csv")
    assert [row["iteration"] for row in episodes] == list("11223344")
    assert [row["seed"] for row in episodes] == list("01234567")
    evaluations = _rows(finished, "evaluations.csv")
    assert [(row["iteration"], row["seed"]) for row in evaluations] == [
        (iteration, seed) for iteration in "24" for seed in ("1000000000", "1000000001")
    ]
    evaluation = _rows(finished, "evaluation.csv")
    assert [(row["schedule"], row["seed"]) for row in evaluation] == [
        (schedule, seed)
        for schedule in ("learned", "constant 0.1")
        for seed in ("3000000000", "3000000001")
    ]


def test_another_seed_has_other_weights_and_runs(tmp_path, launch_train, monkeypatch):
    seeds = []

    class Spy(ppo.PPOTrainer):
        def __init__(self, config, environment_config, task, cap, seed, initial=None):
            seeds.append(seed)
            super().__init__(config, environment_config, task, cap, seed, initial)

    monkeypatch.setattr(ppo, "PPOTrainer", Spy)
    bindings = "train.seed = 3", "train.num_iterations = 2"
    assert launch_train(tmp_path, *bindings) == 0
    path = tmp_path / "train" / "quadratic" / "toy"
    assert seeds == [3]
    found = [row["seed"] for row in _rows(path, "episodes.csv")]
    assert found == ["300000", "300001", "300002", "300003"]
    found = [row["seed"] for row in _rows(path, "evaluations.csv")]
    assert found == ["1000300000", "1000300001"]


def test_mean_return_is_the_mean_of_the_episodes(finished):
    returns = {}
    for row in _rows(finished, "episodes.csv"):
        returns.setdefault(row["iteration"], []).append(float(row["return"]))
    for row in _rows(finished, "iterations.csv"):
        assert float(row["mean_return"]) == np.mean(returns[row["iteration"]])


def test_best_evaluated_controller_is_exported(finished):
    losses = {}
    for row in _rows(finished, "evaluations.csv"):
        loss = float(row["best_validation_loss"])
        losses.setdefault(int(row["iteration"]), []).append(loss)
    best = min(losses, key=lambda iteration: np.mean(losses[iteration]))
    controller = Controller.load(str(finished / "controller"))
    provenance = controller.spec.provenance
    assert provenance["iteration"] == best
    assert provenance["validation_loss"] == np.mean(losses[best])
    source = Controller.load(str(finished / f"controllers/iteration_{best:06d}"))
    for name, weights in source.weights.items():
        np.testing.assert_array_equal(controller.weights[name], weights)


def test_run_record_of_a_finished_run(finished):
    record = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "finished"
    assert record["seeds"] == {"run": 0, "evaluation": [3_000_000_000, 3_000_000_001]}
    assert record["start"] <= record["end"]
    assert record["results"]["iteration"] in (2, 4)


def _cpu_sec(run_path):
    """Processor seconds of the episodes that are no part of the comparison at the end."""
    folder = run_path / "episodes"
    files = [*folder.glob("training_*.npz"), *folder.glob("greedy_*.npz")]
    assert len(files) == 8 + 4
    found = [float(np.load(file)["cpu_sec"]) for file in files]
    assert min(found) > 0
    return sum(found)


def _results(run_path):
    return json.loads((run_path / "run.json").read_text(encoding="utf-8"))["results"]


def test_the_processor_seconds_are_those_of_all_episodes(finished):
    assert _results(finished)["num_runs"] == 8 + 4
    assert _results(finished)["cpu_sec"] == pytest.approx(_cpu_sec(finished))


def test_finished_run_is_not_run_again(
    finished, results, launch_train, tmp_path, monkeypatch, capsys
):
    root_dir = tmp_path / "copy"
    run_path = root_dir / "train" / "quadratic" / "toy"
    shutil.copytree(finished, run_path)
    record = (run_path / "run.json").read_bytes()
    monkeypatch.setattr(ppo, "PPOTrainer", None)
    assert launch_train(root_dir) == 0
    output = capsys.readouterr().out
    assert f"{run_path} holds a finished run: nothing is left to do." in output
    assert (finished / "evaluation.md").read_text(encoding="utf-8") in output
    assert results(run_path) == results(finished)
    assert (run_path / "run.json").read_bytes() == record


def test_operative_config_repeats_the_run(finished, results, launch_train, tmp_path):
    config = finished / "operative_config.gin"
    assert launch_train(tmp_path, gin_files=[str(config)]) == 0
    repeated = tmp_path / "train" / "quadratic" / "operative_config"
    assert results(repeated) == results(finished)
    assert (repeated / "operative_config.gin").read_text(encoding="utf-8") == (
        config.read_text(encoding="utf-8")
    )


def test_interrupted_run_resumes(finished, results, launch_train, copy_of_stopped):
    root_dir, run_path = copy_of_stopped
    assert not (run_path / "controller").exists()
    assert launch_train(root_dir) == 0
    assert results(run_path) == results(finished)
    # Those of the first start, too.
    assert _results(run_path)["cpu_sec"] == pytest.approx(_cpu_sec(run_path))


def _cut_in_half(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def _damage_newest(checkpoints):
    _cut_in_half(checkpoints / "iteration-3.data-00000-of-00001")


def _damage_all(checkpoints):
    for file in checkpoints.glob("iteration-*.data*"):
        _cut_in_half(file)


@pytest.mark.parametrize(
    ("damage", "num_messages"),
    [(_damage_newest, 1), (_damage_all, 3)],
)
def test_damaged_checkpoints(
    damage, num_messages, finished, results, launch_train, copy_of_stopped, capsys
):
    root_dir, run_path = copy_of_stopped
    damage(run_path / "checkpoints")
    assert launch_train(root_dir) == 0
    output = capsys.readouterr().out
    assert output.count("is damaged") == num_messages
    assert "Checkpoint iteration-3 is damaged (" in output
    assert results(run_path) == results(finished)


class _FullDisk:
    """Stands for `os.fsync`; raises from the given call on."""

    def __init__(self, num_calls):
        self.num_calls_left = num_calls

    def __call__(self, descriptor):
        self.num_calls_left -= 1
        if self.num_calls_left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")


def _run_on_full_disk(launch_train, root_dir, num_writes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_directory.os, "fsync", _FullDisk(num_writes))
        return launch_train(root_dir)


def test_full_disk_keeps_what_is_finished(
    finished, results, launch_train, tmp_path, capsys
):
    assert _run_on_full_disk(launch_train, tmp_path, num_writes=30) == 1
    error = capsys.readouterr().err
    assert f"Error: No space left on the disk of {tmp_path}. What is finished" in error
    assert "free some space, then run it again:\n  python " in error
    run_path = tmp_path / "train" / "quadratic" / "toy"
    for name in ("iterations.csv", "episodes.csv"):
        kept = (run_path / name).read_bytes()
        assert kept.count(b"\n") > 1
        assert (finished / name).read_bytes().startswith(kept)
    assert launch_train(tmp_path) == 0
    assert results(run_path) == results(finished)


def test_full_disk_told_by_tensorflow(launch_train, tmp_path, monkeypatch, capsys):
    import tensorflow as tf

    def full(self, iteration):
        raise tf.errors.ResourceExhaustedError(
            None, None, "iteration-1_temp: No space left on device"
        )

    monkeypatch.setattr(Checkpoints, "save", full)
    assert launch_train(tmp_path) == 1
    assert "Error: No space left on the disk of" in capsys.readouterr().err
    run_path = tmp_path / "train" / "quadratic" / "toy"
    assert len(_rows(run_path, "iterations.csv")) == 1


@pytest.mark.slow
def test_stopped_at_every_fifth_write_it_resumes(
    finished, results, launch_train, tmp_path
):
    for num_writes in range(0, 200, 5):
        root_dir = tmp_path / str(num_writes)
        stopped = _run_on_full_disk(launch_train, root_dir, num_writes)
        assert launch_train(root_dir) == 0
        run_path = root_dir / "train" / "quadratic" / "toy"
        assert results(run_path) == results(finished), num_writes
        if stopped == 0:
            return
        shutil.rmtree(root_dir)
    pytest.fail("Expected a run of fewer than 200 writes.")


def test_lost_evaluations_say_what_to_remove(finished, launch_train, tmp_path, capsys):
    path = tmp_path / "train" / "quadratic" / "toy"
    shutil.copytree(finished, path)
    record = json.loads((path / "run.json").read_text(encoding="utf-8"))
    (path / "run.json").write_text(json.dumps({**record, "status": "running"}))
    lines = (path / "evaluations.csv").read_text(encoding="utf-8")
    (path / "evaluations.csv").unlink()
    assert launch_train(tmp_path) == 1
    assert f"Without {path / 'checkpoints'} the same" in capsys.readouterr().err
    shutil.rmtree(path / "checkpoints")
    assert launch_train(tmp_path) == 0
    assert (path / "evaluations.csv").read_text(encoding="utf-8") == lines
