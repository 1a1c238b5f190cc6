"""Batch normalisation in short runs, a run of it."""

from __future__ import annotations

import pytest
import toy_runs

from benchmarks import batch_norm


@pytest.mark.smoke
def test_a_run_of_it_resumes_and_is_warned(tmp_path, monkeypatch):
    arguments = ["--examples", "160 steps, momentum 0.99"]
    rows = toy_runs.resumed(batch_norm, arguments, tmp_path, monkeypatch)
    assert ["a momentum of 0.99" in row["warnings"] for row in rows] == [False, True]
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table.count("| 160 steps, momentum 0.99 | ") == 2


def test_lengths_and_momenta_are_all_paired():
    assert len(batch_norm.EXAMPLES) == 12
    assert batch_norm.EXAMPLES["640 steps, momentum 0.997"] == (40, 0.997)
