"""Families of schedules, by gin: each a function of the root directory that returns schedules by name.

A job binds a list of them, `baseline.families = [@step_decay, @constant_rate]`, and each has its
own parameters, `constant_rate.learning_rates = (1e-3, 1e-2)`. A scope uses one twice:
`[@source/best_of_grid, @target/best_of_grid]`.
"""

from __future__ import annotations

import csv
import importlib.resources
import itertools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import gin
from learned_lr.jobs import controller_folders, grid_winners, random_schedules
from learned_lr.trainees import adaptive_schedules, schedules

Schedules = dict[str, Any]
_PAPER_PAIRS = (
    "fashion_mnist_cnn",
    "fashion_mnist_resnet18",
    "cifar10_cnn",
    "cifar10_resnet18",
)


@gin.register("constant_rate")
def constant_rate(
    root_dir: str, learning_rates: Sequence[float] = (1e-3, 3e-3, 1e-2)
) -> Schedules:
    """Constant rates."""
    return _product(schedules.Constant, learning_rates)


@gin.register("step_decay")
def step_decay(
    root_dir: str,
    initial_learning_rates: Sequence[float] = (1e-1, 1e-2, 1e-3, 1e-4),
    discount_steps: Sequence[int] = (10, 20, 50, 100),
    discount_factors: Sequence[float] = (0.99, 0.9, 0.88),
) -> Schedules:
    """The grid of step decays; as it stands, the 48 of the paper (section 3.2)."""
    return _product(
        schedules.StepDecay, initial_learning_rates, discount_steps, discount_factors
    )


@gin.register("exponential")
def exponential(
    root_dir: str,
    initial_learning_rates: Sequence[float] = (1e-3, 3e-3, 1e-2),
    final_fractions: Sequence[float] = (0.1, 0.01),
) -> Schedules:
    """Exponential decays to a fraction of the initial rate."""
    return _product(schedules.Exponential, initial_learning_rates, final_fractions)


@gin.register("cosine")
def cosine(
    root_dir: str,
    peak_learning_rates: Sequence[float] = (1e-3, 3e-3, 1e-2),
    num_warmup_steps: Sequence[int] = (0,),
    final_fractions: Sequence[float] = (0.0,),
) -> Schedules:
    """Cosines, with a linear warm-up of so many trainee steps."""
    return _product(
        schedules.WarmupCosine, peak_learning_rates, num_warmup_steps, final_fractions
    )


@gin.register("linear")
def linear(
    root_dir: str,
    peak_learning_rates: Sequence[float] = (1e-3, 3e-3, 1e-2),
    num_warmup_steps: Sequence[int] = (0,),
) -> Schedules:
    """Straight lines to zero, with a linear warm-up of so many trainee steps."""
    return _product(schedules.WarmupLinear, peak_learning_rates, num_warmup_steps)


@gin.register("one_cycle")
def one_cycle(
    root_dir: str,
    peak_learning_rates: Sequence[float] = (3e-3, 1e-2, 3e-2),
    warmup_fractions: Sequence[float] = (0.3,),
) -> Schedules:
    """One-cycle schedules."""
    return _product(schedules.OneCycle, peak_learning_rates, warmup_fractions)


@gin.register("reduce_on_plateau")
def reduce_on_plateau(
    root_dir: str,
    initial_learning_rates: Sequence[float] = (1e-3, 3e-3, 1e-2),
    factors: Sequence[float] = (0.1, 0.5),
    patiences: Sequence[int] = (5, 10),
) -> Schedules:
    """Reductions on plateaus of the validation loss; patience counts decisions."""
    return _product(
        adaptive_schedules.ReduceOnPlateau, initial_learning_rates, factors, patiences
    )


@gin.register("hypergradient")
def hypergradient(
    root_dir: str,
    initial_learning_rates: Sequence[float] = (1e-3, 1e-2),
    hypergradient_learning_rates: Sequence[float] = (1e-7, 1e-6, 1e-5),
) -> Schedules:
    """Hypergradient descent on the optimizer's learning rate."""
    return _product(
        adaptive_schedules.Hypergradient,
        initial_learning_rates,
        hypergradient_learning_rates,
    )


