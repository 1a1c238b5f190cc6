"""The comparison with Schedule-Free, Prodigy and cosines: keys and tables anywhere, runs where PyTorch is."""

from __future__ import annotations

import csv
import dataclasses
import math

import numpy as np
import pytest

from benchmarks import peer_data, peers
from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.controller import Controller
from learned_lr.control.controller_spec import ControllerSpec
from learned_lr.control.observations import ObservationSpec
from learned_lr.trainees.datasets import Dataset

KINDS = ("cosine", "schedule-free", "prodigy")
LOSS_FEATURES = ("train_loss", "validation_loss", "learning_rate", "progress")


def _row(task, contender, loss, seed=peers.CALIBRATION_SEED, controller=""):
    figures = {"best_validation_loss": loss, "test_loss": loss}
    figures.update(test_accuracy=0.5, cpu_sec=2.0)
    key = dict(zip(peers.KEY, (task, contender, controller, seed)))
    return {name: str(value) for name, value in {**key, **figures}.items()}


def _calibration(task, best):
    """Rows of both grids on the seed for that; `best` is a peak of each kind by name."""
    return [
        _row(task, f"{kind} {rate}", 1.0 + math.log(rate / best[kind]) ** 2 / 10)
        for kind, rates in peers.GRIDS.items()
        for rate in rates
    ]


@pytest.fixture
def rows():
    """Two tasks whose best peaks differ: 0.001 and 0.01, so that 0.003 is best for both together."""
    found = _calibration("a", {"cosine": 0.001, "schedule-free": 0.03})
    found += _calibration("b", {"cosine": 0.01, "schedule-free": 0.03})
    for seed in (0, 1):
        for task, tuned in (("a", "cosine 0.001"), ("b", "cosine 0.01")):
            found += [
                _row(task, peers.LEARNED, 0.96, seed, "new@1"),
                _row(task, peers.LEARNED, 7.0, seed, "old@2"),
                _row(task, peers.SCHEDULE_FREE, 1.98 + seed, seed),
                _row(task, "schedule-free 0.03", 1.98, seed),
                _row(task, peers.PRODIGY, 3.98, seed),
                _row(task, "cosine 0.003", 1.48 if task == "a" else 1.98, seed),
                _row(task, peers.CONSTANT, 1.98, seed),
                _row(task, tuned, 1.98, seed),
            ]
    return found


def test_peaks_are_picked_on_the_seed_for_that(rows):
    assert peers.calibrated(rows, "cosine", ["a"]) == "cosine 0.001"
    assert peers.calibrated(rows, "cosine", ["b"]) == "cosine 0.01"
    assert peers.calibrated(rows, "cosine", ["a", "b"]) == "cosine 0.003"
    assert peers.calibrated(rows, "schedule-free", ["a", "b"]) == "schedule-free 0.03"


def test_table(rows):
    compared = peers.contenders(rows, ["a", "b"], KINDS, "new@1")
    regrets, losses = peers.tables_of(rows, compared, 2).split("\n\n")
    cells = {
        line[0]: line[1:]
        for line in (
            [cell.strip() for cell in text.strip("|").split("|")]
            for text in regrets.splitlines()[2:]
        )
    }
    # log((0.96 + 0.02) / (1.98 + 0.02)), of the controller that was asked for.
    assert cells["learned (new@1)"] == ["-0.713", "-0.713 to -0.713", "-0.713", "2.00"]
    assert cells["Prodigy, cosine"][0] == "0.693"
    assert cells["cosine, calibrated at 0.003"][::2] == ["-0.144", "0.000"]
    assert cells["Schedule-Free AdamW, calibrated at 0.03"][0] == "0.000"
    # Over both seeds: the mean of log(2 / 2) and log(3 / 2).
    assert cells["Schedule-Free AdamW 0.0025"][0] == "0.203"
    assert cells[peers.REFERENCE] == ["0.000", "0.000 to 0.000", "0.000", "2.00"]
    first, second = losses.splitlines()[2:]
    assert first.startswith("| a ") and "1.980 (0.000) at 0.001" in first
    assert "2.480 (0.707)" in first  # The seeds' losses are 1.98 and 2.98.
    assert second.startswith("| b ") and "1.980 (0.000) at 0.01 " in second


