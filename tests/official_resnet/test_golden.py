"""The models against stored values of the official TensorFlow 1 code.

`python -m tests.official_resnet.test_golden`, run from the repository's root,
prints the largest relative error of each quantity in each configuration.

The values are computed in a process of its own, as the stored ones were: in graph
mode, on a CPU, with two threads. That matters because the float32 gradients of the
50-layer networks are ill conditioned (batches of 4, images shrunk to one pixel):
a relative change of 1e-7 in the inputs moves some by 1e-2. Eager execution or
another number of threads sums in another order, which is enough to pass 1e-4.
"""

import functools
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from official_resnet import resnet

GOLDEN_PATH = pathlib.Path(__file__).with_name("official_resnet_golden.npz")
REPOSITORY_DIR = pathlib.Path(__file__).parents[2]
CONFIGURATIONS = (
    "cifar20_v1",
    "cifar20_v2",
    "imagenet18_v1",
    "imagenet18_v2",
    "imagenet50_v1",
    "imagenet50_v2",
)
QUANTITIES = (
    "logits_inference",
    "logits_training",
    "loss_training",
    "gradients",
    "updated",
)
TOLERANCE = 1e-4


def relative_error(found, expected):
    """max |found - expected| / max |expected|, NaN where either has one."""
    assert found.shape == expected.shape
    return float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))


@functools.cache
def load_golden(configuration):
    """The stored arrays of a configuration, by their name below it."""
    prefix = configuration + "/"
    with np.load(GOLDEN_PATH) as golden:
        return {
            key[len(prefix) :]: golden[key]
            for key in golden.files
            if key.startswith(prefix)
        }


def names_below(golden, group):
    return {key[len(group) + 1 :] for key in golden if key.startswith(group + "/")}


def variables_by_name(model):
    """Maps "layer/weight", as the golden file has it, to the model's variable."""
    return {variable.name.split(":")[0]: variable for variable in model.variables}


def build_model(configuration):
    golden = load_golden(configuration)
    arguments = json.loads(str(golden["config"]))
    model = resnet(golden["inputs"].shape[1:], **arguments)
    for name, variable in variables_by_name(model).items():
        variable.assign(golden["weights/" + name])
    return model


def compute_quantities(configuration):
    """Maps "quantity" or "quantity/name" to our array."""
    golden = load_golden(configuration)
    model = build_model(configuration)
    variables = variables_by_name(model)
    trainable = {name: v for name, v in variables.items() if v.trainable}

    @tf.function(autograph=False)
    def train(inputs, labels):
        with tf.GradientTape() as tape:
            logits = model(inputs, training=True)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            )
        return logits, loss, tape.gradient(loss, trainable)

    inputs, labels = tf.constant(golden["inputs"]), tf.constant(golden["labels"])
    found = {"logits_inference": model(inputs, training=False)}
    logits, loss, gradients = train(inputs, labels)
    found.update(logits_training=logits, loss_training=loss)
    for name, gradient in gradients.items():
        found["gradients/" + name] = gradient
    for name in variables.keys() - trainable.keys():
        found["updated/" + name] = variables[name]
    return {key: value.numpy() for key, value in found.items()}


def compute_errors(configuration):
    """Maps each quantity to {array's name: relative error}."""
    golden = load_golden(configuration)
    errors = {quantity: {} for quantity in QUANTITIES}
    for key, value in compute_quantities(configuration).items():
        quantity, _, name = key.partition("/")
        errors[quantity][name] = relative_error(value, golden[key])
    return errors


@functools.cache
def errors_of_all_configurations():
    """`compute_errors` of each configuration, under the golden file's conditions."""
    conditions = {
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": str(REPOSITORY_DIR),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "TF_NUM_INTEROP_THREADS": "2",
        "TF_NUM_INTRAOP_THREADS": "2",
    }
    process = subprocess.run(
        [sys.executable, __file__, "--json"],
        env={**os.environ, **conditions},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.mark.smoke
@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_values_match_the_official_model(configuration, quantity):
    golden = load_golden(configuration)
    errors = errors_of_all_configurations()[configuration][quantity]

    # Every stored array is compared, so none can be passed over.
    assert errors.keys() == (names_below(golden, quantity) or {""})
    too_large = {
        name: error for name, error in errors.items() if not error <= TOLERANCE
    }
    assert too_large == {}


@pytest.mark.smoke
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_gradients_and_statistics_cover_every_variable(configuration):
    golden = load_golden(configuration)
    errors = errors_of_all_configurations()[configuration]

    assert errors["gradients"].keys() == set(golden["trainable"])
    assert errors["gradients"].keys() | errors["updated"].keys() == set(golden["names"])


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_stored_update_moved_every_statistic(configuration):
    # Otherwise a model that never updates its statistics would match as well.
    golden = load_golden(configuration)

    for name in names_below(golden, "updated"):
        moved = relative_error(golden["weights/" + name], golden["updated/" + name])
        assert moved > TOLERANCE, name


def test_the_golden_file_holds_these_configurations():
    with np.load(GOLDEN_PATH) as golden:
        found = {key.split("/")[0] for key in golden.files}

    assert found == set(CONFIGURATIONS)


def print_largest_errors():
    print(f"{'configuration':<16}" + "".join(f"{q:>18}" for q in QUANTITIES))
    largest = dict.fromkeys(QUANTITIES, 0.0)
    for configuration, quantities in errors_of_all_configurations().items():
        row = {quantity: max(quantities[quantity].values()) for quantity in QUANTITIES}
        largest = {quantity: max(largest[quantity], row[quantity]) for quantity in row}
        print(f"{configuration:<16}" + "".join(f"{row[q]:>18.2e}" for q in QUANTITIES))
    print(f"{'largest':<16}" + "".join(f"{largest[q]:>18.2e}" for q in QUANTITIES))


if __name__ == "__main__":
    if sys.argv[1:] == ["--json"]:
        print(json.dumps({name: compute_errors(name) for name in CONFIGURATIONS}))
    else:
        print_largest_errors()
