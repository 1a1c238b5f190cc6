"""The sections on evaluations, trainings and sweeps, from run directories made by hand."""

from __future__ import annotations

import csv
import re

import pytest
from hand_made_runs import make_evaluate, make_sweep, make_train, write_table

from learned_lr.report import assembly

METRICS = ("test_loss", "test_accuracy")


def _section(text, title):
    return text.partition(f"## {title}")[2].partition("\n## ")[0]


def _report(root_dir):
    assembly.report(str(root_dir))
    text = (root_dir / "report" / "report.md").read_text(encoding="utf-8")
    return text.replace("\\", "")


def _row(section, name):
    (line,) = (
        line
        for line in section.splitlines()
        if re.match(rf"\| \**{re.escape(name)}\**\s", line)
    )
    return [cell.strip(" *") for cell in line.split("|")[1:-1]]


def test_training_shows_the_evaluation_at_its_end(tmp_path):
    make_train(tmp_path / "train" / "toy" / "run")
    text = _report(tmp_path)
    training = _section(text, "Training")
    _, loss, accuracy = re.split(r"\*\*Test (?:loss|accuracy) on toy", training)
    assert loss.startswith(", against learned**")
    # Means of (0.25, 0.75) and (1, 2); deviations 0.5 / sqrt(2) and 1 / sqrt(2).
    assert _row(loss, "learned")[:3] == ["learned", "2", "0.5000 (0.3536)"]
    constant = _row(loss, "constant 0.1")
    assert constant[1:3] == ["2", "1.5000 (0.7071)"]
    assert constant[3].startswith("+1.0000 [")
    assert _row(accuracy, "learned")[2] == "0.6250 (0.1768)"
    assert _row(accuracy, "constant 0.1")[3].startswith("-0.3125 [")
    # Compact: one note for both tables, and no figures of the evaluation.
    assert training.count("Hedges") == 1
    assert training.count("![") == 1
    assert "All whole." in text and "## Evaluation" not in text


@pytest.mark.parametrize(
    ("first", "purpose"),
    [
        (2_000_000_000, "held-out"),
        (3_000_000_000, "development"),
        (7_000_000_000, "unknown"),
    ],
)
def test_training_says_which_seeds_its_evaluation_is_on(tmp_path, first, purpose):
    path = make_train(tmp_path / "train" / "toy" / "run")
    rows = list(csv.DictReader((path / "evaluation.csv").open()))
    for row in rows:
        row["seed"] = first + int(row["seed"])
    write_table(path / "evaluation.csv", rows)
    assert f"ended with, on {purpose} seeds:" in _section(_report(tmp_path), "Training")


def test_runs_that_diverged_are_counted(tmp_path):
    path = make_evaluate(tmp_path / "evaluate" / "toy" / "run")
    assert "diverged" not in _report(tmp_path)
    rows = list(csv.DictReader((path / "evaluation.csv").open()))
    rows[-1]["diverged"] = True
    write_table(path / "evaluation.csv", rows)
    # Below the table of each metric.
    assert _report(tmp_path).count(" Runs that diverged: constant 0.1 (1).") == 2


def test_the_paired_test_leads_and_the_papers_keeps_its_stars(tmp_path):
    path = make_evaluate(tmp_path / "evaluate" / "toy" / "run")
    rows = list(csv.DictReader((path / "statistics.csv").open()))
    for row in rows:
        row["star"] = "*"
    write_table(path / "statistics.csv", rows)
    section = _section(_report(tmp_path), "Evaluation: evaluate/toy/run")
    _, loss, accuracy = re.split(r"\*\*Test (?:loss|accuracy) on toy", section)
    assert _row(loss, "schedule")[3:] == [
        *("difference [95%]", "p", "p uncorrected", "p two-sample", "p Welch", "g")
    ]
    # Differences 0.75 and 1.25, t = 1 / 0.25; of accuracies t = 5. With 1 degree of freedom
    # p = 0.156 and 0.126, so after Holm both are 2 * 0.126.
    assert _row(loss, "constant 0.1")[4:6] == ["0.25", "0.16"]
    assert _row(accuracy, "constant 0.1")[4:6] == ["0.25", "0.13"]
    # Of a loss more is worse, of an accuracy less.
    assert all(_row(t, "constant 0.1")[6].endswith("†") for t in (loss, accuracy))
    assert _row(loss, "constant 0.1")[2] == "1.5000 (0.7071)"


def test_its_tables_are_files_of_the_report(tmp_path):
    path = make_train(tmp_path / "train" / "toy" / "run")
    assembly.report(str(tmp_path))
    everything = list(csv.DictReader((path / "statistics.csv").open()))
    for metric in METRICS:
        file = tmp_path / "report" / f"train_toy_run_{metric}.csv"
        rows = list(csv.DictReader(file.open()))
        expected = [row for row in everything if row["metric"] == metric]
        assert [(r["schedule"], float(r["mean"])) for r in rows] == [
            (r["schedule"], float(r["mean"])) for r in expected
        ]


