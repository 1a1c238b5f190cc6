"""Where the run of a fit starts: anew, where the fit before it ended, or where a backup was made."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import Callable

import keras

from learned_lr.callback.controlled_run import ControlledRun
from learned_lr.callback.state_files import StateFiles

_STATE_FOLDER = "learned_learning_rate"


def state_files(
    backup_dir: str | None, callbacks: Iterable[keras.callbacks.Callback]
) -> StateFiles | None:
    """Returns the files of a run's states, in a folder of their own beside a backup; None without one.

    Args:
      backup_dir: the backup's folder; None for that of the `BackupAndRestore` among the
        callbacks, if there is one.
      callbacks: those of the fit.

    Raises:
      ValueError: if the folder is of a remote file system.
    """
    backup, folder = None, backup_dir
    for other in callbacks:
        if backup_dir is None and isinstance(other, keras.callbacks.BackupAndRestore):
            backup, folder = other, other.backup_dir
    if not folder:
        return None
    if "://" in os.fspath(folder):
        raise ValueError(
            f"Expected a folder of a mounted file system for the state of a run, found {folder!r}: give "
            "LearnedLearningRate a backup_dir of its own, which another start finds."
        )
    return StateFiles(
        os.path.join(folder, _STATE_FOLDER),
        are_all_needed=getattr(backup, "save_freq", None) != "epoch",
        is_kept=not getattr(backup, "delete_checkpoint", True),
    )


def start(
    make_run: Callable[[], ControlledRun],
    previous: ControlledRun | None,
    files: StateFiles | None,
    num_updates: int,
) -> ControlledRun:
    """Returns the run of a fit: the one in the files that fits the weights, or else the previous if it does, or a new one.

    A new one in place of a previous one, on weights that were trained, is a warning.

    Args:
      make_run: makes a new run, as far on as the epoch that begins.
      previous: the run that the fit may go on with; None if it may not.
      files: the states of a run that was interrupted; None without a backup.
      num_updates: int, the optimizer's count of updates, which comes back with the weights.
    """
    run = make_run()
    saved = None
    if files is not None:
        saved = files.load(num_updates, run.restore) if num_updates else None
        # Of a training that was given up, or that goes on from before them.
        files.remove_after(num_updates or -1)
    if saved is None and previous is not None and previous.num_updates == num_updates:
        return previous
    if saved is None:
        if previous is not None and num_updates:
            warnings.warn(
                "LearnedLearningRate begins a new run, with a warm-up of its own, in place of the one before: that was "
                "interrupted in the middle of an epoch, or something else has trained the model since.",
                stacklevel=4,
            )
        return run
    # Updates after the state was written were done, though its losses lack them.
    run.step += num_updates - saved
    return run
