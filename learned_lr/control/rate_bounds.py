"""The bounds that a run's learning rates, or the levels of its base schedule, keep to; a brake's gives way with time."""

from __future__ import annotations

import dataclasses

from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.checks import check_positive

# A brake cuts the level to this fraction, with this fraction of what exploded as the new upper bound.
_BRAKE_FACTOR = 0.1
_BRAKE_CEILING = 0.2
# How much the upper bound that a brake left grows in n decisions after the n-th brake of a run. It is back at a rate ten
# times as high after seven decisions, of the 25 to 100 of a run.
_GROWTH = 2**0.5


def bounded(
    scaling: LearningRateScaling, minimum: float | None, maximum: float | None
) -> LearningRateScaling:
    """Returns the scaling with the bounds that the user named; None for its own.

    Raises:
      ValueError: unless these are numbers > 0 in their order.
    """
    bounds = {"min_learning_rate": minimum, "max_learning_rate": maximum}
    changes = {name: bound for name, bound in bounds.items() if bound is not None}
    for name, bound in changes.items():
        check_positive(name, bound)
    low, high = ({**dataclasses.asdict(scaling), **changes}[name] for name in bounds)
    if low > high and len(changes) == 1:
        (other,) = bounds.keys() - changes
        raise ValueError(
            f"Expected min_learning_rate <= max_learning_rate, found {low!r} and {high!r}: give {other} as well."
        )
    return dataclasses.replace(scaling, **changes)


def lifted(
    scaling: LearningRateScaling, maximum: float, num_brakes: int
) -> LearningRateScaling:
    """Returns the scaling of the next decision: what exploded at one time need not explode later.

    Args:
      scaling: that of this decision.
      maximum: float > 0, the upper bound before any brake.
      num_brakes: int >= 0, brakes of the run; the upper bound doubles in twice as many decisions.
    """
    if not num_brakes:
        return scaling
    ceiling = scaling.max_learning_rate * _GROWTH ** (1 / num_brakes)
    return dataclasses.replace(scaling, max_learning_rate=min(ceiling, maximum))


def restored(
    scaling: LearningRateScaling,
    maximum: float,
    level: float,
    ceiling: float,
    num_brakes: int,
) -> LearningRateScaling:
    """Returns the scaling of a run that goes on: with the bounds of its new loop, and below what brakes left.

    Args:
      scaling: that of the new loop.
      maximum: float > 0, the new loop's upper bound before any brake.
      level: float > 0, where the run is.
      ceiling: float > 0, its upper bound there.
      num_brakes: int >= 0, brakes of the run.

    Raises:
      ValueError: if the run is out of what the new loop allows.
    """
    minimum = scaling.min_learning_rate
    if not minimum <= level <= maximum:
        name, bound = "max_learning_rate", maximum
        if level < minimum:
            name, bound = "min_learning_rate", minimum
        raise ValueError(
            f"Expected a state within this loop's {name} = {bound!r}, found a level of {level!r}: make the loop with "
            "the arguments of the one before."
        )
    ceiling = min(ceiling, maximum) if num_brakes else maximum
    return dataclasses.replace(scaling, max_learning_rate=ceiling)


def braked(
    scaling: LearningRateScaling, level: float, part: float
) -> tuple[LearningRateScaling, float]:
    """Returns (the scaling, the level) after an explosion.

    Args:
      scaling: that of the explosion.
      level: float > 0, likewise.
      part: float in (0, 1], the base schedule's multiplier over the largest that is still to come.
    """
    cut = max(level * _BRAKE_FACTOR, scaling.min_learning_rate)
    ceiling = max(level * _BRAKE_CEILING * part, cut)
    return dataclasses.replace(scaling, max_learning_rate=ceiling), cut


def first_level(rate: float | None, own: float, scaling: LearningRateScaling) -> float:
    """Returns the level that a run starts from.

    Args:
      rate: float, the one that the user named; None for the controller's own, which gives way to the bounds.
      own: float > 0, the controller's.
      scaling: what has the bounds.

    Raises:
      ValueError: unless what the user named is within the bounds.
    """
    low, high = scaling.min_learning_rate, scaling.max_learning_rate
    if rate is None:
        return min(max(own, low), high)
    check_positive("initial_learning_rate", rate)
    if not low <= rate <= high:
        raise ValueError(
            f"Expected initial_learning_rate in [{low!r}, {high!r}], found {rate!r}."
        )
    return float(rate)
