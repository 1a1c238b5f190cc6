"""Families: a name is a task, splits, episodes from seeds, and the default family's promises."""

from __future__ import annotations

import collections
import pathlib

import numpy as np
import pytest

import gin
from learned_lr.trainees import families
from learned_lr.trainees.families import Family, parse
from learned_lr.trainees.tasks import QuadraticTask, Task

DEFAULT = pathlib.Path(__file__).resolve().parents[2] / "gin/families/default.gin"
UNSEEN = {"mixer", "recurrent", "dense_blocks", "inverted_blocks"}


@pytest.fixture(scope="module", name="default")
def _default():
    gin.clear_config()
    gin.parse_config_file(str(DEFAULT))
    family = gin.get_configurable(Family)()
    gin.clear_config()
    return family


def test_a_name_is_a_task():
    name = "cifar10-p2-n5000-noise20-standardized-cnn_dropout-w12-adamw-decay5-b64-s800"
    assert parse(name, 25) == Task(
        name,
        "cifar10",
        "cnn_dropout",
        batch_size=64,
        num_trainee_steps=800,
        trainee_steps_per_action=32,
        num_train_images=5000,
        num_validation_images=2000,
        width=12,
        input_scaling="standardized",
        optimizer="adamw",
        weight_decay=0.05,
        pooling=2,
        label_noise=0.2,
    )
    assert parse("digits-mlp-b8-s50", 10) == Task(
        "digits-mlp-b8-s50",
        "digits",
        "mlp",
        batch_size=8,
        num_trainee_steps=50,
        trainee_steps_per_action=5,
        num_validation_images=500,
    )
    assert parse("teacher_4_2_0-v30-mlp-b8-s50", 5).num_validation_images == 30
    assert parse("quadratic-d4-noise25-s50", 5) == QuadraticTask(
        "quadratic-d4-noise25-s50", 50, 10, 4, 0.25
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digits-mlp-b8", "to name its num_trainee_steps"),
        ("mlp-s50", "to name its batch_size, dataset"),
        ("digits-mlpp-b8-s50", r"found 'mlpp' \(did you mean 'mlp'\?\)"),
        ("digits-mlp-b8-s50-x3", "found 'x3'"),
        ("digits-mlp-cnn-b8-s50", "Expected one model .*found 'cnn' beside 'mlp'"),
        ("digits-mlp-b8-s51", "a multiple of 5 decisions, found 51"),
        ("digits-mlp-b0-s50", "task.batch_size to be an integer >= 1, found 0"),
        ("quadratic-b8-s50", "found 'b8'"),
        ("mnist-mlp-b8-s50", "found 'mnist'"),
        ("digits-mlp-decay5-b8-s50", "adamw beside a weight decay .* found adam,"),
        ("digits-mlp-sgd-decay5-b8-s50", "found sgd, which has none"),
    ],
)
def test_names_that_are_no_task(name, message):
    with pytest.raises(ValueError, match=message):
        parse(name, 5)


def test_splits():
    family = Family("toys", ["quadratic-s5"], ("quadratic-s10",), ["quadratic-s15"], 5)
    found = family.tasks("held_out", "training")
    assert [(m.name, m.split, m.task.num_trainee_steps) for m in found] == [
        ("quadratic-s15", "held_out", 15),
        ("quadratic-s5", "training", 5),
    ]
    assert {member.task.num_decisions for member in family.tasks("selection")} == {5}
    with pytest.raises(ValueError, match=r"Expected splits out of .* found \['test'\]"):
        family.tasks("test")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "found none"),
        (
            {"training": ["quadratic-s25"], "held_out": ["quadratic-s25"]},
            r"\['quadratic-s25'\] twice",
        ),
        (
            {"training": ["quadratic-d4-s25"], "held_out": ["quadratic-s25-d4"]},
            "found one as 'quadratic-d4-s25' and 'quadratic-s25-d4'",
        ),
        (
            {
                "selection": ["digits-mlp-adam-b8-s25"],
                "held_out": ["digits-mlp-v500-b8-s25"],
            },
            "found one as 'digits-mlp-adam-b8-s25' and 'digits-mlp-v500-b8-s25'",
        ),
        ({"training": ["quadratic-s26"]}, "a multiple of 25 decisions"),
        (
            {"training": ["quadratic-s25"], "max_multiplier": 0.5},
            "max_multiplier >= 1, found 0.5",
        ),
        (
            {"training": ["quadratic-s25"], "num_decisions": 0},
            "family.num_decisions >= 1, found 0",
        ),
    ],
)
def test_families_that_cannot_be(values, message):
    with pytest.raises(ValueError, match=message):
        Family("toys", **values)


def test_hidden_multipliers_are_log_uniform():
    drawn = [families.draw_multiplier(4.0, seed) for seed in range(700)]
    logs = np.log(drawn) / np.log(4)
    # Uniform in [-1, 1].
    assert -1 <= logs.min() < -0.98 and 0.98 < logs.max() <= 1
    assert np.mean(logs) == pytest.approx(0, abs=0.07)
    assert np.var(logs) == pytest.approx(1 / 3, abs=0.03)
    assert families.draw_multiplier(1.0, 5) == 1.0


def test_the_default_family_is_split_by_network_and_data_set(default):
    sizes = {split: len(default.tasks(split)) for split in families.SPLITS}
    assert sizes["training"] >= 100 and sizes["selection"] >= 12
    assert sizes["held_out"] >= 20
    pairs = collections.defaultdict(set)
    for _, task, split in default.tasks(*families.SPLITS):
        pairs[split].add((task.model, task.dataset.partition("_")[0]))
    first, second, third = (pairs[split] for split in families.SPLITS)
    assert not first & second and not first & third and not second & third
    assert UNSEEN <= {model for model, _ in third}
    assert not UNSEEN & {model for model, _ in first | second}
    # Those that judge are in no split.
    assert {data for _, data in first | second | third} == {
        "cifar10",
        "digits",
        "fashion",
        "patterns",
        "teacher",
    }


def test_the_default_family_is_of_many_kinds(default):
    tasks = [member.task for member in default.tasks("training")]
    steps = np.array([task.num_trainee_steps for task in tasks])
    assert steps.min() >= 100 and steps.max() <= 2000
    # About log-uniform: a third in each third of [100, 2000] in logarithms.
    thirds = np.histogram(np.log(steps / 100) / np.log(20), 3, (0, 1))[0]
    assert thirds.min() > 0.2 * len(tasks)
    batch_sizes = {task.batch_size for task in tasks}
    assert batch_sizes == {32, 64, 128, 256}
    optimizers = collections.Counter(task.optimizer for task in tasks)
    assert set(optimizers) == {"adam", "adamw", "rmsprop", "sgd"}
    assert min(optimizers.values()) >= 10
    assert len({task.model for task in tasks}) >= 15
    assert 0.2 < np.mean([task.label_noise > 0 for task in tasks]) < 0.5
    assert {task.num_decisions for task in tasks} == {25}
