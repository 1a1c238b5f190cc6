"""The comparison's table from hand-made episodes, its files, and its figure."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import scipy.stats
from job_results import TRAINING, content_of

import gin
from learned_lr.control.rate_table import RateTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.execution.workers_config import WorkersConfig
from learned_lr.jobs import comparison, comparison_tables, schedule_figure
from learned_lr.jobs.controller_pools import Pool
from learned_lr.report import drawing
from learned_lr.trainees.episode import TRAJECTORY_COLUMNS, Episode
from learned_lr.trainees.schedules import Constant
from learned_lr.trainees.tasks import QuadraticTask


def _episode(seed, losses, test_loss=0.0, test_accuracy=0.0):
    trajectory = np.zeros((len(losses), len(TRAJECTORY_COLUMNS)))
    trajectory[:, TRAJECTORY_COLUMNS.index("trainee_step")] = range(len(losses))
    trajectory[:, TRAJECTORY_COLUMNS.index("learning_rate")] = 0.1
    trajectory[:, TRAJECTORY_COLUMNS.index("validation_loss")] = losses
    return Episode(seed, trajectory, False, test_loss, test_accuracy)


GROUPS = {
    "learned": [
        _episode(0, [9.0, 2.0, 1.0], 1.5, 0.5),  # best 1, mean 1.5
        _episode(1, [9.0, 3.0, 4.0], 2.5, 0.25),  # best 3, mean 3.5
    ],
    "constant 0.1": [
        _episode(0, [9.0, 5.0, 5.0], 5.0, 0.125),
        _episode(1, [9.0, 5.0, 5.0], 5.0, 0.125),
    ],
}


@pytest.fixture(autouse=True)
def clear_gin():
    """Leaves no bindings behind."""
    yield
    gin.clear_config()


def _text_of(groups, reference):
    """The Markdown of schedules that stand alone in their rows."""
    alone = {name: [group] for name, group in groups.items()}
    rows = comparison_tables.statistics_rows(alone, reference)
    return comparison_tables.markdown(alone, rows, reference)


def _cells(text):
    """The cells of all tables of a text, a list a line."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_markdown_leads_with_the_paired_test_and_keeps_the_papers():
    losses = {"a": [1.0, 2.0, 3.0], "b": [2.0, 2.5, 4.5], "c": [1.0, 2.0, 4.0]}
    groups = {
        name: [_episode(s, [9.0, v, v + 1], v, v / 10) for s, v in enumerate(sample, 1)]
        for name, sample in losses.items()
    }
    text = _text_of(groups, "a")
    loss, accuracy = _cells(text)[:4], _cells(text)[4:]
    assert loss[0] == [
        *("schedule", "best validation loss", "mean validation loss", "test loss"),
        *("difference [95%]", "p", "p two-sample"),
    ]
    assert accuracy[0] == ["schedule", "test accuracy", *loss[0][4:]]
    assert loss[1] == [
        *("a", "2.0000 (1.0000)", "2.5000 (1.0000)", "2.0000 (1.0000)", "", "", "")
    ]
    # b - a is 1, 0.5, 1.5: mean 1, deviation 0.5, t = 1 / (0.5 / sqrt(3)), 2 degrees of freedom.
    p_paired = 2 * scipy.stats.t.sf(2 * np.sqrt(3), 2)
    p_student = scipy.stats.ttest_ind(losses["a"], losses["b"]).pvalue
    assert loss[2][4].startswith("+1.0000 [+0.") and loss[2][4].endswith("]")
    # Four tests: the two smallest are b's, of loss and of accuracy, which are the same.
    assert loss[2][5:] == [f"{min(1, 4 * p_paired):.2g}", f"{p_student:.2g}"]
    assert accuracy[2][3:] == loss[2][5:]
    assert loss[3][4].startswith("+0.3333 [") and loss[3][5] == "0.85"
    assert text.splitlines()[-1] == (
        "Mean (standard deviation) of 3 runs. Difference: from a, run by run on the same seeds, "
        "with its bootstrap 95% interval; p: paired t-test, Holm-corrected for all 4 "
        "comparisons; two-sample: the paper's t-test, uncorrected, * where p < 0.05."
    )


def test_the_star_stays_with_the_papers_test():
    text = _text_of(GROUPS, "learned")
    (loss,) = (c for c in _cells(text) if c[0] == "constant 0.1" and len(c) == 7)
    # Pooled variance (0.5 + 0) / 2, so t = 3 / sqrt(0.25 * 2 / 2) = 6, with 2 degrees of freedom.
    # Paired: differences 3.5 and 2.5, t = 3 / 0.5, with 1: 0.105, of two tests.
    assert loss[4:] == ["+3.0000 [+2.5000, +3.5000]", "0.21", "0.027*"]


