"""The currency: what an episode costs in gradient samples."""

from __future__ import annotations

import dataclasses

import pytest

from learned_lr.trainees import datasets, reduced_data, spend, tasks
from learned_lr.trainees.tasks import QuadraticTask, Task


def test_the_papers_grid():
    # 48 runs of 1,000 steps of 1,000 images, each measured 101 times on 10,000.
    samples = spend.gradient_samples(tasks.cifar10_cnn())
    assert samples == 1_000_000 + 101 * 10_000 / 3
    assert 48 * samples == pytest.approx(64.16e6)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (tasks.digits_cnn(), 300 * 64 + 31 * 300 / 3),
        (Task("a", "patterns_8_1_3", "mlp", 32, 40), 40 * 32 + 5 * 2000 / 3),
        (
            Task("a", "cifar10", "lenet5", 128, 50, num_validation_images=90),
            50 * 128 + 6 * 90 / 3,
        ),
        (QuadraticTask(num_trainee_steps=40), 40.0),
    ],
)
def test_by_hand(task, expected):
    assert spend.gradient_samples(task) == expected


@pytest.mark.parametrize("dataset", ["digits", "patterns_8_1_3"])
def test_validation_images_are_as_many_as_are_loaded(dataset):
    task = Task("a", dataset, "mlp", 32, 40)
    num = len(reduced_data.load(task).validation_labels)
    explicit = dataclasses.replace(task, num_validation_images=num)
    assert spend.gradient_samples(task) == spend.gradient_samples(explicit)


def test_what_a_function_makes_is_not_known():
    task = Task("a", lambda: datasets.load("digits"), "mlp", 32, 40)
    assert spend.gradient_samples(task) is None
