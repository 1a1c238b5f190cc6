"""The table of optimizers: its rule by numbers, and a run of it at toy size."""

from __future__ import annotations

import csv
import math

import pytest

from benchmarks import comparisons, optimizers

_SETTINGS = optimizers.settings("Adagrad")


def _rows(learned, plain=(1.0, 1.0, 1.0), changed=("digits", _SETTINGS[1])):
    """All runs of Adagrad; those with the callback are `learned` in one cell and 0.5 in the others."""
    rows = []
    for task in optimizers.TASKS:
        for setting in _SETTINGS:
            is_changed = (task, setting) == changed
            for method, losses in (
                (comparisons.PLAIN, plain if is_changed else (0.5,) * 3),
                (comparisons.LEARNED, learned if is_changed else (0.5,) * 3),
            ):
                for seed, loss in enumerate(losses):
                    rows.append(
                        {
                            "task": task,
                            "optimizer": setting,
                            "method": method,
                            "seed": str(seed),
                            "loss": str(loss),
                            "accuracy": "",
                            "num_explosions": "1" if seed == 0 else "0",
                        }
                    )
    return rows


def test_settings_are_the_default_and_a_usual_one():
    assert optimizers.settings("SGD") == [
        "SGD()",
        "SGD(learning_rate=0.1, momentum=0.9)",
    ]


@pytest.mark.parametrize(
    "learned, plain, expected",
    [
        ((0.9, 0.9, 0.9), (1.0,) * 3, "serve"),
        # One seed is no worse, or all are by little.
        ((1.5, 1.5, 1.0), (1.0,) * 3, "serve"),
        ((1.09, 1.09, 1.09), (1.0,) * 3, "serve"),
        ((1.2, 1.2, 1.01), (1.0,) * 3, "warn"),
        # A constant answer's loss on the digits is 2.3026.
        ((0.5, 0.5, 2.31), (1.0,) * 3, "refuse"),
        ((0.5, 0.5, math.nan), (1.0,) * 3, "refuse"),
        ((2.31, 2.31, 2.31), (2.4, 2.4, 2.4), "serve"),
    ],
)
def test_verdict(learned, plain, expected):
    assert optimizers.verdict(_rows(learned, plain), "Adagrad") == expected


def test_verdict_waits_for_all_runs():
    assert optimizers.verdict(_rows((0.9, 0.9)), "Adagrad") == ""
    assert optimizers.verdict([], "Adagrad") == ""


def test_table():
    lines = optimizers.table_of(_rows((1.2, 1.2, 1.2))).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [(row[1], row[6]) for row in cells] == [
        *(("digits", ""), ("regression", "")),
        *(("digits", "yes"), ("regression", "")),
    ]
    assert cells[2] == [
        *(f"`{_SETTINGS[1]}`", "digits", "1.000", "1.200", "", ""),
        *("yes", "1 of 3", "warn"),
    ]


def test_a_run_does_not_depend_on_those_before_it(monkeypatch):
    monkeypatch.setattr(optimizers, "_EPOCHS", 1)

    def loss(seed):
        setting = "SGD(learning_rate=0.1, momentum=0.9)"
        return optimizers.run("digits", setting, comparisons.PLAIN, seed)["loss"]

    first = loss(0)
    assert loss(1) != first
    assert loss(0) == first


@pytest.mark.smoke
def test_toy_run_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr(optimizers, "_EPOCHS", 1)
    for module in (comparisons, optimizers):
        monkeypatch.setattr(module, "SEEDS", (0,))
    arguments = [f"--out_dir={tmp_path}", "--optimizers=Adagrad"]
    optimizers.main(arguments)
    content = (tmp_path / "optimizers.csv").read_bytes()
    optimizers.main(arguments)
    assert (tmp_path / "optimizers.csv").read_bytes() == content
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert len(rows) == 8
    losses = {(r["task"], r["optimizer"]): set() for r in rows}
    for row in rows:
        losses[row["task"], row["optimizer"]].add(float(row["loss"]))
    assert all(len(found) == 2 for found in losses.values())
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table.count("| `Adagrad") == 4
