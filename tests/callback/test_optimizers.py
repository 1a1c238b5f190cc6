"""The optimizer's variables, its count of updates, and its rate."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends, optimizers


@pytest.fixture
def trained(digits, compiled):
    """A model after three updates."""
    model = compiled()
    model.fit(*digits[:2], batch_size=32, steps_per_epoch=3, verbose=0)
    return model


def test_updates_are_counted(trained):
    assert optimizers.num_updates(trained.optimizer) == 3


def test_variables_leave_out_the_count(trained):
    variables = optimizers.variables(trained.optimizer)
    assert all(v is not trained.optimizer.iterations for v in variables)
    # Two moments of Adam for each weight; others are scalars, such as the rate.
    shapes = sorted(tuple(v.shape) for v in variables if len(v.shape))
    assert shapes == sorted(2 * [tuple(w.shape) for w in trained.trainable_variables])


@pytest.mark.skipif(not backends.IS_KERAS_2, reason="only in Keras 2")
def test_variables_of_a_legacy_optimizer(digits, compiled):
    model = compiled(optimizer=keras.optimizers.legacy.SGD(0.1, momentum=0.9))
    model.fit(*digits[:2], batch_size=32, steps_per_epoch=2, verbose=0)
    assert optimizers.num_updates(model.optimizer) == 2
    assert len(optimizers.variables(model.optimizer)) == 4


def test_owned_rate(compiled):
    model = compiled(optimizer=keras.optimizers.SGD(0.5))
    rate = optimizers.OwnedRate(model)
    rate.check()  # Nothing was set, so nothing is claimed.
    rate.set(1e-3)
    found = float(backends.to_numpy(model.optimizer.learning_rate))
    assert found == np.float32(1e-3)
    rate.check()
    for other in (0.25, 0.5):  # Whoever sets the compiled rate again is no checkpoint.
        model.optimizer.learning_rate = other
        message = f"rate 0.001 that Learned.* found {other}"
        with pytest.raises(ValueError, match=message):
            rate.check()


@pytest.mark.parametrize("precision", ["float32", "float64", "float16"])
def test_rate_that_moves(compiled, precision):
    """By the shortest way where there is one, and by the variable's own where its precision is another."""
    if backends.name() == "jax" and precision == "float64":
        pytest.skip("JAX has none unless it is told so")
    before = keras.backend.floatx()
    keras.backend.set_floatx(precision)
    try:
        model = compiled([keras.layers.Input((3,)), keras.layers.Dense(1)], "adam")
        rate = optimizers.OwnedRate(model)
        for number in (1e-3, 0.1, 0.3):
            rate.move(number)
            found = float(backends.to_numpy(model.optimizer.learning_rate))
            assert found == float(np.dtype(precision).type(number))
            rate.check()
        assert optimizers.compiled_rate(model.optimizer) == pytest.approx(1e-3, 1e-3)
    finally:
        keras.backend.set_floatx(before)


def test_rate_that_stays_is_not_set_again(compiled):
    """So that what else has set it is found, and a hold of many steps costs nothing."""
    model = compiled()
    rate = optimizers.OwnedRate(model)
    rate.set(0.1)
    rate.move(0.2)
    model.optimizer.learning_rate = 0.25
    rate.move(0.2)
    with pytest.raises(ValueError, match="rate 0.2 that Learned.* found 0.25"):
        rate.check()
    rate.set(0.2)  # As after weights were put back.
    rate.check()


@pytest.mark.backends("jax")
def test_rate_reaches_a_jax_fit_without_going_through_all_variables(digits):
    num_syncs, found = [], []

    class Model(keras.Sequential):
        def jax_state_sync(self):
            if not self._jax_state_synced:
                num_syncs.append(1)
            super().jax_state_sync()

        def train_step(self, state, data):
            logs, state = super().train_step(state, data)
            (rate,) = [
                value
                for value, variable in zip(state[2], self.optimizer.variables)
                if variable is self.optimizer.learning_rate
            ]
            return {**logs, "rate": rate}, state

    class SetsIt(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            rate.set(0.01 * (batch + 1))

        def on_train_batch_end(self, batch, logs=None):
            found.append(float(logs["rate"]))

    model = Model([keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    rate = optimizers.OwnedRate(model)
    model.fit(*digits[:2], steps_per_epoch=5, epochs=2, verbose=0, callbacks=[SetsIt()])
    np.testing.assert_allclose(found, 2 * [0.01, 0.02, 0.03, 0.04, 0.05], rtol=1e-6)
    assert len(num_syncs) == 2  # Each at the end of an epoch.
    rate.check()


@pytest.mark.skipif(not backends.IS_KERAS_2, reason="a checkpoint with an optimizer")
def test_a_checkpoint_brings_no_rate_back(digits, compiled, tmp_path):
    """One of TensorFlow's format has the optimizer's rate of then, which is none of the user's."""
    x, y, *validation = digits
    model, path = compiled(), str(tmp_path / "weights")
    data = {"validation_data": tuple(validation), "verbose": 0, "batch_size": 64}

    def fit(callback):
        learned = LearnedLearningRate(verbose=0)
        model.fit(x, y, epochs=3, callbacks=[learned, callback], **data)

    fit(keras.callbacks.ModelCheckpoint(path + "{epoch}", save_weights_only=True))
    for epoch in (3, 2):
        model.load_weights(f"{path}{epoch}")
        found = float(backends.to_numpy(model.optimizer.learning_rate))
        assert found != np.float32(1e-3)
        assert optimizers.compiled_rate(model.optimizer) == np.float32(1e-3)
    again = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _: model.load_weights(f"{path}{3 - epoch}")
    )
    fit(again)
    assert optimizers.compiled_rate(model.optimizer) == np.float32(1e-3)
    model.optimizer.learning_rate = 0.25
    assert optimizers.compiled_rate(model.optimizer) == 0.25


@pytest.mark.skipif(backends.IS_KERAS_2, reason="weights of Keras 3 hold the optimizer")
def test_weights_of_before_the_run_bring_no_rate_back(digits, compiled, tmp_path):
    x, y, *validation = digits
    model, path = compiled(), str(tmp_path / "first.weights.h5")
    back = keras.callbacks.LambdaCallback(
        on_train_begin=lambda _: model.save_weights(path),
        on_epoch_end=lambda epoch, _: model.load_weights(path),
    )
    for _ in range(2):
        model.fit(
            *(x, y),
            epochs=4,
            validation_data=tuple(validation),
            callbacks=[LearnedLearningRate(verbose=0), back],
            verbose=0,
        )
        assert optimizers.compiled_rate(model.optimizer) == np.float32(1e-3)
