"""The judge job on toy tasks: pairing, regrets, tables and figures."""

from __future__ import annotations

import matplotlib.image
import numpy as np
import pytest
from toy_judgements import (
    BLOWN_UP,
    FIGURES,
    HELD_OUT,
    LINEAR,
    NAMES,
    OPEN_LOOP,
    REFERENCES,
    SEEDS,
    judge,
    path_of,
    read_rows,
    rows_with,
)

from learned_lr.report import statistics
from learned_lr.trainees import episode_groups
from learned_lr.trainees.adaptive_schedules import ReduceOnPlateau
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.families import parse
from learned_lr.trainees.open_loop import OpenLoop
from learned_lr.trainees.scaled_schedules import BaseAtPeak, Multiplied
from learned_lr.trainees.schedules import Constant, WarmupLinear


@pytest.fixture(scope="module")
def finished(tmp_path_factory, launch_job):
    """The run directory of a run that nothing disturbed; not to be written to."""
    root_dir = tmp_path_factory.mktemp("finished")
    assert judge(launch_job, root_dir) == 0
    return path_of(root_dir)


@pytest.fixture(scope="module")
def multiplied(tmp_path_factory, launch_job):
    """The same with hidden multipliers and one rival."""
    root_dir = tmp_path_factory.mktemp("multiplied")
    bindings = [
        "judge.multipliers = (0.5, 1, 2)",
        "judge.rivals = ('calibrated',)",
        "judge.against = 'calibrated'",
        f"judge.open_loops = ('{LINEAR}',)",
    ]
    assert judge(launch_job, root_dir, *bindings) == 0
    return path_of(root_dir)


def test_every_contender_runs_on_the_same_seeds_of_every_task(finished):
    rows = read_rows(finished)
    expected = [
        (task, name, "1.0", str(seed))
        for task in HELD_OUT
        for name in NAMES
        for seed in SEEDS
    ]
    columns = "task", "contender", "multiplier", "seed"
    assert [tuple(row[c] for c in columns) for row in rows] == expected


def test_the_mark_has_no_regret_at_all(finished):
    rows = rows_with(read_rows(finished), contender="tuned")
    assert {row["validation_regret"] for row in rows} == {"0.0"}
    assert {row["test_regret"] for row in rows} == {"0.0"}
    assert {row["final_regret"] for row in rows} == {"0.0"}


def test_rows_are_runs_of_the_schedules_and_regrets_are_paired_by_seed(finished):
    rows = read_rows(finished)
    for name, peak in zip(HELD_OUT, (0.3, 1.0)):
        task = parse(name, 5)
        schedules = {
            "tuned": BaseAtPeak(peak),
            "calibrated": BaseAtPeak(0.3),
            "calibrated per optimizer": BaseAtPeak(0.3),
            "optimizer default": Constant(1e-3),
            "plateau from default": ReduceOnPlateau(1e-3, patience=5),
            LINEAR: WarmupLinear(0.5),
        }
        for seed in SEEDS:
            mark = run_episode(task, schedules["tuned"], seed)
            for contender, schedule in schedules.items():
                (row,) = rows_with(rows, task=name, contender=contender, seed=str(seed))
                episode = run_episode(task, schedule, seed)
                validation, test = episode.best_validation_loss, episode.test_loss
                assert float(row["best_validation_loss"]) == validation
                assert float(row["test_loss"]) == test
                ratio = (validation + 0.02) / (mark.best_validation_loss + 0.02)
                assert float(row["validation_regret"]) == pytest.approx(np.log(ratio))
                ratio = (test + 0.02) / (mark.test_loss + 0.02)
                assert float(row["test_regret"]) == pytest.approx(np.log(ratio))
                last, mark_last = (
                    e.column("validation_loss")[-1] for e in (episode, mark)
                )
                assert float(row["final_validation_loss"]) == last
                ratio = (last + 0.02) / (mark_last + 0.02)
                assert float(row["final_regret"]) == pytest.approx(np.log(ratio))
                rate = episode.column("learning_rate").max()
                assert float(row["greatest_rate"]) == rate


def test_diverged_runs_count_with_their_loss_as_measured(finished):
    rows = rows_with(read_rows(finished), contender=BLOWN_UP)
    assert {row["diverged"] for row in rows} == {"True"}
    for row in rows:
        task = parse(row["task"], 5)
        episode = run_episode(task, WarmupLinear(30.0), int(row["seed"]))
        assert float(row["best_validation_loss"]) == episode.best_validation_loss
    assert {r["num_diverged"] for r in read_rows(finished, "tasks.csv") if r["contender"] == BLOWN_UP} == {"3"}  # fmt: skip


def test_tasks_hold_the_means_of_their_runs(finished):
    rows = read_rows(finished)
    means = read_rows(finished, "tasks.csv")
    assert [(r["task"], r["contender"]) for r in means] == [
        (task, name) for task in HELD_OUT for name in NAMES
    ]
    for mean in means:
        own = rows_with(rows, task=mean["task"], contender=mean["contender"])
        for column in (
            *("best_validation_loss", "test_loss", "final_validation_loss"),
            *("validation_regret", "test_regret", "final_regret"),
        ):
            expected = np.mean([float(row[column]) for row in own])
            assert float(mean[column]) == pytest.approx(expected)
        assert float(mean["tuned_peak"]) == REFERENCES[mean["task"]]["peak"]
        rates = [float(row["greatest_rate"]) for row in own]
        assert float(mean["mean_greatest_rate"]) == pytest.approx(
            np.exp(np.mean(np.log(rates)))
        )


