"""Data sets: literal splits, hand-made files, and the message of each thing that can be wrong with them."""

from __future__ import annotations

import gzip
import os
import pathlib
import pickle
import struct

import numpy as np
import pytest

from learned_lr.trainees import datasets, raw_files

# md5("train0").. md5("train5") and md5("test0").. md5("test3"), sorted; the order of TensorFlow Datasets.
TRAIN_ORDER_OF_6 = [5, 4, 0, 3, 1, 2]
TEST_ORDER_OF_4 = [1, 3, 2, 0]


def _idx_bytes(array):
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.astype(np.uint8).tobytes()


def _idx_files(num_train=6, num_test=4):
    train_images = np.arange(num_train * 6).reshape(num_train, 2, 3)
    test_images = 100 + np.arange(num_test * 6).reshape(num_test, 2, 3)
    return {
        "train-images-idx3-ubyte": _idx_bytes(train_images),
        "train-labels-idx1-ubyte": _idx_bytes(np.arange(num_train)),
        "t10k-images-idx3-ubyte": _idx_bytes(test_images),
        "t10k-labels-idx1-ubyte": _idx_bytes(np.arange(num_test)),
    }


def _write(directory, files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return str(directory)


def _cifar_rows(batch):
    """Two images, batch's number as red, 100 as green, row-major 0..1023 modulo 256 as blue."""
    planes = np.empty((2, 3, 1024), np.uint8)
    planes[:, 0] = batch
    planes[:, 1] = 100
    planes[:, 2] = np.arange(1024) % 256
    return planes.reshape(2, 3072)


def _cifar_names():
    return [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]


def _cifar_binary_files():
    labels = np.array([[3], [4]], np.uint8)
    return {
        f"{name}.bin": np.hstack([labels, _cifar_rows(batch)]).tobytes()
        for batch, name in enumerate(_cifar_names())
    }


def _python2_pickle(rows, labels):
    """The opcodes that Python 2 and NumPy 1 wrote, as in the published CIFAR-10 batches."""
    content = rows.tobytes()
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
    dtype += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    array += b"(K\x01(K" + bytes([len(rows)]) + b"M" + struct.pack("<H", rows.shape[1])
    array += b"t" + dtype + b"\x89T" + struct.pack("<I", len(content)) + content + b"tb"
    items = b"(" + b"".join(b"K" + bytes([label]) for label in labels) + b"l"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + items + b"u."


def _cifar_python_files():
    return {
        name: _python2_pickle(_cifar_rows(batch), [3, 4])
        for batch, name in enumerate(_cifar_names())
    }


@pytest.fixture
def small_cifar(monkeypatch):
    monkeypatch.setattr(raw_files, "CIFAR_IMAGES_PER_BATCH", 2)


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


def test_tfds_order_is_the_one_of_the_prepared_sets():
    # The first ids of the prepared CIFAR-10 are train_16399, train_01680 and train_47917.
    assert raw_files.tfds_order(50_000, "train")[:3].tolist() == [16399, 1680, 47917]
    assert raw_files.tfds_order(6, "train").tolist() == TRAIN_ORDER_OF_6
    assert raw_files.tfds_order(4, "test").tolist() == TEST_ORDER_OF_4


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("subfolder", ["", "tiny_set", "tiny-set"])
def test_idx_files(tmp_path, compressed, subfolder):
    files = _idx_files()
    if compressed:
        files = {f"{name}.gz": gzip.compress(raw) for name, raw in files.items()}
    _write(tmp_path / subfolder, files)
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
        (LABELS, _idx_bytes(np.arange(6))[:-2], "expected 6 values .*found 4: .*trunc"),
        (LABELS, _idx_bytes(np.arange(6)) + b"!", "expected 6 values .*found more"),
        (LABELS, _idx_bytes(np.arange(5)), "expected 6 labels, .*found 5"),
        (LABELS, _idx_bytes(np.arange(0)), r"expected 1 to .* found the shape \(0,\)"),
        ("t10k-labels-idx1-ubyte", _idx_bytes(np.full(4, 7)), "0..5, found 7..7"),
    ],
)
def test_damaged_idx_file_is_named(tmp_path, name, content, message):
    _write(tmp_path, {**_idx_files(), name: content})
    with pytest.raises(ValueError, match=message) as error:
        datasets.load("tiny", 2, raw_dir=str(tmp_path))
    # Labels are checked last, once both files are read: then the folder is named.
    named = name if name == LABELS else str(tmp_path)
    assert named in str(error.value)


def test_damaged_gzip_file_is_named(tmp_path):
    files = _idx_files()
    whole = gzip.compress(files.pop("t10k-images-idx3-ubyte"))
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    for content in (whole[:-12], b"no gzip at all", whole[:-8] + b"\xff" * 8):
        _write(tmp_path, {**files, path.name: content})
        with pytest.raises(ValueError, match=f"{path}: expected a whole gzip file"):
            datasets.load("tiny", 2, raw_dir=str(tmp_path))


def test_published_sets_must_be_whole(tmp_path):
    raw_dir = _write(tmp_path, _idx_files())
    message = r"\(60000, 28, 28, 1\), \(10000, .* 10\), found \(\(6, 2, 3, 1\), \(4, "
    with pytest.raises(ValueError, match=message):
        datasets.load("mnist", 2, raw_dir=raw_dir)


