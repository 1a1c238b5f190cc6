"""Image classification data sets that TensorFlow Datasets has prepared, or can download.

Checks and reads what a TFDS builder describes. It neither chooses among sources nor splits the training images, and
the callers import TFDS, because that takes seconds.
"""

from __future__ import annotations

import contextlib
import math
import urllib.parse
from collections.abc import Iterator

import numpy as np

from learned_lr.trainees import raw_files

_READ_BATCH_SIZE = 500
_PROBE_TIMEOUT_SEC = 5.0
_MAX_PROBED_HOSTS = 3
# TFDS keeps prepared copies of many sets there, and asks it before the publisher.
_TFDS_BUCKET_URL = "https://storage.googleapis.com/tfds-data"


def first_line(message: str) -> str:
    """The first line of an error message: TFDS goes on with lists of its sets and advice."""
    return message.partition("\n")[0]


@contextlib.contextmanager
def quiet(tfds) -> Iterator[None]:
    """Keeps TFDS from logging below warnings; its progress bars stay off afterwards."""
    from absl import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(min(verbosity, logging.WARNING))
    tfds.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def check_network(builder_class) -> None:
    """Raises OSError if none of the hosts that TFDS downloads a set from answers."""
    import requests

    urls = [url for url in builder_class.url_infos or () if url.startswith("http")]
    url_of_host = {urllib.parse.urlsplit(url).netloc: url for url in urls}
    probed = list(url_of_host.values())[:_MAX_PROBED_HOSTS]
    if probed:
        probed.append(_TFDS_BUCKET_URL)
    failure = None
    for url in probed:
        try:
            requests.head(url, timeout=_PROBE_TIMEOUT_SEC)
            return
        except requests.RequestException as error:
            failure = failure or error
    if failure is not None:
        raise failure


def check_info(tfds, info) -> None:
    """Raises ValueError unless it is an image classification set of one image size, not too big for memory."""
    keys = info.supervised_keys
    kinds = [info.features[key] for key in keys] if keys and len(keys) == 2 else []
    expected_kinds = (tfds.features.Image, tfds.features.ClassLabel)
    if not kinds or not all(map(isinstance, kinds, expected_kinds)):
        raise ValueError(
            f"{info.full_name}: expected a supervised pair of an Image and a ClassLabel, "
            f"found supervised keys {keys} of {info.features}"
        )
    shape, dtype = kinds[0].shape, np.dtype(kinds[0].np_dtype)
    if None in shape or dtype != np.uint8:
        raise ValueError(
            f"{info.full_name}: expected uint8 images of one size, "
            f"found {dtype} images of shape {shape}"
        )
    num_images = sum(split.num_examples for split in info.splits.values())
    num_bytes = num_images * math.prod(shape)
    if num_bytes > raw_files.MAX_IMAGE_BYTES:
        raise ValueError(
            f"{info.full_name}: expected at most {raw_files.MAX_IMAGE_BYTES} bytes of "
            f"images, found {num_bytes}"
        )


def read_prepared(tfds, builder) -> raw_files.TrainAndTest:
    """Reads a prepared set whole, in the order in which TFDS stores it.

    Args:
        tfds: the module `tensorflow_datasets`.
        builder: the builder of a set that is on disk.

    Returns:
        The training images, and those of the 'test' split, or of 'validation' where there is no 'test'.

    Raises:
        ValueError: the set is not an image classification set with images of one size that fits into memory, lacks a
            split, or has damaged files.
    """
    check_info(tfds, builder.info)
    splits = set(builder.info.splits)
    test_split = "test" if "test" in splits else "validation"
    if not {"train", test_split} <= splits:
        raise ValueError(
            f"{builder.info.full_name}: expected the splits 'train' and 'test' (or "
            f"'validation'), found {sorted(splits)}"
        )
    return raw_files.TrainAndTest(
        *_read_split(tfds, builder, "train"),
        *_read_split(tfds, builder, test_split),
        num_classes=builder.info.features[builder.info.supervised_keys[1]].num_classes,
        source=str(builder.data_path),
    )


def _read_split(tfds, builder, split: str) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow as tf

    num_images = builder.info.splits[split].num_examples
    image_shape = builder.info.features[builder.info.supervised_keys[0]].shape
    images = np.empty((num_images, *image_shape), dtype=np.uint8)
    labels = np.empty(num_images, dtype=np.int32)
    # Small batches into one array, uncached: batch_size=-1 holds all the images several times. One file after the
    # other, so that the order does not depend on how the set is cut into files.
    batches = builder.as_dataset(
        split,
        batch_size=_READ_BATCH_SIZE,
        shuffle_files=False,
        as_supervised=True,
        read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
    )
    stop = 0
    try:
        for batch_images, batch_labels in tfds.as_numpy(batches):
            start, stop = stop, stop + len(batch_labels)
            images[start:stop], labels[start:stop] = batch_images, batch_labels
    except tf.errors.OpError as error:
        raise ValueError(
            f"{builder.data_path}: expected {num_images} readable {split} images, "
            f"could not read on after {stop}: {first_line(error.message)}"
        ) from error
    if stop != num_images:
        raise ValueError(
            f"{builder.data_path}: expected {num_images} {split} images, found {stop}"
        )
    return images, labels