def test_the_summary_has_the_statistics_of_each_contender(finished):
    text = (finished / "judge.md").read_text()
    assert "on 2 tasks (held_out), 3 seeds each" in text
    assert "training tasks: 0.3 (all), 0.3 (other optimizers)." in text
    rows = read_rows(finished)
    tables = [t for t in text.split("\n\n") if t.startswith("|")]
    for table, measure in zip(tables, ("validation", "test", "final")):
        lines = _cells(table)
        assert [line[0] for line in lines] == NAMES[1:]
        for name, mean, median, middle, worst, worst_task, num_diverged in lines:
            values = np.array(
                [
                    [
                        float(row[f"{measure}_regret"])
                        for row in rows_with(rows, task=task, contender=name)
                    ]
                    for task in HELD_OUT
                ]
            )
            found = statistics.across_tasks(values)
            for cell, value, (low, high) in (
                (mean, found.mean, found.mean_interval),
                (median, found.median, found.median_interval),
                (
                    middle,
                    found.interquartile_mean,
                    found.interquartile_mean_interval,
                ),
            ):
                assert cell == f"{value:.3f} [{low:.3f}, {high:.3f}]"
            assert worst == f"{values.mean(axis=1).max():.3f}"
            assert worst_task == HELD_OUT[int(values.mean(axis=1).argmax())]
            assert num_diverged == ("6" if name == BLOWN_UP else "0")


def _cells(table):
    """The cells of a Markdown table below its header."""
    lines = table.splitlines()[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_differences_are_paired_with_one_contender_by_seed(finished):
    text = (finished / "judge.md").read_text()
    table = text.partition("minus those of calibrated per optimizer:\n\n")[2]
    lines = _cells(table.partition("\n\n")[0])
    assert [line[0] for line in lines] == [n for n in NAMES[1:] if n != "calibrated per optimizer"]  # fmt: skip
    assert lines[0][1:] == ["+0.000 [+0.000, +0.000]", "0", "0"] * 3
    rows = read_rows(finished)
    (line,) = [line for line in lines if line[0] == LINEAR]
    differences = np.array(
        [
            [
                float(row["test_regret"]) - float(other["test_regret"])
                for row, other in zip(
                    rows_with(rows, task=task, contender=LINEAR),
                    rows_with(rows, task=task, contender="calibrated per optimizer"),
                )
            ]
            for task in HELD_OUT
        ]
    )
    found = statistics.across_tasks(differences)
    low, high = found.mean_interval
    means = differences.mean(axis=1)
    assert line[4:7] == [
        f"{found.mean:+.3f} [{low:+.3f}, {high:+.3f}]",
        str((means < 0).sum()),
        str((means > 0).sum()),
    ]


@pytest.mark.parametrize("name", FIGURES)
def test_figures(finished, name):
    height, width, _ = matplotlib.image.imread(str(finished / name)).shape
    assert width > 900 and height > 250


def test_equal_schedules_run_once(finished):
    by_task = {
        name: episode_groups.EpisodeGroup.from_bytes(
            (finished / f"episodes/{name}.npz").read_bytes()
        )
        for name in HELD_OUT
    }
    # The calibrated cosines are one, which is the first task's tuned one, too.
    assert [len(group.episodes) for group in by_task.values()] == [5 * 3, 6 * 3]


def test_hidden_multipliers(multiplied):
    rows = read_rows(multiplied)
    found = list(dict.fromkeys((r["contender"], r["multiplier"]) for r in rows))
    assert found == [
        ("tuned", "1.0"),
        *((n, m) for n in ("calibrated", LINEAR, BLOWN_UP, OPEN_LOOP) for m in ("0.5", "1.0", "2.0")),
    ]  # fmt: skip
    task = parse(HELD_OUT[1], 5)
    for multiplier in (0.5, 1.0, 2.0):
        for name, schedule in (
            ("calibrated", BaseAtPeak(0.3)),
            (LINEAR, WarmupLinear(0.5)),
        ):
            values = {"contender": name, "multiplier": repr(multiplier)}
            row = rows_with(rows, task=HELD_OUT[1], **values)[0]
            episode = run_episode(task, Multiplied(schedule, multiplier), SEEDS[0])
            assert float(row["test_loss"]) == pytest.approx(episode.test_loss)
            # What the network trained at.
            rate = episode.column("learning_rate").max()
            assert float(row["greatest_rate"]) == rate
    line = WarmupLinear(0.5)
    for multiplier in (0.5, 1.0, 2.0):
        schedules = [line, OpenLoop(line, multiplier)]
        group = episode_groups.run_schedules(task, schedules, SEEDS)
        values = {"contender": OPEN_LOOP, "multiplier": repr(multiplier)}
        found = [
            float(r["test_loss"]) for r in rows_with(rows, task=HELD_OUT[1], **values)
        ]
        expected = [episode.test_loss for episode in group.episodes[len(SEEDS) :]]
        assert found == pytest.approx(expected)
    assert f"| {LINEAR} × 0.5 " in (multiplied / "judge.md").read_text()
    height, width, _ = matplotlib.image.imread(
        str(multiplied / "multipliers.png")
    ).shape
    assert width > 900 and height > 250
