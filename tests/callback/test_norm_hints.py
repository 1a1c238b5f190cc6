"""The warning about batch normalisation that is slower than the run, in every Keras."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

from learned_lr import LearnedLearningRate


def _model(*momenta, is_nested=False):
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten()]
    for momentum in momenta:
        norm = keras.layers.BatchNormalization(momentum=momentum)
        layers.append(keras.Sequential([norm]) if is_nested else norm)
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return model


def _warned(model, digits, **arguments):
    """What a fit of 20 steps says of batch normalisation."""
    x, y, *validation = digits
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(
            np.resize(x, (320, 8, 8, 1)),
            np.resize(y, 320),
            validation_data=tuple(validation),
            epochs=2,
            batch_size=32,
            verbose=0,
            callbacks=[LearnedLearningRate(verbose=0, **arguments)],
        )
    texts = [str(w.message) for w in caught]
    return [t for t in texts if "batch normalisation" in t]


@pytest.mark.parametrize(
    "momenta, averaged",
    [
        ((0.99,), "100"),
        ((0.5, 0.8, 0.5), "5"),
        ((1.0,), "all"),
        ((0.75,), None),
        ((), None),
    ],
)
@pytest.mark.parametrize("is_nested", [False, True])
def test_the_slowest_layer_is_told(digits, momenta, averaged, is_nested):
    texts = _warned(_model(*momenta, is_nested=is_nested), digits)
    if averaged is None:
        assert not texts
        return
    (text,) = texts
    assert f"a momentum of {max(momenta):g}: " in text and "a run of 20 steps" in text
    assert f"over {averaged if averaged == 'all' else f'some {averaged}'} steps" in text
    assert text.endswith("A momentum of 0.5 keeps up.")


def test_a_longer_run_keeps_up(digits):
    assert not _warned(_model(0.99), digits, num_training_steps=500)
    assert _warned(_model(0.99), digits, num_training_steps=499)


@pytest.mark.parametrize("momenta", [(), (0.0,)])
def test_nothing_lags_in_a_run_of_few_steps(digits, momenta):
    assert not _warned(_model(*momenta), digits, num_training_steps=3)


def test_statistics_that_are_kept_or_known_are_none(digits):
    model = _model(0.99)
    (norm,) = (n for n in model.layers if hasattr(n, "moving_mean"))
    norm.trainable = False
    model.compile("adam", model.loss)
    assert not _warned(model, digits)
    norm.trainable = True
    model.compile("adam", model.loss)
    assert _warned(model, digits)
    # It has been trained now.
    assert not _warned(model, digits)


def test_a_run_that_goes_on_is_told_once(digits):
    learned = LearnedLearningRate(num_training_steps=40, verbose=0)
    model, (x, y, *_) = _model(0.99), digits
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            model.fit(
                x[:320],
                y[:320],
                validation_split=0.2,
                batch_size=32,
                verbose=0,
                callbacks=[learned],
            )
    assert sum("batch normalisation" in str(w.message) for w in caught) == 1
