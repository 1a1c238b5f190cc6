"""A search over shapes: which runs it makes, and what it promised beside what it kept."""

from __future__ import annotations

import collections

import pytest

from benchmarks import schedule_shapes
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.trainees.task_types import QuadraticTask

SHAPE_COLUMNS = schedule_shapes.COLUMNS[2:6]


def _shape(row):
    return tuple(row[name] for name in SHAPE_COLUMNS)


def test_there_are_64_shapes_and_the_packages_base_is_one():
    assert len(set(schedule_shapes.SHAPES)) == 64
    assert schedule_shapes.OWN in schedule_shapes.SHAPES


def test_the_best_are_run_again_on_other_seeds():
    rows = schedule_shapes.search(QuadraticTask(num_trainee_steps=40), 0.5)
    rounds = collections.defaultdict(list)
    for row in rows:
        rounds[row["round"]].append(row)
    assert [len(rounds[name]) for name in ("search", "choice")] == [64, 3 * 2]
    ranked = sorted(rounds["search"], key=lambda row: row["log_loss"])
    finalists = {_shape(row) for row in rounds["choice"]}
    assert finalists == {_shape(row) for row in ranked[:3]}
    seeds = [{row["seed"] for row in rounds[name]} for name in schedule_shapes.ROUNDS]
    assert [len(found) for found in seeds] == [1, 2, 3]
    assert not (seeds[0] & seeds[1] or seeds[0] & seeds[2] or seeds[1] & seeds[2])
    losses = collections.defaultdict(list)
    for row in rounds["choice"]:
        losses[_shape(row)].append(row["log_loss"])
    winner = min(losses, key=lambda shape: sum(losses[shape]))
    compared = {_shape(row) for row in rounds["comparison"]}
    own, cosine = (
        tuple(getattr(shape, name) for name in SHAPE_COLUMNS)
        for shape in (schedule_shapes.OWN, schedule_shapes.COSINE)
    )
    assert compared == {winner, own, cosine}


def test_what_was_promised_and_what_was_kept():
    other = BaseSchedule(0.1, 0.1, 0.5, "cosine")
    third = BaseSchedule(0.4, 0.1, 0.5, "linear")

    def rows(task, name, shape, losses):
        shared = {n: str(getattr(shape, n)) for n in SHAPE_COLUMNS}
        return [
            {"task": task, "round": name, **shared, "log_loss": str(loss)}
            for loss in losses
        ]

    found = []
    for task, shift in (("a", 0.0), ("b", 0.02)):
        found += rows(task, "search", schedule_shapes.OWN, [1.0])
        found += rows(task, "search", other, [0.9])
        third_loss = {"a": 0.8, "b": 1.3}[task]
        found += rows(task, "search", third, [third_loss])
        found += rows(task, "choice", other, [0.95, 0.95])
        found += rows(task, "choice", schedule_shapes.OWN, [1.0, 0.94])
        found += rows(task, "comparison", other, [0.99 + shift] * 3)
        found += rows(task, "comparison", schedule_shapes.OWN, [1.0] * 3)
        found += rows(task, "comparison", schedule_shapes.COSINE, [1.05] * 3)
    lines = schedule_shapes.summary(found).splitlines()[2:]
    cells = [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines]
    assert cells[0] == ["-0.150 [-0.200, -0.100]", "-0.150", "2 of 2"]
    # On a the other one, which is best on b, and on b the third.
    assert cells[1] == ["+0.100 [-0.100, +0.300]", "+0.100", "1 of 2"]
    assert cells[2] == ["+0.000 [-0.010, +0.010]", "+0.000", "1 of 2"]
    assert cells[3] == ["+0.050 [+0.050, +0.050]", "+0.050", "0 of 2"]


def test_without_references_it_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        schedule_shapes.main([f"--references={tmp_path}", f"--out_dir={tmp_path}/out"])
