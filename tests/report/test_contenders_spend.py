"""What a contender of the paper's rows had cost on its task: what is known, what isn't, and what came before it."""

from __future__ import annotations

import json

import pytest
from hand_made_contenders import (
    EVALUATE,
    SOURCES,
    TASK,
    contenders_rows,
    make_evaluation,
    make_run,
    make_searches,
)


def test_searches_that_are_not_there_leave_the_spend_open(tmp_path):
    make_evaluation(tmp_path)
    values, shown = contenders_rows(tmp_path)
    for role in ("winner of the grid", "a controller"):
        row = values["fashion_mnist", "lenet5", role]
        assert row["search_runs"] == row["gradient_samples"] == ""
        assert shown["fashion_mnist", "lenet5", role][-3:] == ["–"] * 3


def test_a_controller_of_unknown_training_is_not_free(tmp_path):
    path = "train/fashion_mnist_lenet5/tuned/controller"
    make_evaluation(tmp_path, EVALUATE.replace(path, "elsewhere/controller"))
    make_searches(tmp_path)
    values, _ = contenders_rows(tmp_path)
    row = values["fashion_mnist", "lenet5", "a controller"]
    assert (row["schedule"], row["gradient_samples"]) == ("tuned", "")


def test_one_of_the_package_that_was_trained_on_the_task_is_not_free(
    tmp_path, monkeypatch
):
    config = EVALUATE.replace("'default'\ntuned/", "'fashion_mnist_lenet5'\ntuned/")
    monkeypatch.setitem(SOURCES, "default", [TASK])
    make_evaluation(tmp_path, config)
    values, shown = contenders_rows(tmp_path)
    key = (
        "fashion_mnist",
        "lenet5",
        "the package's fashion_mnist_lenet5, trained on fashion_mnist_lenet5",
    )
    assert values[key]["gradient_samples"] == "" and shown[key][-3:] == ["–"] * 3


def test_of_several_controllers_each_has_its_spend(tmp_path):
    config = EVALUATE.replace("@tuned/controller", "@tuned/controllers")
    config = config.replace("tuned/controller.label", "tuned/controllers.label")
    paths = [f"train/fashion_mnist_lenet5/{n}/controller" for n in ("tuned", "second")]
    config += f"tuned/controllers.paths = {tuple(paths)}\n"
    make_evaluation(tmp_path, config)
    make_searches(tmp_path)
    second = "train.initial_controller = 'default'\n"
    path = tmp_path / "train" / TASK / "second"
    make_run(path, second, num_runs=30, num_gradient_samples=30e6)
    values, shown = contenders_rows(tmp_path)
    key = "fashion_mnist", "lenet5", "fine-tuned from the default"
    assert float(values[key]["gradient_samples"]) == 25e6
    assert shown[key][-3:] == ["2 x 25", "25.0", "0.31"]


SECOND = f"train.initial_controller = 'train/{TASK}/first/controller'\n"


@pytest.mark.parametrize(
    ("first", "config", "spend"),
    [
        (None, SECOND, ("", "")),
        (TASK, SECOND, (50.0, 45e6)),
        ("cifar10_lenet5", SECOND, (20.0, 20e6)),
        (TASK, SECOND.replace(f"train/{TASK}/first/controller", TASK), ("", "")),
        ("a", SECOND.replace(f"train/{TASK}/first/controller", TASK), (20.0, 20e6)),
    ],
)
def test_what_a_controller_was_trained_from_counts(tmp_path, first, config, spend):
    """Of the same task; not of another; and what isn't known isn't free."""
    make_evaluation(tmp_path)
    make_searches(tmp_path)
    tuned = tmp_path / "train" / TASK / "tuned"
    (tuned / "operative_config.gin").write_text(config)
    if first is not None:
        results = {"num_runs": 30, "num_gradient_samples": 25e6, "task": first}
        make_run(tmp_path / "train" / TASK / "first", "", **results)
        (tuned / "initial_controller").mkdir()
        spec = json.dumps({"source_tasks": [first]})
        (tuned / "initial_controller" / "spec.json").write_text(spec)
    values, _ = contenders_rows(tmp_path)
    (row,) = (row for row in values.values() if row.get("schedule") == "tuned")
    found = tuple(row[name] for name in ("search_runs", "gradient_samples"))
    assert found == tuple(map(str, spend))


def test_a_grid_of_the_task_at_another_length_is_no_search_on_it(tmp_path):
    config = EVALUATE + "task.num_trainee_steps = 1000\n"
    make_evaluation(tmp_path, config)
    make_searches(tmp_path)
    network = "lenet5, num_trainee_steps = 1000"
    values, _ = contenders_rows(tmp_path)
    row = values["fashion_mnist", network, f"winner of the grid on {TASK}, moved over"]
    assert float(row["search_runs"]) == float(row["gradient_samples"]) == 0
    (tmp_path / "baseline" / TASK / "grid" / "operative_config.gin").write_text(
        "baseline.families = [@step_decay]\ntask.num_trainee_steps = 1000\n"
    )
    values, _ = contenders_rows(tmp_path)
    row = values["fashion_mnist", network, "winner of the grid"]
    assert float(row["search_runs"]) == 57


@pytest.mark.parametrize("is_absolute", [False, True])
def test_a_grid_is_known_by_any_name_of_its_folder(tmp_path, is_absolute):
    folder = "baseline/fashion_mnist_lenet5/grid"
    other = f"{tmp_path}/{folder}" if is_absolute else f"{folder}/"
    make_evaluation(tmp_path, EVALUATE.replace(f"'{folder}'", f"'{other}'"))
    make_searches(tmp_path)
    values, _ = contenders_rows(tmp_path)
    row = values["fashion_mnist", "lenet5", "winner of the grid"]
    assert float(row["search_runs"]) == 57
