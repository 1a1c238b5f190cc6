"""The paper's rows: what each contender is, what it came to, what it cost, and what was not run."""

from __future__ import annotations

import csv
import json
import pathlib

import pytest
from hand_made_contenders import (
    EVALUATE,
    LOSSES,
    SOURCES,
    TASK,
    contenders_rows,
    make_evaluation,
    make_run,
    make_searches,
)

from learned_lr.control import pretrained
from learned_lr.report import contenders, paper_rows, statistics
from learned_lr.trainees import families, spend, tasks

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def everything(tmp_path):
    """The table of a root directory with all contenders of one task."""
    make_evaluation(tmp_path)
    make_searches(tmp_path)
    return contenders_rows(tmp_path)


def test_each_contender_has_its_role_and_its_spend(everything):
    values, shown = everything
    own = {key[2]: value for key, value in values.items() if key[1] == "lenet5"}
    expected = {
        "winner of the grid": (57, 80e6, 1.0),
        "best cosine of a search": (57, 76e6, 0.95),
        "the default, without a run here": (0, 0.0, 0.0),
        "fine-tuned from the default": (20, 20e6, 0.25),
        "the paper's recipe from scratch": (52, None, None),
        "winner of the grid on cifar10_lenet5, moved over": (0, 0.0, 0.0),
        "fine-tuned from the default on cifar10_lenet5, frozen": (0, 0.0, 0.0),
    }
    assert list(own) == list(expected)
    for role, (num_runs, samples, ratio) in expected.items():
        row = own[role]
        assert float(row["search_runs"]) == num_runs
        for column, value in (("gradient_samples", samples), ("of_the_grid", ratio)):
            assert row[column] == "" if value is None else float(row[column]) == value
    row = shown["fashion_mnist", "lenet5", "best cosine of a search"]
    assert row[-3:] == ["57", "76.0", "0.95"]
    assert shown["fashion_mnist", "lenet5", "the paper's recipe from scratch"][-3:] == [
        *("52", "–", "–")
    ]


def test_figures_are_paired_with_the_grids_winner(everything):
    values, shown = everything
    key = ("fashion_mnist", "lenet5", "fine-tuned from the default")
    row, losses = (
        values[key],
        [LOSSES[name][1] for name in ("tuned", next(iter(LOSSES)))],
    )
    expected = statistics.compare(*losses)
    assert float(row["test_loss"]) == expected.mean
    assert float(row["test_loss_difference"]) == expected.difference
    p_values = [
        statistics.compare(sample, losses[1]).p_paired for _, sample in LOSSES.values()
    ]
    holm = statistics.holm(p_values)[list(LOSSES).index("tuned")]
    assert float(row["test_loss_p"]) == pytest.approx(holm)
    assert holm > statistics.compare(*losses).p_paired
    cells = shown[key]
    assert cells[:3] == ["tuned", "3", "0.3333 ± 0.0722"]
    assert cells[3].startswith("-0.2917 [-0.") and cells[4] == f"{holm:.2g}"
    winner = shown["fashion_mnist", "lenet5", "winner of the grid"]
    assert winner[0] == "best of grid: step decay 0.01, 50, 0.9"
    assert winner[2:5] == ["0.6250 ± 0.1250", "–", "–"]


def test_against_another_schedule_no_difference_is_shown(tmp_path):
    make_evaluation(tmp_path, reference="constant 0.1")
    _, shown = contenders_rows(tmp_path)
    cells = shown["fashion_mnist", "lenet5", "best cosine of a search"]
    assert cells[2:5] == ["0.5417 ± 0.0722", "–", "–"]


def test_what_is_not_run_is_named(tmp_path):
    config = EVALUATE.replace("     @tuned/controller,\n", "")
    make_evaluation(tmp_path, config.replace("     @cosine/best_of_grid,\n", ""))
    make_searches(tmp_path)
    _, shown = contenders_rows(tmp_path)
    missing = {key for key, cells in shown.items() if cells[1] == "not run"}
    roles = ("best cosine of a search", "fine-tuned from the default")
    pairs = [(d, n) for d in ("fashion_mnist", "cifar10") for n in ("cnn", "resnet18")]
    assert missing == {
        *((*pair, "ours") for pair in pairs),
        *(("fashion_mnist", "lenet5", role) for role in roles),
    }


@pytest.mark.parametrize(
    ("families", "role"),
    [
        ("@random_search", "best of a random search"),
        ("@step_decay, @cosine", "best of a search over families"),
    ],
)
def test_other_searches_are_no_grid_of_the_papers(tmp_path, families, role):
    make_evaluation(tmp_path)
    for name in ("grid", "cosines"):
        config = f"baseline.families = [{families}]\n"
        make_run(tmp_path / "baseline" / TASK / name, config, num_runs=48)
    values, shown = contenders_rows(tmp_path)
    assert role in {key[2] for key in values if key[1] == "lenet5"}
    for missing in ("winner of the grid", "best cosine of a search"):
        assert shown["fashion_mnist", "lenet5", missing][1] == "not run"


