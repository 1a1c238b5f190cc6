"""Image classification data sets, with train, validation and test images that are the same in every run.

Finds, checks and splits a data set. It keeps no cache, and neither scales nor augments the images.
"""

from __future__ import annotations

import dataclasses
import numbers
import os
import re

import numpy as np

from learned_lr.trainees import raw_files, tfds_files

DEFAULT_NUM_VALIDATION_IMAGES = 10_000
DIGITS_NUM_VALIDATION_IMAGES = 300
DIGITS_NUM_TEST_IMAGES = 300

# Where Debian's package dataset-fashion-mnist installs its IDX files.
DEBIAN_DIRS = {"fashion_mnist": "/usr/share/datasets/fashion-mnist"}

# Name: shape of the training images, shape of the test images, number of classes, as published.
_PUBLISHED = {
    "mnist": ((60_000, 28, 28, 1), (10_000, 28, 28, 1), 10),
    "fashion_mnist": ((60_000, 28, 28, 1), (10_000, 28, 28, 1), 10),
    "cifar10": ((50_000, 32, 32, 3), (10_000, 32, 32, 3), 10),
}
_DIGITS_SEED = 0


class DatasetNotFoundError(FileNotFoundError):
    """The data set is in none of the places where it was looked for."""


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory. The arrays of those that `load` returns are read-only.

    Attributes:
        name: name of the data set.
        train_images: uint8 [num_train, height, width, channels], 0..255.
        train_labels: int32 [num_train], 0..num_classes - 1.
        validation_images: uint8 [num_validation, height, width, channels].
        validation_labels: int32 [num_validation].
        test_images: uint8 [num_test, height, width, channels].
        test_labels: int32 [num_test].
        num_classes: number of classes.

    Raises:
        ValueError: images are not uint8, or a split has not one label in that range for each image.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    num_classes: int

    def __post_init__(self):
        if self.num_classes < 2:
            raise ValueError(
                f"Data set {self.name!r}: expected at least two classes, found {self.num_classes!r}."
            )
        for split in ("train", "validation", "test"):
            images = getattr(self, f"{split}_images")
            labels = getattr(self, f"{split}_labels")
            place = f"Data set {self.name!r}: expected {split}"
            # TensorFlow would cast them: of floats in [0, 1] it makes black images.
            if images.dtype != np.uint8:
                raise ValueError(
                    f"{place}_images to be uint8, 0..255, found {images.dtype}."
                )
            if (
                labels.dtype.kind not in "iu"
                or labels.shape != images.shape[:1]
                or not labels.size
            ):
                raise ValueError(
                    f"{place}_labels to be integers, one for each of at least one image, "
                    f"found {labels.dtype} of shape {labels.shape} for {len(images)} images."
                )
            if not (0 <= labels.min() and labels.max() < self.num_classes):
                raise ValueError(
                    f"{place}_labels in 0..{self.num_classes - 1}, found "
                    f"{labels.min()}..{labels.max()}."
                )


def load(
    name: str,
    num_validation_images: int | None = None,
    num_train_images: int | None = None,
    raw_dir: str | None = None,
) -> Dataset:
    """Loads a data set and splits it: the last training images are the validation set.

    Fashion-MNIST gives 50,000 / 10,000 / 10,000 train, validation and test images, CIFAR-10 40,000 / 10,000 / 10,000,
    'digits' 1,197 / 300 / 300.

    'digits' comes with scikit-learn. Any other set is read from `raw_dir` if that is given. Otherwise it is looked for
    among the sets that TensorFlow Datasets has prepared (in TFDS_DATA_DIR), then in the folder of its Debian package,
    and then downloaded through TensorFlow Datasets. The order of the images, and so the split, is the one in which
    TensorFlow Datasets stores them, whatever the source. A set without a 'test' split is tested on its 'validation'
    split.

    Args:
        name: 'digits', or the TensorFlow Datasets name of an image classification set with images of one size; with
            `raw_dir`, any name.
        num_validation_images: how many of the last training images are the validation set; None for 10,000, of
            'digits' for 300.
        num_train_images: how many of the first training images to train on; None for all that are left.
        raw_dir: folder with the publisher's IDX or CIFAR-10 files; see `raw_files.read`.

    Returns:
        The data set.

    Raises:
        DatasetNotFoundError: the data set is in none of the places.
        ValueError: more images are asked for than there are, a file is corrupt, or the set is not an image
            classification set with images of one size that fits into memory.
    """
    for argument, number in (
        ("num_validation_images", num_validation_images),
        ("num_train_images", num_train_images),
    ):
        if number is not None and not (
            isinstance(number, numbers.Integral) and number > 0
        ):
            raise ValueError(
                f"Expected {argument} to be a positive integer or None, found {number!r}"
            )
    if name == "digits":
        if raw_dir is not None:
            raise ValueError(
                "Expected no raw_dir for 'digits', which comes with scikit-learn, "
                f"found {raw_dir!r}"
            )
        arrays = _load_digits()
        default_num_validation_images = DIGITS_NUM_VALIDATION_IMAGES
    else:
        arrays = _load_raw(name, raw_dir) if raw_dir else _load_first_available(name)
        default_num_validation_images = DEFAULT_NUM_VALIDATION_IMAGES
    _check(name, arrays)
    if num_validation_images is None:
        num_validation_images = default_num_validation_images
    return _split(name, arrays, num_validation_images, num_train_images)


