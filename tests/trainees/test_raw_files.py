"""Raw IDX and CIFAR files: hand-made ones, and the message of each thing that can be wrong with them."""

from __future__ import annotations

import gzip
import pathlib
import pickle

import numpy as np
import pytest
from raw_dataset_files import (
    TEST_ORDER_OF_4,
    TRAIN_ORDER_OF_6,
    cifar_binary_files,
    cifar_python_files,
    cifar_rows,
    idx_bytes,
    idx_files,
    python2_pickle,
    write_files,
)

from learned_lr.trainees import datasets, raw_files


@pytest.fixture
def small_cifar(monkeypatch):
    monkeypatch.setattr(raw_files, "CIFAR_IMAGES_PER_BATCH", 2)


def test_tfds_order_is_the_one_of_the_prepared_sets():
    # The first ids of the prepared CIFAR-10 are train_16399, train_01680 and train_47917.
    assert raw_files.tfds_order(50_000, "train")[:3].tolist() == [16399, 1680, 47917]
    assert raw_files.tfds_order(6, "train").tolist() == TRAIN_ORDER_OF_6
    assert raw_files.tfds_order(4, "test").tolist() == TEST_ORDER_OF_4


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("subfolder", ["", "tiny_set", "tiny-set"])
def test_idx_files(tmp_path, compressed, subfolder):
    files = idx_files()
    if compressed:
        files = {f"{name}.gz": gzip.compress(raw) for name, raw in files.items()}
    write_files(tmp_path / subfolder, files)
    tiny = datasets.load("tiny_set", num_validation_images=2, raw_dir=str(tmp_path))
    assert tiny.train_labels.tolist() == TRAIN_ORDER_OF_6[:4]
    assert tiny.validation_labels.tolist() == TRAIN_ORDER_OF_6[4:]
    assert tiny.test_labels.tolist() == TEST_ORDER_OF_4
    assert tiny.train_images[0, ..., 0].tolist() == [[30, 31, 32], [33, 34, 35]]
    assert tiny.test_images[0, ..., 0].tolist() == [[106, 107, 108], [109, 110, 111]]
    assert tiny.num_classes == 6
    assert (tiny.train_images.dtype, tiny.train_labels.dtype) == (np.uint8, np.int32)


LABELS = "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (LABELS, b"\0\0\x08\x03", "expected the IDX magic .*0x00000801.* 0x00000803"),
        (LABELS, b"", "magic number 0x00000801 .*, found 0x$"),
        (LABELS, b"\0\0\x08\x01\0\0", "expected 4 bytes of sizes, found 2"),
        (LABELS, idx_bytes(np.arange(6))[:-2], "expected 6 values .*found 4: .*trunc"),
        (LABELS, idx_bytes(np.arange(6)) + b"!", "expected 6 values .*found more"),
        (LABELS, idx_bytes(np.arange(5)), "expected 6 labels, .*found 5"),
        (LABELS, idx_bytes(np.arange(0)), r"expected 1 to .* found the shape \(0,\)"),
        ("t10k-labels-idx1-ubyte", idx_bytes(np.full(4, 7)), "0..5, found 7..7"),
    ],
)
def test_damaged_idx_file_is_named(tmp_path, name, content, message):
    write_files(tmp_path, {**idx_files(), name: content})
    with pytest.raises(ValueError, match=message) as error:
        datasets.load("tiny", 2, raw_dir=str(tmp_path))
    # Labels are checked last, once both files are read: then the folder is named.
    named = name if name == LABELS else str(tmp_path)
    assert named in str(error.value)


def test_damaged_gzip_file_is_named(tmp_path):
    files = idx_files()
    whole = gzip.compress(files.pop("t10k-images-idx3-ubyte"))
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    for content in (whole[:-12], b"no gzip at all", whole[:-8] + b"\xff" * 8):
        write_files(tmp_path, {**files, path.name: content})
        with pytest.raises(ValueError, match=f"{path}: expected a whole gzip file"):
            datasets.load("tiny", 2, raw_dir=str(tmp_path))


def test_published_sets_must_be_whole(tmp_path):
    raw_dir = write_files(tmp_path, idx_files())
    message = r"\(60000, 28, 28, 1\), \(10000, .* 10\), found \(\(6, 2, 3, 1\), \(4, "
    with pytest.raises(ValueError, match=message):
        datasets.load("mnist", 2, raw_dir=raw_dir)


@pytest.mark.parametrize(
    ("subfolder", "make_files"),
    [
        ("", cifar_binary_files),
        ("cifar-10-batches-bin", cifar_binary_files),
        ("", cifar_python_files),
        ("cifar-10-batches-py", cifar_python_files),
    ],
)
def test_cifar_files(small_cifar, tmp_path, subfolder, make_files):
    write_files(tmp_path / subfolder, make_files())
    cifar = datasets.load("tiny", num_validation_images=3, raw_dir=str(tmp_path))
    order = raw_files.tfds_order(10, "train")
    # Batches of two images each, which have their batch's number as red and the labels 3, 4.
    assert cifar.train_images[:, 0, 0, 0].tolist() == (order[:7] // 2).tolist()
    assert cifar.train_labels.tolist() == (3 + order[:7] % 2).tolist()
    assert cifar.validation_labels.tolist() == (3 + order[7:] % 2).tolist()
    assert cifar.train_images.shape == (7, 32, 32, 3)
    assert cifar.test_images[0, 1, 2].tolist() == [5, 100, 34]
    assert cifar.num_classes == 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x05", "expected 6146 bytes .* found 1"),
        (b"\x0a" + bytes(6145), "expected labels 0..9, found 0..10"),
    ],
)
def test_damaged_cifar_binary_is_named(small_cifar, tmp_path, content, message):
    write_files(tmp_path, {**cifar_binary_files(), "data_batch_4.bin": content})
    with pytest.raises(ValueError, match=f"data_batch_4.bin: {message}"):
        datasets.load("tiny", 2, raw_dir=str(tmp_path))


def _pickled(rows, labels):
    return pickle.dumps({b"data": rows, b"labels": labels}, protocol=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(pathlib.PurePosixPath("x")), "pathlib.PurePosixPath, which is"),
        (b"cos\nsystem\n(U\x04true\ntR.", "refers to (os|posix).system, which is not"),
        (python2_pickle(cifar_rows(1), [3, 4])[:-40], "expected a pickled CIFAR-10"),
        (b"", "expected a pickled CIFAR-10 batch"),
        (pickle.dumps([1]), r"uint8 data of shape \(2, 3072\), found dtype None"),
        (_pickled(np.zeros((2, 3071), np.uint8), [1, 2]), r"found .*\(2, 3071\)"),
        (_pickled(cifar_rows(1), [1]), r"2 integer labels, found shape \(1,\)"),
        (_pickled(cifar_rows(1), [1, -1]), r"labels 0..9, found -1..1"),
    ],
)
def test_damaged_cifar_pickle_is_named(small_cifar, tmp_path, content, message):
    write_files(tmp_path, {**cifar_python_files(), "test_batch": content})
    with pytest.raises(ValueError, match=f"test_batch: .*{message}"):
        datasets.load("tiny", 2, raw_dir=str(tmp_path))


@pytest.mark.parametrize("missing", ["t10k-labels-idx1-ubyte", "data_batch_3.bin"])
def test_missing_file_is_named(tmp_path, missing):
    files = idx_files() if "idx" in missing else cifar_binary_files()
    del files[missing]
    raw_dir = write_files(tmp_path, files)
    with pytest.raises(datasets.DatasetNotFoundError, match=f"Expected {missing}"):
        datasets.load("tiny", raw_dir=raw_dir)
