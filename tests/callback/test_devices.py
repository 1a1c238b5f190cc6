"""Several devices and several processes: one decision for all, or a refusal before the first step."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from learned_lr import LearnedLearningRate
from learned_lr.callback import backends, devices, refusals

_FOLDER = pathlib.Path(__file__).parent
_ROOT = _FOLDER.parent.parent
_KINDS = {
    "tensorflow": ["mirrored"],
    "jax": ["data_parallel", "model_parallel"],
    "torch": [],
}


def _run(kind, folder):
    process = subprocess.run(
        [sys.executable, str(_FOLDER / "distributed_training.py"), kind, str(folder)],
        env={**os.environ, "PYTHONPATH": str(_ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.smoke
@pytest.mark.parametrize("kind", _KINDS[backends.name()])
def test_two_devices(kind, tmp_path):
    found = _run(kind, tmp_path)
    # Every step of every device trained at the planned rate, which moves.
    planned = np.array(found["every_step"]["planned"])
    assert len(set(planned)) > 30
    assert len(found["every_step"]["trained"]) == 2
    for trained in found["every_step"]["trained"]:
        np.testing.assert_allclose(trained, planned, rtol=1e-6)
    assert found["parts"] == ([8, 8] if kind == "model_parallel" else [4, 4])
    # What is measured is what `evaluate` finds.
    measured, evaluated = found["brake"]["losses"]
    assert measured == pytest.approx(evaluated, rel=1e-6)
    (measured, evaluated), predictions = found["own_loss"]
    assert measured == pytest.approx(evaluated, rel=1e-6)
    np.testing.assert_allclose(*predictions, rtol=1e-5)
    # The brake puts every copy back, where it was.
    brake = found["brake"]
    assert brake["num_explosions"] == 3
    assert brake["is_as_before"] and brake["is_finite"] and brake["is_placed_as_before"]
    assert set(brake["num_copies"]) == {2}
    # A training that was killed goes on with the state that fits its weights; its decisions are those of one device.
    assert "000000000030.npz" in found["states"]["kept"]
    np.testing.assert_allclose(found["states"]["rates"], found["alone"], rtol=1e-4)


@pytest.mark.smoke
@pytest.mark.backends("tensorflow")
def test_workers_of_a_strategy_are_refused(tmp_path):
    found = _run("multi_worker", tmp_path)
    assert "found MultiWorkerMirroredStrategy, where each would decide" in found


@pytest.mark.smoke
@pytest.mark.backends("jax", "torch")
def test_several_processes_are_refused(tmp_path):
    """Two real ones, each of which calls `fit`."""
    address = tmp_path / "address"
    processes = [
        subprocess.Popen(
            [sys.executable, str(_FOLDER / "several_processes.py"), str(address), str(rank)],
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    for process in processes:
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert f"found 2 processes of {backends.name()}.distributed" in output
        assert "0 updates" in output


def test_one_process_passes(compiled):
    refusals.check_processes(compiled())


@pytest.mark.parametrize(
    ("num_rows", "num_parts", "sizes"),
    [(8, 2, [4, 4]), (101, 4, [26, 25, 25, 25]), (3, 3, [1, 1, 1])],
)
def test_every_row_is_in_one_part(num_rows, num_parts, sizes):
    rows = list(range(num_rows))
    parts = [rows[devices._rows(num_rows, num_parts, i)] for i in range(num_parts)]
    assert [len(part) for part in parts] == sizes
    assert [row for part in parts for row in part] == rows


def test_fewer_rows_than_devices_go_to_each():
    assert devices._rows(1, 2, 1) == slice(None)


def test_one_device_takes_data_as_they_are(compiled):
    data = (np.ones((4, 8, 8, 1)), None)
    assert devices.strategy(compiled()) is None
    found = devices.split(compiled(), data)
    assert found[0] is data[0] and found[1] is None


@pytest.mark.backends("tensorflow")
@pytest.mark.parametrize("is_inside", [True, False])
def test_a_strategy_of_one_device(digits, compiled, is_inside):
    """Its metrics are updated by nothing but itself; the rates are those without it."""
    import tensorflow as tf

    x, y, *validation = digits
    rates = []
    for strategy in (
        tf.distribute.get_strategy(),
        tf.distribute.MirroredStrategy(["/cpu:0"]),
    ):
        callback = LearnedLearningRate(verbose=0)
        with strategy.scope():
            model = compiled(metrics=["accuracy"])
        with strategy.scope() if is_inside else contextlib.nullcontext():
            model.fit(
                *(x, y),
                batch_size=64,
                shuffle=False,
                validation_data=tuple(validation),
                callbacks=[callback],
                verbose=0,
            )
        rates.append(callback.schedule.learning_rates)
    np.testing.assert_allclose(rates[1], rates[0], rtol=1e-3)