@pytest.mark.parametrize(
    ("kind", "config", "role"),
    [
        ("constant", "baseline.families = [@constant_rate]\n", "best of a search over constant"),
        ("linear", "baseline.families = [@linear]\n", "best of a search over linear"),
        ("step_decay", None, "winner of a search that isn't here"),
        (
            "step_decay",
            "baseline.families = [@dense/step_decay]\ndense/step_decay.initial_learning_rates = (0.3, 0.1)\n",
            "winner of a grid of 24 step decays",
        ),
        ("step_decay", "baseline.families = [@all/step_decay]\n", "winner of the grid"),
    ],
)  # fmt: skip
def test_a_search_is_named_by_what_it_searched(tmp_path, kind, config, role):
    make_evaluation(tmp_path)
    path = tmp_path / "evaluate" / TASK / "run" / "schedules.json"
    described = json.loads(path.read_text())
    described["best of grid: step decay 0.01, 50, 0.9"]["kind"] = kind
    path.write_text(json.dumps(described))
    if config is not None:
        make_run(tmp_path / "baseline" / TASK / "grid", config, num_runs=48)
    values, _ = contenders_rows(tmp_path)
    (key,) = (k for k, v in values.items() if v.get("schedule", "").startswith("best of grid"))  # fmt: skip
    assert key[2] == role


def test_two_searches_of_one_label_keep_their_spend(tmp_path):
    config = EVALUATE.replace("'best cosine'", "'best of grid'")
    make_evaluation(tmp_path, config)
    evaluation = tmp_path / "evaluate" / TASK / "run"
    for file in evaluation.iterdir():
        text = file.read_text().replace("best cosine: ", "best of grid: ")
        file.write_text(text)
    for name, best, num_runs in (
        ("grid", "step decay 0.01, 50, 0.9", 57),
        ("cosines", "cosine 0.01", 6),
    ):
        family = best.split(" 0")[0].replace(" ", "_")
        make_run(
            tmp_path / "baseline" / TASK / name,
            f"baseline.families = [@{family}]\n",
            best=best,
            num_runs=num_runs,
        )
    values, _ = contenders_rows(tmp_path)
    found = {v["schedule"]: v["search_runs"] for v in values.values() if v["schedule"].startswith("best of grid")}  # fmt: skip
    assert found == {
        "best of grid: step decay 0.01, 50, 0.9": "57.0",
        "best of grid: cosine 0.01": "6.0",
    }


def test_what_two_evaluations_have_is_shown_once(tmp_path):
    make_evaluation(tmp_path)
    first = (
        "evaluate.families = [@best_of_grid, @controller]\n"
        + EVALUATE.partition("]")[2]
    )
    make_evaluation(tmp_path, first, folder="a_first")
    make_searches(tmp_path)
    values, _ = contenders_rows(tmp_path)
    roles = [key[2] for key in values if key[1] == "lenet5"]
    assert len(roles) == 7
    text = (tmp_path / "report" / "contenders.csv").read_text(encoding="utf-8")
    assert text.count("the default, without a run here") == 1


def test_two_trainings_of_one_label_are_two_contenders(tmp_path, monkeypatch):
    make_evaluation(tmp_path)
    monkeypatch.setitem(SOURCES, "tuned", [TASK, "another"])
    make_evaluation(tmp_path, folder="second")
    make_searches(tmp_path)
    contenders_rows(tmp_path)
    text = (tmp_path / "report" / "contenders.csv").read_text(encoding="utf-8")
    assert text.count("fine-tuned from the default,") == 2
    assert text.count("the default, without a run here") == 1


def test_a_denser_grid_is_another(tmp_path):
    make_evaluation(tmp_path)
    make_searches(tmp_path)
    path = tmp_path / "baseline" / TASK / "grid" / "operative_config.gin"
    paper = "step_decay.initial_learning_rates = (0.0001, 0.001, 0.01, 0.1)\n"
    for rates, role in (
        (paper, "winner of the grid"),
        (paper.replace("(", "(0.3, "), "winner of a grid of 60 step decays"),
    ):
        path.write_text(f"baseline.families = [@step_decay]\n{rates}")
        values, _ = contenders_rows(tmp_path)
        key = "fashion_mnist", "lenet5", role
        assert values[key]["schedule"] == "best of grid: step decay 0.01, 50, 0.9"


@pytest.mark.parametrize(
    ("features", "role"),
    [
        (
            "('progress',)",
            "sees the time alone, taught by imitation on 2 tasks, frozen",
        ),
        ("('progress', 'train_loss')", "taught by imitation on 2 tasks, frozen"),
    ],
)
def test_what_was_taught_by_imitation_says_so(tmp_path, features, role):
    config = EVALUATE.replace("controller.path = 'default'", "controller.path = 'imitate/family/own/controller'")  # fmt: skip
    make_evaluation(tmp_path, config)
    config = f"environment.features = {features}\n"
    make_run(tmp_path / "imitate" / "family" / "own", config)
    values, _ = contenders_rows(tmp_path)
    assert values["fashion_mnist", "lenet5", role]["schedule"] == "default"


