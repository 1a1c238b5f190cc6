"""The contenders of the paper's rows side by side, each with what was spent on the task to find it.

Reads what evaluations compared (`evaluate.families`) and the runs that it came from: grids and
trainings of controllers.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from learned_lr.report.evaluations import Evaluation
from learned_lr.report.reading import TABLES, Run

GRID, COSINE = "winner of the grid", "best cosine of a search"
DEFAULT, FINE_TUNED = "the default, without a run here", "fine-tuned from the default"
PAPER = "the paper's recipe from scratch"
REPLAY = "recorded rates, played back"
# What every row is to have; what is not run is named.
EXPECTED = (GRID, COSINE, DEFAULT, FINE_TUNED, PAPER)
# The paper's grid (section 3.2): another one of step decays is no row's first contender.
_PAPER_GRID = {
    "initial_learning_rates": {0.1, 0.01, 0.001, 0.0001},
    "discount_steps": {10, 20, 50, 100},
    "discount_factors": {0.99, 0.9, 0.88},
}
# The package's default by its names; a name without a folder is one of the package's.
DEFAULTS = ("default", "weight_path")


@dataclasses.dataclass(frozen=True)
class Contender:
    """One schedule of an evaluation, and where it comes from.

    Attributes:
      role: what it is, one of `EXPECTED` or a description.
      name: its name in the evaluation.
      evaluation: where it was run.
      num_runs: runs that it took to find it, on this task; None if that is not known. Of
        several controllers the mean.
      num_samples: gradient samples of these runs; likewise.
      num_members: how many controllers share its row.
      source: where it was searched or trained last, if that is another task.
    """

    role: str
    name: str
    evaluation: Evaluation
    num_runs: float | None
    num_samples: float | None
    num_members: int = 1
    source: str | None = None


def contenders(evaluation: Evaluation, runs: Sequence[Run]) -> list[Contender]:
    """Returns the grids' winners and the controllers of an evaluation, in its order.

    Args:
      evaluation: an evaluate run.
      runs: all runs of the root directory: what was searched and trained.
    """
    by_name = {run.name: run for run in runs}
    found = []
    for family in re.findall(r"@([\w/]+)", _text(evaluation.run, "evaluate.families")):
        kind = family.rsplit("/", 1)[-1]
        if kind == "best_of_grid":
            found += _of_grid(evaluation, family, by_name)
        elif kind in ("controller", "controllers"):
            found += _of_controllers(evaluation, family, by_name)
        elif kind == "replay":
            label = _value(evaluation.run, family, "label")
            if label in evaluation.names:
                found.append(Contender(REPLAY, label, evaluation, None, None))
    return found


def has_grid(evaluation: Evaluation) -> bool:
    """Whether a grid's winner is among what was compared, as in the paper's tables."""
    return "best_of_grid" in _text(evaluation.run, "evaluate.families")


def _of_grid(evaluation, family, by_name) -> Iterator[Contender]:
    path = os.path.normpath(str(_value(evaluation.run, family, "run")))
    label = _value(evaluation.run, family, "label")
    source = _run_in(path, by_name)
    task = _task(path, source)
    here = evaluation.run.task_in_full if source else evaluation.run.task
    is_moved = task not in (None, here)
    # Two searches may have one label: each has the name of its own winner behind it.
    own = f"{label}: {source.results.get('best')}" if source else None
    names = [n for n in evaluation.names if n.startswith(f"{label}: ")]
    for name in [own] if own in names else names:
        role = _grid_role(evaluation, name, source)
        role += f" on {task}, moved over" if is_moved else ""
        spend = (0, 0.0) if is_moved else _spend(source, evaluation.run.task, by_name)
        yield Contender(
            role, name, evaluation, *spend, source=task if is_moved else None
        )


def _grid_role(evaluation, name, source):
    description = evaluation.schedules.get(name)
    kind = description.get("kind") if isinstance(description, dict) else None
    families = _text(source, "baseline.families") if source else ""
    if families.count("@") > 1:
        return "best of a search over families"
    if "@random_search" in families:
        return "best of a random search"
    if kind == "cosine":
        return COSINE
    if kind != "step_decay":
        return f"best of a search over {str(kind).replace('_', ' ')}"
    if source is None:
        return "winner of a search that isn't here"
    values = _step_decays(source, families)
    size = math.prod(map(len, values.values()))
    return GRID if values == _PAPER_GRID else f"winner of a grid of {size} step decays"


def _step_decays(source, families):
    """The values of a grid of step decays; what isn't bound is the paper's."""
    (family,) = re.findall(r"@([\w/]+)", families) or ["step_decay"]
    bound = {name: _value(source, family, name) for name in _PAPER_GRID}
    return {n: _PAPER_GRID[n] if v is None else set(v) for n, v in bound.items()}


def _of_controllers(evaluation, family, by_name) -> Iterator[Contender]:
    label = _value(evaluation.run, family, "label")
    if label not in evaluation.names:
        return
    paths = _value(evaluation.run, family, "paths")
    paths = [_value(evaluation.run, family, "path")] if paths is None else list(paths)
    if not any("/" in str(path) for path in paths):
        named = f"the package's {', '.join(map(str, paths))}"
        if evaluation.run.task in evaluation.source_tasks(label):
            role = f"{named}, trained on {evaluation.run.task}"
            yield Contender(role, label, evaluation, None, None)
            return
        is_default = all(path in DEFAULTS for path in paths)
        role = DEFAULT if is_default else f"{named}, without a run here"
        yield Contender(role, label, evaluation, 0, 0.0)
        return
    sources = [_run_of(path, by_name) for path in paths]
    roles = dict.fromkeys(map(_trained_role, sources))
    role = next(iter(roles)) if len(roles) == 1 else "several trainings"
    is_moved, source = evaluation.is_transfer(label), None
    if is_moved:
        source = _where(sources, evaluation.source_tasks(label))
        role += f" on {source}, frozen"
    spends = [
        (0, 0.0) if is_moved else _spend(run, evaluation.run.task, by_name)
        for run in sources
    ]
    means = [
        None if None in column else sum(column) / len(column) for column in zip(*spends)
    ]
    yield Contender(role, label, evaluation, *means, len(paths), source)


def _where(sources, tasks):
    """What controllers were trained on: the last task of each, or how many tasks they know."""
    last = dict.fromkeys(source.task for source in sources if source is not None)
    known = [task for task in last if task in tasks]
    if len(known) == 1:
        return known[0]
    return tasks[0] if len(tasks) == 1 else f"{len(tasks)} tasks"


def _trained_role(source):
    if source is None:
        return "a controller"
    if source.job == "imitate":
        features = source.value("environment.features")
        view = "sees the time alone, " if features == ("progress",) else ""
        return f"{view}taught by imitation"
    initial = source.value("train.initial_controller")
    if initial in DEFAULTS:
        return FINE_TUNED
    if initial is not None:
        return f"fine-tuned from {os.path.normpath(str(initial))}"
    names = ("environment.transform", "environment.reward")
    is_papers = [source.value(name) for name in names] == ["raw", "validation_loss"]
    return PAPER if is_papers else "trained from scratch"


def _run_of(path, by_name):
    """The run that left a controller in a folder; None if it isn't there."""
    return _run_in(re.sub(r"/controller$", "", os.path.normpath(str(path))), by_name)