def test_markdown_of_one_seed_has_no_deviation():
    groups = {"a": [_episode(0, [9.0, 2.0, 1.0], 1.5, 0.5)], "b": GROUPS["learned"][:1]}
    text = _text_of(groups, "b")
    assert _cells(text)[1] == ["a", "1.0000", "1.5000", "1.5000", "+0.0000", "", ""]


def test_markdown_of_one_seed_says_that_the_deviation_is_between_controllers():
    first, second = (_episode(0, [9.0, 2.0], loss, 0.5) for loss in (1.0, 2.0))
    pool = {"a|b": [[first], [second]]}
    rows = comparison_tables.statistics_rows(pool, "a|b")
    text = comparison_tables.markdown(pool, rows, "a|b")
    assert "| 1.5000 (–, 0.7071) |" in text and "a\\|b" in text


def test_markdown_leaves_out_what_no_run_has():
    nan = float("nan")
    groups = {"a": [_episode(0, [9.0, 2.0, 1.0], 1.5, nan)]}
    text = _text_of(groups, "a")
    assert len(_cells(text)) == 2 and "nan" not in text


def test_runs_that_diverged_are_counted():
    groups = {"a": _group([1.0, 2.0]), "b": _group([3.0, 5.0])}
    assert "diverged" not in _text_of(groups, "a")
    groups["b"][1] = dataclasses.replace(groups["b"][1], diverged=True)
    assert "\nRuns that diverged: b (1). Their losses" in _text_of(groups, "a")


def _group(losses):
    return [_episode(s, [9.0, v, v], v, 0.5) for s, v in enumerate(losses)]


def test_controllers_of_several_trainings_stand_in_one_row():
    # Means 2, 3 and 7; deviations 1, 1 and 2.
    members = [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [5.0, 7.0, 9.0]]
    plain = [3.0, 5.0, 5.5]
    groups = {"plain": [_group(plain)], "pool": [_group(m) for m in members]}
    rows = comparison_tables.statistics_rows(groups, "plain")
    row = next(
        r for r in rows if r["schedule"] == "pool" and r["metric"] == "test_loss"
    )
    assert row["mean"] == 4.0 and (row["num_runs"], row["num_members"]) == (9, 3)
    # sqrt((1 + 1 + 4) / 3), and the deviation of 2, 3, 7.
    assert row["standard_deviation"] == pytest.approx(np.sqrt(2))
    assert row["deviation_between"] == pytest.approx(np.std([2, 3, 7], ddof=1))
    # A seed's value is the mean over controllers: 8/3, 4, 16/3.
    means = np.mean(members, axis=0)
    assert row["difference"] == pytest.approx(np.mean(means - plain))
    assert row["p_paired"] == pytest.approx(scipy.stats.ttest_rel(means, plain).pvalue)
    # Nine runs of three controllers are no nine independent ones.
    for name in ("p_student", "p_welch", "effect_size", "p_student_holm"):
        assert np.isnan(row[name])
    assert row["star"] == ""
    alone = next(r for r in rows if r["schedule"] == "plain")
    assert alone["num_members"] == 1 and np.isnan(alone["deviation_between"])
    text = comparison_tables.markdown(groups, rows, "plain")
    cells = next(c for c in _cells(text) if c[0] == "pool")
    assert cells[3] == "4.0000 (1.4142, 2.6458)" and cells[-1] == ""
    assert "\nOf several controllers, pool (3): the mean over them" in text
    # A pool as the reference takes the tests of independent runs from all.
    for row in comparison_tables.statistics_rows(groups, "pool"):
        assert np.isnan(row["p_student"])


