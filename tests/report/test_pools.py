"""Controllers that share a row: the report takes their runs together, and each of them for whole or not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hand_made_runs import TEST_LOSSES, make_evaluate

from learned_lr.report import figures
from learned_lr.report.evaluations import read_evaluation
from learned_lr.report.reading import find_runs


@pytest.fixture
def pooled(tmp_path):
    """A function that reads an evaluation whose two schedules are of one pool."""
    path = make_evaluate(tmp_path / "evaluate" / "toy" / "run")
    (path / "statistics.csv").unlink()
    learned = {"kind": "learned", "controller": {"source_tasks": ["other"]}}
    described = {name: {**learned, "pool": "pool"} for name in TEST_LOSSES}
    (path / "schedules.json").write_text(json.dumps(described))

    def read():
        (run,) = find_runs(str(tmp_path))
        return read_evaluation(run)

    return path, read


def test_the_runs_of_a_pool_are_one_row(pooled):
    _, read = pooled
    evaluation = read()
    assert evaluation.names == ["pool"] and len(evaluation.of("pool")) == 4
    assert evaluation.is_transfer("pool") and evaluation.source_tasks("pool") == [
        "other"
    ]
    assert evaluation.run.problems == ["statistics.csv is missing"]
    # Both have seeds 0 and 1: four curves, and not two means.
    ((name, steps, rates),) = figures._curves(evaluation, "learning_rate")
    assert (name, list(steps)) == ("pool", [0, 10])
    np.testing.assert_allclose(rates[:, 0], [0.1, 0.05, 0.1, 0.05])


def test_a_pool_was_trained_where_one_of_it_was(pooled):
    path, read = pooled
    described = json.loads((path / "schedules.json").read_text())
    name = list(described)[1]
    described[name]["controller"]["source_tasks"] = [read().run.task]
    (path / "schedules.json").write_text(json.dumps(described))
    evaluation = read()
    assert evaluation.source_tasks("pool") == ["other", evaluation.run.task]
    assert not evaluation.is_transfer("pool")
    described[name]["controller"]["source_tasks"] = []
    (path / "schedules.json").write_text(json.dumps(described))
    assert read().source_tasks("pool") == []


def test_what_a_member_lacks_is_named(pooled):
    path, read = pooled
    lines = (path / "evaluation.csv").read_text().splitlines(keepends=True)
    (path / "evaluation.csv").write_text("".join(lines[:-1]))
    problems = read().run.problems
    assert "schedules have unequal numbers of seeds: 2, but constant 0.1 1" in problems
    (path / "evaluation.csv").write_text("".join(lines[:-2]))
    assert "evaluation.csv has no run of constant 0.1" in read().run.problems
