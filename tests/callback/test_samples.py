"""Fixed held-out samples out of arrays, generators and pipelines."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from learned_lr.callback import samples

_INPUTS = np.arange(100, dtype=np.float32)[:, None]
_TARGETS = np.arange(100) * 2


@pytest.mark.parametrize("batch_size", [1, 8, 32, 64, 100, 128, 1000])
@pytest.mark.parametrize("interval", [1, 4, 10, 100])
def test_default_size_costs_under_two_percent_above_its_floor(batch_size, interval):
    size = samples.default_size(batch_size, interval)
    assert 1 <= size <= 4096
    assert size <= batch_size or size % batch_size == 0
    if size > 64:
        assert samples.cost(size, batch_size, interval) <= 0.02


def test_a_whole_minibatch_is_no_less_than_one():
    assert samples.default_size(256, 4) == 64
    assert samples.default_size(256, 4, is_whole=True) == 256
    assert samples.default_size(32, 4, is_whole=True) == 64
    assert samples.default_size(256, 100, is_whole=True) == 1024


def test_rows_are_drawn_once_and_stay_paired():
    inputs, targets, weights = samples.take((_INPUTS, _TARGETS), 10, seed=3)
    again, *_ = samples.take((_INPUTS, _TARGETS), 10, seed=3)
    other, *_ = samples.take((_INPUTS, _TARGETS), 10, seed=4)
    assert weights is None
    assert inputs.shape == (10, 1)
    np.testing.assert_array_equal(inputs[:, 0] * 2, targets)
    np.testing.assert_array_equal(inputs, again)
    assert not np.array_equal(inputs, other)


def test_weights_stay_with_their_rows_and_fewer_examples_are_fine():
    data = _INPUTS, _TARGETS, _INPUTS[:, 0] * 3
    inputs, targets, weights = samples.take(data, 1000)
    np.testing.assert_array_equal(inputs, _INPUTS)
    np.testing.assert_array_equal(targets, _TARGETS)
    np.testing.assert_array_equal(weights, data[2])
    inputs, _, weights = samples.take(data, 10)
    np.testing.assert_array_equal(weights, inputs[:, 0] * 3)
    _, _, weights = samples.take(
        _Again([(x, x, {"a": x}) for x in (_INPUTS,) * 2]), 150
    )
    np.testing.assert_array_equal(weights["a"][100:], _INPUTS[:50])


@pytest.mark.parametrize("data", [_INPUTS, (_INPUTS,), (_INPUTS, None), {"a": _INPUTS}])
def test_inputs_alone(data):
    inputs, targets, weights = samples.take(data, 7)
    leaf = inputs["a"] if isinstance(data, dict) else inputs
    assert leaf.shape == (7, 1)
    assert targets is weights is None
    found, targets, _ = samples.take(_Again([data]), 7)
    leaf = found["a"] if isinstance(data, dict) else found
    np.testing.assert_array_equal(leaf, _INPUTS[:7])
    assert targets is None


def test_nested_parts():
    data = ({"a": _INPUTS, "b": (_INPUTS, _INPUTS)}, [_TARGETS, _TARGETS])
    inputs, targets, _ = samples.take(data, 5)
    assert inputs["b"][1].shape == (5, 1)
    np.testing.assert_array_equal(inputs["a"][:, 0] * 2, targets[1])


class _Batches:
    def __len__(self):
        return 10

    def __getitem__(self, index):
        rows = np.s_[index * 10 : index * 10 + 10]
        return _INPUTS[rows], _TARGETS[rows]


def test_minibatches_by_index_are_spread_over_the_data():
    inputs, targets, _ = samples.take(_Batches(), 35)
    expected = np.r_[0:10, 80:90, 40:50, 20:25]
    np.testing.assert_array_equal(inputs[:, 0], expected)
    np.testing.assert_array_equal(targets, expected * 2)
    everything, *_ = samples.take(_Batches(), 1000)
    np.testing.assert_array_equal(np.sort(everything, axis=0), _INPUTS)


def test_a_pipeline_gives_its_first_examples():
    inputs, *_ = samples.take(_Again([(_INPUTS[:10], None), (_INPUTS[10:], None)]), 15)
    np.testing.assert_array_equal(inputs, _INPUTS[:15])


class _ImageIterator(_Batches):
    """As those of Keras' ImageDataGenerator, which are both."""

    def __next__(self):
        raise AssertionError("Its place is its own.")


def test_an_iterator_that_is_read_by_index_can_be_read_again():
    inputs, *_ = samples.take(_ImageIterator(), 10)
    np.testing.assert_array_equal(inputs, _INPUTS[:10])


@pytest.mark.parametrize(
    "data, message",
    [
        ((_INPUTS[:0], _TARGETS[:0]), "with examples"),
        (iter([(_INPUTS, _TARGETS)]), "found an iterator"),
        ([], "found 0 parts"),
        ((np.zeros((4, 1)), np.zeros(6)), r"as many examples .* found \[4, 6\]"),
        ((np.full((4, 1), np.nan), np.zeros(4)), "finite validation inputs.*leave"),
        ((np.zeros((4, 1)), np.full(4, np.inf)), "finite validation targets"),
        (
            (np.zeros((4, 1)), np.zeros(4), np.full(4, np.inf)),
            "finite validation weights",
        ),
    ],
)
def test_unusable_data_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        samples.take(data, 4)


class _Pair(NamedTuple):
    a: Any
    b: Any


def test_named_tuples_of_minibatches():
    x, y = np.arange(6.0).reshape(3, 2), np.arange(3)
    batches = [(_Pair(x, x + 1), y)] * 2
    inputs, targets, _ = samples.take(_Again(batches), 4)
    assert isinstance(inputs, _Pair)
    np.testing.assert_array_equal(inputs.b, np.concatenate([x, x])[:4] + 1)
    np.testing.assert_array_equal(targets, [0, 1, 2, 0])


@pytest.mark.parametrize(
    "batches, message",
    [
        ([(np.ones((3, 2)),) * 4], "found 4 parts"),
        ([(np.ones((3, n)), np.ones(3)) for n in (2, 4)], "padded to several"),
    ],
)
def test_what_can_not_be_a_sample_is_told(batches, message):
    with pytest.raises(ValueError, match=message):
        samples.take(_Again(batches), 6)


class _Again:
    """Minibatches that can be read again, but not by number."""

    def __init__(self, batches):
        self._batches = batches

    def __iter__(self):
        return iter(self._batches)


class _Frame:
    """As pandas' are."""

    def __init__(self, values):
        self._values = values
        self.shape = values.shape

    def __len__(self):
        return len(self._values)

    def to_numpy(self):
        return self._values


@pytest.mark.parametrize("dtype", ["float64", "float16", "float32"])
@pytest.mark.parametrize("make", [np.array, _Frame])
def test_arrays_of_floats_are_cast_as_fit_casts_them(dtype, make):
    inputs, targets, _ = samples.take((make(_INPUTS.astype(dtype)), _TARGETS), 10)
    assert inputs.dtype == np.float32 and targets.dtype == _TARGETS.dtype
    pair = samples.whole((make(_INPUTS.astype(dtype)), None))
    assert pair[0].dtype == np.float32 and len(pair[0]) == 100 and pair[1] is None


def test_tensors_of_a_pipeline_stay_as_they_are():
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices(_INPUTS.astype(np.float64)).batch(8)
    inputs, *_ = samples.take(data, 10)
    assert inputs.dtype == np.float64
