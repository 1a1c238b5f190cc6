"""Where runs start: anew, at the end of the one before, or out of a file."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from learned_lr.callback import run_start
from learned_lr.callback.brake import SafetyBrake
from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.control.control_loop import ControlLoop


def _new_run(step=0):
    return ControlledRun(ControlLoop("fashion_mnist_lenet5", 100), SafetyBrake(), step)


def _observe(run):
    run.observe(2.0, 2.5, np.full((4, 10), 0.1), np.ones((3, 10)))
    run.brake.alarm(2.0, 2.5)
    run.losses.count(1)
    run.losses.read({"loss": 1.5})


def test_folder(tmp_path):
    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "theirs"))
    assert run_start.state_files(None, []) is None
    assert run_start.state_files(None, [keras.callbacks.EarlyStopping()]) is None
    for own, expected in [(None, "theirs"), (str(tmp_path / "own"), "own")]:
        files = run_start.state_files(own, [backup])
        files.save(1, {"value": np.zeros(1)})
        assert (tmp_path / expected / "learned_learning_rate").is_dir()


def test_new_or_previous_without_files(tmp_path):
    new, previous = _new_run(), _new_run(7)
    files = run_start.state_files(str(tmp_path), [])
    for found in (None, files):
        assert run_start.start(lambda: new, None, found, 5) is new
        previous.num_updates = 5
        assert run_start.start(lambda: new, previous, found, 5) is previous
        # Something else has trained the model since; then, another model, which was not trained.
        with pytest.warns(UserWarning, match="begins a new run"):
            assert run_start.start(lambda: new, previous, found, 6) is new
        assert run_start.start(lambda: new, previous, found, 0) is new


def test_saved_run_comes_first(tmp_path):
    saved = _new_run()
    _observe(saved)
    saved.step = 10
    files = run_start.state_files(str(tmp_path), [])
    files.save(10, saved.state())
    found = run_start.start(_new_run, _new_run(7), files, 13)
    # Three updates after the state was written.
    assert found.step == 13
    assert found.num_decisions == 1
    assert found.loop.schedule == saved.loop.schedule
    assert found.losses.mean() == pytest.approx(1.5)
    assert found.brake.means == (2.0, 2.5)


def test_untrained_weights_take_no_file(tmp_path):
    saved = _new_run()
    _observe(saved)
    files = run_start.state_files(str(tmp_path), [])
    files.save(0, saved.state())
    new = _new_run()
    assert run_start.start(lambda: new, None, files, 0) is new
    assert math.isnan(new.losses.mean())
