"""The final dense kernel, wherever in a model it is."""

from __future__ import annotations

import keras
import pytest

from learned_lr.callback.layers import final_kernel

layers = keras.layers


def _inner():
    return keras.Sequential([layers.Input((8,)), layers.Dense(10), layers.Dense(4)])


def _nested():
    return keras.Sequential([layers.Input((8,)), _inner(), layers.Softmax()])


@pytest.mark.parametrize("make", [_inner, _nested])
def test_last_dense_layer_of_a_width(make):
    model = make()
    wide, narrow = (v for v in model.trainable_variables if len(v.shape) == 2)
    assert final_kernel(model, 10) is wide
    assert final_kernel(model, 4) is narrow
    assert final_kernel(model, None) is narrow
    assert final_kernel(model, 3) is None


def test_other_kernels_do_not_count():
    model = keras.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(10, 3)])
    assert final_kernel(model, 10) is None


def test_subclassed_model():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = _inner()
            self.head = layers.Dense(10)

        def call(self, inputs):
            return self.head(self.inner(inputs))

    model = Own()
    model(layers.Input((8,)))
    assert final_kernel(model, 10) is model.head.kernel
    assert final_kernel(model, 4) is model.inner.layers[-1].kernel