def test_training_is_no_evaluation_of_table_1(tmp_path):
    make_train(tmp_path / "train" / "toy" / "run")
    make_evaluate(tmp_path / "evaluate" / "toy" / "run")
    text = _report(tmp_path)
    assert "| toy " not in _section(text, "Tables 1 and 2")
    # Only an evaluate run could be there, so only of one it is said that it isn't.
    (line,) = re.findall(".*neither Table 1 nor Table 2.*", text)
    assert line.startswith("- evaluate/toy/run: ") and line.endswith("has learned.")


def test_training_without_an_evaluation_misses_none(tmp_path):
    make_train(tmp_path / "train" / "toy" / "run", with_evaluation=False)
    text = _report(tmp_path)
    assert "2 iterations" in text and "All whole." in text
    assert "ended with" not in text


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("evaluation.csv", "train/toy/run: evaluation.csv is missing."),
        ("statistics.csv", "train/toy/run: statistics.csv is missing."),
        ("schedules.json", "train/toy/run: schedules.json is missing."),
        ("trajectories.csv", "train/toy/run: trajectories.csv is missing."),
    ],
)
def test_what_its_evaluation_lacks_is_named(tmp_path, file, named):
    (make_train(tmp_path / "train" / "toy" / "run") / file).unlink()
    assert named in _section(_report(tmp_path), "Incomplete")


def test_evaluation_without_statistics_shows_means_alone(tmp_path):
    path = make_evaluate(tmp_path / "evaluate" / "toy" / "run")
    (path / "statistics.csv").unlink()
    section = _section(_report(tmp_path), "Evaluation: evaluate/toy/run")
    loss = section.partition("**Test accuracy")[0]
    assert _row(loss, "constant 0.1") == ["constant 0.1", "2", "1.5000 (0.7071)"]
    assert "against" not in section


def test_metric_that_no_run_has_is_left_out(tmp_path):
    path = make_evaluate(tmp_path / "evaluate" / "toy" / "run")
    for name in ("evaluation.csv", "statistics.csv"):
        rows = list(csv.DictReader((path / name).open()))
        for row in rows:
            if row.get("metric") == "test_accuracy":
                row.update(mean="nan", standard_deviation="nan", difference="nan")
            if "test_accuracy" in row:
                row["test_accuracy"] = "nan"
        write_table(path / name, rows)
    text = _report(tmp_path)
    assert "**Test loss on toy" in text and "**Test accuracy on toy" not in text
    assert "nan" not in _section(text, "Incomplete")


def test_sweep_shows_its_points(tmp_path):
    path = make_sweep(tmp_path / "sweep" / "toy" / "run")
    section = _section(_report(tmp_path), "Sweep: sweep/toy/run")
    assert _row(section, "1") == ["1", "1", "finished"]
    (path / "sweep.csv").write_text("\n")
    section = _section(_report(tmp_path), "Sweep: sweep/toy/run")
    assert "No point has ended yet." in section


def test_what_is_counted_is_named_a_line_each(tmp_path):
    train = make_train(tmp_path / "train" / "toy" / "run", status="run\n- ning")
    (train / "statistics.csv").unlink()
    with (train / "iterations.csv").open("a") as file:
        file.write("3,many\n4,4.0\n")
    evaluate = make_evaluate(tmp_path / "evaluate" / "toy" / "run")
    (evaluate / "operative_config.gin").unlink()
    (evaluate / "run.json").write_text("{")
    text = _report(tmp_path)
    named = _section(text, "Incomplete").strip().splitlines()
    assert all(line.startswith(("- train/toy", "- evaluate/toy")) for line in named)
    assert len(named) > 5 and len(set(named)) == len(named)
    assert f"{len(named)} things are incomplete, see below." in text
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert page.partition('id="incomplete"')[2].count("<li>") == len(named)


def test_one_thing_is_counted_as_one(tmp_path):
    make_train(tmp_path / "train" / "toy" / "run", status="running")
    text = _report(tmp_path)
    assert "1 run directory (1 train). " in text
    incomplete = _section(text, "Incomplete").strip().splitlines()
    # Nothing tells how many runs an evaluation is to have.
    assert incomplete == [
        "- train/toy/run: not finished, its status is running.",
        "- train/toy/run: evaluation.csv holds 4 of an unknown number of runs.",
    ]
    for file in ("evaluation.csv", "statistics.csv", "schedules.json"):
        (tmp_path / "train" / "toy" / "run" / file).unlink()
    assert "1 thing is incomplete, see below." in _report(tmp_path)


def test_the_terminal_names_what_is_incomplete_too(tmp_path):
    for number in range(7):
        folder = tmp_path / "train" / "toy" / f"run{number}"
        make_train(folder, status="running")
        if number == 0:
            lines = assembly.report(str(tmp_path)).splitlines()
            assert lines[0].endswith(" 2 things are incomplete, see below.")
            assert lines[1:3] == [
                "- train/toy/run0: not finished, its status is running.",
                "- train/toy/run0: evaluation.csv holds 4 of an unknown number of runs.",
            ]
            assert lines[3].startswith("The report is ") and len(lines) == 4
    lines = assembly.report(str(tmp_path)).splitlines()
    assert lines[0].endswith(" 14 things are incomplete, see below.")
    assert len(lines) == 13
    assert lines[11] == "- and 4 more, all in the report"
