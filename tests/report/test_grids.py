"""Grids in the report: of one round, as older runs have it, and with the finalists' round."""

from __future__ import annotations

import csv
import json
import pathlib
import shutil

import pytest
from hand_made_runs import write_table

from learned_lr.report import assembly, sections
from learned_lr.report.blocks import Bold, Figure, Table
from learned_lr.report.grids import read_grid
from learned_lr.report.reading import find_runs

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = """
baseline.families = [@constant_rate]
baseline.num_finalist_seeds = 2
baseline.num_finalists = 2
baseline.num_seeds = 1
constant_rate.learning_rates = (0.1, 0.2, 0.3)
"""


def _row(round_name, schedule, seed, loss):
    return {
        "round": round_name,
        "schedule": schedule,
        "kind": "constant",
        "seed": seed,
        "best_validation_loss": loss,
        "best_trainee_step": 10,
        "final_validation_loss": loss,
        "mean_validation_loss": loss,
        "diverged": False,
    }


# The best of the first round, b, is behind a on the others.
ROWS = [
    _row("all", "a", 0, 0.25),
    _row("all", "b", 0, 0.125),
    _row("all", "c", 0, 0.5),
    *(_row("final", "b", seed, 0.75) for seed in (1, 2)),
    *(_row("final", "a", seed, loss) for seed, loss in ((1, 0.25), (2, 0.75))),
]


@pytest.fixture
def read(tmp_path):
    """A function (rows) that returns the run and the rows that the report reads."""

    def read(rows):
        path = tmp_path / "baseline" / "toy" / "run"
        path.mkdir(parents=True)
        (path / "operative_config.gin").write_text(CONFIG)
        (path / "run.json").write_text(json.dumps({"status": "running"}))
        write_table(path / "grid.csv", rows)
        (run,) = find_runs(str(tmp_path))
        return run, read_grid(run)

    return read


def test_the_final_round_decides_and_the_winner_is_bold(read):
    run, rows = read(ROWS)
    (table,) = (
        b for b in sections.grids_section([(run, rows)]) if isinstance(b, Table)
    )
    assert table.header[1:] == ["best validation loss", "on 2 other seeds"]
    assert table.rows == [
        ["a", "0.2500", "0.5000"],
        ["b", "0.1250", "0.7500"],
        ["c", "0.5000", ""],
    ]
    assert [isinstance(row[0], Bold) for row in table.rows] == [True, False, False]
    assert [v["finalist_best_validation_loss"] for v in table.values] == [
        0.5,
        0.75,
        None,
    ]
    assert table.note.startswith("The best 2 were run again")
    assert run.problems == []


@pytest.mark.parametrize(
    ("winner", "again", "frame"),
    [
        ({}, [], "the best"),
        ({"name": "b"}, [], "the best"),
        ({}, ["a", "b"], "the best"),
        ({"name": "b"}, ["a", "b"], "the best on the finalists' seeds"),
    ],
)
def test_the_heat_map_has_its_frame_where_the_grid_has_its_winner(
    read, monkeypatch, winner, again, frame
):
    cells = [(rate, step) for rate in (0.1, 0.2) for step in (10, 20)]
    decays = {
        name: {
            "initial_learning_rate": rate,
            "discount_step": step,
            "discount_factor": 0.9,
        }
        for name, (rate, step) in zip("abcd", cells)
    }
    drawn = [("all", name, 0) for name in decays] + [("final", n, 1) for n in again]
    rows = [
        {**_row(of, name, seed, 0.5), "kind": "step_decay", **decays[name]}
        for of, name, seed in drawn
    ]
    run, rows = read(rows)
    pathlib.Path(run.path, "best.json").write_text(json.dumps(winner))
    framed = []
    monkeypatch.setattr(
        sections.figures, "heat_map", lambda grid, name: framed.append(name) or b""
    )
    (figure,) = (
        b for b in sections.grids_section([(run, rows)]) if isinstance(b, Figure)
    )
    assert f"; the frame is {frame}. " in figure.caption
    assert framed == [winner.get("name")]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (ROWS[:-1], "grid.csv holds 6 of 7 runs"),
        (ROWS[:3], "grid.csv holds 3 of 7 runs"),
        (ROWS[:-1], "schedules have unequal numbers of seeds: 2, but a 1"),
    ],
)
def test_what_a_round_lacks_is_named(read, rows, problem):
    run, _ = read(rows)
    assert problem in run.problems


def test_the_committed_grid_is_read_as_of_one_round(tmp_path):
    source = ROOT / "results/paper/baseline/fashion_mnist_lenet5/fashion_mnist_lenet5"
    name = "fashion_mnist_lenet5"
    folder = tmp_path / "baseline" / name / name
    shutil.copytree(source, folder)
    _leave_one_round(folder)
    (run,) = find_runs(str(tmp_path))
    assert len(read_grid(run)) == 48
    assert not [problem for problem in run.problems if "grid.csv" in problem]
    assembly.report(str(tmp_path))
    best = f"baseline_{name}_{name}_best.csv"
    found = (tmp_path / "report" / best).read_text(encoding="utf-8")
    committed = (ROOT / "results" / "report" / best).read_text(encoding="utf-8")
    assert found == committed
    winner = json.loads((source / "best.json").read_text(encoding="utf-8"))
    assert next(csv.DictReader(found.splitlines()))["schedule"] == winner["name"]


def _leave_one_round(folder):
    """Leaves what a grid left when it had no finalists and no record."""
    (folder / "run.json").unlink()
    config = folder / "operative_config.gin"
    lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if "num_finalist" not in line]
    config.write_text("".join(kept), encoding="utf-8")
    with open(folder / "grid.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.pop("round") == "all"]
    with open(folder / "grid.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    best = json.loads((folder / "best.json").read_text(encoding="utf-8"))
    best = {**best, "num_runs": len(rows)}
    del best["finalists"]
    (folder / "best.json").write_text(json.dumps(best), encoding="utf-8")


@pytest.mark.parametrize("is_there", [True, False])
def test_step_decays_without_numbers_have_no_heat_map(read, is_there):
    cells = [{"discount_factor": 0.9, "discount_step": step} for step in (1, 2, 3, 4)]
    cells[2]["discount_step"] = "ten"
    parameters = [{"initial_learning_rate": 0.1, **cell} for cell in cells]
    rows = [
        {**_row("all", name, 0, 0.5), "kind": "step_decay", **(own if is_there else {})}
        for name, own in zip("abcd", parameters)
    ]
    run, rows = read(rows)
    blocks = list(sections.grids_section([(run, rows)]))
    assert [type(block).__name__ for block in blocks] == ["Heading", "Heading", "Table"]
    assert any("step decays without numbers" in text for text in run.problems)
