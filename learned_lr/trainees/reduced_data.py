"""The data of a task: loaded, cut to a few images, pooled, with noisy labels. Equal in every run.

What many small tasks are cut from is read once a process.
"""

from __future__ import annotations

import dataclasses
import functools
import os

import numpy as np

from learned_lr.trainees import datasets, synthetic
from learned_lr.trainees.datasets import Dataset

_NUM_KEPT = 4
_LABEL_SEED = 0


def load(task) -> Dataset:
    """Returns the task's data: its function's, or by name with the task's split, reduced.

    Raises:
      ValueError: if there are fewer images than the task asks for, or its pooling doesn't
        divide their sides.
    """
    data = _split(task)
    if task.pooling > 1:
        data = dataclasses.replace(
            data,
            **{
                name: pool(getattr(data, name), task.pooling)
                for name in ("train_images", "validation_images", "test_images")
            },
        )
    if task.label_noise:
        labels = redraw(data.train_labels, data.num_classes, task.label_noise)
        data = dataclasses.replace(data, train_labels=labels)
    return data


def pool(images: np.ndarray, factor: int) -> np.ndarray:
    """Averages squares of `factor` pixels a side.

    Args:
      images: uint8 `[num, height, width, channels]`.
      factor: int >= 1.

    Returns:
      uint8 `[num, height / factor, width / factor, channels]`, rounded.

    Raises:
      ValueError: if the factor doesn't divide both sides.
    """
    num, height, width, channels = images.shape
    if height % factor or width % factor:
        raise ValueError(
            f"Expected task.pooling to divide images of {height} x {width}, found {factor}."
        )
    # Sums by slices of whole images: no array of floats as large as the data.
    sums = np.zeros((num, height // factor, width // factor, channels), np.uint32)
    for row in range(factor):
        for column in range(factor):
            sums += images[:, row::factor, column::factor]
    area = factor**2
    return ((sums + area // 2) // area).astype(np.uint8)


def redraw(labels: np.ndarray, num_classes: int, fraction: float) -> np.ndarray:
    """Returns the labels with a fraction of them redrawn evenly from all classes.

    Which ones, and to what, follows from the number of labels alone.

    Args:
      labels: int32 `[num]`.
      num_classes: int.
      fraction: float in [0, 1]; a redrawn label may be the old one.
    """
    rng = np.random.RandomState(_LABEL_SEED)
    noisy = labels.copy()
    chosen = rng.permutation(len(labels))[: round(fraction * len(labels))]
    noisy[chosen] = rng.randint(num_classes, size=len(chosen))
    return noisy


def _split(task):
    num_train = task.num_train_images
    if callable(task.dataset):
        whole = task.dataset()
    elif synthetic.is_synthetic(task.dataset):
        whole = _synthetic(task.dataset)
    elif num_train is None:
        return datasets.load(
            task.dataset, task.num_validation_images, raw_dir=task.raw_dir
        )
    else:
        whole = _whole(
            task.dataset,
            task.num_validation_images,
            task.raw_dir,
            os.environ.get("TFDS_DATA_DIR"),
        )
    return _first(whole, num_train, task.num_validation_images)


@functools.lru_cache(maxsize=_NUM_KEPT)
def _whole(name, num_validation_images, raw_dir, data_dir):
    return datasets.load(name, num_validation_images, raw_dir=raw_dir)


@functools.lru_cache(maxsize=_NUM_KEPT)
def _synthetic(name):
    return synthetic.load(name)


def _first(whole, num_train, num_validation):
    """The first training images and the last validation images, copied: the rest may go."""
    parts = {}
    for name, num, part in (
        ("train", num_train, slice(0, num_train)),
        ("validation", num_validation, slice(-(num_validation or 0), None)),
    ):
        if num is None:
            continue
        labels = getattr(whole, f"{name}_labels")
        if num > len(labels):
            raise ValueError(
                f"Expected task.num_{name}_images of {whole.name} to be at most "
                f"{len(labels)}, found {num}."
            )
        for field in (f"{name}_images", f"{name}_labels"):
            parts[field] = getattr(whole, field)[part].copy()
    return dataclasses.replace(whole, **parts)
