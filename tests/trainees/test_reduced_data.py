"""The data of small tasks: fewer images, pooled, with noisy labels; and data sets that are computed."""

from __future__ import annotations

import numpy as np
import pytest

from learned_lr.trainees import datasets, reduced_data, synthetic
from learned_lr.trainees.tasks import Task

PARTS = ("train", "validation", "test")


def _task(dataset="digits", **values):
    return Task("task", dataset, "mlp", batch_size=8, **values)


def test_fewer_images_are_those_of_the_data_set():
    values = {"num_train_images": 100, "num_validation_images": 50}
    found = reduced_data.load(_task(**values))
    expected = datasets.load("digits", 50, 100)
    for part in PARTS:
        for kind in ("images", "labels"):
            np.testing.assert_array_equal(
                getattr(found, f"{part}_{kind}"), getattr(expected, f"{part}_{kind}")
            )
    assert found.num_classes == 10
    whole = reduced_data.load(_task())
    assert [len(getattr(whole, f"{part}_labels")) for part in PARTS] == [1197, 300, 300]


def test_fewer_images_of_a_function_of_ones_own():
    whole = datasets.load("digits", 50, 100)
    own = _task(lambda: whole, num_train_images=30, num_validation_images=20)
    found = reduced_data.load(own)
    np.testing.assert_array_equal(found.train_images, whole.train_images[:30])
    np.testing.assert_array_equal(found.train_labels, whole.train_labels[:30])
    np.testing.assert_array_equal(found.validation_images, whole.validation_images[30:])
    np.testing.assert_array_equal(found.validation_labels, whole.validation_labels[30:])
    np.testing.assert_array_equal(found.test_images, whole.test_images)
    with pytest.raises(ValueError, match="images of digits to be at most 100, found"):
        reduced_data.load(_task(lambda: whole, num_train_images=101))


def test_pooling_averages_squares():
    images = np.arange(2 * 4 * 4 * 2, dtype=np.uint8).reshape(2, 4, 4, 2)
    images[0, :2, :2, 0] = 255
    found = reduced_data.pool(images, 2)
    assert found.shape == (2, 2, 2, 2) and found.dtype == np.uint8
    for image, row, column, channel in np.ndindex(found.shape):
        square = images[
            image, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2, channel
        ]
        # Halves are rounded up.
        expected = np.floor(square.mean(dtype=np.float64) + 0.5)
        assert found[image, row, column, channel] == expected
    np.testing.assert_array_equal(reduced_data.pool(images, 1), images)


def test_a_task_is_pooled():
    found, whole = (reduced_data.load(_task(pooling=factor)) for factor in (4, 1))
    for part in PARTS:
        images = getattr(whole, f"{part}_images")
        pooled = getattr(found, f"{part}_images")
        np.testing.assert_array_equal(pooled, reduced_data.pool(images, 4))
        assert pooled.shape[1:] == (2, 2, 1)


def test_pooling_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="to divide images of 8 x 8, found 3"):
        reduced_data.load(_task(pooling=3))


@pytest.mark.parametrize("fraction", [0.0, 0.25, 1.0])
def test_labels_are_redrawn(fraction):
    labels = np.full(4000, 3, np.int32)
    noisy = reduced_data.redraw(labels, 10, fraction)
    assert noisy.dtype == np.int32
    # A tenth of those redrawn stay as they were.
    changed = np.mean(noisy != labels)
    assert changed == pytest.approx(0.9 * fraction, abs=0.02)
    if fraction == 1.0:
        counts = np.bincount(noisy, minlength=10)
        assert counts.min() > 320 and counts.max() < 480
    np.testing.assert_array_equal(noisy, reduced_data.redraw(labels, 10, fraction))
    assert np.all(labels == 3)


def test_noise_is_in_the_training_labels_alone():
    clean, noisy = (reduced_data.load(_task(label_noise=noise)) for noise in (0.0, 0.5))
    assert np.mean(clean.train_labels != noisy.train_labels) == pytest.approx(
        0.45, abs=0.05
    )
    np.testing.assert_array_equal(clean.validation_labels, noisy.validation_labels)
    np.testing.assert_array_equal(clean.test_labels, noisy.test_labels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_train_images": 1198}, "num_train_images of digits to be at most 1197"),
        (
            {"dataset": "teacher_4_2_0", "num_validation_images": 2001},
            "num_validation_images of teacher_4_2_0 to be at most 2000, found 2001",
        ),
    ],
)
def test_more_images_than_there_are(values, message):
    with pytest.raises(ValueError, match=message):
        reduced_data.load(_task(**values))


@pytest.mark.parametrize(
    ("name", "shape", "num_classes"),
    [("teacher_5_3_2", (1, 5, 1), 3), ("patterns_8_2_4", (8, 8, 2), 4)],
)
def test_computed_data_sets(name, shape, num_classes):
    found, again = synthetic.load(name), synthetic.load(name)
    assert found.num_classes == num_classes
    for part, num in zip(PARTS, (20_000, 2_000, 4_000)):
        images = getattr(found, f"{part}_images")
        labels = getattr(found, f"{part}_labels")
        assert images.shape == (num, *shape) and images.dtype == np.uint8
        assert labels.shape == (num,) and labels.dtype == np.int32
        np.testing.assert_array_equal(images, getattr(again, f"{part}_images"))
        counts = np.bincount(labels, minlength=num_classes)
        assert len(counts) == num_classes and counts.min() > num / num_classes / 3
        # A grey level is a 42nd of the deviation.
        assert np.mean(images) == pytest.approx(128, abs=2)
        assert np.std(images.astype(float)) == pytest.approx(42, abs=3)
    other = synthetic.load(name.replace("5", "6").replace("8", "9"))
    assert other.train_images.shape != found.train_images.shape


def test_a_linear_teacher_is_found_by_least_squares():
    data = synthetic.load("teacher_6_3_0")
    inputs = np.c_[data.train_images.reshape(20_000, 6) - 128.0, np.ones(20_000)]
    targets = np.eye(3)[data.train_labels]
    weights, *_ = np.linalg.lstsq(inputs, targets, rcond=None)
    guesses = np.argmax(inputs @ weights, axis=1)
    assert np.mean(guesses == data.train_labels) > 0.9


def test_patterns_are_told_apart_by_their_three_patterns_and_shifts():
    data = synthetic.load("patterns_8_1_3")
    images = data.train_images[..., 0].astype(float) - 128
    # The mean of a class is that of its patterns, since noise and shifts average out.
    means = np.array([images[data.train_labels == c].mean(0) for c in range(3)])
    deviation = images.std() / np.sqrt(20_000 / 3)
    spread = np.abs(means[:, None] - means[None]).max(axis=(2, 3))
    assert np.all(spread[~np.eye(3, dtype=bool)] > 8 * deviation)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("teacher_5_3", "Expected 'teacher_<inputs>_<classes>_<layers>'"),
        ("teacher_5_1_2", "at least 2 classes"),
        ("patterns_0_1_3", "1 pixel"),
    ],
)
def test_names_that_mean_nothing(name, message):
    with pytest.raises(ValueError, match=message):
        synthetic.load(name)
    assert not synthetic.is_synthetic("teacher") and not synthetic.is_synthetic(
        "digits"
    )
