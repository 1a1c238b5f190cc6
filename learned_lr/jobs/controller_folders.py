"""Controllers that a job starts from, by name or path, and the one that it leaves behind."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from learned_lr.control.controller import Controller
from learned_lr.execution.run_directory import RunDirectory

_INITIAL = "initial_controller"


def load(root_dir: str, path: str) -> Controller:
    """Loads a controller.

    Args:
      root_dir: the root directory.
      path: the controller's folder, relative to the root directory or to the working
        directory, or absolute; or the name of one of the package's controllers.

    Raises:
      ControllerError: if it can't be loaded.
    """
    inside = os.path.join(root_dir, path)
    return Controller.load(inside if os.path.isdir(inside) else path)


def load_initial(
    run: RunDirectory, path: str, num_decisions: int, parameter: str, remedy: str
) -> Controller:
    """Returns what a training starts from: the copy that a run which is resumed began with, or else what `path` names.

    Args:
      run: the run directory.
      path: see `load`.
      num_decisions: decisions of a run that it is trained in.
      parameter: the parameter that names the controller.
      remedy: what can be set where the decisions are not its own.

    Raises:
      ControllerError: if it can't be loaded.
      ValueError: if it has a base schedule and takes another number of decisions.
    """
    if run.read(os.path.join(_INITIAL, "spec.json")) is not None:  # Its last file.
        return Controller.load(run.file(_INITIAL))
    controller = load(run.root_dir, path)
    spec = controller.spec
    if spec.base_schedule is not None and num_decisions != spec.num_decisions:
        raise ValueError(
            f"Expected a task with the {spec.num_decisions} decisions that {parameter} takes in a run, found "
            f"{num_decisions}: set {remedy}."
        )
    return controller


def keep_initial(run: RunDirectory, controller: Controller) -> None:
    """Keeps the copy that `load_initial` finds when the run is resumed."""
    run.save_controller(_INITIAL, controller)
    run.add_input(_INITIAL)


def export(
    run: RunDirectory, best: str, seed: int, figures: Mapping[str, Any]
) -> Controller:
    """Writes `controller/`, the best of `controllers/` with its provenance.

    Args:
      run: the run directory.
      best: its folder's name there.
      seed: the run's seed.
      figures: why it is the best.
    """
    controller = Controller.load(run.file("controllers", best))
    versions = run.run_record()["versions"]
    provenance = {**figures, "run_seed": seed, "versions": versions}
    spec = dataclasses.replace(controller.spec, provenance=provenance)
    controller = Controller(spec, controller.weights)
    run.save_controller("controller", controller)
    return controller
