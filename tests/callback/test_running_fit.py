"""The arguments of `fit`: read where it can be seen, and a loud word where it can't."""

from __future__ import annotations

import pathlib
import warnings

import keras
import numpy as np
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends, running_fit
from learned_lr.control.rate_table import RateTable

layers = keras.layers
# The rates of `fit`, which a loop of one's own must get, too.
_GOLDEN = RateTable.load(str(pathlib.Path(__file__).parent / "golden_rates.csv"))
_EPOCHS, _STEPS, _BATCH_SIZE = 4, 20, 32
_NOT_SEEN = "Expected LearnedLearningRate among the callbacks of a fit"


def _learned(**arguments):
    return LearnedLearningRate(
        "fashion_mnist_lenet5", control_interval=10, verbose=0, **arguments
    )


def _train(model, digits, callbacks, first_epoch=0):
    """A training loop of one's own, which calls callbacks as `fit` does."""
    x, y, *_ = digits
    callbacks.on_train_begin()
    for epoch in range(first_epoch, _EPOCHS):
        total = 0.0
        callbacks.on_epoch_begin(epoch)
        for step in range(_STEPS):
            rows = np.s_[step * _BATCH_SIZE : (step + 1) * _BATCH_SIZE]
            callbacks.on_train_batch_begin(step)
            total += float(model.train_on_batch(x[rows], y[rows]))
            logs = {"loss": total / (step + 1)}  # The epoch's running mean.
            callbacks.on_train_batch_end(step, logs)
        callbacks.on_epoch_end(epoch, logs)
    callbacks.on_train_end()


def _train_with_a_list(model, digits, *callbacks, first_epoch=0):
    callbacks = keras.callbacks.CallbackList(
        list(callbacks), model=model, epochs=_EPOCHS, steps=_STEPS
    )
    _train(model, digits, callbacks, first_epoch)


class _Inside(keras.callbacks.Callback):
    """A callback that hands everything on to another, which `fit` then knows nothing of."""

    def __init__(self, inner):
        super().__init__()
        self._inner = inner

    def set_model(self, model):
        super().set_model(model)
        self._inner.set_model(model)

    def set_params(self, params):
        super().set_params(params)
        self._inner.set_params(params)

    def on_train_begin(self, logs=None):
        self._inner.on_train_begin(logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._inner.on_epoch_begin(epoch, logs)

    def on_train_batch_begin(self, batch, logs=None):
        self._inner.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self._inner.on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._inner.on_epoch_end(epoch, logs)

    def on_train_end(self, logs=None):
        self._inner.on_train_end(logs)


def _fit(model, digits, *callbacks, **arguments):
    x, y, *validation = digits
    arguments = {
        "epochs": _EPOCHS,
        "batch_size": _BATCH_SIZE,
        "shuffle": False,
        "verbose": 0,
        "validation_data": tuple(validation),
        **arguments,
    }
    return model.fit(x, y, callbacks=list(callbacks), **arguments)


_UNSEEN = pytest.mark.parametrize(
    "train, found",
    [
        (_train_with_a_list, r"found no fit\(\) of its model that runs"),
        (
            lambda model, digits, callback: _fit(model, digits, _Inside(callback)),
            "whose callbacks are others: _Inside, ",
        ),
    ],
    ids=["own loop", "inside another callback"],
)


def _assert_golden(callback):
    steps, rates = callback.schedule.steps, callback.schedule.learning_rates
    assert steps == _GOLDEN.steps
    np.testing.assert_allclose(rates, _GOLDEN.learning_rates, rtol=1e-4)


@_UNSEEN
def test_without_data_of_its_own_a_fit_must_be_seen(digits, compiled, train, found):
    model = compiled()
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"{_NOT_SEEN}.*{found}.*validation_data= of"):
        train(model, digits, _learned())
    for expected, weights in zip(before, model.get_weights()):
        np.testing.assert_array_equal(weights, expected)


@_UNSEEN
def test_with_data_of_its_own_it_warns_once(digits, compiled, train, found):
    callback = _learned(validation_data=digits[2:])
    with pytest.warns(UserWarning, match=f"{_NOT_SEEN}.*{found}") as warned:
        train(compiled(), digits, callback)
    (message,) = [str(w.message) for w in warned if _NOT_SEEN in str(w.message)]
    assert "set the learning rate" in message
    assert "BackupAndRestore (backup_dir= names it)" in message
    assert "validation_batch=" in message
    _assert_golden(callback)