def _run_in(path, by_name):
    """The run in a folder, which is named relative to the root directory or absolute; None if it isn't there."""
    by_path = {os.path.abspath(run.path): run for run in by_name.values()}
    return by_name.get(path) or by_path.get(path)


def _spend(source, task, by_name) -> tuple[Any, Any]:
    """Returns (runs, gradient samples) on a task for what a run found: its own, and of what it started from."""
    if source is None:
        return None, None
    names = ("num_runs", "num_gradient_samples")
    is_moved = source.task not in (None, task)
    spent = (0, 0.0) if is_moved else [source.results.get(name) for name in names]
    before = _spend_before(source, task, by_name)
    return tuple(None if None in pair else sum(pair) for pair in zip(spent, before))


def _spend_before(source, task, by_name):
    """What the controller that a training starts from had cost on a task."""
    path = source.value("train.initial_controller")
    if path is None:
        return 0, 0.0
    if "/" in str(path):
        return _spend(_run_of(path, by_name), task, by_name)
    # One of the package's, whose spec says what it was trained on.
    spec = "initial_controller/spec.json"
    tasks = source.read_json(spec).get("source_tasks") if source.has_file(spec) else ()
    return (None, None) if task in (tasks or ()) else (0, 0.0)


def _task(path, source):
    """A run's task: its own word and bindings, or the folder that it is filed under; None if neither tells."""
    if source is not None:
        return source.task_in_full
    parts = path.split("/")
    return parts[1] if parts[0] in TABLES and len(parts) > 2 else None


def _value(run, family, parameter):
    """A parameter of a family: that of its scope, or else of all."""
    names = [f"{family}.{parameter}", f"{family.rsplit('/', 1)[-1]}.{parameter}"]
    return next((v for v in map(run.value, names) if v is not None), None)


def _text(run, parameter):
    return run.config.get(parameter, "")
