"""The pages of the documentation show the tables of the results, as the benchmarks wrote them."""

from __future__ import annotations

import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "results, page",
    [("examples", "examples"), ("optimizers", "optimizers"), ("rescue", "examples")],
)
def test_a_page_shows_the_table_of_its_results(results, page):
    table = (ROOT / f"results/{results}/table.md").read_text(encoding="utf-8")
    text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    assert table.count("\n") > 2 and table in text
