"""Regrets against references, by hand."""

from __future__ import annotations

import json
import re

import pytest

from learned_lr.execution.run_directory import RunDirectory, RunDirectoryError
from learned_lr.jobs import regrets

# log(loss + 0.02) of 0.08, 0.18 and 0.98: ln 0.1, ln 0.2, ln 1
BY_TASK = {
    "a": {"peak": 0.02, "best_loss": 0.08, "losses": {"0.01": 0.08, "0.1": 0.18}},
    "b": {
        "peak": 0.1,
        "best_loss": 0.18,
        "losses": {"0.01": 0.98, "0.1": 0.18, "1": 0.18},
    },
}
LN_2, LN_5 = 0.6931472, 1.6094379


@pytest.fixture
def run(tmp_path):
    """An empty run directory beside one of references."""
    folder = tmp_path / "references" / "family" / "default"
    folder.mkdir(parents=True)
    (folder / "references.json").write_text(json.dumps(BY_TASK))
    directory = RunDirectory(str(tmp_path / "imitate" / "family" / "default"))
    yield directory
    directory.close()


def test_regrets_by_hand():
    found = regrets.References(BY_TASK)
    assert found.peak("a") == 0.02
    assert found.regret("a", 0.18) == pytest.approx(LN_2, rel=1e-6)
    assert found.regret("b", 0.08) == pytest.approx(-LN_2, rel=1e-6)
    assert found.regrets_at(0.01, ("a", "b")) == pytest.approx([0.0, LN_5], rel=1e-6)
    figures = regrets.figures([0.0, LN_5, 0.1])
    assert figures == pytest.approx(
        {"mean_regret": 0.5698126, "median_regret": 0.1, "worst_regret": LN_5},
        rel=1e-6,
    )


def test_calibrated_peak_has_the_least_mean_regret_of_those_all_were_run_at():
    found = regrets.References(BY_TASK)
    assert found.calibrated_peak(("a", "b")) == 0.1
    assert found.calibrated_peak(("a",)) == 0.01
    with pytest.raises(RunDirectoryError, match="a peak that every task was run at"):
        regrets.References({**BY_TASK, "c": {"losses": {"2": 1.0}}}).calibrated_peak(
            ("a", "c")
        )


def test_references_are_copied_so_that_a_resumed_run_has_the_same(run, tmp_path):
    path = "references/family/default"
    found = regrets.References.of_run(run, path)
    assert found.peak("b") == 0.1
    (tmp_path / path / "references.json").unlink()
    assert regrets.References.of_run(run, path).peak("b") == 0.1
    assert (tmp_path / "imitate/family/default/references.json").exists()


def test_references_that_are_refused_are_not_copied(run):
    path = "references/family/default"
    with pytest.raises(RunDirectoryError, match="found none for 1: c"):
        regrets.References.of_run(run, path, ("a", "c"))
    assert run.read(regrets.FILE) is None


@pytest.mark.parametrize(
    ("there", "difference"),
    [
        # Of the time before there was a hold.
        ("base_schedule.warmup_fraction = 0.05\n", None),
        (
            "base_schedule.decay = 'linear'\nbase_schedule.warmup_fraction = 0.2\n",
            "decay is 'linear' there and 'cosine' here; base_schedule.warmup_fraction is 0.2 there",
        ),
    ],
)
def test_references_of_another_base_are_refused(run, tmp_path, there, difference):
    run.begin("base_schedule.hold_fraction = 0.0\n", {})
    path = "references/family/default"
    (tmp_path / path / "operative_config.gin").write_text(there)
    if difference is None:
        assert regrets.References.of_run(run, path).peak("a") == 0.02
    else:
        with pytest.raises(RunDirectoryError, match=re.escape(difference)):
            regrets.References.of_run(run, path)
        assert run.read(regrets.FILE) is None


def test_references_that_are_missing(run):
    with pytest.raises(RunDirectoryError, match=r"in .*other.references.json, found"):
        regrets.References.of_run(run, "other")
    found = regrets.References.of_run(run, "references/family/default")
    found.check(("a", "b"))
    with pytest.raises(
        RunDirectoryError, match="for every task, found none for 2: c, d"
    ):
        found.check(("a", "c", "d"))


def test_damaged_references_are_named(run, tmp_path):
    file = tmp_path / "references" / "family" / "default" / "references.json"
    file.write_text("{")
    with pytest.raises(RunDirectoryError, match=f"{file}, found the file damaged"):
        regrets.References.of_run(run, "references/family/default")
