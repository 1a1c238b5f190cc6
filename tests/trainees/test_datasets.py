"""Data sets: literal splits, where they are looked for, and the message of what is not found."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import numpy as np
import pytest
from raw_dataset_files import idx_files, write_files

from learned_lr.trainees import datasets


def test_digits_has_a_fixed_split_of_all_images():
    digits = datasets.load("digits")
    assert digits.train_images.shape == (1197, 8, 8, 1)
    assert digits.validation_images.shape == (300, 8, 8, 1)
    assert digits.test_images.shape == (300, 8, 8, 1)
    assert digits.train_labels[:8].tolist() == [2, 8, 2, 6, 6, 7, 1, 9]
    assert digits.validation_labels[:8].tolist() == [5, 3, 9, 6, 1, 6, 0, 6]
    test_counts = [27, 25, 36, 28, 38, 25, 30, 31, 25, 35]
    assert np.bincount(digits.test_labels).tolist() == test_counts
    labels = (digits.train_labels, digits.validation_labels, digits.test_labels)
    # The class counts of the published file.
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(np.concatenate(labels)).tolist() == counts
    assert digits.num_classes == 10
    assert digits.train_images.dtype == np.uint8
    assert digits.train_labels.dtype == np.int32


def test_digits_maps_sixteen_grey_levels_to_a_byte():
    images = datasets.load("digits").train_images
    # round(level * 255 / 16); 127.5 rounds to even.
    levels = [0, 16, 32, 48, 64, 80, 96, 112, 128]
    levels += [143, 159, 175, 191, 207, 223, 239, 255]
    assert np.unique(images).tolist() == levels


def test_validation_share_takes_from_the_end_of_the_training_images():
    default = datasets.load("digits")
    changed = datasets.load("digits", num_validation_images=100, num_train_images=5)
    expected = default.validation_images[200:]
    np.testing.assert_array_equal(changed.validation_images, expected)
    np.testing.assert_array_equal(changed.train_images, default.train_images[:5])
    np.testing.assert_array_equal(changed.test_images, default.test_images)


def test_arrays_are_read_only():
    digits = datasets.load("digits", num_train_images=5)
    for images in (digits.train_images, digits.validation_images, digits.test_images):
        with pytest.raises(ValueError, match="read-only"):
            images[0] = 0


def test_labels_of_any_integers_are_taken(tiny_data):
    labels = tiny_data.train_labels.astype(np.int64)
    changed = dataclasses.replace(tiny_data, train_labels=labels)
    assert changed.train_labels is labels


@pytest.mark.parametrize(
    ("field", "change", "message"),
    [
        (
            "train_images",
            lambda images: images / np.float32(255),
            r"'tiny': expected train_images to be uint8, 0\.\.255, found float32",
        ),
        (
            "validation_labels",
            lambda labels: np.eye(3, dtype=np.int32)[labels],
            r"validation_labels to be integers, .* found int32 of shape \(21, 3\) for 21",
        ),
        (
            "test_labels",
            lambda labels: labels.astype(np.float64),
            r"test_labels to be integers, .* found float64 of shape \(15,\)",
        ),
        (
            "train_labels",
            lambda labels: labels[1:],
            r"found int32 of shape \(39,\) for 40 images",
        ),
        (
            "test_labels",
            lambda labels: labels + 1,
            r"expected test_labels in 0\.\.2, found 1\.\.3",
        ),
    ],
)
def test_a_data_set_that_would_train_on_something_else_is_refused(
    tiny_data, field, change, message
):
    values = {field: change(getattr(tiny_data, field))}
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(tiny_data, **values)


def test_one_class_is_refused(tiny_data):
    with pytest.raises(ValueError, match="'tiny': expected at least two classes, found 1"):  # fmt: skip
        dataclasses.replace(tiny_data, num_classes=1)


def test_an_empty_split_is_refused(tiny_data):
    values = {n: getattr(tiny_data, n)[:0] for n in ("test_images", "test_labels")}
    with pytest.raises(ValueError, match=r"at least one image, .* for 0 images"):
        dataclasses.replace(tiny_data, **values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_validation_images": 1497}, "1497 validation and at least 1 train"),
        ({"num_train_images": 1198}, "300 validation and at least 1198 .* found 1497"),
        ({"num_train_images": 0}, "num_train_images to be a positive .* found 0"),
        ({"num_validation_images": 1e2}, "positive integer or None, found 100.0"),
        ({"raw_dir": "somewhere"}, "no raw_dir for 'digits'.* found 'somewhere'"),
    ],
)
def test_digits_refuses_impossible_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.load("digits", **arguments)


def test_empty_raw_dir_says_how_to_get_the_data(tmp_path):
    with pytest.raises(datasets.DatasetNotFoundError) as error:
        datasets.load("fashion_mnist", raw_dir=str(tmp_path))
    for part in (str(tmp_path), "TFDS_DATA_DIR", "apt install dataset-fashion-mnist"):
        assert part in str(error.value)


def test_not_found_lists_every_place(no_network, tmp_path):
    with pytest.raises(datasets.DatasetNotFoundError) as error:
        datasets.load("fashion_mnist")
    places = str(error.value).splitlines()[1:4]
    assert str(tmp_path / "prepared") in places[0]
    assert str(no_network) in places[1]
    assert places[2].startswith("- TFDS download: no route to http")
    with pytest.raises(datasets.DatasetNotFoundError, match="no_such_set not found"):
        datasets.load("no_such_set")


def test_debian_package_comes_before_a_download(no_network):
    write_files(no_network, idx_files())
    with pytest.raises(ValueError, match=f"fashion_mnist from {no_network}: expected"):
        datasets.load("fashion_mnist")


def _has_prepared(name):
    return (pathlib.Path(os.environ.get("TFDS_DATA_DIR", "")) / name).is_dir()


@pytest.mark.slow
@pytest.mark.skipif(
    not _has_prepared("fashion_mnist"), reason="TFDS_DATA_DIR has no fashion_mnist"
)
def test_fashion_mnist():
    fashion = datasets.load("fashion_mnist")
    assert fashion.train_images.shape == (50_000, 28, 28, 1)
    assert fashion.validation_images.shape == (10_000, 28, 28, 1)
    assert fashion.test_images.shape == (10_000, 28, 28, 1)
    assert (fashion.train_images.dtype, fashion.train_labels.dtype) == (
        np.uint8,
        np.int32,
    )
    assert fashion.train_labels[:8].tolist() == [2, 1, 8, 4, 1, 9, 2, 2]
    assert fashion.validation_labels[:8].tolist() == [7, 4, 1, 3, 7, 9, 4, 8]
    assert np.bincount(fashion.test_labels).tolist() == [1000] * 10
    debian_dir = datasets.DEBIAN_DIRS["fashion_mnist"]
    if os.path.isdir(debian_dir):
        raw = datasets.load("fashion_mnist", raw_dir=debian_dir)
        for part in ("train", "validation", "test"):
            for kind in ("images", "labels"):
                field = f"{part}_{kind}"
                np.testing.assert_array_equal(
                    getattr(fashion, field), getattr(raw, field)
                )


@pytest.mark.slow
@pytest.mark.skipif(not _has_prepared("cifar10"), reason="TFDS_DATA_DIR has no cifar10")
def test_cifar10():
    cifar = datasets.load("cifar10")
    assert cifar.train_images.shape == (40_000, 32, 32, 3)
    assert cifar.validation_images.shape == (10_000, 32, 32, 3)
    assert cifar.train_labels[:8].tolist() == [7, 8, 4, 4, 6, 5, 2, 9]
    assert np.bincount(cifar.test_labels).tolist() == [1000] * 10
