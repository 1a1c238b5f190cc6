"""Checkpoints: saved, restored, and the way back from damaged ones."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from learned_lr.execution.checkpoints import Checkpoints
from learned_lr.execution.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path):
    """A run directory with checkpoints of iterations 2 to 5; the value is 10 times the iteration."""
    run = RunDirectory(str(tmp_path))
    value, checkpoints = _open(run)
    for iteration in range(1, 6):
        value.assign(np.full(100, 10.0 * iteration))
        checkpoints.save(iteration)
    yield run
    run.close()


def _open(run):
    value = tf.Variable(np.full(100, -1.0))
    return value, Checkpoints(run, tf.train.Checkpoint(value=value))


def _restore(run):
    value, checkpoints = _open(run)
    iteration = checkpoints.restore_latest()
    assert np.ptp(value.numpy()) == 0
    return iteration, value.numpy()[0]


def _cut_in_half(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def _cut_off_the_end(file):
    file.write_bytes(file.read_bytes()[:-20])


def _alter_a_byte(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def _empty(file):
    file.write_bytes(b"")


def _remove(file):
    file.unlink()


def _file(run, iteration, ending):
    (file,) = pathlib.Path(run.path).glob(f"checkpoints/iteration-{iteration}.{ending}")
    return file


def test_newest_is_restored(run):
    assert _restore(run) == (5, 50.0)


def test_nothing_to_restore_leaves_the_initial_values(tmp_path):
    assert _restore(RunDirectory(str(tmp_path))) == (0, -1.0)


def test_last_three_are_kept(run):
    names = {
        path.stem
        for path in pathlib.Path(run.path).glob("checkpoints/iteration*.index")
    }
    assert names == {"iteration-3", "iteration-4", "iteration-5"}


@pytest.mark.parametrize("ending", ["data*", "index"])
@pytest.mark.parametrize(
    "damage", [_cut_in_half, _cut_off_the_end, _alter_a_byte, _empty, _remove]
)
def test_damaged_checkpoint_is_passed_over(run, ending, damage, capsys):
    damage(_file(run, 5, ending))
    assert _restore(run) == (4, 40.0)
    output = capsys.readouterr().out
    assert output.startswith("Checkpoint iteration-5 is damaged (")
    assert output.endswith("): going back.\n") and output.count("\n") == 1


def test_all_damaged_gives_the_initial_values_back(run, capsys):
    for iteration in (3, 4, 5):
        _alter_a_byte(_file(run, iteration, "data*"))
    assert _restore(run) == (0, -1.0)
    assert capsys.readouterr().out.count("is damaged") == 3


@pytest.mark.parametrize("content", [b"\x00 no", b"", b"\xff\xfe"])
def test_damaged_list_of_checkpoints_is_as_none(run, content):
    (pathlib.Path(run.path) / "checkpoints" / "checkpoint").write_bytes(content)
    assert _restore(run) == (0, -1.0)


def test_saved_again_after_going_back(run):
    _cut_in_half(_file(run, 5, "data*"))
    value, checkpoints = _open(run)
    assert checkpoints.restore_latest() == 4
    value.assign(np.full(100, 51.0))
    checkpoints.save(5)
    assert _restore(run) == (5, 51.0)
