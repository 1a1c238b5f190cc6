"""The committed report of the paper's rows is what `report` makes of the run directories beside it."""

import pathlib
import shutil

import pytest

from learned_lr.report import assembly

COMMITTED = pathlib.Path(__file__).parents[2] / "results" / "paper"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report made now of a copy of the committed run directories."""
    root_dir = tmp_path_factory.mktemp("rows") / "paper"
    shutil.copytree(COMMITTED, root_dir, ignore=shutil.ignore_patterns("report"))
    assembly.report(str(root_dir))
    return root_dir / "report"


def test_it_has_the_same_files(made):
    names = {path.name for path in (COMMITTED / "report").iterdir()}
    assert names == {path.name for path in made.iterdir()}


@pytest.mark.parametrize("name", ["report.md", "table1.csv", "contenders.csv"])
def test_it_says_the_same(made, name):
    text = (made / name).read_text(encoding="utf-8")
    assert text == (COMMITTED / "report" / name).read_text(encoding="utf-8")


def test_no_path_of_a_machine_is_in_it():
    files = [
        path for path in COMMITTED.rglob("*") if path.suffix not in ("", ".npz", ".png")
    ]
    assert len(files) > 20
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert "root_dir=/" not in text, path