def test_backup_dir_serves_a_loop_of_ones_own(digits, compiled, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    def learned():
        return _learned(validation_data=digits[2:], backup_dir=str(tmp_path))

    model = compiled()
    with pytest.warns(UserWarning, match=_NOT_SEEN), pytest.raises(KeyboardInterrupt):
        _train_with_a_list(model, digits, learned(), Stop())
    assert list((tmp_path / "learned_learning_rate").glob("*.npz"))
    callback = learned()
    with pytest.warns(UserWarning, match=_NOT_SEEN):
        _train_with_a_list(model, digits, callback, first_epoch=1)
    _assert_golden(callback)


def test_rival_in_a_loop_of_ones_own_is_found_at_the_next_decision(digits, compiled):
    class HomeMade(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch:
                self.model.optimizer.learning_rate = 0.5

    callback = _learned(validation_data=digits[2:])
    with (
        pytest.warns(UserWarning, match=_NOT_SEEN),
        pytest.raises(ValueError, match="found 0.5: something else sets it, too"),
    ):
        _train_with_a_list(compiled(), digits, callback, HomeMade())


def test_loop_that_does_not_say_how_long_it_is(digits, compiled):
    def train(callback):
        model = compiled()
        with pytest.warns(UserWarning, match=_NOT_SEEN):
            _train(model, digits, keras.callbacks.CallbackList([callback], model=model))

    with pytest.raises(ValueError, match="give the callback num_training_steps"):
        train(_learned(validation_data=digits[2:]))
    callback = _learned(validation_data=digits[2:], num_training_steps=80)
    train(callback)
    _assert_golden(callback)


def test_loop_that_leaves_out_the_beginning(digits, compiled):
    callback = _learned(validation_data=digits[2:])
    callback.set_model(compiled())
    with pytest.raises(ValueError, match="on_train_begin.. before on_epoch_begin"):
        callback.on_epoch_begin(0)
    with pytest.raises(ValueError, match="on_train_begin.. and on_epoch_begin.. first"):
        callback.on_train_batch_end(0, {"loss": 1.0})


def test_loop_with_a_model_that_is_not_compiled(digits):
    model = keras.Sequential([layers.Input((8, 8, 1)), layers.Dense(10)])
    callback = _learned(validation_data=digits[2:])
    with pytest.raises(ValueError, match="found one without an optimizer"):
        _train_with_a_list(model, digits, callback)


# Public names: Keras 3 on TensorFlow trains no model of a class whose name begins with an underscore.
class FitPassesOn(keras.Sequential):
    def fit(self, *arguments, **named):
        return super().fit(*arguments, **named)


class FitOfItsOwn(keras.Sequential):
    def fit(self, x, y, validation_data=None, callbacks=(), **named):
        _train_with_a_list(self, (x, y), *callbacks)


class FitWithAList(keras.Sequential):
    def fit(self, x, y, validation_data=None, callbacks=(), **named):
        callbacks = keras.callbacks.CallbackList(
            list(callbacks), model=self, epochs=_EPOCHS, steps=_STEPS
        )
        _train(self, (x, y), callbacks)


@pytest.mark.parametrize("own", [FitPassesOn, FitOfItsOwn, FitWithAList])
def test_fit_of_a_subclass_is_seen(digits, compiled, own):
    def model():
        inner = [
            layers.Flatten(),
            layers.Dense(16, "relu"),
            layers.Dense(10, "softmax"),
        ]
        return compiled(own([layers.Input((8, 8, 1)), *inner]))

    callback = _learned()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", _NOT_SEEN)
        _fit(model(), digits, callback)
    _assert_golden(callback)
    with pytest.raises(ValueError, match="found ReduceLROnPlateau as well: remove one"):
        _fit(model(), digits, _learned(), keras.callbacks.ReduceLROnPlateau())


def test_fit_of_another_model_is_none_of_its_business(digits, compiled):
    class TrainsAnother(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            _train_with_a_list(compiled(), digits, _learned())

    with pytest.raises(ValueError, match=r"found no fit\(\) of its model that runs"):
        _fit(compiled(), digits, TrainsAnother())


class _Probe(keras.callbacks.Callback):
    own = None

    def on_train_begin(self, logs=None):
        self.found = running_fit.arguments(self, self.own)


def test_arguments(digits, compiled):
    probe, other = _Probe(), keras.callbacks.EarlyStopping()
    _fit(compiled(), digits, probe, other, batch_size=64, epochs=1)
    assert probe.found.callbacks[:2] == (probe, other)
    assert probe.found.batch_size == 64
    assert all(f is e for f, e in zip(probe.found.validation_data, digits[2:]))


def test_validation_split_and_batch_size_of_keras(digits, compiled):
    probe = _Probe()
    arguments = {"batch_size": None, "validation_data": None, "validation_split": 0.25}
    _fit(compiled(), digits, probe, epochs=1, **arguments)
    assert probe.found.batch_size == 32
    np.testing.assert_array_equal(probe.found.validation_data[0], digits[0][480:])


# Without drop_remainder the shapes of a pipeline do not tell its batch size.
@pytest.mark.parametrize("is_weighted", [False, True])
def test_weights_in_a_pipeline(digits, compiled, is_weighted):
    tf = pytest.importorskip("tensorflow")
    probe, (x, y, *validation) = _Probe(), digits
    parts = (x, y, np.ones(len(y))) if is_weighted else (x, y)
    dataset = tf.data.Dataset.from_tensor_slices(parts).batch(320)
    compiled().fit(
        dataset, validation_data=tuple(validation), verbose=0, callbacks=[probe]
    )
    assert probe.found.is_weighted == is_weighted


@pytest.mark.parametrize("drop_remainder", [True, False])
@pytest.mark.parametrize(
    "after", [lambda d: d, lambda d: d.map(lambda x, y: (x, y)).prefetch(2)]
)
def test_batch_size_of_a_pipeline(digits, compiled, drop_remainder, after):
    tf = pytest.importorskip("tensorflow")
    probe = _Probe()
    dataset = tf.data.Dataset.from_tensor_slices(digits[:2]).shuffle(9)
    compiled().fit(
        after(dataset.batch(48, drop_remainder)),
        validation_data=digits[2:],
        callbacks=[probe],
        verbose=0,
    )
    assert probe.found.batch_size == 48


def _sequence(digits):
    base = keras.utils.Sequence if backends.IS_KERAS_2 else keras.utils.PyDataset

    class Batches(base):
        def __len__(self):
            return 640 // 48

        def __getitem__(self, index):
            rows = np.s_[index * 48 : (index + 1) * 48]
            return digits[0][rows], digits[1][rows]

    return Batches()


def _loader(digits, batch_sampler):
    torch = pytest.importorskip("torch")
    data = torch.utils.data
    examples = data.TensorDataset(*map(torch.as_tensor, digits[:2]))
    if not batch_sampler:
        return data.DataLoader(examples, batch_size=48)
    sampler = data.BatchSampler(data.SequentialSampler(examples), 48, drop_last=True)
    return data.DataLoader(examples, batch_sampler=sampler)


_DATA = {
    "sequence": _sequence,
    "generator": lambda digits: (_sequence(digits)[i] for i in range(13)),
    "loader": lambda digits: _loader(digits, False),
    "loader with a sampler of minibatches": lambda digits: _loader(digits, True),
}


@pytest.mark.parametrize("kind", _DATA)
def test_batch_size_of_data_that_come_in_minibatches(digits, compiled, kind):
    """The sample that follows from it, too: with 32 for 48 it would have 96 examples."""
    if backends.IS_KERAS_2 and "loader" in kind:
        pytest.skip("Keras 2 takes no DataLoader")
    callback, probe = LearnedLearningRate(control_interval=80, verbose=0), _Probe()
    arguments = {"steps_per_epoch": 13, "validation_data": digits[2:], "verbose": 0}
    model = compiled()
    model.fit(_DATA[kind](digits), callbacks=[callback, probe], **arguments)
    assert probe.found.batch_size == 48
    assert callback._fit.sample.num_examples == 144
    # Nothing was taken from what is trained on.
    assert int(backends.to_numpy(model.optimizer.iterations)) == 13


def test_data_of_its_own_come_first(digits, compiled):
    probe = _Probe()
    probe.own = "its own"
    _fit(compiled(), digits, probe, epochs=1)
    assert probe.found.validation_data == "its own"
    assert probe.found.callbacks[0] is probe


def test_outside_of_any_training():
    callback = _learned()
    callback.set_model(keras.Sequential([keras.layers.Dense(1)]))
    with pytest.raises(ValueError, match=f"{_NOT_SEEN}.*found no fit"):
        running_fit.arguments(callback)
    with pytest.warns(UserWarning, match=_NOT_SEEN):
        found = running_fit.arguments(callback, "its own")
    assert found == running_fit.FitArguments("its own", (), 32)
