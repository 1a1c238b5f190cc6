"""Who is judged on a task, by its optimizer and by what the references found. Nothing is trained."""

from __future__ import annotations

import pytest

from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.jobs import contenders, regrets
from learned_lr.trainees.adaptive_schedules import ReduceOnPlateau
from learned_lr.trainees.families import parse
from learned_lr.trainees.scaled_schedules import BaseAtPeak
from learned_lr.trainees.schedules import Constant

# Tasks with optimizers.
ADAM, SGD = (
    [
        f"digits-mlp-{optimizer}-b64-s100",
        f"digits-cnn-{optimizer}-b64-s100",
    ]
    for optimizer in ("adam", "sgd")
)


def _contenders(training, other_bases=()):
    at_low, at_high = {"0.01": 0.1, "0.1": 0.9}, {"0.01": 0.9, "0.1": 0.1}
    by_task = {
        name: {
            "peak": 0.5,
            "best_loss": 0.1,
            "losses": at_high if name in SGD else at_low,
        }
        for name in [*ADAM, *SGD]
    }
    tasks = {name: parse(name, 25) for name in training}
    references = regrets.References(by_task)
    return contenders.Contenders(
        references, tasks, BaseSchedule(), contenders.RIVALS, {}, (1.0,), other_bases
    )


def test_sgd_has_a_peak_and_a_default_of_its_own():
    found = _contenders([ADAM[0], ADAM[1], SGD[0]])
    assert found.peaks == {"all": 0.01, "sgd": 0.1, "other optimizers": 0.01}
    for name, peak, rate in ((ADAM[1], 0.01, 1e-3), (SGD[1], 0.1, 1e-2)):
        of_task = found.of_task(name, parse(name, 25))
        assert [contender.name for contender in of_task] == [
            "tuned",
            *contenders.RIVALS,
        ]
        assert [contender.schedule for contender in of_task] == [
            BaseAtPeak(0.5),
            BaseAtPeak(0.01),
            BaseAtPeak(peak),
            Constant(rate),
            ReduceOnPlateau(rate, patience=5),
        ]


def test_another_base_runs_at_the_peaks_per_optimizer():
    base = BaseSchedule(0.2, hold_fraction=0.3, decay="linear")
    found = _contenders([ADAM[0], SGD[0]], [base])
    for name, peak in ((ADAM[1], 0.01), (SGD[1], 0.1)):
        last = found.of_task(name, parse(name, 25))[-1]
        assert last.schedule == BaseAtPeak(peak, base)
        assert last.name == f"calibrated per optimizer, {base.describe()}"


def test_a_kind_of_optimizer_that_no_training_task_has():
    tasks = {name: parse(name, 25) for name in [*ADAM, *SGD]}
    adam, sgd = ({name: tasks[name] for name in names} for names in (ADAM, SGD))
    for training, judged, kind in ((adam, sgd, "SGD"), (sgd, adam, "an optimizer oth")):
        message = f"with {kind}.* for {next(iter(judged))}, found"
        with pytest.raises(ValueError, match=message):
            contenders.check(
                ("calibrated per optimizer",), {}, (1.0,), training, judged
            )
        contenders.check(("calibrated",), {}, (1.0,), training, judged)
