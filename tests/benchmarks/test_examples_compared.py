"""The comparison of the examples with and without the callback: its table by numbers, a run of it at toy size."""

from __future__ import annotations

import csv

import pytest

from benchmarks import comparisons, examples


def _rows(plain, learned, figure="accuracy", warnings=("", "", "")):
    rows = []
    for method, values in ((comparisons.PLAIN, plain), (comparisons.LEARNED, learned)):
        for seed, value in enumerate(values):
            row = dict.fromkeys(examples.COLUMNS, "")
            row.update(example="forecasting", method=method, seed=str(seed))
            row[figure] = str(value)
            if method == comparisons.LEARNED:
                row["warnings"] = warnings[seed]
            rows.append(row)
    return rows


def _cells(rows):
    (line,) = comparisons.table_of(rows, ["forecasting"]).splitlines()[2:]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_example_that_runs_without_the_callback_is_compared():
    programs = (examples.ROOT / "examples").glob("*.py")
    found = {p.stem for p in programs if '"--plain"' in p.read_text(encoding="utf-8")}
    assert found == set(examples.EXAMPLES)


def test_table():
    # Means 0.8 and 0.9, both with a deviation of 0.01: t = 0.1 / (0.01 sqrt(2 / 3)) = 12.2, 4 degrees of freedom.
    cells = _cells(_rows((0.79, 0.8, 0.81), (0.89, 0.9, 0.91)))
    assert cells == [
        *("forecasting", "accuracy", "0.8000 (0.0100)", "0.9000 (0.0100)"),
        *("0.00026", "0.00026", "better", "0 of 3"),
    ]
    assert _cells(_rows((0.89, 0.9, 0.91), (0.79, 0.8, 0.81)))[6] == "worse"
    assert _cells(_rows((0.89, 0.9, 0.91), (0.79, 0.8, 0.81), "loss"))[6] == "better"
    assert _cells(_rows((0.7, 0.8, 0.9), (0.75, 0.85, 0.9)))[6] == "level"
    assert _cells(_rows((0.7, 0.7, 0.7), (0.7, 0.7, 0.7)))[6] == "level"


def test_verdicts_count_all_comparisons():
    # t = 0.05 / (0.02 sqrt(2 / 3)) = 3.06, 4 degrees of freedom: p = 0.0376, and twice that beside a second figure.
    rows = _rows((0.78, 0.8, 0.82), (0.83, 0.85, 0.87))
    assert _cells(rows)[4:7] == ["0.038", "0.038", "better"]
    for row, loss in zip(rows, (0.5, 0.6, 0.7, 0.5, 0.6, 0.71)):
        row["loss"] = str(loss)
    lines = comparisons.table_of(rows, ["forecasting"]).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [line[1:2] + line[5:7] for line in cells] == [
        ["loss", "0.97", "level"],
        ["accuracy", "0.075", "level"],
    ]


def test_what_is_not_finished_has_no_row():
    rows = _rows((0.7, 0.8, 0.9), (0.7, 0.8))
    assert comparisons.table_of(rows, ["forecasting"]).count("\n") == 2
    assert comparisons.table_of(rows[:3], ["forecasting"]).count("\n") == 2


def test_warnings_that_are_new_are_counted():
    rows = _rows((0.7,) * 3, (0.7,) * 3, warnings=("old\nnew", "old", ""))
    rows[1]["warnings"] = "old"
    assert comparisons.new_warnings(rows, "forecasting") == ["new"]
    assert _cells(rows)[7] == "1 of 3"


def test_output_is_read():
    found = examples.figures("epoch 1\ntest loss: 0.5\ntest ROC AUC: 0.75\n")
    assert found == {"loss": "0.5", "ROC AUC": "0.75"}
    with pytest.raises(ValueError, match=r"found \['speed'\]"):
        examples.figures("test speed: 1.0")
    with pytest.raises(ValueError, match=r"found \[\]"):
        examples.figures("")
    errors = (
        "/a/b.py:3: UserWarning: The loss exploded: 5.\n  warnings.warn(\n"
        "/a/c.py:7: DeprecationWarning: old\n"
    )
    assert examples.warnings_of(errors) == ["The loss exploded: 5."]


def test_a_program_that_fails_is_an_error():
    with pytest.raises(RuntimeError, match="invalid int value"):
        examples.run("forecasting", comparisons.PLAIN, 0, "many")


@pytest.mark.smoke
def test_toy_run_resumes(tmp_path, monkeypatch, capsys):
    for module in (comparisons, examples):
        monkeypatch.setattr(module, "SEEDS", (0,))
    arguments = [f"--out_dir={tmp_path}", "--epochs=2", "--num_workers=0"]
    arguments.append("--examples=custom_train_step")
    examples.main(arguments)
    assert f"2/2 custom_train_step, {comparisons.LEARNED}, 0" in capsys.readouterr().out
    content = (tmp_path / "examples.csv").read_bytes()
    examples.main(arguments)
    assert (tmp_path / "examples.csv").read_bytes() == content
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert [row["method"] for row in rows] == ["plain", comparisons.LEARNED]
    assert float(rows[0]["loss"]) != float(rows[1]["loss"])
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table.count("| custom_train_step | ") == 2
