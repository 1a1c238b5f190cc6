"""What TensorBoard shows of a training job."""

from __future__ import annotations

import os

import tensorflow as tf

from learned_lr.jobs import schedule_figure
from learned_lr.report.drawing import png
from learned_lr.trainees.episode import Episode

_CURVES = ("learning_rate", "train_loss", "validation_loss", "validation_accuracy")


class TensorBoard:
    """Writes event files under one folder; the controller's in `controller/`.

    Each episode has a folder of its own, so that TensorBoard lays their curves over each
    other; their axis is the trainee step, the controller's is the iteration. An iteration
    repeated after a kill writes the same values again.
    """

    def __init__(self, log_dir: str):
        self._log_dir = log_dir
        self._controller = tf.summary.create_file_writer(
            os.path.join(log_dir, "controller")
        )

    def write_config(self, operative_config: str) -> None:
        """Writes the operative config as text."""
        indented = "\n".join(f"    {line}" for line in operative_config.splitlines())
        with self._controller.as_default(step=0):
            tf.summary.text("operative_config", indented)
        self._controller.flush()

    def write_iteration(self, iteration: int, scalars: dict[str, float]) -> None:
        """Writes a scalar for each name."""
        with self._controller.as_default(step=iteration):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)
        self._controller.flush()

    def write_greedy(self, iteration: int, episodes: list[Episode], title: str) -> None:
        """Writes a figure of the greedy schedule and the curves of its first episode."""
        figure = schedule_figure.draw({"greedy": episodes}, title, "greedy")
        image = tf.image.decode_png(png(figure), channels=4)[tf.newaxis]
        with self._controller.as_default(step=iteration):
            tf.summary.image("greedy_schedule", image)
        self._controller.flush()
        self.write_episode(f"greedy_{iteration:06d}", episodes[0])

    def write_episode(self, name: str, episode: Episode) -> None:
        """Writes learning rate and losses over trainee steps."""
        writer = tf.summary.create_file_writer(os.path.join(self._log_dir, name))
        with writer.as_default():
            for curve in _CURVES:
                values = episode.column(curve)
                for step, value in zip(episode.column("trainee_step"), values):
                    tf.summary.scalar(f"episode/{curve}", value, step=int(step))
        writer.close()
