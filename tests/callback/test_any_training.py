"""Trainings as people have them, with data and losses of every kind: each ends well, and what is measured is what `evaluate` finds."""

from __future__ import annotations

import collections

import keras
import numpy as np
import own_models
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends

layers = keras.layers
_SPARSE = "sparse_categorical_crossentropy"
Pair = collections.namedtuple("Pair", "image brightness")


def _fit(model, data, validation, callback, **arguments):
    arguments = {"verbose": 0, "epochs": 2, **arguments}
    return model.fit(data, validation_data=validation, callbacks=[callback], **arguments)  # fmt: skip


def _pipeline(*data, size=32):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(data).batch(size)


def _check(model, callback, validation):
    measured, _ = callback.last_fit.sample.measure()
    found = model.evaluate(validation, verbose=0, return_dict=True)
    assert measured == pytest.approx(found["loss"], rel=1e-6)
    assert callback.last_fit.run.num_decisions > 1


@pytest.mark.backends("tensorflow")
def test_named_tuples_as_inputs(digits):
    class Sum(keras.Model):
        def __init__(self):
            super().__init__()
            self.flatten, self.head = layers.Flatten(), layers.Dense(10, "softmax")

        def call(self, inputs, training=False):
            return self.head(self.flatten(inputs.image)) * 0.5 + 0.05 * inputs[1]

    x, y, x_validation, y_validation = own_models.small(digits)
    model, callback = Sum(), own_models.learned()
    model.compile("adam", _SPARSE)

    def pairs(x, y):
        return _pipeline(Pair(x, np.ones((len(x), 1), np.float32)), y)

    validation = pairs(x_validation, y_validation)
    _fit(model, pairs(x, y), validation, callback)
    _check(model, callback, validation)


def _words(digits, is_ragged):
    """Rows of pixels as words, of which an image has as many as it has bright ones."""
    tf = pytest.importorskip("tensorflow")
    x, y, x_validation, y_validation = own_models.small(digits)

    def words(images):
        return [np.flatnonzero(row > 0.5) + 1 for row in images.reshape(-1, 64)]

    if is_ragged:
        return [
            tf.data.Dataset.from_tensor_slices((tf.ragged.constant(words(a)), b)).batch(32)
            for a, b in ((x, y), (x_validation, y_validation))
        ]  # fmt: skip
    return [
        tf.data.Dataset.from_generator(
            lambda a=a, b=b: zip(words(a), b),
            output_signature=(tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)),
        ).padded_batch(32, ([64 if is_whole else None], []))
        for a, b, is_whole in ((x, y, False), (x_validation, y_validation, True))
    ]  # fmt: skip


def _reader():
    return keras.Sequential(
        [
            layers.Embedding(65, 8),
            layers.GlobalAveragePooling1D(),
            layers.Dense(10, "softmax"),
        ]
    )


def test_minibatches_padded_to_several_lengths(digits):
    """In training they are fine; held-out ones of several lengths are one sentence (test_samples)."""
    train, validation = _words(digits, False)
    model, callback = _reader(), own_models.learned()
    model.compile("adam", _SPARSE)
    arguments = {"steps_per_epoch": 4}
    _fit(model, train.repeat(), validation, callback, **arguments)
    _check(model, callback, validation)


@pytest.mark.skipif(not backends.IS_KERAS_2, reason="Keras 3 has no layers for them")
def test_ragged_inputs(digits):
    """Held-out ones are refused; padded alike they serve a model that is trained on ragged ones."""
    train, validation = _words(digits, True)
    model = keras.Sequential([layers.Input([None], ragged=True), *_reader().layers])
    model.compile("adam", _SPARSE)
    with pytest.raises(ValueError, match="found a RaggedTensor: give the callback"):
        _fit(model, train, validation, own_models.learned())
    padded = _words(digits, False)[1]
    callback = own_models.learned(validation_data=padded)
    _fit(model, train, validation, callback)
    _check(model, callback, padded)


@pytest.mark.backends("tensorflow")
def test_sparse_inputs(digits):
    """Likewise."""
    tf = pytest.importorskip("tensorflow")
    x, y, x_validation, y_validation = own_models.small(digits)

    def batches(x, y):
        rows = tf.sparse.from_dense(x.reshape(-1, 64))
        return tf.data.Dataset.from_tensor_slices((rows, y)).batch(32)

    model = keras.Sequential(
        [layers.Input([64], sparse=True), layers.Dense(10, "softmax")]
    )
    model.compile("adam", _SPARSE)
    train, validation = batches(x, y), batches(x_validation, y_validation)
    with pytest.raises(ValueError, match="found a SparseTensor: give the callback"):
        _fit(model, train, validation, own_models.learned())
    dense = x_validation.reshape(-1, 64), y_validation
    callback = own_models.learned(validation_data=dense)
    _fit(model, train, validation, callback)
    _check(model, callback, validation)


