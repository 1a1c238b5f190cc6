"""Raw files of data sets, made by hand."""

from __future__ import annotations

import struct

import numpy as np

# md5("train0").. md5("train5") and md5("test0").. md5("test3"), sorted; the order of TensorFlow Datasets.
TRAIN_ORDER_OF_6 = [5, 4, 0, 3, 1, 2]
TEST_ORDER_OF_4 = [1, 3, 2, 0]


def idx_bytes(array):
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.astype(np.uint8).tobytes()


def idx_files(num_train=6, num_test=4):
    train_images = np.arange(num_train * 6).reshape(num_train, 2, 3)
    test_images = 100 + np.arange(num_test * 6).reshape(num_test, 2, 3)
    return {
        "train-images-idx3-ubyte": idx_bytes(train_images),
        "train-labels-idx1-ubyte": idx_bytes(np.arange(num_train)),
        "t10k-images-idx3-ubyte": idx_bytes(test_images),
        "t10k-labels-idx1-ubyte": idx_bytes(np.arange(num_test)),
    }


def write_files(directory, files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return str(directory)


def cifar_rows(batch):
    """Two images, batch's number as red, 100 as green, row-major 0..1023 modulo 256 as blue."""
    planes = np.empty((2, 3, 1024), np.uint8)
    planes[:, 0] = batch
    planes[:, 1] = 100
    planes[:, 2] = np.arange(1024) % 256
    return planes.reshape(2, 3072)


def cifar_names():
    return [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]


def cifar_binary_files():
    labels = np.array([[3], [4]], np.uint8)
    return {
        f"{name}.bin": np.hstack([labels, cifar_rows(batch)]).tobytes()
        for batch, name in enumerate(cifar_names())
    }


def python2_pickle(rows, labels):
    """The opcodes that Python 2 and NumPy 1 wrote, as in the published CIFAR-10 batches."""
    content = rows.tobytes()
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
    dtype += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    array += b"(K\x01(K" + bytes([len(rows)]) + b"M" + struct.pack("<H", rows.shape[1])
    array += b"t" + dtype + b"\x89T" + struct.pack("<I", len(content)) + content + b"tb"
    items = b"(" + b"".join(b"K" + bytes([label]) for label in labels) + b"l"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + items + b"u."


def cifar_python_files():
    return {
        name: python2_pickle(cifar_rows(batch), [3, 4])
        for batch, name in enumerate(cifar_names())
    }
