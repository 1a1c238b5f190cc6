"""The judge job on toy tasks: pairing, regrets, tables and figures, and that stopped anywhere it resumes to the same end."""

from __future__ import annotations

import csv
import json
import pathlib
import shutil

import matplotlib.image
import numpy as np
import pytest
from killed_writes import run_killed_at_writes

from learned_lr.agents import imitation
from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.controller_spec import ControllerSpec
from learned_lr.control.observations import ObservationSpec
from learned_lr.jobs import contenders
from learned_lr.report import statistics
from learned_lr.trainees import episode_groups
from learned_lr.trainees.adaptive_schedules import ReduceOnPlateau
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.families import parse
from learned_lr.trainees.open_loop import OpenLoop
from learned_lr.trainees.scaled_schedules import BaseAtPeak, Multiplied
from learned_lr.trainees.schedules import Constant, WarmupLinear

TRAINING = ["quadratic-d4-noise10-s20", "quadratic-d5-noise90-s40"]
HELD_OUT = ["quadratic-d4-noise30-s20", "quadratic-d6-noise30-s40"]
CONFIG = f"""
family.name = 'toys'
family.training = {TRAINING}
family.held_out = {HELD_OUT}
family.num_decisions = 5
judge.references = 'references/toys/toy'
judge.schedules = [@linear]
judge.num_seeds = 3
linear.peak_learning_rates = (0.5, 30.0)
workers.num_workers = 0
"""
LOSSES = {"0.1": 0.5, "0.3": 0.2, "1": 0.3}
# Nothing is calibrated on these.
OTHER_LOSSES = {"0.1": 0.1, "0.3": 0.9, "1": 0.9}
REFERENCES = {
    TRAINING[0]: {"peak": 1.0, "best_loss": 0.1, "losses": LOSSES},
    TRAINING[1]: {"peak": 0.2, "best_loss": 0.2, "losses": LOSSES},
    HELD_OUT[0]: {"peak": 0.3, "best_loss": 0.2, "losses": OTHER_LOSSES},
    HELD_OUT[1]: {"peak": 1.0, "best_loss": 0.2, "losses": OTHER_LOSSES},
}
OPEN_LOOP = "linear 0.5, warm-up 0, open loop"
LINEAR, BLOWN_UP = "linear 0.5, warm-up 0", "linear 30, warm-up 0"
NAMES = ["tuned", *contenders.RIVALS, LINEAR, BLOWN_UP]
SEEDS = [2_000_000_000, 2_000_000_001, 2_000_000_002]
FIGURES = ("regrets.png", "profiles.png")


def _run(launch_job, root_dir, *bindings, references=REFERENCES, config=CONFIG):
    folder = pathlib.Path(root_dir) / "references" / "toys" / "toy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "references.json").write_text(json.dumps(references))
    return launch_job("judge", root_dir, *bindings, config=config)


def _path(root_dir):
    return pathlib.Path(root_dir) / "judge" / "toys" / "toy"


def _rows(path, name="judge.csv"):
    return list(csv.DictReader((path / name).read_text().splitlines()))


def _of(rows, **values):
    return [r for r in rows if all(r[name] == v for name, v in values.items())]


def _results(path):
    names = ("judge.csv", "tasks.csv", "judge.md", *FIGURES)
    names += ("references.json", "schedules.json")
    found = {name: (path / name).read_bytes() for name in names}
    results = json.loads((path / "run.json").read_text())["results"]
    results.pop("cpu_sec")
    return {**found, "results": results}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, launch_job):
    """The run directory of a run that nothing disturbed; not to be written to."""
    root_dir = tmp_path_factory.mktemp("finished")
    assert _run(launch_job, root_dir) == 0
    return _path(root_dir)


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
    assert _run(launch_job, root_dir, *bindings) == 0
    return _path(root_dir)


def test_every_contender_runs_on_the_same_seeds_of_every_task(finished):
    rows = _rows(finished)
    expected = [
        (task, name, "1.0", str(seed))
        for task in HELD_OUT
        for name in NAMES
        for seed in SEEDS
    ]
    columns = "task", "contender", "multiplier", "seed"
    assert [tuple(row[c] for c in columns) for row in rows] == expected


def test_the_mark_has_no_regret_at_all(finished):
    rows = _of(_rows(finished), contender="tuned")
    assert {row["validation_regret"] for row in rows} == {"0.0"}
    assert {row["test_regret"] for row in rows} == {"0.0"}