@pytest.mark.parametrize(
    ("subfolder", "make_files"),
    [
        ("", _cifar_binary_files),
        ("cifar-10-batches-bin", _cifar_binary_files),
        ("", _cifar_python_files),
        ("cifar-10-batches-py", _cifar_python_files),
    ],
)
def test_cifar_files(small_cifar, tmp_path, subfolder, make_files):
    _write(tmp_path / subfolder, make_files())
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
    _write(tmp_path, {**_cifar_binary_files(), "data_batch_4.bin": content})
    with pytest.raises(ValueError, match=f"data_batch_4.bin: {message}"):
        datasets.load("tiny", 2, raw_dir=str(tmp_path))


def _pickled(rows, labels):
    return pickle.dumps({b"data": rows, b"labels": labels}, protocol=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(pathlib.PurePosixPath("x")), "pathlib.PurePosixPath, which is"),
        (b"cos\nsystem\n(U\x04true\ntR.", "refers to (os|posix).system, which is not"),
        (_python2_pickle(_cifar_rows(1), [3, 4])[:-40], "expected a pickled CIFAR-10"),
        (b"", "expected a pickled CIFAR-10 batch"),
        (pickle.dumps([1]), r"uint8 data of shape \(2, 3072\), found dtype None"),
        (_pickled(np.zeros((2, 3071), np.uint8), [1, 2]), r"found .*\(2, 3071\)"),
        (_pickled(_cifar_rows(1), [1]), r"2 integer labels, found shape \(1,\)"),
        (_pickled(_cifar_rows(1), [1, -1]), r"labels 0..9, found -1..1"),
    ],
)
def test_damaged_cifar_pickle_is_named(small_cifar, tmp_path, content, message):
    _write(tmp_path, {**_cifar_python_files(), "test_batch": content})
    with pytest.raises(ValueError, match=f"test_batch: .*{message}"):
        datasets.load("tiny", 2, raw_dir=str(tmp_path))


@pytest.mark.parametrize("missing", ["t10k-labels-idx1-ubyte", "data_batch_3.bin"])
def test_missing_file_is_named(tmp_path, missing):
    files = _idx_files() if "idx" in missing else _cifar_binary_files()
    del files[missing]
    raw_dir = _write(tmp_path, files)
    with pytest.raises(datasets.DatasetNotFoundError, match=f"Expected {missing}"):
        datasets.load("tiny", raw_dir=raw_dir)


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
    _write(no_network, _idx_files())
    with pytest.raises(ValueError, match=f"fashion_mnist from {no_network}: expected"):
        datasets.load("fashion_mnist")


def _prepare_tfds(data_dir, name, splits, image_shape, image_key="image"):
    """Writes a prepared set of images that are filled with their label, 0..3 in turn."""
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=image_shape),
            "label": tfds.features.ClassLabel(num_classes=4),
        }
    )

    class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=features, supervised_keys=(image_key, "label")
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(splits[split]) for split in splits}

        def _generate_examples(self, num_images):
            for index in range(num_images):
                label = index % 4
                image = np.full((2, 3, 1), label, np.uint8)
                yield index, {"image": image, "label": label}

    Tiny.name = name
    tfds.disable_progress_bar()
    Tiny(data_dir=data_dir).download_and_prepare()


def test_prepared_tfds_set(no_network, tmp_path):
    splits = {"train": 20, "validation": 7}
    _prepare_tfds(tmp_path / "prepared", "tiny_prepared", splits, (2, 3, 1))
    tiny = datasets.load("tiny_prepared", num_validation_images=5)
    order = raw_files.tfds_order(20, "train")
    assert tiny.train_labels.tolist() == (order[:15] % 4).tolist()
    assert tiny.validation_labels.tolist() == (order[15:] % 4).tolist()
    assert tiny.test_images.shape == (7, 2, 3, 1)
    assert tiny.train_images[:, 1, 2, 0].tolist() == tiny.train_labels.tolist()
    assert tiny.num_classes == 4
    assert (tiny.train_images.dtype, tiny.train_labels.dtype) == (np.uint8, np.int32)


def test_tfds_set_too_big_for_memory(no_network, tmp_path, monkeypatch):
    _prepare_tfds(tmp_path / "prepared", "tiny_big", {"train": 4, "test": 4}, (2, 3, 1))
    monkeypatch.setattr(raw_files, "MAX_IMAGE_BYTES", 47)
    with pytest.raises(ValueError, match="at most 47 bytes of images, found 48"):
        datasets.load("tiny_big", 2)


@pytest.mark.parametrize(
    ("splits", "image_shape", "image_key", "message"),
    [
        (["train"], (2, 3, 1), "image", r"'test' \(or 'validation'\), found \['train'"),
        (["train"], (None, None, 1), "image", r"one size, .* \(None, None, 1\)"),
        (["train"], (2, 3, 1), "label", r"supervised pair .* \('label', 'label'\)"),
    ],
)
def test_unfit_tfds_set(no_network, tmp_path, splits, image_shape, image_key, message):
    sizes = dict.fromkeys(splits, 4)
    _prepare_tfds(tmp_path / "prepared", "tiny_unfit", sizes, image_shape, image_key)
    with pytest.raises(ValueError, match=message):
        datasets.load("tiny_unfit", 2)


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
