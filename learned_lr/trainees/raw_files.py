"""Reads image classification sets from their publishers' files: IDX (MNIST and its kin) and CIFAR-10.

NumPy only: no TensorFlow, no download. The images come out in the order in which TensorFlow Datasets stores the same
set, so that the two sources give the same split.
"""

from __future__ import annotations

import gzip
import hashlib
import pathlib
import pickle
import zlib
from typing import BinaryIO, NamedTuple

import numpy as np

MAX_IMAGE_BYTES = 8 * 10**9
CIFAR_IMAGES_PER_BATCH = 10_000
CIFAR_IMAGE_SHAPE = (32, 32, 3)
CIFAR_NUM_CLASSES = 10

_CIFAR_IMAGE_BYTES = 3072
_IDX_UNSIGNED_BYTE = 8
_READ_BYTES = 2**20
# What the arrays in CIFAR-10's pickles consist of; NumPy 2 has moved the first of them.
_PERMITTED_GLOBALS = (
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
)


class TrainAndTest(NamedTuple):
    """A data set as published, before a validation set is taken from the training images.

    Attributes:
        train_images: uint8 [num_train, height, width, channels].
        train_labels: int32 [num_train].
        test_images: uint8 [num_test, height, width, channels].
        test_labels: int32 [num_test].
        num_classes: the labels are 0..num_classes - 1.
        source: where it was read, for error messages.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    num_classes: int
    source: str


def tfds_order(num_examples: int, split: str) -> np.ndarray:
    """The order in which TensorFlow Datasets stores the examples of a published file.

    It sorts them by md5(split name + example key), and for the MNIST family and CIFAR the key is the position in the
    published file (tensorflow_datasets.core.hashing; image_classification/{mnist,cifar}.py).

    Args:
        num_examples: number of examples in the split.
        split: 'train' or 'test'.

    Returns:
        int64 [num_examples]: the published position of each stored example.
    """
    digests = [
        hashlib.md5(f"{split}{position}".encode()).digest()
        for position in range(num_examples)
    ]
    return np.array(
        sorted(range(num_examples), key=digests.__getitem__), dtype=np.int64
    )


def read(raw_dir: str, name: str) -> TrainAndTest:
    """Reads IDX or CIFAR-10 files from a folder or from the usual subfolders.

    Args:
        raw_dir: folder that holds the files, or holds a subfolder named after the data set, `cifar-10-batches-bin`
            or `cifar-10-batches-py` that does.
        name: name of the data set, for the subfolder.

    Returns:
        The data set, in the order that `tfds_order` gives.

    Raises:
        FileNotFoundError: no data set there, or some of its files are missing.
        ValueError: a file is truncated, corrupt or of another kind.
    """
    root = pathlib.Path(raw_dir)
    subfolders = (
        "",
        name,
        name.replace("_", "-"),
        "cifar-10-batches-bin",
        "cifar-10-batches-py",
    )
    folders = [root / subfolder for subfolder in subfolders]
    for folder in folders:
        if _find_idx(folder, "train-images-idx3-ubyte"):
            return _read_idx_set(folder)
        for suffix in (".bin", ""):
            if (folder / f"data_batch_1{suffix}").is_file():
                return _read_cifar_set(folder, suffix)
    searched = ", ".join(str(folder) for folder in dict.fromkeys(folders))
    raise FileNotFoundError(
        "Expected train-images-idx3-ubyte[.gz], data_batch_1.bin or data_batch_1, "
        f"found none of them in {searched}"
    )


def _in_tfds_order(
    images: np.ndarray, labels: np.ndarray, split: str
) -> tuple[np.ndarray, np.ndarray]:
    order = tfds_order(len(images), split)
    return images[order], labels[order]


def _find_idx(folder: pathlib.Path, stem: str) -> pathlib.Path | None:
    for path in (folder / stem, folder / f"{stem}.gz"):
        if path.is_file():
            return path
    return None


def _read_idx_set(folder: pathlib.Path) -> TrainAndTest:
    splits = []
    for prefix, split in (("train", "train"), ("t10k", "test")):
        paths = []
        for stem in (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"):
            path = _find_idx(folder, stem)
            if path is None:
                raise FileNotFoundError(
                    f"Expected {stem} or {stem}.gz in {folder}, found neither"
                )
            paths.append(path)
        images, labels = _read_idx(paths[0], 3), _read_idx(paths[1], 1)
        if len(images) != len(labels):
            raise ValueError(
                f"{paths[1]}: expected {len(images)} labels, one for each image of "
                f"{paths[0].name}, found {len(labels)}"
            )
        splits.extend(
            _in_tfds_order(images[..., np.newaxis], labels.astype(np.int32), split)
        )
    num_classes = int(splits[1].max()) + 1
    return TrainAndTest(*splits, num_classes=num_classes, source=str(folder))


def _read_idx(path: pathlib.Path, num_dimensions: int) -> np.ndarray:
    open_fn = gzip.open if path.suffix == ".gz" else open
    try:
        with open_fn(path, "rb") as stream:
            return _parse_idx(stream, path, num_dimensions)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path}: expected a whole gzip file, found a corrupt one: {error}"
        ) from error


def _parse_idx(stream: BinaryIO, path: pathlib.Path, num_dimensions: int) -> np.ndarray:
    """IDX: two zero bytes, type code, number of dimensions, big-endian uint32 sizes, values (LeCun's MNIST page)."""
    expected_magic = bytes((0, 0, _IDX_UNSIGNED_BYTE, num_dimensions))
    magic = stream.read(4)
    if magic != expected_magic:
        raise ValueError(
            f"{path}: expected the IDX magic number 0x{expected_magic.hex()} "
            f"({num_dimensions} dimensions of unsigned bytes), found 0x{magic.hex()}"
        )
    header = stream.read(4 * num_dimensions)
    if len(header) != 4 * num_dimensions:
        raise ValueError(
            f"{path}: expected {4 * num_dimensions} bytes of sizes, found {len(header)}"
        )
    shape = tuple(int(size) for size in np.frombuffer(header, dtype=">u4"))
    num_bytes = int(np.prod(shape, dtype=object))
    if not 0 < num_bytes <= MAX_IMAGE_BYTES:
        raise ValueError(
            f"{path}: expected 1 to {MAX_IMAGE_BYTES} values, found the shape {shape}"
        )
    values = np.empty(num_bytes, dtype=np.uint8)
    num_read = 0
    # In pieces: one read of a gzip file would hold all of it twice.
    while num_read < num_bytes:
        piece = stream.read(min(_READ_BYTES, num_bytes - num_read))
        if not piece:
            raise ValueError(
                f"{path}: expected {num_bytes} values for the shape {shape}, "
                f"found {num_read}: the file is truncated"
            )
        values[num_read : num_read + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
        num_read += len(piece)
    if stream.read(1):
        raise ValueError(
            f"{path}: expected {num_bytes} values for the shape {shape}, found more"
        )
    return values.reshape(shape)


def _read_cifar_set(folder: pathlib.Path, suffix: str) -> TrainAndTest:
    splits = []
    train_stems = [f"data_batch_{number}" for number in range(1, 6)]
    for stems, split in ((train_stems, "train"), (["test_batch"], "test")):
        paths = [folder / f"{stem}{suffix}" for stem in stems]
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            raise FileNotFoundError(f"Expected {', '.join(missing)} in {folder}")
        splits.extend(_in_tfds_order(*_read_cifar_split(paths), split))
    return TrainAndTest(*splits, num_classes=CIFAR_NUM_CLASSES, source=str(folder))


def _read_cifar_split(paths: list[pathlib.Path]) -> tuple[np.ndarray, np.ndarray]:
    num_images = len(paths) * CIFAR_IMAGES_PER_BATCH
    images = np.empty((num_images, *CIFAR_IMAGE_SHAPE), dtype=np.uint8)
    labels = np.empty(num_images, dtype=np.int32)
    for index, path in enumerate(paths):
        read_fn = _read_cifar_binary if path.suffix == ".bin" else _read_cifar_pickle
        planes, batch_labels = read_fn(path)
        if batch_labels.min() < 0 or batch_labels.max() >= CIFAR_NUM_CLASSES:
            raise ValueError(
                f"{path}: expected labels 0..{CIFAR_NUM_CLASSES - 1}, "
                f"found {batch_labels.min()}..{batch_labels.max()}"
            )
        rows = slice(
            index * CIFAR_IMAGES_PER_BATCH, (index + 1) * CIFAR_IMAGES_PER_BATCH
        )
        # A row holds the red, the green and the blue plane, each row-major.
        images[rows] = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels[rows] = batch_labels
    return images, labels


def _read_cifar_binary(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    num_bytes = path.stat().st_size
    expected_bytes = CIFAR_IMAGES_PER_BATCH * (1 + _CIFAR_IMAGE_BYTES)
    if num_bytes != expected_bytes:
        raise ValueError(
            f"{path}: expected {expected_bytes} bytes ({CIFAR_IMAGES_PER_BATCH} labelled "
            f"32x32x3 images), found {num_bytes}"
        )
    rows = np.fromfile(path, dtype=np.uint8).reshape(CIFAR_IMAGES_PER_BATCH, -1)
    return rows[:, 1:], rows[:, 0]


class _ArrayUnpickler(pickle.Unpickler):
    """Builds NumPy arrays and Python's own containers, and nothing that could run code."""

    def find_class(self, module: str, name: str):
        if (module, name) not in _PERMITTED_GLOBALS:
            raise pickle.UnpicklingError(
                f"it refers to {module}.{name}, which is not part of an array"
            )
        return super().find_class(module, name)


def _read_cifar_pickle(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with open(path, "rb") as stream:
            batch = _ArrayUnpickler(stream, encoding="bytes").load()
    # A damaged pickle can raise nearly anything while it is rebuilt.
    except Exception as error:
        raise ValueError(
            f"{path}: expected a pickled CIFAR-10 batch, could not read it: {error}"
        ) from error
    fields = batch if isinstance(batch, dict) else {}
    images, labels = fields.get(b"data"), fields.get(b"labels")
    shape = (CIFAR_IMAGES_PER_BATCH, _CIFAR_IMAGE_BYTES)
    found = (getattr(images, "dtype", None), getattr(images, "shape", None))
    if found != (np.dtype(np.uint8), shape):
        raise ValueError(
            f"{path}: expected uint8 data of shape {shape}, "
            f"found dtype {found[0]} and shape {found[1]}"
        )
    labels = np.asarray(labels)
    if labels.shape != shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{path}: expected {shape[0]} integer labels, "
            f"found shape {labels.shape} of {labels.dtype}"
        )
    return images, labels
