"""The programs of the kinds that a controller once harmed: their data, and a run at toy size."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import toy_runs

from benchmarks import rescue, rescue_programs


def test_half_of_the_pairs_differ_as_they_say():
    parts = rescue_programs._pairs_of_digits()
    assert [len(y) for _, y in parts] == [2000, 600, 1000]
    seen = [{x.tobytes() for side in pair for x in side} for pair, _ in parts]
    assert not seen[0] & seen[1] and not seen[1] & seen[2] and not seen[0] & seen[2]
    for (left, right), differs in parts:
        assert left.shape == right.shape == (len(differs), 8, 8, 1)
        assert differs.mean() == 0.5
        distance = np.abs(left - right).mean((1, 2, 3))
        assert distance[differs == 1].mean() > 1.3 * distance[differs == 0].mean()


def test_contrastive_loss():
    # Same at a distance of 0.5: 0.25; others at 0.2: 0.8**2.
    differs, found = tf.constant([[0.0], [1.0]]), tf.constant([[0.5], [0.2]])
    loss = rescue_programs._contrastive_loss(differs, found)
    assert float(loss) == pytest.approx((0.25 + 0.64) / 2)


@pytest.mark.smoke
def test_toy_run_resumes(tmp_path, monkeypatch):
    arguments = ["--kinds=siamese", "--epochs=2"]
    rows = toy_runs.resumed(rescue, arguments, tmp_path, monkeypatch)
    assert next(row["num_explosions"] for row in rows) == ""
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table.count("| siamese | ") == 2
