"""`python -m learned_lr.controller_info <name or folder>`: what a controller is, and how it answers."""

from __future__ import annotations

import argparse
import os
import sys

from learned_lr.control import pretrained
from learned_lr.control.controller import Controller, ControllerError
from learned_lr.control.response import mean_response, text_plot

# Tasks that are named of a controller that was trained on more.
_NUM_LISTED = 3


def describe(controller: Controller) -> str:
    """Returns its spec, where it comes from, and a text plot of its mean response."""
    spec, scaling = controller.spec, controller.spec.scaling
    observation = spec.observation
    low, high = scaling.min_learning_rate, scaling.max_learning_rate
    interval = spec.trainee_steps_per_action
    base, sgd = spec.base_schedule, spec.initial_sgd_learning_rate
    scaled = "the learning rate"
    if base is not None:
        scaled = base.describe()
    start = f"{spec.initial_learning_rate:g}"
    if sgd is not None:
        start += f" ({sgd:g} with SGD)"
    tasks = spec.source_tasks
    listed = ", ".join(tasks[:_NUM_LISTED])
    if len(tasks) > _NUM_LISTED:
        listed = f"{len(tasks)} tasks: {listed}, ..."
    lines = [
        f"network: {spec.network}, {spec.num_units} units, {spec.activation}",
        f"features ({observation.transform}): {', '.join(observation.features)}",
        f"action: x{1 / scaling.max_scale:.3f} to x{scaling.max_scale:.3f}, on {scaled}",
        f"rates: in [{low:g}, {high:g}], from {start} on",
        f"trained on: {listed}",
        f"run: {spec.num_trainee_steps} trainee steps, a decision every {interval}",
        "provenance:",
    ]
    for name, value in sorted(spec.provenance.items()):
        lines += [f"  {name}: {line}" for line in str(value).strip().splitlines()[:1]]
    lines += [
        "mean response, each feature over two standard deviations around its mean:"
    ]
    return "\n".join([*lines, text_plot(controller)])


def plot(controller: Controller, path: str) -> None:
    """Draws the mean response into a PNG, SVG or PDF file; needs matplotlib.

    Raises:
      ValueError: if the path is a folder's.
    """
    from matplotlib.figure import Figure

    if os.path.isdir(path):
        raise ValueError(f"Expected a file to draw into, found the folder {path}.")

    responses = mean_response(controller)
    figure = Figure(figsize=(12, 3 * ((len(responses) + 3) // 4)), layout="constrained")
    num_rows = (len(responses) + 3) // 4
    axes = figure.subplots(num_rows, 4, sharey=True, squeeze=False)
    for axis, (name, (values, factors)) in zip(axes.flat, responses.items()):
        axis.plot(values, factors)
        axis.axhline(1.0, color="grey", linewidth=0.5)
        axis.set_xlabel(controller.spec.observation.label(name))
    for axis in list(axes.flat)[len(responses) :]:
        axis.set_visible(False)
    for row in axes:
        row[0].set_ylabel("factor on the learning rate")
    figure.savefig(path, dpi=100)


def main(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m learned_lr.controller_info", description=__doc__
    )
    known = ", ".join(["default", *pretrained.names()])
    parser.add_argument("controller", help=f"a folder, or one of: {known}")
    parser.add_argument("--plot", metavar="FILE", help="draw the mean response")
    options = parser.parse_args(arguments)
    try:
        controller = Controller.load(options.controller)
        print(describe(controller))
        if options.plot:
            plot(controller, options.plot)
    except ImportError:
        print("--plot needs matplotlib: pip install matplotlib", file=sys.stderr)
        return 1
    except (ControllerError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