def test_rows_are_runs_of_the_schedules_and_regrets_are_paired_by_seed(finished):
    rows = _rows(finished)
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
                (row,) = _of(rows, task=name, contender=contender, seed=str(seed))
                episode = run_episode(task, schedule, seed)
                validation, test = episode.best_validation_loss, episode.test_loss
                assert float(row["best_validation_loss"]) == validation
                assert float(row["test_loss"]) == test
                ratio = (validation + 0.02) / (mark.best_validation_loss + 0.02)
                assert float(row["validation_regret"]) == pytest.approx(np.log(ratio))
                ratio = (test + 0.02) / (mark.test_loss + 0.02)
                assert float(row["test_regret"]) == pytest.approx(np.log(ratio))
                rate = episode.column("learning_rate").max()
                assert float(row["greatest_rate"]) == rate


def test_diverged_runs_count_with_their_loss_as_measured(finished):
    rows = _of(_rows(finished), contender=BLOWN_UP)
    assert {row["diverged"] for row in rows} == {"True"}
    for row in rows:
        task = parse(row["task"], 5)
        episode = run_episode(task, WarmupLinear(30.0), int(row["seed"]))
        assert float(row["best_validation_loss"]) == episode.best_validation_loss
    assert {r["num_diverged"] for r in _rows(finished, "tasks.csv") if r["contender"] == BLOWN_UP} == {"3"}  # fmt: skip


