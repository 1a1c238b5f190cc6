"""The arguments of a `fit` that can be seen: its data, its callbacks and the size of its minibatches."""

from __future__ import annotations

import keras
import numpy as np
import own_models
import pytest

from learned_lr.callback import backends, running_fit


class _Probe(keras.callbacks.Callback):
    own = None

    def on_train_begin(self, logs=None):
        self.found = running_fit.arguments(self, self.own)


def _fit(model, digits, *callbacks, **arguments):
    x, y, *validation = digits
    arguments = {"validation_data": tuple(validation), "verbose": 0, **arguments}
    return model.fit(x, y, callbacks=list(callbacks), **arguments)


def test_arguments(digits, compiled):
    probe, other = _Probe(), keras.callbacks.EarlyStopping()
    _fit(compiled(), digits, probe, other, batch_size=64)
    assert probe.found.callbacks[:2] == (probe, other)
    assert probe.found.batch_size == 64
    assert all(f is e for f, e in zip(probe.found.validation_data, digits[2:]))


def test_validation_split_and_batch_size_of_keras(digits, compiled):
    probe = _Probe()
    arguments = {"batch_size": None, "validation_data": None, "validation_split": 0.25}
    _fit(compiled(), digits, probe, **arguments)
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


def _from_several(tf, data):
    data = data.repeat()
    return tf.data.Dataset.sample_from_datasets([data, data], [0.5, 0.5])


@pytest.mark.parametrize(
    "make",
    [
        _from_several,
        lambda tf, data: tf.data.Dataset.choose_from_datasets(
            [data, data], tf.data.Dataset.range(2).repeat(3)
        ),
        lambda _, data: data.batch(2).unbatch(),
        lambda _, data: data.unbatch().batch(96).rebatch(48),
        lambda _, data: data.unbatch().bucket_by_sequence_length(
            lambda x, y: 8, [9], [48, 2]
        ),
    ],
)
def test_batch_size_of_a_pipeline_of_others(digits, compiled, make):
    """What draws from several pipelines is one of their inputs; what went into another size is none."""
    tf = pytest.importorskip("tensorflow")
    probe, (x, y, *validation) = _Probe(), digits
    data = make(tf, tf.data.Dataset.from_tensor_slices((x, y)).batch(48))
    compiled().fit(
        data,
        steps_per_epoch=2,
        validation_data=tuple(validation),
        verbose=0,
        callbacks=[probe],
    )
    assert probe.found.batch_size == 48


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
    callback, probe = own_models.Learned(control_interval=80, verbose=0), _Probe()
    arguments = {"steps_per_epoch": 13, "validation_data": digits[2:], "verbose": 0}
    model = compiled()
    model.fit(_DATA[kind](digits), callbacks=[callback, probe], **arguments)
    assert probe.found.batch_size == 48
    assert callback.last_fit.sample.num_examples == 144
    # Nothing was taken from what is trained on.
    assert int(backends.to_numpy(model.optimizer.iterations)) == 13


def test_data_of_its_own_come_first(digits, compiled):
    probe = _Probe()
    probe.own = "its own"
    _fit(compiled(), digits, probe)
    assert probe.found.validation_data == "its own"
    assert probe.found.callbacks[0] is probe
