"""What is judged on a task: the mark, rivals that need the references or the task, and schedules by gin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.jobs.regrets import References
from learned_lr.jobs.schedule_families import Schedules
from learned_lr.trainees.adaptive_schedules import Hypergradient, ReduceOnPlateau
from learned_lr.trainees.open_loop import OpenLoop
from learned_lr.trainees.scaled_schedules import BaseAtPeak, Multiplied
from learned_lr.trainees.schedules import Constant

# The mark: the base schedule at the task's own tuned peak.
TUNED = "tuned"
CALIBRATED = "calibrated"
CALIBRATED_PER_OPTIMIZER = "calibrated per optimizer"
OPTIMIZER_DEFAULT = "optimizer default"
PLATEAU = "plateau from default"
RIVALS = (CALIBRATED, CALIBRATED_PER_OPTIMIZER, OPTIMIZER_DEFAULT, PLATEAU)
# Those of Keras' optimizers.
_DEFAULT_RATE, _DEFAULT_SGD_RATE = 1e-3, 1e-2
# Decisions. With Keras' 10 a run of 25 decisions would hardly ever be cut.
_PATIENCE = 5


class Contender(NamedTuple):
    """A schedule that is run on a task.

    Attributes:
      name: the contender's name, the same on all tasks.
      multiplier: float > 0, its rates are multiplied by it; it isn't told.
      schedule: what is run, the multiplier included.
    """

    name: str
    multiplier: float
    schedule: Any


def check(
    rivals: Sequence[str],
    schedules: Schedules,
    multipliers: Sequence[float],
    training: Mapping[str, Any],
    judged: Mapping[str, Any],
    other_bases: Sequence[BaseSchedule] = (),
    open_loops: Sequence[str] = (),
) -> None:
    """Refuses what `Contenders` can't do, before anything is written.

    Raises:
      ValueError: on a rival that is unknown, a name or multiplier that is there twice, a
        schedule whose rates can't be multiplied or played back, or a task that no training
        task calibrates a rival for.
    """
    unknown = [rival for rival in rivals if rival not in RIVALS]
    if unknown:
        raise ValueError(f"Expected judge.rivals out of {RIVALS}, found {unknown}.")
    if other_bases and CALIBRATED_PER_OPTIMIZER not in rivals:
        raise ValueError(
            f"Expected {CALIBRATED_PER_OPTIMIZER!r} in judge.rivals beside judge.other_bases, whose "
            f"peaks they have, found {tuple(rivals)}."
        )
    unknown = [name for name in open_loops if name not in schedules]
    if unknown or (open_loops and 1.0 not in multipliers):
        raise ValueError(
            f"Expected judge.open_loops out of {[*schedules]}, and 1 in judge.multipliers, "
            f"found {tuple(open_loops)} and {tuple(multipliers)}."
        )
    names = [TUNED, *rivals, *map(_other_base, other_bases), *schedules]
    names += map(_open_loop, open_loops)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or len(names) == 1:
        raise ValueError(
            "Expected contenders of different names in judge.rivals and "
            f"judge.schedules, found {f'{twice} twice' if twice else 'none'}."
        )
    if (
        not multipliers
        or len(set(multipliers)) < len(multipliers)
        or not all(0 < multiplier < float("inf") for multiplier in multipliers)
    ):
        raise ValueError(
            "Expected different judge.multipliers > 0, at least one, found "
            f"{multipliers!r}."
        )
    fixed = [n for n, schedule in schedules.items() if type(schedule) is Hypergradient]
    if fixed and set(multipliers) != {1.0}:
        raise ValueError(
            "Expected schedules that return rates beside judge.multipliers = "
            f"{multipliers!r}, found {fixed[0]!r}."
        )
    if CALIBRATED_PER_OPTIMIZER in rivals:
        kinds = {_is_sgd(task) for task in training.values()}
        lacking = [name for name, task in judged.items() if _is_sgd(task) not in kinds]
        if lacking:
            kind = "an optimizer other than SGD" if True in kinds else "SGD"
            raise ValueError(
                f"Expected training tasks with {kind}, to calibrate a peak for "
                f"{lacking[0]}, found none."
            )


class Contenders:
    """All contenders of a family's tasks."""

    def __init__(
        self,
        references: References,
        training: Mapping[str, Any],
        base: BaseSchedule,
        rivals: Sequence[str],
        schedules: Schedules,
        multipliers: Sequence[float],
        other_bases: Sequence[BaseSchedule] = (),
        open_loops: Sequence[str] = (),
    ):
        """Calibrates the rivals that need it.

        Args:
          references: of the training tasks and of those that are judged on.
          training: the family's training tasks by name: what rivals are calibrated on.
          base: the schedule that the references tuned.
          rivals: names out of `RIVALS`.
          schedules: the other contenders by name.
          multipliers: floats > 0, every contender but the mark is run at each.
          other_bases: run at the peaks that are calibrated per optimizer.
          open_loops: names out of `schedules`, whose mean rates with the other seeds are played back.
        """
        self._references, self._base = references, base
        self._rivals, self._schedules = tuple(rivals), schedules
        self._multipliers, self._other_bases = tuple(multipliers), tuple(other_bases)
        self._open_loops = tuple(open_loops)
        self._peak, self._peaks = None, {}
        if CALIBRATED in rivals:
            self._peak = references.calibrated_peak(training)
        if CALIBRATED_PER_OPTIMIZER in rivals:
            for kind in (True, False):
                names = [n for n, task in training.items() if _is_sgd(task) is kind]
                if names:
                    self._peaks[kind] = references.calibrated_peak(names)

    @property
    def peaks(self) -> dict[str, float]:
        """The peaks that were calibrated, by what they are for."""
        found = {} if self._peak is None else {"all": self._peak}
        names = {True: "sgd", False: "other optimizers"}
        return {**found, **{names[kind]: peak for kind, peak in self._peaks.items()}}

    def of_task(self, name: str, task) -> list[Contender]:
        """Returns the contenders on a task, the mark first, alone and without a multiplier."""
        tuned = BaseAtPeak(self._references.peak(name), self._base)
        found = [Contender(TUNED, 1.0, tuned)]
        rivals = {rival: self._rival(rival, task) for rival in self._rivals}
        others = {
            _other_base(base): BaseAtPeak(self._peaks[_is_sgd(task)], base)
            for base in self._other_bases
        }
        for contender, schedule in {**rivals, **others, **self._schedules}.items():
            for multiplier in self._multipliers:
                # As it is, so that equal schedules are seen to be equal.
                is_plain = multiplier == 1
                run = schedule if is_plain else Multiplied(schedule, multiplier)
                found.append(Contender(contender, multiplier, run))
        # Last: they play back what was run before.
        found += [
            Contender(_open_loop(name), multiplier, OpenLoop(schedule, multiplier))
            for name, schedule in self._schedules.items()
            if name in self._open_loops
            for multiplier in self._multipliers
        ]
        return found

    def _rival(self, rival, task):
        if rival == CALIBRATED:
            return BaseAtPeak(self._peak, self._base)
        if rival == CALIBRATED_PER_OPTIMIZER:
            return BaseAtPeak(self._peaks[_is_sgd(task)], self._base)
        rate = _DEFAULT_SGD_RATE if _is_sgd(task) else _DEFAULT_RATE
        if rival == OPTIMIZER_DEFAULT:
            return Constant(rate)
        return ReduceOnPlateau(rate, patience=_PATIENCE)


def _other_base(base):
    return f"{CALIBRATED_PER_OPTIMIZER}, {base.describe()}"


def _open_loop(name):
    return f"{name}, open loop"


def _is_sgd(task):
    # A toy task has no optimizer to name.
    return getattr(task, "optimizer", None) == "sgd"
