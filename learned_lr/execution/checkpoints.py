"""Checkpoints of a training job, with a way back when the newest one is damaged."""

from __future__ import annotations

import os

import tensorflow as tf

from learned_lr.execution.run_directory import RunDirectory

_NUM_KEPT = 3
# What TensorFlow raises depends on where in the files the damage is.
_DAMAGES = (
    tf.errors.OpError,
    AssertionError,
    LookupError,
    RuntimeError,
    ValueError,
)


class Checkpoints:
    """Saves a `tf.train.Checkpoint` an iteration and restores the newest whole one."""

    def __init__(self, run: RunDirectory, checkpoint: tf.train.Checkpoint):
        self._checkpoint = checkpoint
        folder = run.file("checkpoints")
        names = os.path.join(folder, "checkpoint")
        try:
            self._manager = _manager(checkpoint, folder)
        except _DAMAGES as error:
            if not os.path.exists(names):
                raise
            # The list of checkpoints, which TensorFlow keeps; without it the run starts again from its episodes.
            print(
                f"The list of checkpoints is damaged ({_first_line(error)}): going back."
            )
            os.remove(names)
            self._manager = _manager(checkpoint, folder)
        # `restore` of a damaged file may leave some variables overwritten.
        self._initial = checkpoint.write(run.file("checkpoints", "initial"))

    def save(self, iteration: int) -> None:
        """Writes the checkpoint of an iteration that is done."""
        self._manager.save(checkpoint_number=iteration)

    def restore_latest(self) -> int:
        """Restores the newest whole checkpoint; returns its iteration, 0 for none."""
        for path in reversed(self._manager.checkpoints):
            try:
                self._checkpoint.restore(path).assert_existing_objects_matched()
            except _DAMAGES as error:
                name = os.path.basename(path)
                print(
                    f"Checkpoint {name} is damaged ({_first_line(error)}): going back."
                )
                continue
            return int(path.rsplit("-", 1)[1])
        self._checkpoint.read(self._initial).assert_existing_objects_matched()
        return 0


def _manager(checkpoint, folder):
    return tf.train.CheckpointManager(
        checkpoint, folder, _NUM_KEPT, checkpoint_name="iteration"
    )


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
