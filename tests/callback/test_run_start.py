"""Where runs start: anew, at the end of the one before, or out of a file."""

from __future__ import annotations

import math
import re
import warnings

import keras
import numpy as np
import pytest

from learned_lr import LearnedLearningRate
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


def test_which_states_are_kept(tmp_path):
    """Beside a backup of every epoch the latest two epochs', beside any other all."""

    def found(own=None, **arguments):
        backup = keras.callbacks.BackupAndRestore(str(tmp_path), **arguments)
        files = run_start.state_files(own, [backup])
        return files._are_all_needed, files._is_kept

    assert found() == (False, False)
    assert found(save_freq=35) == (True, False)
    assert found(delete_checkpoint=False) == (False, True)
    assert found(str(tmp_path / "own")) == (True, False)


def test_a_remote_folder_is_refused():
    with pytest.raises(ValueError, match="mounted file system .* found 'gs://bucket'"):
        run_start.state_files("gs://bucket", [])


def test_states_of_a_training_that_was_given_up_are_removed(tmp_path):
    saved = _new_run()
    _observe(saved)
    files = run_start.state_files(str(tmp_path), [])
    for number in (10, 64, 68):
        files.save(number, saved.state())
    run_start.start(_new_run, None, files, 60)
    assert files._numbers() == [10]
    run_start.start(_new_run, None, files, 0)
    assert files._numbers() == []


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


class _Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 4:
            raise KeyboardInterrupt


def test_a_state_that_lies_an_interval_behind_is_no_explosion(
    digits, compiled, tmp_path
):
    """Its run decides as soon as there are losses."""

    def fit(*others):
        backup = keras.callbacks.BackupAndRestore(str(tmp_path))
        callback = LearnedLearningRate(
            validation_data=digits[2:], control_interval=10, verbose=0
        )
        callbacks = [callback, backup, *others]
        arguments = {"epochs": 6, "batch_size": 48, "verbose": 0}
        # Ten minibatches an epoch.
        x, y = (array[:480] for array in digits[:2])
        compiled().fit(x, y, callbacks=callbacks, **arguments)
        return callback

    with pytest.raises(KeyboardInterrupt):
        fit(_Kill())
    newest = max((tmp_path / "learned_learning_rate").iterdir())
    assert newest.name == "000000000040.npz"
    newest.write_bytes(b"")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callback = fit()
    messages = [str(w.message) for w in caught]
    assert any("is damaged and left out" in message for message in messages)
    assert not any("exploded" in message for message in messages)
    assert callback.num_explosions == 0
    # Those at 0, 10 and 20, whose state was left; at 41, a step after the restoration; and at 51.
    steps = callback._run.state()["loop/rows"][:, 0]
    assert steps.tolist() == [0, 10, 20, 30, 41, 51]


def test_a_run_that_begins_in_its_middle_says_at_which_rate(digits, compiled):
    callback = LearnedLearningRate(validation_data=digits[2:], verbose=0)
    arguments = {"epochs": 4, "initial_epoch": 2, "batch_size": 48, "verbose": 0}
    with pytest.warns(UserWarning, match="epoch 2 without a state") as caught:
        compiled().fit(*digits[:2], callbacks=[callback], **arguments)
    messages = " ".join(str(w.message) for w in caught)
    told = float(re.search(r"first decision scales the rate (\S+)\.", messages)[1])
    # The base at the middle of the run, where the warm-up is over; a decision scales by 3 at the most.
    assert told == pytest.approx(1e-3, rel=0.05)
    middle = callback.schedule.steps[-1] // 2 + 1
    assert told / 3.01 < callback.schedule.at(middle) < told * 3.01
