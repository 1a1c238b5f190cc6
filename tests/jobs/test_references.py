"""The references job on toy tasks: the search for a peak, its files, and what a kill leaves."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from killed_writes import run_killed_at_writes

from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.jobs import regrets, tuned_cosines
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.families import parse
from learned_lr.trainees.scaled_schedules import BaseAtPeak

QUICK, NOISY = "quadratic-d4-noise10-s50", "quadratic-d10-noise50-s40"
FAMILY = f"""
family.name = 'toys'
family.num_decisions = 5
family.training = ['{QUICK}']
family.held_out = ['{NOISY}']
workers.num_workers = 0
"""
CONFIG = FAMILY + "references.min_peak = 0.01\nreferences.max_peak = 0.3\n"
JUDGE = """
judge.references = 'references/toys/toy'
judge.num_seeds = 1
judge.rivals = ('calibrated',)
judge.against = None
"""
PEAKS = [0.01, 0.03, 0.1, 0.3]
SEEDS = [1_000_000_000, 1_000_000_001]


@pytest.fixture(scope="module", name="path")
def _path(launch_job, tmp_path_factory):
    root_dir = tmp_path_factory.mktemp("references")
    assert launch_job("references", root_dir, config=CONFIG) == 0
    return root_dir / "references" / "toys" / "toy"


def _rows(path):
    rows = list(csv.DictReader((path / "references.csv").read_text().splitlines()))
    return [{k: v for k, v in row.items() if k != "cpu_sec"} for row in rows]


def test_half_decades():
    assert tuned_cosines.half_decades(1e-3, 0.3) == [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3]
    assert tuned_cosines.half_decades(0.002, 0.002) == []


def test_the_vertex_of_a_parabola():
    # log(loss + 0.02) = (log(peak) - log(0.02))^2 has its least at 0.02.
    losses = {p: float(np.exp(np.log(p / 0.02) ** 2) - 0.02) for p in PEAKS}
    assert tuned_cosines.refined_peak(losses) == 0.02
    # The best has a neighbour on one side alone.
    assert tuned_cosines.refined_peak({0.01: 3.0, 0.03: 2.0, 0.1: 1.0}) == 0.1
    assert tuned_cosines.refined_peak({0.01: 1.0, 0.03: 1.0, 0.1: 1.0}) == 0.01


@pytest.mark.parametrize("peaks", [[1e-3, 3e-3, 1e-2], [1.0, 3.0, 10.0]])
def test_a_search_goes_where_the_best_is(peaks):
    task = parse(QUICK, 5)
    found = tuned_cosines.search(task, BaseSchedule(), peaks, SEEDS)
    tried = np.unique(found.peaks).tolist()
    # Widened at the side of the best until it is within, or at the bound of 1.
    best = min(found.losses(), key=found.losses().get)
    assert 0.03 < best <= 1.0
    assert set(tuned_cosines.half_decades(min(tried), max(tried))) <= set(tried)
    assert tried[0] < best and (best < tried[-1] or best == 1.0)
    assert np.all(found.seeds.reshape(-1, 2) == SEEDS)
    assert found.steps.tolist() == [0, 10, 20, 30, 40, 50]
    for index in (0, len(found.peaks) - 1):
        schedule = BaseAtPeak(found.peaks[index])
        episode = run_episode(task, schedule, int(found.seeds[index]), test=False)
        np.testing.assert_array_equal(
            found.curves[index], episode.column("validation_loss")
        )
    copy = tuned_cosines.PeakSearch.from_bytes(found.to_bytes())
    np.testing.assert_equal(vars(copy), vars(found))


def test_references_are_those_of_the_runs(path):
    rows = _rows(path)
    documents = json.loads((path / "references.json").read_text())
    assert list(documents) == [QUICK, NOISY]
    for name, document in documents.items():
        own = [row for row in rows if row["task"] == name]
        means = {}
        for row in own:
            means.setdefault(row["peak"], []).append(float(row["best_validation_loss"]))
        means = {peak: np.mean(losses) for peak, losses in means.items()}
        assert document["losses"] == pytest.approx(means)
        assert document["best_loss"] == min(document["losses"].values())
        assert document["losses"][repr(document["peak"])] == document["best_loss"]
        logs = [np.log(document["losses"][repr(peak)] + 0.02) for peak in PEAKS]
        assert document["spread"] == pytest.approx(np.std(logs))
        task, schedule = parse(name, 5), BaseAtPeak(document["peak"])
        episodes = [run_episode(task, schedule, seed, test=False) for seed in SEEDS]
        curve = np.mean([e.column("validation_loss") for e in episodes], axis=0)
        steps, losses = zip(*document["curve"])
        assert list(steps) == episodes[0].column("trainee_step").tolist()
        assert losses == pytest.approx(curve)
    assert {(row["task"], row["split"]) for row in rows} == {
        (QUICK, "training"),
        (NOISY, "held_out"),
    }


def test_regrets_read_them(path):
    found = regrets.References(json.loads((path / "references.json").read_text()))
    found.check([QUICK, NOISY])
    assert 0.01 <= found.calibrated_peak([QUICK, NOISY]) <= 1.0
    best = json.loads((path / "references.json").read_text())[QUICK]["best_loss"]
    assert found.regret(QUICK, best) == 0.0


def test_stopped_at_every_write(launch_job, path, tmp_path):
    num_kills = run_killed_at_writes(
        lambda: launch_job("references", tmp_path, config=CONFIG)
    )
    assert num_kills >= 6
    again = tmp_path / "references" / "toys" / "toy"
    assert _rows(again) == _rows(path)
    name = "references.json"
    assert (again / name).read_bytes() == (path / name).read_bytes()


def test_a_finished_run_is_not_run_again(launch_job, path, capsys):
    assert launch_job("references", path.parents[2], config=CONFIG) == 0
    assert "nothing is left to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("references.max_peak = 0.02", "at least 3 half decades"),
        ("references.splits = ('test',)", "Expected splits out of"),
        ("family.training = ['quadratic-s51']", "multiple of 5 decisions, found 51"),
    ],
)
def test_what_cannot_be_run_is_refused(launch_job, tmp_path, capsys, binding, message):
    assert launch_job("references", tmp_path, binding, config=CONFIG) == 1
    assert message in capsys.readouterr().err


def test_nothing_is_judged_by_another_base_than_was_tuned(launch_job, path, capsys):
    root_dir, other = path.parents[2], "base_schedule.warmup_fraction = 0.2"
    config = FAMILY + JUDGE
    assert launch_job("judge", root_dir, other, config=config) == 1
    message = "base_schedule.warmup_fraction is 0.05 there and 0.2 here"
    assert message in capsys.readouterr().err
    assert launch_job("judge", root_dir, config=config) == 0