def test_tasks_hold_the_means_of_their_runs(finished):
    rows = _rows(finished)
    means = _rows(finished, "tasks.csv")
    assert [(r["task"], r["contender"]) for r in means] == [
        (task, name) for task in HELD_OUT for name in NAMES
    ]
    for mean in means:
        own = _of(rows, task=mean["task"], contender=mean["contender"])
        for column in (
            *("best_validation_loss", "test_loss"),
            *("validation_regret", "test_regret"),
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
    rows = _rows(finished)
    tables = [t for t in text.split("\n\n") if t.startswith("|")]
    for table, measure in zip(tables, ("validation", "test")):
        lines = _cells(table)
        assert [line[0] for line in lines] == NAMES[1:]
        for name, mean, median, middle, worst, worst_task, num_diverged in lines:
            values = np.array(
                [
                    [
                        float(row[f"{measure}_regret"])
                        for row in _of(rows, task=task, contender=name)
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
    assert lines[0][1:] == ["+0.000 [+0.000, +0.000]", "0", "0"] * 2
    rows = _rows(finished)
    (line,) = [line for line in lines if line[0] == LINEAR]
    differences = np.array(
        [
            [
                float(row["test_regret"]) - float(other["test_regret"])
                for row, other in zip(
                    _of(rows, task=task, contender=LINEAR),
                    _of(rows, task=task, contender="calibrated per optimizer"),
                )
            ]
            for task in HELD_OUT
        ]
    )
    found = statistics.across_tasks(differences)
    low, high = found.mean_interval
    means = differences.mean(axis=1)
    assert line[4:] == [
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
    rows = _rows(multiplied)
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
            row = _of(rows, task=HELD_OUT[1], **values)[0]
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
        found = [float(r["test_loss"]) for r in _of(rows, task=HELD_OUT[1], **values)]
        expected = [episode.test_loss for episode in group.episodes[len(SEEDS) :]]
        assert found == pytest.approx(expected)
    assert f"| {LINEAR} × 0.5 " in (multiplied / "judge.md").read_text()
    height, width, _ = matplotlib.image.imread(
        str(multiplied / "multipliers.png")
    ).shape
    assert width > 900 and height > 250


def test_another_controller_in_the_folder_is_refused(
    launch_job, finished, tmp_path, capsys
):
    config = CONFIG.replace("[@linear]", "[@controller]")
    config += f"controller.path = '{tmp_path / 'it'}'\njudge.rivals = ()\n"
    config += "judge.against = None\n"
    _controller(0.5).save(tmp_path / "it")
    assert _run(launch_job, tmp_path, config=config) == 0
    described = json.loads((_path(tmp_path) / "schedules.json").read_text())
    assert described["learned"]["controller"]["initial_learning_rate"] == 0.5
    shutil.rmtree(tmp_path / "it")
    _controller(0.6).save(tmp_path / "it")
    capsys.readouterr()
    assert _run(launch_job, tmp_path, config=config) == 1
    assert "found others in place of: learned. Choose" in capsys.readouterr().err


def _controller(rate):
    names = ("validation_loss", "progress")
    spec = ControllerSpec(
        network="mlp",
        num_units=3,
        activation="tanh",
        observation=ObservationSpec(names, transform="relative"),
        scaling=LearningRateScaling(),
        initial_learning_rate=rate,
        trainee_steps_per_action=4,
        num_trainee_steps=20,
    )
    return imitation.untrained(spec, 0.1)


def test_another_seed_gives_other_runs(launch_job, tmp_path):
    bindings = "judge.seed = 1", "judge.num_seeds = 2", "judge.split = 'training'"
    assert _run(launch_job, tmp_path, *bindings) == 0
    rows = _rows(_path(tmp_path))
    assert {row["task"] for row in rows} == set(TRAINING)
    assert {row["seed"] for row in rows} == {"2000100000", "2000100001"}


@pytest.mark.parametrize("is_before", [True, False])
def test_stopped_at_writes_all_along_it_resumes_to_the_same_bytes(
    launch_job, finished, tmp_path, is_before
):
    num_kills = run_killed_at_writes(
        lambda: _run(launch_job, tmp_path), is_before, int(not is_before), stride=2
    )
    assert num_kills >= 4
    assert _results(_path(tmp_path)) == _results(finished)


def test_rows_are_in_the_order_of_the_tasks_whichever_is_done_first(
    launch_job, finished, tmp_path
):
    shutil.copytree(finished, _path(tmp_path))
    for name in ("run.json", "judge.csv", f"episodes/{HELD_OUT[0]}.npz"):
        (_path(tmp_path) / name).unlink()
    assert _run(launch_job, tmp_path) == 0
    assert _results(_path(tmp_path)) == _results(finished)


def test_a_finished_run_is_not_run_again(
    launch_job, finished, tmp_path, monkeypatch, capsys
):
    shutil.copytree(finished, _path(tmp_path))
    monkeypatch.setattr(episode_groups, "run_schedules", None)
    assert _run(launch_job, tmp_path) == 0
    output = capsys.readouterr().out
    assert "holds a finished run: nothing is left to do" in output
    assert (finished / "judge.md").read_text() in output


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        (["judge.num_seeds = 0"], "judge.num_seeds >= 1, found 0"),
        (["judge.split = 'test'"], "Expected splits out of"),
        (["judge.split = 'selection'"], "of the split 'selection', found 2 and 0"),
        (["judge.rivals = ('best',)"], "found ['best']"),
        (
            ["judge.rivals = ('calibrated', 'calibrated')"],
            "found ['calibrated'] twice",
        ),
        (["judge.rivals = ('calibrated',)"], "found 'calibrated per optimizer'"),
        (["judge.rivals = ()", "judge.schedules = ()"], "judge.schedules, found none"),
        (["judge.multipliers = (1.0, 1)"], "different judge.multipliers > 0"),
        (["judge.multipliers = ()"], "at least one, found ()"),
        (["judge.multipliers = (0.0,)"], "found (0.0,)"),
        (
            ["judge.multipliers = (2.0,)", "judge.schedules = [@hypergradient]"],
            "schedules that return rates beside judge.multipliers = (2.0,), found 'hyp",
        ),
        (["judge.against = 'best'"], "or None, found 'best'"),
        (["judge.open_loops = ('best',)"], "found ('best',) and (1.0,)"),
        (
            [f"judge.open_loops = ('{LINEAR}',)", "judge.multipliers = (2.0,)"],
            "and 1 in judge.multipliers, found ('linear 0.5, warm-up 0',) and (2.0,)",
        ),
        (
            [
                "judge.rivals = ('calibrated',)",
                "judge.against = 'calibrated'",
                "judge.other_bases = [@base_schedule()]",
            ],
            "in judge.rivals beside judge.other_bases",
        ),
        (["judge.references = 'nowhere'"], "python -m learned_lr.references"),
    ],
)
def test_what_can_not_work_is_refused(launch_job, tmp_path, capsys, bindings, message):
    assert _run(launch_job, tmp_path, *bindings) == 1
    assert message in capsys.readouterr().err
    # No config stays that a mended one would differ from.
    assert not _path(tmp_path).exists()


def test_tasks_without_a_reference_are_named(launch_job, tmp_path, capsys):
    references = {name: REFERENCES[name] for name in [*TRAINING, HELD_OUT[0]]}
    assert _run(launch_job, tmp_path, references=references) == 1
    assert f"found none for 1: {HELD_OUT[1]}." in capsys.readouterr().err