def test_rivals_alone(rows):
    compared = peers.contenders(rows, ["a", "b"], ("cosine",), "")
    assert list(compared) == ["cosine, calibrated", "AdamW 0.001", peers.REFERENCE]


def test_tasks_say_what_they_are():
    assert "cifar10-n8000-lenet5-b64-s300" in peers.TASKS
    assert "cifar10-p2-n16000-mlp_deep-b64-s600" in peers.TASKS


def _controller(features):
    spec = ControllerSpec(
        network="mlp",
        num_units=4,
        activation="tanh",
        observation=ObservationSpec(features=features, transform="relative"),
        scaling=LearningRateScaling(),
        initial_learning_rate=0.001,
        base_schedule=BaseSchedule(),
        num_trainee_steps=25,
        trainee_steps_per_action=1,
    )
    shapes = spec.weight_shapes()
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    weights["normalizer_variance"] += 1
    weights["action_deviation"] += 1
    return Controller(spec, weights)


def test_label_changes_with_weights_and_spec():
    controller = _controller(LOSS_FEATURES)
    label = peers.label_of("folders/mine", controller)
    assert label.startswith("mine@") and len(label) == len("mine@") + 8
    assert peers.label_of("mine", _controller(LOSS_FEATURES)) == label
    other_spec = dataclasses.replace(controller.spec, initial_learning_rate=0.002)
    other = Controller(other_spec, controller.weights)
    assert peers.label_of("mine", other) != label
    mean = np.ones(len(LOSS_FEATURES))
    other = controller.with_normalizer(mean, mean)
    assert peers.label_of("mine", other) != label


def test_controllers_that_need_more_than_losses_are_refused():
    peers.check(_controller(LOSS_FEATURES))
    with pytest.raises(ValueError, match="no kernel, found .* final_kernel_mean"):
        peers.check(_controller(("validation_loss", "final_kernel_mean")))


def _data(name):
    """Random images, and labels that follow from their brightness."""
    rng = np.random.default_rng(0)
    side, channels = (32, 3) if name == "cifar10" else (28, 1)
    arrays = {}
    for part, num in (("train", 128), ("validation", 40), ("test", 60)):
        labels = rng.integers(10, size=num).astype(np.int32)
        noise = rng.integers(20, size=(num, side, side, channels))
        images = noise + 20 * labels[:, None, None, None]
        arrays[f"{part}_images"] = images.astype(np.uint8)
        arrays[f"{part}_labels"] = labels
    return Dataset(name=name, num_classes=10, **arrays)


def _run(contender, task_name="fashion_mnist-p2-n4000-dense_blocks-b64-s300"):
    pytest.importorskip("torch")
    from benchmarks import peer_runs

    package = peers.PACKAGES.get(contender.partition(" ")[0])
    if package:
        pytest.importorskip(package)
    task = peers.TASKS[task_name]
    controller = _controller(LOSS_FEATURES) if contender == peers.LEARNED else None
    data = _data(task.dataset)
    return peer_runs.run(task, contender, 0, data, controller, num_steps=10)


CONTENDERS = (
    peers.LEARNED,
    peers.SCHEDULE_FREE,
    peers.PRODIGY,
    peers.CONSTANT,
    "cosine 0.01",
)


@pytest.mark.parametrize("contender", CONTENDERS)
def test_ten_steps_of_each_contender_repeat(contender):
    found, again = _run(contender), _run(contender)
    assert set(found) == set(peers.FIGURES)
    for name in peers.FIGURES[:3]:
        assert found[name] == again[name]
    assert found["best_validation_loss"] < 2.6 and found["test_loss"] < 2.6
    assert found["cpu_sec"] > 0


@pytest.mark.parametrize("task", peers.TASKS)
def test_each_network_learns(task):
    losses = [_run(name, task)["test_loss"] for name in ("cosine 1e-7", "cosine 0.01")]
    assert losses[1] < losses[0]


def test_a_controller_that_never_moves_is_its_base_schedule():
    # Its weights are zeros, so that the level stays 0.001.
    learned, cosine = _run(peers.LEARNED), _run("cosine 0.001")
    assert learned["test_loss"] == pytest.approx(cosine["test_loss"], rel=1e-5)


