"""Tables of a run directory: to the letter, and whole after a kill."""

from __future__ import annotations

import pytest

from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path):
    """A fresh run directory."""
    run = RunDirectory(str(tmp_path / "run"))
    yield run
    run.close()


def test_table_is_written_to_the_letter(run):
    table = CsvTable(run, "table.csv", ("step", "loss", "name"))
    table.append({"name": "a, b", "step": 1, "loss": 0.1})
    table.append({"step": 2, "loss": 1 / 3, "name": 'c"'})
    assert run.read("table.csv") == (
        b'step,loss,name\n1,0.1,"a, b"\n2,0.3333333333333333,"c"""\n'
    )
    assert table.rows()[1] == {"step": "2", "loss": "0.3333333333333333", "name": 'c"'}
    assert float(table.rows()[1]["loss"]) == 1 / 3


def test_table_refuses_other_columns(run):
    table = CsvTable(run, "table.csv", ("step", "loss"))
    with pytest.raises(ValueError, match=r"Expected the columns .* found \['step'\]"):
        table.append({"step": 1})
    assert run.read("table.csv") is None


def test_line_torn_by_a_kill_does_not_count_and_is_cut(run):
    table = CsvTable(run, "table.csv", ("step", "loss"))
    for step in range(3):
        table.append({"step": step, "loss": step / 3})
    whole = run.read("table.csv")
    run.write("table.csv", whole + b"3,0.99")
    assert [row["step"] for row in table.rows()] == ["0", "1", "2"]
    table.keep(lambda row: True)
    assert run.read("table.csv") == whole


def test_keep_and_append_again_give_identical_bytes(run):
    table = CsvTable(run, "table.csv", ("step", "loss"))
    for step in range(4):
        table.append({"step": step, "loss": step / 7})
    whole = run.read("table.csv")
    table.keep(lambda row: int(row["step"]) < 2)
    assert run.read("table.csv") == b"step,loss\n0,0.0\n1,0.14285714285714285\n"
    for step in (2, 3):
        table.append({"step": step, "loss": step / 7})
    assert run.read("table.csv") == whole


def test_table_that_is_not_there_has_no_rows(run):
    table = CsvTable(run, "table.csv", ("step",))
    table.keep(lambda row: True)
    assert table.rows() == [] and run.read("table.csv") is None
