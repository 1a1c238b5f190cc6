"""The baseline job on the toy task: rows and choice."""

from __future__ import annotations

import json

import numpy as np
import pytest
from job_results import GRID, NAMES, TASK, results_of, rounds_of, rows_of

from learned_lr.trainees import schedules
from learned_lr.trainees.episode import run_episode
from learned_lr.trainees.tasks import QuadraticTask


def test_rows_of_the_grid_are_those_runs(grid):
    rows, _ = rounds_of(grid / "grid.csv")
    assert [row["schedule"] for row in rows] == NAMES
    assert [row["run"] for row in rows] == ["0", "1", "2", "3", "4"]
    task = QuadraticTask(num_trainee_steps=40)
    for row, schedule in (
        (rows[0], schedules.Constant(0.1)),
        (rows[3], schedules.StepDecay(0.5, 10, 0.5)),
    ):
        episode = run_episode(task, schedule, 1_000_000_000, test=False)
        assert float(row["best_validation_loss"]) == episode.best_validation_loss
        assert float(row["final_validation_loss"]) == episode.final_validation_loss
    assert rows[3]["initial_learning_rate"] == "0.5" and rows[3]["learning_rate"] == ""
    assert rows[0]["learning_rate"] == "0.1" and rows[0]["discount_step"] == ""
    assert [row["diverged"] for row in rows] == ["False"] * 2 + ["True"] + ["False"] * 2


def test_the_best_is_chosen_by_validation_alone(grid):
    rows = rows_of(grid / "grid.csv")
    assert not any("test" in column for column in rows[0])
    for file in (grid / "episodes").iterdir():
        assert np.isnan(float(np.load(file)["test_loss"]))


FIRST, SECOND = "step decay 0.5, 10, 0.5", "step decay 0.5, 20, 0.5"


def test_the_best_three_are_run_again_on_other_seeds_and_these_decide(grid):
    first, final = rounds_of(grid / "grid.csv")
    losses = {row["schedule"]: float(row["best_validation_loss"]) for row in first}
    finalists = sorted(losses, key=losses.get)[:3]
    assert [row["schedule"] for row in final] == [n for n in finalists for _ in "123"]
    seeds = [str(1_000_000_000 + index) for index in range(4)]
    assert {row["seed"] for row in first} == {seeds[0]}
    assert [row["seed"] for row in final] == seeds[1:] * 3
    assert [row["run"] for row in final] == [str(number) for number in range(5, 14)]
    task = QuadraticTask(num_trainee_steps=40)
    schedule = schedules.StepDecay(0.5, 10, 0.5)
    again = [run_episode(task, schedule, int(seed), False) for seed in seeds[1:]]
    means = {name: [] for name in finalists}
    for row in final:
        means[row["schedule"]].append(float(row["best_validation_loss"]))
    assert means[FIRST] == [episode.best_validation_loss for episode in again]
    means = {name: float(np.mean(values)) for name, values in means.items()}
    best = json.loads((grid / "best.json").read_text())
    assert best["finalists"]["mean_losses"] == means
    assert best["name"] == min(means, key=means.get)
    assert best["best_validation_loss"] == min(means.values())
    results = json.loads((grid / "run.json").read_text())["results"]
    assert (best["num_runs"], results["num_runs"]) == (14, 14)
    assert results["num_trainee_steps"] == 14 * 40


def test_the_seed_that_made_a_finalist_has_no_vote(run_jobs, tmp_path):
    # One of which the least of one run each, and of all four, is not the least of the other three.
    assert run_jobs(tmp_path, "baseline", bindings=["baseline.seed = 5"]) == 0
    path = tmp_path / "baseline" / "quadratic" / "toy"
    first, final = rounds_of(path / "grid.csv")

    def least(rows):
        losses = {}
        for row in rows:
            loss = float(row["best_validation_loss"])
            losses.setdefault(row["schedule"], []).append(loss)
        return min(losses, key=lambda name: np.mean(losses[name]))

    names = {row["schedule"] for row in final}
    everything = [row for row in first if row["schedule"] in names] + final
    assert (least(first), least(everything), least(final)) == (SECOND, SECOND, FIRST)
    assert json.loads((path / "best.json").read_text())["name"] == FIRST


def test_the_summary_has_the_finalists_first(grid):
    lines = (grid / "grid.md").read_text().splitlines()
    best = json.loads((grid / "best.json").read_text())
    cells = [[c.strip() for c in line.split("|")[1:-1]] for line in lines]
    assert cells[0][2:] == ["best validation loss", "on finalists' seeds"]
    assert cells[2][1] == best["name"]
    means = sorted(best["finalists"]["mean_losses"].values())
    assert [row[3] for row in cells[2:]] == [f"{v:.4f}" for v in means] + ["", ""]


@pytest.mark.parametrize("bindings", [["baseline.num_finalists = 1"], []])
def test_without_rivals_there_is_no_final_round(launch_job, tmp_path, bindings):
    one = "baseline.families = [@constant_rate]\nconstant_rate.learning_rates = (0.1,)"
    config = GRID if bindings else TASK + one
    assert launch_job("baseline", tmp_path, *bindings, config=config) == 0
    path = tmp_path / "baseline" / "quadratic" / "toy"
    rows, final = rounds_of(path / "grid.csv")
    assert final == [] and len(rows) == (5 if bindings else 1)
    best = json.loads((path / "best.json").read_text())
    losses = {row["schedule"]: float(row["best_validation_loss"]) for row in rows}
    assert best["name"] == min(losses, key=losses.get)
    assert best["num_runs"] == len(rows)
    assert "finalists" not in (path / "grid.md").read_text()


