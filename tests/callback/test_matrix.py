"""The callback in every Keras: fit, several steps an execution, fit twice, restored training, data of all kinds."""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import pytest

from learned_lr import LearnedLearningRate, Replay
from learned_lr.callback import backends, optimizers
from learned_lr.control.rate_table import RateTable

# Rates of tf.keras 2.15 in `test_fit`'s training; `RateTable.save` wrote it.
_GOLDEN = pathlib.Path(__file__).parent / "golden_rates.csv"
_EPOCHS = 4


def _fit(model, digits, callback, **arguments):
    x, y, *validation = digits
    arguments = {
        "epochs": _EPOCHS,
        "batch_size": 32,
        "shuffle": False,
        "verbose": 0,
        "validation_data": tuple(validation),
        "callbacks": [callback],
        **arguments,
    }
    return model.fit(x, y, **arguments)


def _rates(callback):
    return np.array(callback.schedule.learning_rates)


def _learned(**arguments):
    return LearnedLearningRate(
        "fashion_mnist_lenet5", control_interval=10, verbose=0, **arguments
    )


@pytest.fixture(scope="module", name="whole_run")
def _whole_run(digits, compiled):
    """A callback after its run, and the history."""
    callback = _learned()
    return callback, _fit(compiled(), digits, callback).history


@pytest.fixture
def whole(whole_run):
    """A callback after a run that others are compared with."""
    return whole_run[0]


def test_fit(whole_run):
    callback, history = whole_run
    golden = RateTable.load(str(_GOLDEN))
    assert callback.schedule.steps == golden.steps == tuple(range(0, 80, 10))
    # Forward passes of different libraries agree to single precision.
    np.testing.assert_allclose(_rates(callback), golden.learning_rates, rtol=1e-4)
    # An epoch's end is also a decision, whose rate is the one in force then.
    at_ends = [callback.schedule.at(step) for step in (20, 40, 60, 80)]
    np.testing.assert_allclose(history["learning_rate"], at_ends, rtol=1e-6)
    assert history["loss"][-1] < history["loss"][0]
    assert len(set(golden.learning_rates)) > 4


@pytest.mark.backends("tensorflow", "jax")
def test_steps_per_execution(digits, compiled, whole):
    ten = _learned()
    _fit(compiled(steps_per_execution=10), digits, ten)
    assert ten.schedule.steps == whole.schedule.steps
    np.testing.assert_allclose(_rates(ten), _rates(whole), rtol=1e-5)


@pytest.mark.backends("tensorflow", "jax")
def test_executions_that_miss_the_interval(digits, compiled):
    callback = _learned()
    _fit(compiled(steps_per_execution=7), digits, callback)
    # Executions end at 7, 14, 20 of 20 steps; a decision waits for the end of one.
    assert callback.schedule.steps == (0, 14, 27, 40, 54, 67)


class _ToldBeginnings(LearnedLearningRate):
    """As in Keras 3.0 to 3.10: an execution's end is told with the minibatch that it began with."""

    def on_train_batch_begin(self, batch, logs=None):
        self.batch = batch
        super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(self.batch, logs)


@pytest.mark.backends("tensorflow", "jax")
@pytest.mark.parametrize("num_steps", [7, 19])
def test_executions_whose_end_is_not_told(digits, compiled, monkeypatch, num_steps):
    monkeypatch.setattr(backends, "TELLS_ENDS", False)
    found = []
    for kind in (LearnedLearningRate, _ToldBeginnings):
        callback = kind(verbose=0)
        _fit(compiled(steps_per_execution=num_steps), digits, callback)
        found.append(callback.schedule)
    assert found[1].steps == tuple(range(80))
    np.testing.assert_array_equal(found[1].learning_rates, found[0].learning_rates)


def test_fit_twice_is_two_runs(digits, compiled):
    model, callback = compiled(), _learned()
    _fit(model, digits, callback)
    first = callback.schedule
    _fit(model, digits, callback)
    assert callback.schedule.steps == first.steps
    assert callback.schedule != first
    # From 0.001 again; a run that goes on would begin where the first one ended.
    scale = callback.controller.spec.scaling.max_scale
    assert 1e-3 / scale <= _rates(callback)[0] <= 1e-3 * scale
    assert first.learning_rates[-1] > 1e-3 * scale


def test_one_run_in_two_fits(digits, compiled, whole):
    halves = _learned(num_training_steps=80)
    model = compiled()
    _fit(model, digits, halves, epochs=2)
    _fit(model, digits, halves, epochs=2)
    assert halves.schedule.steps == whole.schedule.steps
    np.testing.assert_allclose(_rates(halves), _rates(whole), rtol=1e-5)


