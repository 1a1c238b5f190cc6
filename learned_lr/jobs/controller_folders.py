"""Controllers that a job starts from, by name or path, and the one that it leaves behind."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from learned_lr.control.controller import Controller
from learned_lr.execution.run_directory import RunDirectory


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
