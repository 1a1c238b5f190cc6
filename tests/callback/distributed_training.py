"""A program: trains on two virtual devices with the callback, and prints what came out as JSON.

python tests/callback/distributed_training.py mirrored|data_parallel|model_parallel|multi_worker <folder for backups>
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys

KIND = sys.argv[1]
# Flags count at the start of a process alone.
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import keras
import numpy as np
import sklearn.datasets

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends, devices
from learned_lr.callback.held_out_sample import HeldOutSample

if backends.name() == "tensorflow":
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
layers = keras.layers
_NUM_STEPS = 50


def _strategy():
    """Returns what makes the scope in which models are built; for keras.distribution it is set for all."""
    if KIND == "data_parallel":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    elif KIND == "model_parallel":
        devices = keras.distribution.list_devices()
        mesh = keras.distribution.DeviceMesh((1, 2), ["batch", "model"], devices)
        layout = keras.distribution.LayoutMap(mesh)
        layout["dense.*/kernel"] = (None, "model")
        keras.distribution.set_distribution(
            keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
        )
    else:
        if KIND == "multi_worker":
            return tf.distribute.MultiWorkerMirroredStrategy().scope
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope
    return contextlib.nullcontext


def _quiet(**arguments):
    return LearnedLearningRate(verbose=0, **arguments)


def _digits():
    data = sklearn.datasets.load_digits()
    x, y = (data.images / 16).astype(np.float32)[..., None], data.target
    return x[:640], y[:640], (x[640:896], y[640:896])


def _classifier(scope, *between):
    """Two dense layers, the weights from numpy."""
    generator = np.random.default_rng(0)
    with scope():
        inner = [layer() for layer in between]
        model = keras.Sequential(
            [
                layers.Input((8, 8, 1)),
                layers.Flatten(),
                layers.Dense(16, "tanh"),  # A ReLU may hide NaN.
                *inner,
                layers.Dense(10, "softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:
            shape = tuple(variable.shape)
            values = generator.normal(0, shape[0] ** -0.5, shape)
            variable.assign(values.astype(np.float32))
    return model


def _fit(model, *callbacks, x=None, **arguments):
    inputs, y, validation = _digits()
    x = inputs if x is None else x
    arguments = {"epochs": 5, "batch_size": 64, "shuffle": False, **arguments}
    arguments = {"validation_data": validation, "verbose": 0, **arguments}
    return model.fit(x, y, callbacks=list(callbacks), **arguments)


def _copies(variable):
    """What each device has of a variable."""
    if backends.name() == "jax":
        return [np.asarray(shard.data) for shard in variable.value.addressable_shards]
    mirrored = variable if backends.IS_KERAS_2 else variable._value
    return [copy.numpy() for copy in mirrored.values]


def every_step(scope):
    """The rate that every step of every device trained at: step s trains the weight s, whose gradient is 1."""
    inputs = np.repeat(np.eye(_NUM_STEPS, dtype=np.float32), 2, axis=0)
    targets = np.zeros((2 * _NUM_STEPS, 1), np.float32)
    with scope():
        model = keras.Sequential([layers.Input((_NUM_STEPS,)), layers.Dense(1, use_bias=False, kernel_initializer="zeros")])  # fmt: skip
        model.compile(keras.optimizers.SGD(0.5), _descending)
    callback = _quiet()
    model.fit(
        inputs,
        targets,
        batch_size=2,
        shuffle=False,
        verbose=0,
        validation_data=(inputs, targets),
        callbacks=[callback],
    )
    return {
        "planned": list(callback.schedule.learning_rates),
        "trained": [(-c.ravel()).tolist() for c in _copies(model.weights[0])],
    }


def _descending(targets, predictions):
    return 1000 + predictions


def rates(scope):
    """The rates of a run that nothing interrupted."""
    callback = _quiet(validation_batch=64)
    _fit(_classifier(scope), callback)
    return callback.schedule.learning_rates


def brake(scope):
    """A run whose data turn NaN, and what is left of its model: weights, and losses [measured, evaluated]."""
    # Without averages over devices each has statistics of its own.
    model, callback = _classifier(scope, layers.BatchNormalization), _quiet()
    x = _digits()[0]
    _fit(model, epochs=1)
    placed, before = _places(model), model.get_weights()
    _fit(model, callback, x=np.full_like(x, np.nan), epochs=1)
    copies = [_copies(v) for v in model.weights]
    return {
        "num_explosions": callback.num_explosions,
        "is_as_before": all(map(np.array_equal, before, model.get_weights())),
        "is_finite": all(bool(np.all(np.isfinite(c))) for cs in copies for c in cs),
        "num_copies": [len(c) for c in copies],
        "is_placed_as_before": placed == _places(model),
        "losses": _losses(model, scope),
    }


def _losses(model, scope):
    x, y = _digits()[2]
    # Keras itself can't evaluate examples that JAX can't split evenly.
    size = 256 if KIND == "data_parallel" else 101
    with scope():
        measured, _ = HeldOutSample(model, x[:size], y[:size], 64).measure()
    evaluated = model.evaluate(
        x[:size], y[:size], batch_size=64, verbose=0, return_dict=True
    )
    return measured, evaluated["loss"]


def parts(scope):
    """How many of 8 examples each device has."""
    model, x = _classifier(scope), backends.to_tensor(_digits()[0][:8])
    with scope():
        (split,) = devices.split(model, (x,))
    if backends.name() == "jax":
        return [len(shard.data) for shard in split.addressable_shards]
    return [len(part) for part in split.values]


def own_loss(scope):
    """A loss of the callback's own and the predictions, beside those of Keras: two pairs."""
    model = _classifier(scope)
    x, y = _digits()[2]
    weights = np.where(y < 3, 9.0, 0.5).astype(np.float32)
    own = keras.losses.sparse_categorical_crossentropy
    with scope():
        sample = HeldOutSample(model, x, y, 64, own, True, weights)
        measured, predictions = sample.measure()
    evaluated = model.evaluate(
        x, y, batch_size=64, sample_weight=weights, verbose=0, return_dict=True
    )
    predicted = model.predict(x, verbose=0)
    return (measured, evaluated["loss"]), (predictions.tolist(), predicted.tolist())


def _places(model):
    """How each variable lies on the devices."""
    variables = [*model.weights, *_optimizer_variables(model)]
    return [str(getattr(getattr(v, "value", None), "sharding", "")) for v in variables]


def _optimizer_variables(model):
    found = model.optimizer.variables
    return found if isinstance(found, (list, tuple)) else found()


class _Kill(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def states(scope):
    """The rates of a training that was killed and restored."""
    folder = pathlib.Path(sys.argv[2]) / "backup"
    with contextlib.suppress(KeyboardInterrupt):
        backup = keras.callbacks.BackupAndRestore(str(folder))
        _fit(_classifier(scope), _quiet(validation_batch=64), backup, _Kill())
    kept = sorted(p.name for p in (folder / "learned_learning_rate").iterdir())
    callback = _quiet(validation_batch=64)
    backup = keras.callbacks.BackupAndRestore(str(folder))
    _fit(_classifier(scope), callback, backup)
    return {"kept": kept, "rates": callback.schedule.learning_rates}


def main():
    if KIND == "multi_worker":
        try:
            rates(_strategy())
        except ValueError as error:
            print(json.dumps(str(error)))
        return
    alone = rates(contextlib.nullcontext)
    scope = _strategy()
    found = {f.__name__: f(scope) for f in (every_step, parts, brake, own_loss, states)}
    print(json.dumps({"alone": alone, **found}))


if __name__ == "__main__":
    main()
