"""Tables 1 and 2: our rows beside the paper's, and what their baseline is."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pandas as pd
import pytest
from hand_made_contenders import (
    EVALUATE,
    LOSSES,
    SOURCES,
    TASK,
    contenders_rows,
    make_evaluation,
    make_searches,
)
from hand_made_runs import write_table

from learned_lr.report import assembly, statistics
from learned_lr.report.tables import plus_minus


def _table(root_dir, number):
    """The lines of Table 1 or 2 with our rows, as cells, and the note below it."""
    assembly.report(str(root_dir))
    text = (root_dir / "report" / "report.md").read_text(encoding="utf-8")
    text = text.replace("\\", "").replace("**", "")
    table = text.partition(f"Table {number}. ")[2].partition("(arXiv")
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in table[0].split("\n")]
    ours = [cells for cells in rows if cells and cells[2] not in ("paper", "ours")]
    return ours[2:], table[2].partition("\n")[0]


def test_tables_1_and_2_say_what_the_baseline_is(tmp_path):
    make_evaluation(
        tmp_path, EVALUATE + "task.batch_size = 128\n", reference="constant 0.1"
    )
    network, baseline = "lenet5, batch_size = 128", "constant 0.1"
    ours, note = _table(tmp_path, 1)
    first = ["fashion_mnist", network, "tuned", baseline, "3"]
    assert ours[0][:7] == [*first, "1.2500 ± 0.2500", "0.3333 ± 0.0722"]
    assert note == ":1909.09712)."
    moved, _ = _table(tmp_path, 2)
    assert [cells[1:4] for cells in moved] == [
        [network, "default", baseline],
        [network, "transfer", baseline],
    ]


def test_table_2_has_what_the_sources_grid_found_and_the_grid_of_the_task(tmp_path):
    make_evaluation(tmp_path)
    make_searches(tmp_path)
    ours, note = _table(tmp_path, 2)
    own, moved = (
        next(name for name in LOSSES if name.startswith(label))
        for label in ("best of grid", "best of source")
    )
    assert [cells[2:4] for cells in ours] == [
        ["default", own],
        ["transfer", moved],
        ["transfer", own],
    ]
    losses = {name: values for name, (_, values) in LOSSES.items()}
    compared = [
        statistics.compare(losses[cells[2]], losses[cells[3]]) for cells in ours
    ]
    assert [cells[7].partition(" ")[0] for cells in ours] == [
        f"{found.difference:+.4f}" for found in compared
    ]
    file = tmp_path / "report" / "table2.csv"
    rows = [row for row in csv.DictReader(file.open()) if row["test_loss_p"]]
    # The second has no spread, and of the source's grid no statistics of accuracy are there.
    p_values = statistics.holm([compared[0].p_paired, compared[2].p_paired])
    assert [float(row["test_loss_p"]) for row in rows] == pytest.approx(p_values)
    assert [cells[-1] for cells in ours] == ["80.0 / 0.0", "0.0 / 0.0", "80.0 / 0.0"]
    assert "Of the 2 tasks that 'default' on fashion_mnist was taught on, 0 are" in note


def test_what_two_evaluations_compare_is_one_row_and_one_test(tmp_path, monkeypatch):
    make_evaluation(tmp_path)
    make_searches(tmp_path)
    once, _ = _table(tmp_path, 2)
    monkeypatch.delitem(LOSSES, "constant 0.1")
    make_evaluation(tmp_path, folder="second")
    twice, _ = _table(tmp_path, 2)
    assert twice == once
    monkeypatch.setitem(LOSSES, "default", ("learned", [0.5, 0.5, 0.875]))
    make_evaluation(tmp_path, folder="other_runs")
    others, _ = _table(tmp_path, 2)
    assert len(others) == len(once) + 1


def test_table_2_says_what_a_family_has_of_the_row(tmp_path, monkeypatch):
    tasks = [
        "fashion_mnist-n4000-lenet5-adam-b32-s100",
        "fashion_mnist-p2-mlp-sgd-b32-s100",
        "cifar10-lenet5-adam-b32-s100",
    ]
    monkeypatch.setitem(SOURCES, "default", tasks)
    make_evaluation(tmp_path)
    _, note = _table(tmp_path, 2)
    assert (
        "Of the 3 tasks that 'default' on fashion_mnist was taught on, 2 are on this data set, reduced or whole, 1 of them "
        "with lenet5. What was fine-tuned from one has seen its tasks, too." in note
    )


def test_table_1_says_of_pooled_controllers_how_far_they_are_apart(tmp_path):
    label = "tuned/controller.label = "
    assert f"{label}'tuned'" in EVALUATE
    make_evaluation(tmp_path, EVALUATE.replace(f"{label}'tuned'", f"{label}'pooled'"))
    path = tmp_path / "evaluate" / TASK / "run"
    schedules = json.loads((path / "schedules.json").read_text())
    for name in ("tuned", "recipe"):
        schedules[name]["pool"] = "pooled"
    (path / "schedules.json").write_text(json.dumps(schedules))
    statistics = pd.read_csv(path / "statistics.csv")
    statistics["schedule"] = statistics["schedule"].replace("tuned", "pooled")
    is_pooled = (statistics["schedule"] == "pooled") & (
        statistics["metric"] == "test_loss"
    )
    statistics["deviation_between"] = np.where(is_pooled, 0.125, np.nan)
    statistics.to_csv(path / "statistics.csv", index=False)
    (row,), note = _table(tmp_path, 1)
    assert row[2] == "pooled" and row[4] == "2 x 3"
    assert row[6] == "0.3333 ± 0.0722 (0.1250)" and "(" not in row[10]
    assert note.endswith(
        "no two-sample test; the deviation is that of one of them over seeds, and in brackets stands "
        "that of their means; the spend is that of each."
    )
    _, shown = contenders_rows(tmp_path)
    cells = shown["fashion_mnist", "lenet5", "a controller"]
    assert cells[0] == "pooled" and cells[2].endswith(" ± 0.0722 (0.1250)")


@pytest.mark.parametrize(
    ("mean", "deviation", "between", "text"),
    [
        (0.25, 0.125, None, "0.2500 ± 0.1250"),
        (0.25, 0.125, math.nan, "0.2500 ± 0.1250"),
        (0.25, 0.125, 0.0625, "0.2500 ± 0.1250 (0.0625)"),
        (0.25, math.nan, None, "0.2500"),
        (0.25, None, None, "0.2500"),
        (math.nan, math.nan, math.nan, "–"),
        (None, None, None, "–"),
    ],
)
def test_a_mean_with_its_deviations(mean, deviation, between, text):
    assert plus_minus(mean, deviation, between) == text


def test_one_seed_has_no_deviation_and_a_task_may_have_no_accuracy(tmp_path):
    make_evaluation(tmp_path, reference="constant 0.1")
    make_searches(tmp_path)
    path = tmp_path / "evaluate" / TASK / "run"
    unknown = {"standard_deviation": "nan", "reference_standard_deviation": "nan"}
    no_mean = {**unknown, "mean": "nan", "reference_mean": "nan"}
    for name in ("evaluation.csv", "statistics.csv"):
        rows = list(csv.DictReader((path / name).open()))
        if name == "evaluation.csv":
            rows = [
                {**r, "test_accuracy": "nan"} for r in rows if float(r["seed"]) == 0
            ]
        else:
            no_accuracy = {"metric": "test_accuracy", **no_mean}
            rows = [{**r, **unknown, "num_runs": 1} for r in rows]
            rows += [{**r, **no_accuracy} for r in rows]
        write_table(path / name, rows)
    ours, _ = _table(tmp_path, 1)
    assert ours[0][4:7] == ["1", "1.2500", "0.3333"]
    assert ours[0][9:11] == ["–", "–"]
    _, shown = contenders_rows(tmp_path)
    (tuned,) = (cells for cells in shown.values() if cells[0] == "tuned")
    assert tuned[1:3] == ["1", "0.2500"] and tuned[5] == "–"
    assert not any("nan" in cell for cells in shown.values() for cell in cells)


def test_a_controller_is_not_compared_with_itself(tmp_path):
    make_evaluation(tmp_path, reference="default")
    ours = [row for number in (1, 2) for row in _table(tmp_path, number)[0]]
    assert ours and all(row[2] != row[3] for row in ours)


def test_a_task_without_data_and_network_has_its_name(tmp_path):
    make_evaluation(tmp_path, dataset=None, model=None)
    ours, _ = _table(tmp_path, 1)
    assert {tuple(row[:2]) for row in ours} == {("fashion_mnist", "lenet5")}
