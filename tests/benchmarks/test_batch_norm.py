"""Batch normalisation in short runs, a run of it."""

from __future__ import annotations

import csv

import pytest

from benchmarks import batch_norm, comparisons


@pytest.mark.smoke
def test_a_run_of_it_resumes_and_is_warned(tmp_path, monkeypatch):
    for module in (comparisons, batch_norm):
        monkeypatch.setattr(module, "SEEDS", (0,))
    monkeypatch.setattr(batch_norm, "limit_threads", lambda num_threads: None)
    arguments = [f"--out_dir={tmp_path}", "--examples", "160 steps, momentum 0.99"]
    batch_norm.main(arguments)
    content = (tmp_path / "batch_norm.csv").read_bytes()
    batch_norm.main(arguments)
    assert (tmp_path / "batch_norm.csv").read_bytes() == content
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert [row["method"] for row in rows] == [comparisons.PLAIN, comparisons.LEARNED]
    assert ["a momentum of 0.99" in row["warnings"] for row in rows] == [False, True]
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table.count("| 160 steps, momentum 0.99 | ") == 2


def test_lengths_and_momenta_are_all_paired():
    assert len(batch_norm.EXAMPLES) == 12
    assert batch_norm.EXAMPLES["640 steps, momentum 0.997"] == (40, 0.997)
