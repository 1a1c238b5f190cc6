"""The gin files of the LeNet-5 rows: their schedules and budgets, and that what they name exists."""

from __future__ import annotations

import inspect
import json
import pathlib
import re

import pytest

import gin
from learned_lr.execution import configured, gin_config
from learned_lr.execution.run_configs import bindings
from learned_lr.jobs import schedule_families, train
from learned_lr.trainees import spend, tasks
from learned_lr.trainees.schedules import StepDecay, WarmupCosine

ROOT = pathlib.Path(__file__).resolve().parents[2]
LENET5 = ("cifar10_lenet5", "fashion_mnist_lenet5")


@pytest.fixture
def compared(launch_job, tmp_path, monkeypatch):
    """A function (job, stem) that returns the schedules that a gin file's job would run, by name."""
    collect, found = schedule_families.collect, {}

    def leave(families, root_dir):
        found.update(collect(families, root_dir))
        raise ValueError("All is known.")

    monkeypatch.setattr(schedule_families, "collect", leave)

    def compared(job, stem):
        gin_files = [str(ROOT / "gin" / job / f"{stem}.gin")]
        free = "workers.num_workers = 0"
        assert launch_job(job, tmp_path, free, gin_files=gin_files) == 1
        return found

    return compared


@pytest.mark.parametrize(
    ("task", "stem"), zip(LENET5, ("cifar10_lenet5", "fashion_mnist_lenet5_controls"))
)
def test_the_controls_of_a_row(compared, tmp_path, task, stem):
    path = tmp_path / "baseline" / task / task
    path.mkdir(parents=True)
    winner = {"kind": "constant", "learning_rate": 0.5}
    (path / "best.json").write_text(json.dumps({"schedule": winner}))
    found = compared("evaluate", stem)
    rates = ("0.001", "0.003", "0.01")
    assert list(found) == [
        "best of grid: constant 0.5",
        *(f"constant {rate}" for rate in rates),
        *(f"cosine {rate}, warm-up 50" for rate in rates),
        *(f"linear {rate}, warm-up 50" for rate in rates),
        f"paper's Figure 2, {task.replace('lenet5', 'cnn')}",
        "default",
    ]
    assert len(found["default"].controller.spec.source_tasks) == 120
    text = (ROOT / "gin" / "evaluate" / "cifar10_lenet5.gin").read_text(
        encoding="utf-8"
    )
    assert bindings(text)["evaluate.num_seeds"] == "10"


@pytest.mark.parametrize("task", LENET5)
@pytest.mark.parametrize(
    ("search", "num_runs"),
    [("", 48), ("_cosines", 48), ("_random", 48), ("_dense", 84)],
)
def test_the_searches_of_a_row(compared, task, search, num_runs):
    found = compared("baseline", f"{task}{search}")
    kind = WarmupCosine if search in ("_cosines", "_random") else StepDecay
    assert len(found) == num_runs and {type(s) for s in found.values()} == {kind}


@pytest.mark.parametrize("task", LENET5)
def test_what_the_contenders_name_has_a_gin_file(task):
    file = ROOT / "gin" / "evaluate" / f"{task}_contenders.gin"
    text = file.read_text(encoding="utf-8")
    while include := re.search(r"^include '(.+)'$", text, re.MULTILINE):
        included = (ROOT / include[1]).read_text(encoding="utf-8")
        text = text.replace(include[0], included)
    families = bindings(text)["evaluate.families"]
    moved = {"source": LENET5[0], "moved": LENET5[0]} if "@moved/" in families else {}
    searches = {}
    for scope, folder, stem in re.findall(
        r"^(?:(\w+)/)?best_of_grid\.run = 'baseline/(\w+)/(\w+)'", text, re.MULTILINE
    ):
        searches[scope] = (folder, stem)  # The last one of a name counts.
    kinds = {"": "", "cosines": "_cosines", "random": "_random", "dense": "_dense"}
    expected = {scope: (task, f"{task}{kind}") for scope, kind in kinds.items()}
    expected |= {scope: (t, t) for scope, t in moved.items() if scope == "source"}
    assert searches == expected
    assert set(re.findall(r"@(\w+)/best_of_grid", families)) == {*searches} - {""}
    trained = {"tuned": f"{task}_tuned", "paper": f"{task}_paper"}
    trained |= {s: f"{t}_tuned" for s, t in moved.items() if s == "moved"}
    assert set(re.findall(r"@(\w+)/controllers", families)) == {*trained}
    for scope, stem in trained.items():
        paths = bindings(text)[f"{scope}/controllers.paths"]
        points = [f"{stem}/points/{n:02}-seed={n}/controller" for n in range(3)]
        assert re.findall(r"'sweep/train/([^']+)'", paths) == points
        file = ROOT / "gin" / "sweep" / f"{stem}.gin"
        swept = bindings(file.read_text(encoding="utf-8"))
        assert swept["sweep.gin_files"] == f"('gin/train/{stem}.gin',)"
        assert swept["sweep.seeds"] == "(0, 1, 2)"


@pytest.mark.parametrize("task", LENET5)
@pytest.mark.parametrize("kind", ["paper", "tuned"])
def test_trainings_stay_within_the_budget_of_a_grid(task, kind):
    """The runs of a training, as `train` counts them, at the size that its task gives them."""
    try:
        gin_config.parse_gin([str(ROOT / "gin" / "train" / f"{task}_{kind}.gin")], [])
        own = configured.task()
        assert own.name == task
        number = {}
        for name, parameter in inspect.signature(train.train).parameters.items():
            bound = gin.get_bindings("train").get(name, parameter.default)
            number[name] = bound
    finally:
        gin.clear_config()
    num_evaluations = -(-number["num_iterations"] // number["evaluation_interval"])
    num_evaluations += number["initial_controller"] is not None
    num_runs = number["num_iterations"] * number["episodes_per_iteration"]
    num_runs += num_evaluations * number["num_evaluation_episodes"]
    assert num_runs == {"paper": 48, "tuned": 41}[kind]
    grid = spend.of_runs(tasks.make_task(task), 48)
    assert 0.5 * grid < spend.of_runs(own, num_runs) <= grid