def test_a_pool_is_run_member_by_member(tmp_path):
    run = RunDirectory(str(tmp_path))
    pool = Pool({f"pool {n} of 2": Constant(rate) for n, rate in ((1, 0.1), (2, 0.3))})
    compared = {
        "constant 0.2": Constant(0.2),
        "pool": pool,
        "constant 0.1": Constant(0.1),
    }
    num_runs = []
    _, episodes = comparison.compare(
        run,
        Workers(WorkersConfig(num_workers=0)),
        QuadraticTask(num_trainee_steps=20),
        compared,
        [7, 9],
        "constant 0.2",
        num_runs.append,
    )
    # The first member is a schedule that stands alone, too: it is run once.
    assert len(comparison.episode_names(compared, [7, 9])) == len(num_runs) == 6
    names = ["constant 0.2", "pool 1 of 2", "pool 2 of 2", "constant 0.1"]
    assert list(episodes) == names
    rows = content_of(tmp_path / "evaluation.csv")
    assert [r["schedule"] for r in rows] == [name for name in names for _ in "79"]
    described = json.loads((tmp_path / "schedules.json").read_text())
    assert {n: d.get("pool") for n, d in described.items()} == {
        "constant 0.2": None,
        "pool 1 of 2": "pool",
        "pool 2 of 2": "pool",
        "constant 0.1": None,
    }
    lines = (tmp_path / "statistics.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in lines[1:4]] == list(compared)
    assert len(list((tmp_path / "replay").iterdir())) == 4
    clash = {"pool": pool, "pool 1 of 2": Constant(0.5)}
    with pytest.raises(ValueError, match="different names, found 'pool 1 of 2' twice"):
        comparison.episode_names(clash, [7, 9])


def test_rates_of_names_that_are_alike_have_files_of_their_own(tmp_path):
    run = RunDirectory(str(tmp_path))
    compared = {"best (a)": Constant(0.25), "best [a]": Constant(0.125)}
    workers, task = Workers(WorkersConfig(num_workers=0)), QuadraticTask()
    comparison.compare(run, workers, task, compared, [7], "best (a)", lambda _: None)
    found = {
        path.name: RateTable.load(str(path)).at(0)
        for path in (tmp_path / "replay").iterdir()
    }
    assert found == pytest.approx({"best__a_.csv": 0.25, "best__a__1.csv": 0.125})


def test_figure_is_the_same_bytes_each_time():
    pictures = [
        drawing.png(schedule_figure.draw(GROUPS, "a title", "learned"))
        for _ in range(2)
    ]
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(b"\x89PNG\r\n") and len(pictures[0]) > 10_000


@pytest.mark.parametrize("number", [5, 6])
def test_a_long_legend_lies_beside_the_curves(number):
    groups = {f"schedule {n}": [_episode(0, [9.0, 5.0])] for n in range(number)}
    figure = schedule_figure.draw(groups, "title")
    rates, _ = figure.axes
    assert (rates.get_legend() is None) == bool(figure.legends) == (number == 6)


def test_curves_beyond_the_colours_are_dashed():
    groups = {f"schedule {n}": [_episode(0, [9.0, 5.0])] for n in range(12)}
    for axes in schedule_figure.draw(groups, "title").axes:
        styles = [(line.get_linestyle(), line.get_color()) for line in axes.lines]
        assert len(set(styles)) == 12
        assert [style for style, _ in styles] == ["-"] * 10 + ["--"] * 2


def test_figure_draws_each_rate_over_the_interval_it_trained():
    episode = _episode(0, [9.0, 5.0, 4.0])
    rate = TRAJECTORY_COLUMNS.index("learning_rate")
    episode.trajectory[:, rate] = [0.1, 0.1, 0.2]
    figure = schedule_figure.draw({"a": [episode]}, "title")
    rates, losses = figure.axes
    (line,) = rates.lines
    np.testing.assert_array_equal(line.get_xydata(), [[0, 0.1], [1, 0.2], [2, 0.2]])
    (line,) = losses.lines
    np.testing.assert_array_equal(line.get_ydata(), [9.0, 5.0, 4.0])


def test_compare_writes_a_row_a_run_and_repeats_to_the_letter(tmp_path):
    run = RunDirectory(str(tmp_path))
    names = [n for n in TRAINING[3:] if not n.startswith("controller/")]

    def compare():
        text, episodes = comparison.compare(
            run,
            Workers(WorkersConfig(num_workers=0)),
            QuadraticTask(num_trainee_steps=20),
            {"constant 0.1": Constant(0.1), "constant 0.2": Constant(0.2)},
            [7, 9],
            "constant 0.2",
        )
        assert text.encode() == run.read("evaluation.md")
        assert {name: len(group) for name, group in episodes.items()} == {
            "constant 0.1": 2,
            "constant 0.2": 2,
        }
        return {name: content_of(tmp_path / name) for name in names}

    first = compare()
    assert [(row["schedule"], row["seed"]) for row in first["evaluation.csv"]] == [
        (name, seed) for name in ("constant 0.1", "constant 0.2") for seed in "79"
    ]
    assert compare() == first


def test_plain_schedules_come_from_gin():
    gin.parse_config(
        "comparison.constant_learning_rates = (0.5,)\n"
        "comparison.step_decays = ((0.1, 20, 0.5),)\n"
        "comparison.num_seeds = 7\n"
    )
    compared, num_seeds = gin.get_configurable(comparison.plain_schedules)()
    assert [schedule.name for schedule in compared.values()] == [
        "constant 0.5",
        "step decay 0.1, 20, 0.5",
    ]
    assert list(compared) == ["constant 0.5", "step decay 0.1, 20, 0.5"]
    assert num_seeds == 7
