"""An evaluation with every kind of contender, and the searches and trainings that these come from, written by hand."""

from __future__ import annotations

import csv
import dataclasses
import json

from hand_made_runs import EPISODE, write_table

from learned_lr.report import assembly, statistics

TASK = "fashion_mnist_lenet5"
EVALUATE = """
evaluate.families = \\
    [@best_of_grid,
     @cosine/best_of_grid,
     @source/best_of_grid,
     @constant_rate,
     @controller,
     @tuned/controller,
     @paper/controller,
     @transfer/controller]
best_of_grid.label = 'best of grid'
best_of_grid.run = 'baseline/fashion_mnist_lenet5/grid'
cosine/best_of_grid.label = 'best cosine'
cosine/best_of_grid.run = 'baseline/fashion_mnist_lenet5/cosines'
source/best_of_grid.label = 'best of source'
source/best_of_grid.run = 'baseline/cifar10_lenet5/grid'
controller.label = 'default'
controller.path = 'default'
tuned/controller.label = 'tuned'
tuned/controller.path = 'train/fashion_mnist_lenet5/tuned/controller'
paper/controller.label = 'recipe'
paper/controller.path = 'train/fashion_mnist_lenet5/paper/controller'
transfer/controller.label = 'transfer'
transfer/controller.path = 'train/cifar10_lenet5/tuned/controller/'
"""
LOSSES = {
    "best of grid: step decay 0.01, 50, 0.9": ("step_decay", [0.5, 0.75, 0.625]),
    "best cosine: cosine 0.01": ("cosine", [0.5, 0.625, 0.5]),
    "best of source: step decay 0.1, 10, 0.9": ("step_decay", [1.0, 1.0, 1.25]),
    "constant 0.1": ("constant", [1.0, 1.25, 1.5]),
    "default": ("learned", [0.5, 0.5, 0.75]),
    "tuned": ("learned", [0.25, 0.375, 0.375]),
    "recipe": ("learned", [0.75, 0.875, 1.0]),
    "transfer": ("learned", [0.75, 0.75, 1.0]),
}
SOURCES = {"default": ["a", "b"], "transfer": ["cifar10_lenet5"]}


def make_run(path, config, **results):
    """Writes a finished run directory without tables; returns its path."""
    path.mkdir(parents=True)
    (path / "operative_config.gin").write_text(config)
    record = {"status": "finished", "results": results}
    (path / "run.json").write_text(json.dumps(record))
    return path


def make_evaluation(root_dir, config=EVALUATE, reference=None, folder="run", **results):
    """Writes an evaluation of all contenders."""
    results = {"dataset": "fashion_mnist", "model": "lenet5", "task": TASK, **results}
    path = make_run(root_dir / "evaluate" / results["task"] / folder, config, **results)
    runs, rows, schedules = [], [], {}
    reference = reference or next(iter(LOSSES))
    for name, (kind, losses) in LOSSES.items():
        schedules[name] = {"kind": kind}
        if kind == "learned":
            source_tasks = SOURCES.get(name, [TASK])
            schedules[name]["controller"] = {"source_tasks": source_tasks}
        for seed, loss in enumerate(losses):
            runs.append({"schedule": name, "kind": kind, "seed": seed, **EPISODE})
            runs[-1].update(test_loss=loss, test_accuracy=1 - loss / 2)
        difference = statistics.compare(losses, LOSSES[reference][1])
        rows.append({"metric": "test_loss", "schedule": name, "reference": reference})
        rows[-1].update(num_runs=3, **dataclasses.asdict(difference), star="")
    for row, p_value in zip(rows, statistics.holm([r["p_paired"] for r in rows])):
        row["p_paired_holm"] = p_value
    write_table(path / "evaluation.csv", runs)
    write_table(path / "statistics.csv", rows)
    (path / "schedules.json").write_text(json.dumps(schedules))


def make_searches(root_dir):
    """Writes the grids and trainings that the contenders come from."""
    baseline, train = root_dir / "baseline", root_dir / "train"
    grid = "baseline.families = [@step_decay]\n"
    make_run(baseline / TASK / "grid", grid, num_runs=57, num_gradient_samples=80e6)
    cosines = "baseline.families = [@cosine]\n"
    make_run(
        baseline / TASK / "cosines", cosines, num_runs=57, num_gradient_samples=76e6
    )
    make_run(
        baseline / "cifar10_lenet5" / "grid", grid, num_runs=57, task="cifar10_lenet5"
    )
    tuned = "train.initial_controller = 'default'\n"
    make_run(train / TASK / "tuned", tuned, num_runs=20, num_gradient_samples=20e6)
    recipe = "environment.transform = 'raw'\nenvironment.reward = 'validation_loss'\n"
    make_run(train / TASK / "paper", recipe, num_runs=52, num_gradient_samples=None)
    make_run(train / "cifar10_lenet5" / "tuned", tuned, num_runs=20)


def contenders_rows(root_dir):
    """The report's table of contenders: values by (data set, network, contender), and as it is shown."""
    assembly.report(str(root_dir))
    file = root_dir / "report" / "contenders.csv"
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    text = (root_dir / "report" / "report.md").read_text(encoding="utf-8")
    text = text.replace("\\", "").replace("**", "")
    section = text.partition("## Contenders")[2].partition("\n## ")[0]
    shown = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in section.splitlines()
        if line.startswith("| ")
    ]
    keys = [(r["dataset"], r["network"], r["contender"]) for r in rows]
    assert keys == [tuple(cells[:3]) for cells in shown[1:]] and keys
    return dict(zip(keys, rows)), {tuple(cells[:3]): cells[3:] for cells in shown[1:]}