@gin.register("random_search")
def random_search(
    root_dir: str,
    num_runs: int = gin.REQUIRED,
    seed: int = 0,
    kind: str = "step_decay",
    learning_rates: tuple[float, float] = (1e-4, 1e-1),
    discount_steps: tuple[int, int] = (10, 100),
    discount_factors: tuple[float, float] = (0.88, 0.99),
    warmup_steps: tuple[int, int] = (0, 100),
    final_fractions: tuple[float, float] = (0.0, 0.0),
) -> Schedules:
    """Schedules drawn at random; the defaults span the range of the paper's grid.

    Args:
      root_dir: not used.
      num_runs: how many.
      seed: of the draw.
      kind: 'step_decay' or 'cosine'.
      learning_rates: (least, greatest) initial or peak rate, drawn log-uniformly.
      discount_steps: (least, greatest) discount step, drawn log-uniformly; step decays.
      discount_factors: (least, greatest) factor, drawn uniformly; step decays.
      warmup_steps: (least, greatest) warm-up in trainee steps, drawn uniformly; cosines.
      final_fractions: (least, greatest) part of the peak that is left at the end, drawn uniformly; cosines.
    """
    return random_schedules.draw(
        num_runs,
        seed,
        kind,
        {
            "learning_rates": learning_rates,
            "discount_steps": discount_steps,
            "discount_factors": discount_factors,
            "warmup_steps": warmup_steps,
            "final_fractions": final_fractions,
        },
    )


@gin.register("best_of_grid")
def best_of_grid(
    root_dir: str, run: str = gin.REQUIRED, label: str = "best of grid"
) -> Schedules:
    """The winner of a finished baseline job, by validation loss.

    Args:
      root_dir: the root directory.
      run: the baseline's run directory, relative to the root directory, or absolute.
      label: goes before the schedule's own name.
    """
    schedule = grid_winners.read(os.path.join(root_dir, run))
    return {f"{label}: {schedule.name}": schedule}


@gin.register("controller")
def controller(
    root_dir: str,
    path: str = gin.REQUIRED,
    label: str = "learned",
    initial_learning_rate: float | None = None,
    num_normalizer_decisions: int = 0,
) -> Schedules:
    """A trained controller, greedy and frozen.

    Args:
      root_dir: the root directory.
      path: the controller's folder, relative to the root directory or to the working directory, or absolute.
      label: its name in tables.
      initial_learning_rate: the rate its first decision scales; None for its own.
      num_normalizer_decisions: its normaliser is estimated anew from so many first decisions of each run; 0 leaves
        it as trained.
    """
    loaded = controller_folders.load(root_dir, path)
    learned = adaptive_schedules.Learned(
        loaded, initial_learning_rate, label, num_normalizer_decisions
    )
    return {label: learned}


@gin.register("replay")
def replay(root_dir: str, path: str = gin.REQUIRED, label: str = "replay") -> Schedules:
    """Recorded rates: a CSV table with columns `trainee_step` and `learning_rate`.

    Args:
      root_dir: the root directory.
      path: the table, relative to the root directory or to the working directory, or absolute.
      label: its name in tables.
    """
    inside = os.path.join(root_dir, path)
    found = inside if os.path.isfile(inside) else path
    try:
        return {label: schedules.RecordedRates.from_csv(found, label)}
    except FileNotFoundError as error:
        raise ValueError(
            f"Expected a table of rates as replay.path, at {inside} or {path}, found none."
        ) from error


@gin.register("paper_schedule")
def paper_schedule(root_dir: str, pair: str = "fashion_mnist_cnn") -> Schedules:
    """A learned schedule of the paper's Figure 2, as read off it, log-linear between readings.

    Args:
      root_dir: not used.
      pair: the data set and model it was learned on; the rates can be played on any task.
    """
    if pair not in _PAPER_PAIRS:
        raise ValueError(
            f"Expected paper_schedule.pair out of {_PAPER_PAIRS}, found {pair!r}."
        )
    file = importlib.resources.files("learned_lr.report") / "paper_data" / "figure2.csv"
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    read_at = [int(row["trainee_step"]) for row in rows]
    logs = np.log([float(row[pair]) for row in rows])
    steps = range(0, read_at[-1], 10)
    rates = np.exp(np.interp(steps, read_at, logs)).tolist()
    label = f"paper's Figure 2, {pair}"
    return {label: schedules.RecordedRates(tuple(steps), tuple(rates), label)}


def collect(families: Sequence[Callable[..., Schedules]], root_dir: str) -> Schedules:
    """Returns the schedules of all families by name, in order.

    Raises:
      ValueError: if there are none, or two of one name.
    """
    found: Schedules = {}
    for family in families:
        for name, schedule in family(root_dir).items():
            _add(found, name, schedule)
    if not found:
        raise ValueError("Expected at least one schedule, found none.")
    return found


def _product(schedule_class, *values):
    found: Schedules = {}
    for point in itertools.product(*values):
        schedule = schedule_class(*point)
        _add(found, schedule.name, schedule)
    return found


def _add(found, name, schedule):
    if name in found:
        raise ValueError(
            f"Expected schedules of different names, found {name!r} twice."
        )
    found[name] = schedule
