"""The comparison on unseen models at toy size: whole, resumable, chosen by validation."""

from __future__ import annotations

import csv

import pytest

from benchmarks import default_controller, unseen_models


@pytest.mark.smoke
def test_toy_run_resumes(tmp_path, capsys):
    arguments = [
        f"--out_dir={tmp_path}",
        "--num_seeds=2",
        "--num_epochs=1",
        "--num_workers=0",
        "--num_grid_points=2",
        "--models=logistic_regression",
    ]
    unseen_models.main([*arguments, "--only_rivals"])
    capsys.readouterr()
    unseen_models.main(arguments)
    text = capsys.readouterr().out
    assert text.count("logistic_regression, ") == 2  # The learned runs alone.
    with open(tmp_path / "runs.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 + 2 * len(unseen_models.METHODS) + 2 + 2
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table.count("| logistic_regression |") == len(unseen_models.METHODS) + 2
    winner = unseen_models.winner(rows, "logistic_regression")
    grid = [r for r in rows if r["seed"] == str(unseen_models.GRID_SEED)]
    assert winner == min(grid, key=lambda r: float(r["best_validation_loss"]))["method"]


def test_regrets():
    tables = [{"a": 1.0, "b": 2.0, "c": 0.5}, {"a": 4.0, "b": 2.0, "c": 0.5, "d": 1.0}]
    found = default_controller.regrets(tables, ["a", "b"])
    assert set(found) == {"a", "b", "c"}
    assert found["a"][0] == 0.0
    assert abs(found["a"][1] - found["b"][0]) < 1e-12
    assert found["c"][0] < 0