class _Kill(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self._epoch == 0 and batch == 13:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        self._epoch -= 1


@pytest.mark.parametrize("num_epochs", [1, 2])
def test_backup_and_restore(digits, compiled, whole, tmp_path, num_epochs):
    def backup():
        return keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))

    killed = _learned()
    with pytest.raises(KeyboardInterrupt):
        callbacks = [killed, backup(), _Kill(num_epochs)]
        _fit(compiled(), digits, killed, callbacks=callbacks)
    restored = _learned()
    _fit(compiled(), digits, restored, callbacks=[restored, backup()])
    assert restored.schedule.steps == whole.schedule.steps
    np.testing.assert_allclose(_rates(restored), _rates(whole), rtol=1e-5)
    assert not (tmp_path / "backup" / "learned_learning_rate").exists()


def test_replay_trains_the_same_and_is_saved_with_the_model(digits, compiled, tmp_path):
    learned, callback = compiled(), _learned()
    _fit(learned, digits, callback)
    path = str(tmp_path / "lr.csv")
    callback.schedule.save(path)
    replayed = compiled(optimizer=keras.optimizers.Adam(Replay(path)))
    _fit(replayed, digits, None, callbacks=[])
    for expected, found in zip(learned.get_weights(), replayed.get_weights()):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    replayed.save(str(tmp_path / "model.keras"))
    loaded = keras.models.load_model(str(tmp_path / "model.keras"))
    config = loaded.optimizer.get_config()["learning_rate"]
    assert config["config"]["learning_rates"] == list(_rates(callback))
    schedule = Replay.from_config(config["config"])
    for step in (0, 9, 10, 79, 500):
        rate = float(backends.to_numpy(schedule(step)))
        assert rate == pytest.approx(callback.schedule.at(step), rel=1e-6)


def test_training_is_not_disturbed(digits, compiled):
    """At one fixed rate the weights are those of a training without the callback, to the last bit."""

    def layers():
        return [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3, seed=1),
            keras.layers.Dense(10, activation="softmax"),
        ]

    fixed = {f"{name}_learning_rate": 2e-3 for name in ("initial", "min", "max")}
    models = [compiled(layers(), keras.optimizers.Adam(2e-3)) for _ in range(2)]
    _fit(models[0], digits, _learned(**fixed))
    keras.utils.set_random_seed(0)
    _fit(models[1], digits, None, callbacks=[])
    for expected, found in zip(models[1].get_weights(), models[0].get_weights()):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(backends.IS_KERAS_2, reason="only in Keras 3")
def test_gradient_accumulation(digits, compiled):
    optimizer = keras.optimizers.Adam(1e-3, gradient_accumulation_steps=4)
    callback = _learned()
    history = _fit(compiled(optimizer=optimizer), digits, callback).history
    assert callback.schedule.steps == tuple(range(0, 80, 10))
    assert history["loss"][-1] < history["loss"][0]
    # Minibatches, by which a restored run counts its steps; updates are a quarter of them.
    assert optimizers.num_updates(optimizer) == 80
    assert int(backends.to_numpy(optimizer.iterations)) == 20


def _datasets(digits, kind):
    x, y, x_validation, y_validation = digits
    if kind == "tf.data":
        tf = pytest.importorskip("tensorflow")
        make = tf.data.Dataset.from_tensor_slices
        return [make(p).batch(32) for p in ((x, y), (x_validation, y_validation))]
    if kind == "DataLoader":
        data = pytest.importorskip("torch.utils.data")
        torch = pytest.importorskip("torch")

        def make(inputs, targets):
            tensors = torch.from_numpy(inputs), torch.from_numpy(targets)
            return data.DataLoader(data.TensorDataset(*tensors), batch_size=32)

        return [make(x, y), make(x_validation, y_validation)]
    base = getattr(keras.utils, "PyDataset", None) or keras.utils.Sequence

    class Batches(base):
        def __init__(self, inputs, targets):
            super().__init__()
            self._data = inputs, targets

        def __len__(self):
            return len(self._data[0]) // 32

        def __getitem__(self, index):
            rows = np.s_[index * 32 : index * 32 + 32]
            return tuple(part[rows] for part in self._data)

    return [Batches(x, y), Batches(x_validation, y_validation)]


@pytest.mark.parametrize("kind", ["tf.data", "DataLoader", "PyDataset"])
def test_pipelines(digits, compiled, kind):
    if kind == "DataLoader" and backends.IS_KERAS_2:
        pytest.skip("only in Keras 3")
    train, validation = _datasets(digits, kind)
    callback = _learned(validation_batch=256)
    model = compiled()
    model.fit(
        train,
        epochs=2,
        shuffle=False,
        verbose=0,
        validation_data=validation,
        callbacks=[callback],
    )
    arrays = _learned(validation_batch=256)
    _fit(compiled(), digits, arrays, epochs=2)
    assert callback.schedule.steps == arrays.schedule.steps == (0, 10, 20, 30)
    np.testing.assert_allclose(_rates(callback), _rates(arrays), rtol=1e-5)
