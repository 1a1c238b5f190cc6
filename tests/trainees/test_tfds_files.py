"""Prepared TFDS sets: a hand-made one, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from learned_lr.trainees import datasets, raw_files


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