def test_a_controller_is_told_the_losses_of_its_interval(monkeypatch):
    pytest.importorskip("torch")
    from benchmarks import peer_runs

    told = []
    observe = peer_runs.ControlLoop.observe

    def observe_and_tell(loop, train_loss, validation_loss, training_step):
        told.append((train_loss, validation_loss, training_step))
        return observe(loop, train_loss, validation_loss, training_step=training_step)

    monkeypatch.setattr(peer_runs.ControlLoop, "observe", observe_and_tell)
    _run(peers.LEARNED)
    assert [step for *_, step in told] == list(range(10))
    assert told[0][0] == told[0][1]
    assert all(train != validation for train, validation, _ in told[1:])


def test_an_explosion_does_not_end_a_controlled_run():
    torch = pytest.importorskip("torch")
    from benchmarks import peer_runs

    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    images, labels = torch.ones(3, 1, 2, 2), torch.tensor([0, 1, 1])
    parts = dict.fromkeys(("train", "validation", "test"), (images, labels))
    optimizer = torch.optim.AdamW(model.parameters())
    trained = peer_runs._Trained(model, optimizer, parts)
    rate_fn = peer_runs._LearnedRates(_controller(LOSS_FEATURES), trained, 25)
    first = rate_fn(0)
    rate_fn.train_losses.append(math.nan)
    with torch.no_grad():
        model[1].weight.fill_(math.nan)
    assert math.isfinite(trained.measure(0))  # A step is measured once.
    braked = rate_fn(1)
    assert 0 < braked < first
    assert torch.isfinite(model[1].weight).all()
    assert trained.test()[0] == trained.best_loss


def test_schedule_free_measures_the_averaged_weights():
    """And with batch statistics of those weights, not of the ones that gradients are taken at."""
    torch = pytest.importorskip("torch")
    schedulefree = pytest.importorskip("schedulefree")
    from benchmarks import peer_runs

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 2), torch.nn.BatchNorm2d(3), torch.nn.Flatten()
    )
    images, labels = torch.randn(12, 1, 2, 2), torch.arange(12) % 3
    parts = dict.fromkeys(("train", "validation", "test"), (images, labels))
    optimizer = schedulefree.AdamWScheduleFree(model.parameters(), lr=0.1)
    trained = peer_runs._Trained(model, optimizer, parts)
    for _ in range(5):
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    gradient_weights = model[0].weight.detach().clone()
    trained.measure(5)
    assert torch.equal(model[0].weight, gradient_weights)
    assert model.training and optimizer.param_groups[0]["train_mode"]
    best = trained.best_weights
    assert not torch.allclose(best["0.weight"], gradient_weights)
    outputs = torch.nn.functional.conv2d(images, best["0.weight"], best["0.bias"])
    assert torch.allclose(best["1.running_mean"], outputs.mean((0, 2, 3)), atol=1e-6)


def test_main_resumes(tmp_path, capsys):
    pytest.importorskip("torch")
    task = peers.TASKS["fashion_mnist-p2-n16000-recurrent-b64-s400"]
    data = dataclasses.asdict(_data(task.dataset))
    arrays = {k: v for k, v in data.items() if k.endswith(("images", "labels"))}
    np.savez(tmp_path / "fashion_mnist.npz", **arrays)
    _controller(LOSS_FEATURES).save(tmp_path / "mine")
    arguments = [
        f"--data_dir={tmp_path}",
        f"--out_dir={tmp_path}/out",
        f"--tasks={task.name}",
        "--num_steps=3",
        "--num_seeds=2",
    ]
    peers.main([*arguments, "--only_rivals"])
    with open(tmp_path / "out" / "runs.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    keys = {tuple(row[name] for name in peers.KEY) for row in rows}
    assert len(keys) == len(rows) and "learned" not in {
        row["contender"] for row in rows
    }
    capsys.readouterr()
    peers.main([*arguments, f"--controller={tmp_path}/mine"])
    done = [line for line in capsys.readouterr().out.splitlines() if task.name in line]
    assert [line.partition(", ")[2][:13] for line in done[:2]] == ["learned, mine"] * 2
    assert len(done) == 3  # The third is the table's row.
    table = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "| learned (mine@" in table and f"| {task.name} |" in table


def test_data_that_was_not_written_says_how(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m benchmarks.peer_data"):
        peer_data.load(str(tmp_path), "cifar10")
