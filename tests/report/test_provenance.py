"""What a report says of the code and the versions that runs were made with."""

from __future__ import annotations

import pytest

from learned_lr.report import provenance
from learned_lr.report.reading import Run

NOW = {"commit": "b", "versions": {"numpy": "2"}}


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        (None, ""),
        (
            [{"commit": "a", "versions": {"numpy": "1"}}],
            "; a start before with commit a, numpy 1",
        ),
        (3, ""),  # Damaged.
        ([3, {}], "; a start before with commit unknown"),
    ],
)
def test_every_start_is_told(earlier, expected):
    record = {**NOW, "earlier_starts": earlier} if earlier else NOW
    run = Run("/runs/train/a/b", "train/a/b", record=record)
    texts = [getattr(block, "text", "") for block in provenance.remaking([run])]
    assert f"train/a/b: commit b, numpy 2{expected}" in texts