def test_rates_played_back_are_a_contender(tmp_path):
    config = EVALUATE.replace("@constant_rate", "@replay")
    make_evaluation(tmp_path, config + "replay.label = 'constant 0.1'\n")
    values, shown = contenders_rows(tmp_path)
    key = "fashion_mnist", "lenet5", "recorded rates, played back"
    assert values[key]["schedule"] == "constant 0.1"
    assert shown[key][-3:] == ["–", "–", "–"]


def test_the_default_is_known_by_its_names(tmp_path):
    assert {"default", pretrained.DEFAULT} == set(contenders.DEFAULTS)
    config = EVALUATE.replace("'default'\ntuned/", "'cifar10_relative'\ntuned/")
    make_evaluation(tmp_path, config)
    values, _ = contenders_rows(tmp_path)
    role = "the package's cifar10_relative, without a run here"
    assert values["fashion_mnist", "lenet5", role]["gradient_samples"] == "0.0"


def test_the_differences_of_a_second_evaluation_are_from_the_same_winner(tmp_path):
    make_evaluation(tmp_path)
    second = "evaluate.families = [@best_of_grid, @other/controller]\n"
    second += "other/controller.label = 'transfer'\n"
    second += "other/controller.path = 'many_tasks'\n"
    second += EVALUATE.partition("]")[2]
    make_evaluation(tmp_path, second, folder="second")
    make_searches(tmp_path)
    values, _ = contenders_rows(tmp_path)
    role = "the package's many_tasks, without a run here"
    row = values["fashion_mnist", "lenet5", role]
    assert float(row["test_loss_difference"]) == pytest.approx(0.625 / 3)
    assert row["test_loss_p"] != ""


def test_an_unfinished_evaluation_is_known_by_its_task(tmp_path):
    make_evaluation(tmp_path)
    path = tmp_path / "evaluate" / TASK / "run" / "run.json"
    path.write_text(json.dumps({"status": "running"}))
    values, _ = contenders_rows(tmp_path)
    assert ("fashion_mnist", "lenet5", "winner of the grid") in values


def test_the_papers_rows_have_its_figures_and_its_spend(everything):
    values, shown = everything
    cells = shown["cifar10", "resnet18", "paper: learned"]
    assert cells[:4] == ["–", "10", "0.6288 ± 0.0196", "–"]
    assert cells[-4:] == ["0.8181 ± 0.0069", "1,000", "1,336.7", "20.83"]
    row = values["fashion_mnist", "cnn", "paper: winner of the grid"]
    samples = 48 * spend.gradient_samples(tasks.fashion_mnist_cnn())
    assert float(row["gradient_samples"]) == pytest.approx(samples)
    moved = shown["fashion_mnist", "cnn", "paper: learned on cifar10, moved over"]
    assert moved[2] == "0.2598 ± 0.0071" and moved[-3:] == ["0", "0.0", "0.00"]


def test_a_thin_network_is_no_row_of_the_papers(tmp_path):
    task = "fashion_mnist_resnet18_thin"
    config = EVALUATE.replace(TASK, task) + "task.precision = 'mixed_bfloat16'\n"
    make_evaluation(tmp_path, config, task=task, model="resnet18")
    values, _ = contenders_rows(tmp_path)
    network = "resnet18_thin, precision = 'mixed_bfloat16'"
    assert ("fashion_mnist", network, "winner of the grid") in values
    assert ("fashion_mnist", "resnet18", "ours") in values


def test_evaluations_without_a_grid_have_no_row(tmp_path):
    config = "evaluate.families = [@controller]\ncontroller.label = 'default'\n"
    make_evaluation(tmp_path, config)
    values, _ = contenders_rows(tmp_path)
    assert not [key for key in values if key[1] == "lenet5"]


def test_what_the_default_cost_is_that_of_its_runs():
    """The references of its tasks, and three seeds of imitation, from their committed tables."""
    numbers, samples = {}, {"training": 0.0, "selection": 0.0}
    with (ROOT / "results" / "references" / "references.csv").open() as file:
        for row in csv.DictReader(file):
            key = row["task"], row["split"]
            numbers[key] = numbers.get(key, 0) + 1
    total = 0.0
    for (name, split), num_runs in numbers.items():
        if split == "held_out":  # They were opened when it was made.
            continue
        cost = spend.gradient_samples(families.parse(name, 25))
        samples[split] += cost
        total += num_runs * cost
    imitation = ROOT / "results" / "imitation"
    config = (imitation / "operative_config.gin").read_text(encoding="utf-8")
    for line in (
        "num_rounds = 4",
        "num_episodes_per_task = 1",
        "num_evaluation_episodes = 3",
    ):
        assert f"imitate.{line}\n" in config
    num_seeds = len(list(imitation.glob("seed_*")))
    total += num_seeds * 4 * (samples["training"] + 3 * samples["selection"])
    assert paper_rows.DEFAULT_SAMPLES == round(total)
