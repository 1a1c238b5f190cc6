"""The references job on toy tasks: the search for a peak, its files, and what a kill leaves."""

from __future__ import annotations

import csv
import json
import re
import shutil

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
        ("references.min_peak = -1", "Expected references.min_peak > 0"),
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


NEW = "quadratic-d3-noise20-s25"
EARLIER = "references.earlier_run = 'references/toys/toy'"
# One of the earlier tasks is of another split here, one is left out.
MORE = (
    CONFIG.replace("'toys'", "'more'")
    .replace("held_out", "selection")
    .replace(QUICK, NEW)
)


def _with_earlier(path, root_dir, *left_out):
    """A root directory that has the earlier references as a published folder has them."""
    folder = root_dir / "references" / "toys" / "toy"
    folder.mkdir(parents=True)
    for name in ("operative_config.gin", "references.csv", "references.json"):
        if name not in left_out:
            (folder / name).write_bytes((path / name).read_bytes())
    return folder


def _more(root_dir):
    return root_dir / "references" / "more" / "toy"


def test_a_larger_family_takes_over_what_is_known(
    launch_job, path, tmp_path, monkeypatch, capsys
):
    alone, root_dir = tmp_path / "alone", tmp_path / "taken"
    assert launch_job("references", alone, config=MORE) == 0
    config = _with_earlier(path, root_dir) / "operative_config.gin"
    # Those of earlier versions don't name every parameter of the base schedule.
    lines = config.read_text().splitlines(keepends=True)
    older = [line for line in lines if "base_schedule.decay" not in line]
    assert len(older) == len(lines) - 1
    config.write_text("".join(older))
    searched, search = [], tuned_cosines.search

    def spy(task, *arguments):
        searched.append(task.num_trainee_steps)
        return search(task, *arguments)

    monkeypatch.setattr(tuned_cosines, "search", spy)
    assert launch_job("references", root_dir, EARLIER, config=MORE) == 0
    assert searched == [25]
    assert (
        "Taken over from references/toys/toy: 1 of 2 tasks." in capsys.readouterr().out
    )
    assert _rows(_more(root_dir)) == _rows(_more(alone))
    for name in ("references.json", "references.md"):
        assert (_more(root_dir) / name).read_bytes() == (
            _more(alone) / name
        ).read_bytes()
    ours, theirs = (
        json.loads((_more(r) / "run.json").read_text())["results"]
        for r in (root_dir, alone)
    )
    for name in ("num_tasks", "num_runs", "num_trainee_steps", "num_diverged"):
        assert ours[name] == theirs[name]


def test_taking_over_it_resumes_to_the_same_end(launch_job, path, tmp_path):
    alone, root_dir = tmp_path / "alone", tmp_path / "taken"
    assert launch_job("references", alone, config=MORE) == 0
    folder = _with_earlier(path, root_dir)
    starts = []

    def launch():
        # What was taken over is kept, whatever becomes of where it came from.
        if starts and (_more(root_dir) / "earlier.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
        starts.append(None)
        return launch_job("references", root_dir, EARLIER, config=MORE)

    assert run_killed_at_writes(launch) >= 6
    assert not folder.exists()
    assert _rows(_more(root_dir)) == _rows(_more(alone))


@pytest.mark.parametrize(
    ("left_out", "binding", "message"),
    [
        ("references.csv", "references.seed = 0", "found no .*references.csv"),
        ("", "references.seed = 1", "references.seed is 0 there and 1 here"),
        ("", "references.max_peak = 0.1", "max_peak is 0.3 there and 0.1 here"),
        ("", "family.num_decisions = 1", "num_decisions is 5 there and 1 here"),
    ],
)
def test_earlier_references_that_are_none_or_others_are_refused(
    launch_job, path, tmp_path, capsys, left_out, binding, message
):
    _with_earlier(path, tmp_path, left_out)
    assert launch_job("references", tmp_path, EARLIER, binding, config=MORE) == 1
    assert re.search(message, capsys.readouterr().err)


def test_damaged_earlier_tables_are_refused(launch_job, path, tmp_path, capsys):
    folder = _with_earlier(path, tmp_path)
    content = (folder / "references.csv").read_text().splitlines()
    lines = [line for line in content if line.startswith(NOISY)]
    assert lines
    for kept in ([], lines[:-1]):
        rows = [line for line in content if line not in lines] + kept
        (folder / "references.csv").write_text("\n".join(rows) + "\n")
        assert launch_job("references", tmp_path, EARLIER, config=MORE) == 1
        error = capsys.readouterr().err
        assert f"has of {NOISY}" in error and f"found {len(kept)} rows" in error
    (folder / "references.json").write_text("{")
    assert launch_job("references", tmp_path, EARLIER, config=MORE) == 1
    assert "Expected whole tables" in capsys.readouterr().err


def test_earlier_references_of_another_version_are_refused(
    launch_job, path, tmp_path, capsys
):
    record = json.loads((path / "run.json").read_text())
    record["versions"]["tensorflow-cpu"] = "2.14.0"
    file = _with_earlier(path, tmp_path) / "run.json"
    file.write_text(json.dumps(record))
    assert launch_job("references", tmp_path, EARLIER, config=MORE) == 1
    assert "the version of tensorflow-cpu is 2.14.0 there" in capsys.readouterr().err
