"""A task of a few dozen images, so that a whole training run takes milliseconds."""

from __future__ import annotations

import numpy as np
import pytest

from learned_lr.trainees import datasets
from learned_lr.trainees.datasets import Dataset
from learned_lr.trainees.tasks import Task

NUM_CLASSES = 3


def tiny_dataset():
    """40, 21 and 15 images of 4x4, brighter the higher their class."""
    rng = np.random.default_rng(0)
    parts = []
    for num_images in (40, 21, 15):
        labels = rng.integers(NUM_CLASSES, size=num_images).astype(np.int32)
        noise = rng.integers(150, size=(num_images, 4, 4, 1))
        parts += [(noise + 50 * labels[:, None, None, None]).astype(np.uint8), labels]
    return Dataset("tiny", *parts, num_classes=NUM_CLASSES)


def _tiny_task(**overrides):
    values = {
        "model": "mlp",
        "batch_size": 8,
        "num_trainee_steps": 20,
        "trainee_steps_per_action": 5,
        "width": 8,
        "validation_batch_size": 21,
        **overrides,
    }
    return Task("tiny", tiny_dataset, **values)


@pytest.fixture(scope="session")
def tiny_task():
    """A function that returns the tiny task, with any of its fields replaced."""
    return _tiny_task


@pytest.fixture(scope="session")
def tiny_data():
    """The images and labels of the tiny task."""
    return tiny_dataset()


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """No prepared set, no Debian package, and a network that refuses at once."""
    import requests

    def refuse(url, **_):
        raise requests.ConnectionError(f"no route to {url}")

    monkeypatch.setattr(requests, "head", refuse)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "prepared"))
    debian_dir = tmp_path / "debian"
    monkeypatch.setattr(datasets, "DEBIAN_DIRS", {"fashion_mnist": str(debian_dir)})
    return debian_dir