# Of a run that was begun when a grid had one round: what its config and record did not have.
LATER = ("baseline.num_finalists = 3\n", "baseline.num_finalist_seeds = 3\n")
LATER += ("baseline.earlier_run = None\n",)


def _make_old(path, num_done):
    """Turns a whole run into one of the time before finalists, with so many of its runs done."""
    config = (path / "operative_config.gin").read_text()
    for line in LATER:
        assert line in config
        config = config.replace(line, "")
    (path / "operative_config.gin").write_text(config)
    record = json.loads((path / "run.json").read_text())
    del record["seeds"]["finalists"]
    if num_done < 5:
        for name in ("end", "results"):
            del record[name]
        record["status"] = "running"
        (path / "best.json").unlink()
    (path / "run.json").write_text(json.dumps(record))
    episodes = sorted((path / "episodes").iterdir())
    done = [p for p in episodes if p.name.endswith("_1000000000.npz")][:num_done]
    for episode in set(episodes) - set(done):
        episode.unlink()
    return {p: p.stat().st_mtime_ns for p in done}


@pytest.mark.parametrize("num_done", [2, 5])
def test_a_run_of_the_time_before_finalists_goes_on(
    run_jobs, grid, tmp_path, num_done, monkeypatch
):
    """Begun or finished by the old settings: no run is done again, and all that is new is."""
    assert run_jobs(tmp_path, "baseline") == 0
    path = tmp_path / "baseline" / "quadratic" / "toy"
    old = _make_old(path, num_done)
    assert len(old) == num_done
    called = []
    monkeypatch.setattr(
        "learned_lr.jobs.baseline.run_episode",
        lambda *arguments: called.append(arguments) or run_episode(*arguments),
    )
    assert run_jobs(tmp_path, "baseline") == 0
    assert len(called) == 14 - num_done
    assert {p: p.stat().st_mtime_ns for p in old} == old
    assert results_of(path) == results_of(grid)
    config = (path / "operative_config.gin").read_text()
    assert all(line in config for line in LATER)
    assert run_jobs(tmp_path, "baseline") == 0
    assert len(called) == 14 - num_done


REPLAY = """
baseline.families = [@constant_rate, @replay]
constant_rate.learning_rates = (0.1,)
replay.path = 'lr.csv'
replay.label = 'recorded'
"""


@pytest.mark.parametrize("is_older", [False, True])
def test_a_finished_grid_is_not_that_of_another_schedule(
    launch_job, tmp_path, capsys, is_older
):
    (tmp_path / "lr.csv").write_text("trainee_step,learning_rate\n0,0.25\n")
    assert launch_job("baseline", tmp_path, config=TASK + REPLAY) == 0
    path = tmp_path / "baseline" / "quadratic" / "toy"
    described = json.loads((path / "schedules.json").read_text())
    assert list(described) == ["constant 0.1", "recorded"]
    assert launch_job("baseline", tmp_path, config=TASK + REPLAY) == 0
    assert "a finished run: nothing is left to do" in capsys.readouterr().out
    (tmp_path / "lr.csv").write_text("trainee_step,learning_rate\n0,0.5\n")
    if is_older:
        (path / "schedules.json").unlink()
    assert launch_job("baseline", tmp_path, config=TASK + REPLAY) == (not is_older)
    message = "found others in place of: recorded. Give the gin file another name; baseline.earlier_run takes"
    assert (message in capsys.readouterr().err) is not is_older


@pytest.mark.parametrize("name", ["num_seeds", "num_finalists", "num_finalist_seeds"])
def test_numbers_below_one_are_refused(run_jobs, tmp_path, capsys, name):
    assert run_jobs(tmp_path, "baseline", bindings=[f"baseline.{name} = 0"]) == 1
    assert f"Expected baseline.{name} >= 1, found 0." in capsys.readouterr().err


def test_families_in_quotes_are_answered_with_how_they_are_written(
    run_jobs, tmp_path, capsys
):
    bindings = ["baseline.families = ['step_decay']"]
    assert run_jobs(tmp_path, "baseline", bindings=bindings) == 1
    assert "found ['step_decay']: a name is written @name." in capsys.readouterr().err


def test_several_seeds_are_averaged(run_jobs, tmp_path):
    assert run_jobs(tmp_path, "baseline", bindings=["baseline.num_seeds = 3"]) == 0
    path = tmp_path / "baseline" / "quadratic" / "toy"
    means = {}
    first, final = rounds_of(path / "grid.csv")
    for row in first:
        means.setdefault(row["schedule"], []).append(float(row["best_validation_loss"]))
    assert {len(values) for values in means.values()} == {3}
    finalists = sorted(means, key=lambda name: np.mean(means[name]))[:3]
    assert list(dict.fromkeys(row["schedule"] for row in final)) == finalists
    seeds = [{int(row["seed"]) for row in rows} for rows in (first, final)]
    assert seeds == [{1_000_000_000 + i for i in r} for r in (range(3), range(3, 6))]


def test_a_grid_of_recorded_rates_has_no_rates_in_its_table(launch_job, tmp_path):
    rows = "".join(f"{step},{0.1 + step / 1e5}\n" for step in range(20_000))
    (tmp_path / "lr.csv").write_text(f"trainee_step,learning_rate\n{rows}")
    config = f"{TASK}baseline.families = [@replay, @constant_rate]\n"
    bindings = ["replay.path = 'lr.csv'", "baseline.num_finalists = 1"]
    assert launch_job("baseline", tmp_path, *bindings, config=config) == 0
    path = tmp_path / "baseline" / "quadratic" / "toy"
    assert rows_of(path / "grid.csv")[0]["schedule"] == "replay"
    assert len((path / "grid.csv").read_text()) < 2000
    assert "0.29999" in (path / "schedules.json").read_text()
