"""A benchmark of fits with the callback and without it, run on one seed, and started again."""

from __future__ import annotations

import csv

from benchmarks import comparisons


def resumed(module, arguments, tmp_path, monkeypatch):
    """Returns the rows of a benchmark's table, a plain run and one with the callback, which a second start leaves as they are."""
    for place in (comparisons, module):
        monkeypatch.setattr(place, "SEEDS", (0,))
    # Other tests of this process have used TensorFlow already.
    monkeypatch.setattr(module, "limit_threads", lambda num_threads: None)
    arguments = [f"--out_dir={tmp_path}", *arguments]
    module.main(arguments)
    (table,) = tmp_path.glob("*.csv")
    content = table.read_bytes()
    module.main(arguments)
    assert table.read_bytes() == content
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert [row["method"] for row in rows] == [comparisons.PLAIN, comparisons.LEARNED]
    return rows
