"""What training a network once costs, in gradient samples: the currency that searches are compared in."""

from __future__ import annotations

from learned_lr.trainees import datasets, synthetic

# A forward pass is about a third of a step's work (forward, and twice as much backward).
VALIDATION_IMAGES_PER_SAMPLE = 3


def gradient_samples(task) -> float | None:
    """Returns the gradient samples of one episode of a task.

    num_trainee_steps * batch_size + (num_decisions + 1) * num_validation_images / 3: the
    untrained network is measured, too. The test at the end of an evaluation doesn't count.

    Args:
      task: a task. A step of the toy task is one sample, and its measurements are free.

    Returns:
      float; None where a function makes the data set, which tells its size when it is loaded.
    """
    num_validation = _num_validation_images(task)
    if num_validation is None:
        return None
    num_measured = (task.num_decisions + 1) * num_validation
    num_trained = task.num_trainee_steps * getattr(task, "batch_size", 1)
    return num_trained + num_measured / VALIDATION_IMAGES_PER_SAMPLE


def of_runs(task, num_runs: int) -> float | None:
    """Returns the gradient samples of so many episodes of a task; None where they aren't known."""
    samples = gradient_samples(task)
    return None if samples is None else num_runs * samples


def _num_validation_images(task) -> int | None:
    dataset = getattr(task, "dataset", None)
    if dataset is None:
        return 0
    if callable(dataset):
        return None
    if task.num_validation_images is not None:
        return task.num_validation_images
    if synthetic.is_synthetic(dataset):
        return synthetic.NUM_VALIDATION_IMAGES
    if dataset == "digits":
        return datasets.DIGITS_NUM_VALIDATION_IMAGES
    return datasets.DEFAULT_NUM_VALIDATION_IMAGES