def test_one_bad_row_in_each_epoch(digits):
    """Each epoch explodes once; the brake puts the weights back, and training goes on to its end."""
    x, y, *validation = digits
    x = x.copy()
    x[300] = np.nan
    model = keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(16, "tanh"), layers.Dense(10, "softmax")])  # fmt: skip
    model.compile("adam", _SPARSE)
    callback = own_models.learned()
    untrained = model.evaluate(*validation, verbose=0)
    with pytest.warns(UserWarning, match="The loss exploded"):
        history = model.fit(
            x, y, batch_size=32, epochs=5, shuffle=False, verbose=0,
            validation_data=tuple(validation), callbacks=[callback],
        )  # fmt: skip
    assert len(history.epoch) == 5
    assert callback.num_explosions == 5
    assert all(np.all(np.isfinite(w)) for w in model.get_weights())
    assert model.evaluate(*validation, verbose=0) < untrained


def _heads(names=False):
    inputs = layers.Input((8, 8, 1))
    inner = layers.Dense(16, "relu")(layers.Flatten()(inputs))
    outputs = [layers.Dense(10, "softmax", name="digit")(inner), layers.Dense(1, name="size")(inner)]  # fmt: skip
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("kind", ["a function and None", "a dict for a list"])
def test_losses_of_two_outputs(digits, kind):
    x, y, x_validation, y_validation = own_models.small(digits)
    model, callback = _heads(), own_models.learned()

    def own(y, p):
        return keras.losses.sparse_categorical_crossentropy(y, p)

    losses = [own, None]
    if kind == "a dict for a list":
        losses = {"digit": _SPARSE, "size": "mse"}
    model.compile("adam", losses)

    def targets(y):
        number = y[:, None].astype(np.float32)
        return [y, number] if isinstance(losses, list) else {"digit": y, "size": number}

    model.fit(
        x, targets(y), batch_size=32, epochs=2, verbose=0, callbacks=[callback],
        validation_data=(x_validation, targets(y_validation)),
    )  # fmt: skip
    measured, _ = callback.last_fit.sample.measure()
    found = model.evaluate(x_validation, targets(y_validation), verbose=0, return_dict=True)  # fmt: skip
    assert measured == pytest.approx(found["loss"], rel=1e-6)


def test_convolutions_alone(digits):
    x, y, *validation = own_models.small(digits)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Conv2D(10, 6),
            layers.Reshape((10,)),
            layers.Softmax(),
        ]
    )
    model.compile("adam", _SPARSE)
    callback = own_models.learned()
    model.fit(x, y, epochs=2, verbose=0, validation_data=tuple(validation), callbacks=[callback])  # fmt: skip
    measured, _ = callback.last_fit.sample.measure()
    assert measured == pytest.approx(model.evaluate(*validation, verbose=0), rel=1e-6)


def test_recompiled_and_loaded_models(digits, tmp_path):
    x, y, *validation = own_models.small(digits)
    model = own_models.classifier()

    def train(model):
        callback = own_models.learned()
        model.fit(x, y, epochs=2, verbose=0, validation_data=tuple(validation), callbacks=[callback])  # fmt: skip
        return callback.schedule.learning_rates[0]

    model.compile(keras.optimizers.Adam(2e-4), _SPARSE)
    first = train(model)
    model.save(str(tmp_path / "model.keras"))
    loaded = keras.models.load_model(str(tmp_path / "model.keras"))
    # The compiled rate was put back before it was saved, so both start from it.
    assert train(loaded) == pytest.approx(first, rel=1e-5)
    model.compile(keras.optimizers.Adam(2e-5), _SPARSE)
    assert train(model) == pytest.approx(first / 10, rel=1e-5)


def _rates(digits, factor, weight):
    x, y, *validation = own_models.small(digits)

    def scaled(y, p):
        return factor * keras.losses.sparse_categorical_crossentropy(y, p)

    keras.utils.set_random_seed(0)
    model, callback = own_models.classifier(), own_models.learned()
    # Beside gradients of another unit, its epsilon is in that unit.
    epsilon = 2.0**-23 * factor * (weight or 1.0)
    model.compile(keras.optimizers.Adam(epsilon=epsilon), scaled)
    weights = None if weight is None else np.full(len(y), weight, np.float32)
    model.fit(
        x, y, sample_weight=weights, batch_size=32, epochs=8, shuffle=False, verbose=0,
        validation_data=tuple(validation), callbacks=[callback],
    )  # fmt: skip
    assert callback.num_explosions == 0
    return callback.schedule.learning_rates


def test_the_unit_of_a_loss_says_nothing(digits):
    """Adam's steps have no unit either, so that the rates are the same; a power of two leaves the digits of floats alone."""
    expected = _rates(digits, 1.0, None)
    assert len(set(expected)) > 10
    np.testing.assert_allclose(_rates(digits, 1024.0, None), expected, rtol=1e-3)
    np.testing.assert_allclose(_rates(digits, 1.0, 1024.0), expected, rtol=1e-3)


def test_verbose_0_prints_nothing(digits, capsys):
    x, y, *validation = own_models.small(digits)
    for verbose, num_lines in ((0, 0), (1, 2)):
        model = own_models.classifier()
        model.compile("adam", _SPARSE)
        callback = LearnedLearningRate(verbose=verbose)
        model.fit(x, y, verbose=0, validation_data=tuple(validation), callbacks=[callback])  # fmt: skip
        assert capsys.readouterr().out.count("LearnedLearningRate") == num_lines