def _split(
    name: str,
    arrays: raw_files.TrainAndTest,
    num_validation_images: int,
    num_train_images: int | None,
) -> Dataset:
    num_images = len(arrays.train_images)
    num_remaining = num_images - num_validation_images
    num_wanted = num_train_images or 1
    if num_wanted > num_remaining:
        raise ValueError(
            f"{name}: expected {num_validation_images} validation and at least "
            f"{num_wanted} train images out of the training images, found {num_images}"
        )
    train = slice(0, num_train_images or num_remaining)
    validation = slice(num_remaining, num_images)
    parts = {
        "train_images": arrays.train_images[train],
        "train_labels": arrays.train_labels[train],
        "validation_images": arrays.train_images[validation],
        "validation_labels": arrays.train_labels[validation],
        "test_images": arrays.test_images,
        "test_labels": arrays.test_labels,
    }
    if train.stop < num_remaining:
        # Copies, so that the images left out do not stay in memory.
        parts = {field: part.copy() for field, part in parts.items()}
    for part in parts.values():
        part.flags.writeable = False
    return Dataset(name=name, num_classes=arrays.num_classes, **parts)


def _check(name: str, arrays: raw_files.TrainAndTest) -> None:
    place = f"{name} from {arrays.source}"
    found = (arrays.train_images.shape, arrays.test_images.shape, arrays.num_classes)
    expected = _PUBLISHED.get(name, found)
    if found != expected:
        raise ValueError(
            f"{place}: expected the shapes of the training and the test images and the "
            f"number of classes {expected}, found {found}"
        )
    if found[0][1:] != found[1][1:]:
        raise ValueError(
            f"{place}: expected test images of the training images' shape "
            f"{found[0][1:]}, found {found[1][1:]}"
        )
    for labels in (arrays.train_labels, arrays.test_labels):
        if labels.min() < 0 or labels.max() >= arrays.num_classes:
            raise ValueError(
                f"{place}: expected labels 0..{arrays.num_classes - 1}, "
                f"found {labels.min()}..{labels.max()}"
            )


def _load_digits() -> raw_files.TrainAndTest:
    from sklearn import datasets as sklearn_datasets

    digits = sklearn_datasets.load_digits()
    # Values are 0..16: counts of ink in 4x4 blocks.
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.int32)
    # The file goes from writer to writer, so its last images are another task than its first; permuted, the three
    # parts are alike. RandomState, because NumPy guarantees that its stream stays the same in later versions.
    order = np.random.RandomState(_DIGITS_SEED).permutation(len(labels))
    train, test = order[:-DIGITS_NUM_TEST_IMAGES], order[-DIGITS_NUM_TEST_IMAGES:]
    return raw_files.TrainAndTest(
        images[train], labels[train], images[test], labels[test], 10, "scikit-learn"
    )


def _load_raw(name: str, raw_dir: str) -> raw_files.TrainAndTest:
    try:
        return raw_files.read(raw_dir, name)
    except FileNotFoundError as error:
        raise _not_found(name, [f"raw_dir: {error}"]) from error


def _not_found(name: str, tried: list[str]) -> DatasetNotFoundError:
    lines = [f"Data set {name!r} was not found. Looked for in:"]
    lines += [f"- {' '.join(place.split())}" for place in tried]
    lines += [
        "To get it, do one of these:",
        "- set TFDS_DATA_DIR to a folder where tensorflow_datasets has prepared it, or",
        "  load it once with a network;",
        "- pass raw_dir, a folder with the publisher's IDX or CIFAR-10 files.",
    ]
    if name in DEBIAN_DIRS:
        lines.append("- on Debian: apt install dataset-fashion-mnist.")
    return DatasetNotFoundError("\n".join(lines))


def _load_first_available(name: str) -> raw_files.TrainAndTest:
    """Tries the download last: without a network, TFDS itself takes minutes to fail."""
    import tensorflow_datasets as tfds

    data_dir = os.environ.get("TFDS_DATA_DIR")
    tried = []
    with tfds_files.quiet(tfds):
        try:
            builder = tfds.core.read_only_builder.builder_from_files(
                name, data_dir=data_dir
            )
            return tfds_files.read_prepared(tfds, builder)
        except tfds.core.DatasetNotFoundError as error:
            tried.append(f"prepared by TFDS: {tfds_files.first_line(str(error))}")
        if name in DEBIAN_DIRS:
            try:
                return raw_files.read(DEBIAN_DIRS[name], name)
            except FileNotFoundError as error:
                tried.append(f"Debian package: {error}")
        try:
            tfds_files.check_network(tfds.builder_cls(re.split("[:/]", name)[0]))
            builder = tfds.builder(name, data_dir=data_dir)
        except (tfds.core.DatasetNotFoundError, OSError) as error:
            tried.append(f"TFDS download: {tfds_files.first_line(str(error))}")
            raise _not_found(name, tried) from error
        tfds_files.check_info(tfds, builder.info)
        try:
            builder.download_and_prepare()
        # Each data set's own code runs here, and raises what it likes.
        except Exception as error:
            tried.append(f"TFDS download: {type(error).__name__}: {error}")
            raise _not_found(name, tried) from error
        return tfds_files.read_prepared(tfds, builder)
