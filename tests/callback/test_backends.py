"""Arrays and tensors of the backend, there and back."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from learned_lr.callback import backends

_VALUES = np.array([[1.0, 2.0], [3.0, 6.0]], np.float32)


def test_name_is_that_of_keras():
    names = ("tensorflow",) if backends.IS_KERAS_2 else ("tensorflow", "jax", "torch")
    assert backends.name() in names
    assert backends.name() == keras.backend.backend()


def test_tensors_there_and_back():
    tensor = backends.to_tensor(_VALUES)
    assert not isinstance(tensor, np.ndarray)
    np.testing.assert_array_equal(backends.to_numpy(tensor), _VALUES)
    assert float(backends.mean(tensor)) == 3.0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precisions_become_float32(dtype):
    cast = keras.backend.cast if backends.IS_KERAS_2 else keras.ops.cast
    tensor = cast(backends.to_tensor(_VALUES), dtype)
    found = backends.to_numpy(backends.cast_float32(tensor))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, _VALUES)
    if dtype == "bfloat16":  # Which numpy has no arithmetic for.
        assert backends.to_numpy(tensor).dtype == np.float32


def test_variables_are_read(compiled):
    kernel = compiled().layers[-1].kernel
    found = backends.to_numpy(kernel)
    assert isinstance(found, np.ndarray)
    assert found.shape == (16, 10)
    assert found.dtype == np.float32
