"""Families: what gin names becomes schedules, and schedules become JSON and back."""

from __future__ import annotations

import csv
import importlib.resources
import json
import pathlib

import numpy as np
import pytest

import gin
from learned_lr.jobs import schedule_descriptions, schedule_families
from learned_lr.trainees import schedules
from learned_lr.trainees.tasks import QuadraticTask


@pytest.fixture(autouse=True)
def clear_gin():
    """Leaves no bindings behind."""
    yield
    gin.clear_config()


def _family(name):
    return gin.get_configurable(name)


def test_the_grid_of_the_paper():
    found = schedule_families.collect([_family("step_decay")], "")
    assert len(found) == 48
    assert {s.initial_learning_rate for s in found.values()} == {0.1, 0.01, 1e-3, 1e-4}
    assert {s.discount_step for s in found.values()} == {10, 20, 50, 100}
    assert {s.discount_factor for s in found.values()} == {0.99, 0.9, 0.88}


PLAIN = (
    "constant_rate",
    "step_decay",
    "exponential",
    "cosine",
    "linear",
    "one_cycle",
    "reduce_on_plateau",
    "hypergradient",
    "random_search",
)


@pytest.mark.parametrize("name", PLAIN)
def test_every_family_goes_through_json(name):
    gin.bind_parameter("random_search.num_runs", 5)
    found = schedule_families.collect([_family(name)], "")
    assert len(found) > 1
    for schedule_name, schedule in found.items():
        assert schedule.name == schedule_name
        text = json.dumps(schedule_descriptions.describe(schedule))
        assert schedule_descriptions.from_description(json.loads(text)) == schedule


def test_every_kind_has_a_family():
    gin.bind_parameter("random_search.num_runs", 2)
    found = schedule_families.collect([_family(name) for name in PLAIN], "")
    kinds = {schedule_descriptions.describe(s)["kind"] for s in found.values()}
    assert kinds | {"replay"} == set(schedule_descriptions.KINDS)


@pytest.mark.parametrize("kind", ["step_decay", "cosine"])
def test_random_search_is_in_its_ranges_and_repeats(kind):
    gin.bind_parameter("random_search.num_runs", 200)
    gin.bind_parameter("random_search.kind", kind)
    found = schedule_families.collect([_family("random_search")], "")
    again = schedule_families.collect([_family("random_search")], "")
    assert found == again and len(found) == 200
    if kind == "cosine":
        warmups = [s.num_warmup_steps for s in found.values()]
        rates = [s.peak_learning_rate for s in found.values()]
        assert min(warmups) >= 0 and max(warmups) <= 100
    else:
        rates = [s.initial_learning_rate for s in found.values()]
        assert all(10 <= s.discount_step <= 100 for s in found.values())
        assert all(0.88 <= s.discount_factor <= 0.99 for s in found.values())
    assert 1e-4 <= min(rates) and max(rates) <= 0.1
    # Log-uniform: the middle of the logarithms is the middle of the range.
    assert np.median(np.log10(rates)) == pytest.approx(-2.5, abs=0.3)
    gin.bind_parameter("random_search.seed", 1)
    assert schedule_families.collect([_family("random_search")], "") != found


def test_random_search_ends_where_its_ranges_hold_too_few():
    gin.bind_parameter("random_search.num_runs", 4)
    gin.bind_parameter("random_search.learning_rates", (0.01, 0.01))
    gin.bind_parameter("random_search.discount_steps", (50, 52))
    gin.bind_parameter("random_search.discount_factors", (0.9, 0.9))
    with pytest.raises(ValueError, match="num_runs <= 3, found 4"):
        schedule_families.collect([_family("random_search")], "")


def test_random_search_draws_how_far_a_cosine_falls():
    gin.bind_parameter("random_search.num_runs", 200)
    gin.bind_parameter("random_search.kind", "cosine")
    found = schedule_families.collect([_family("random_search")], "")
    assert {s.final_fraction for s in found.values()} == {0.0}
    gin.bind_parameter("random_search.final_fractions", (0.25, 0.75))
    found = schedule_families.collect([_family("random_search")], "")
    fractions = [s.final_fraction for s in found.values()]
    assert 0.25 <= min(fractions) < 0.3 and 0.7 < max(fractions) <= 0.75
    assert np.mean(fractions) == pytest.approx(0.5, abs=0.05)


def test_scopes_use_a_family_twice():
    gin.parse_config("""
        warm/cosine.num_warmup_steps = (10,)
        cosine.peak_learning_rates = (0.1,)
    """)
    with gin.config_scope("warm"):
        warm = gin.get_configurable("cosine")("")
    assert list(warm) == ["cosine 0.1, warm-up 10"]
    assert list(_family("cosine")("")) == ["cosine 0.1, warm-up 0"]


def test_the_schedule_of_the_paper_goes_through_the_readings():
    ((name, schedule),) = _family("paper_schedule")("").items()
    assert name == "paper's Figure 2, fashion_mnist_cnn"
    file = importlib.resources.files("learned_lr.report") / "paper_data" / "figure2.csv"
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    next_learning_rate = schedule.start(QuadraticTask(num_trainee_steps=1000))
    for row in rows[:-1]:
        rate = next_learning_rate(int(row["trainee_step"]), None)
        assert rate == pytest.approx(float(row["fashion_mnist_cnn"]))
    # Halfway between the readings at 50 and 100, their geometric mean: at 70 to 80.
    assert 1.35e-3 * (1.86 / 1.35) ** 0.4 == pytest.approx(next_learning_rate(70, None))
    gin.bind_parameter("paper_schedule.pair", "mnist")
    with pytest.raises(ValueError, match=r"pair out of .* found 'mnist'"):
        _family("paper_schedule")("")


def test_replay_is_looked_for_under_the_root_first(tmp_path):
    (tmp_path / "lr.csv").write_text("trainee_step,learning_rate\n0,0.5\n")
    gin.bind_parameter("replay.path", "lr.csv")
    assert _family("replay")(str(tmp_path)) == {
        "replay": schedules.RecordedRates((0,), (0.5,), "replay")
    }


def test_a_replay_of_nothing_is_refused(tmp_path):
    gin.bind_parameter("replay.path", "no_such.csv")
    with pytest.raises(
        ValueError, match=r"replay\.path, at .*no_such\.csv, found none"
    ):
        _family("replay")(str(tmp_path))


def test_the_committed_grid_has_a_winner():
    gin.bind_parameter(
        "best_of_grid.run", "paper/baseline/fashion_mnist_lenet5/fashion_mnist_lenet5"
    )
    root_dir = pathlib.Path(__file__).resolve().parents[2] / "results"
    found = _family("best_of_grid")(str(root_dir))
    assert found == {
        "best of grid: step decay 0.01, 50, 0.88": schedules.StepDecay(0.01, 50, 0.88)
    }


def test_a_recorded_schedule_may_win(tmp_path):
    gin.bind_parameter("best_of_grid.run", "")
    (replay,) = _family("paper_schedule")("").values()
    best = {"schedule": schedule_descriptions.describe(replay)}
    (tmp_path / "best.json").write_text(json.dumps(best))
    (found,) = _family("best_of_grid")(str(tmp_path)).values()
    assert found == replay
    (tmp_path / "best.json").write_text(json.dumps({"schedule": {"kind": "learned"}}))
    with pytest.raises(ValueError, match="found a controller, .* with @controller"):
        _family("best_of_grid")(str(tmp_path))


def test_no_winner_yet(tmp_path):
    gin.bind_parameter("best_of_grid.run", "baseline/a/b")
    with pytest.raises(ValueError, match=r"finished baseline job at .*best\.json"):
        _family("best_of_grid")(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "best.json",
            "{",
            r"best\.json to hold the winner of a grid, found it damaged",
        ),
        ("best.json", "{}", r"best\.json .* damaged: KeyError"),
        ("best.json", '{"schedule": {"kind": "constant"}}', "damaged: TypeError"),
        ("run.json", '{"status": "running"}', "finished baseline job, .* 'running'"),
    ],
)
def test_a_grid_that_goes_on_and_a_damaged_one_have_no_winner(
    tmp_path, name, content, message
):
    gin.bind_parameter("best_of_grid.run", "")
    best = {"schedule": {"kind": "constant", "learning_rate": 0.1}}
    (tmp_path / "best.json").write_text(json.dumps(best))
    assert list(_family("best_of_grid")(str(tmp_path))) == [
        "best of grid: constant 0.1"
    ]
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        _family("best_of_grid")(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("learning_rates", (0.0, 0.1), r"least > 0, found \(0.0, 0.1\)"),
        ("learning_rates", (0.1, float("inf")), "least > 0"),
        ("discount_steps", (0, 100), "least >= 1"),
        ("discount_factors", (1.5, 0.2), "least > 0"),
        ("warmup_steps", (100, 0), "least >= 0"),
        ("final_fractions", (-0.1, 0.5), "least >= 0"),
    ],
)
def test_random_search_refuses_ranges_that_are_none(name, value, message):
    gin.bind_parameter("random_search.num_runs", 2)
    gin.bind_parameter(f"random_search.{name}", value)
    message = rf"random_search.{name} as \(least, greatest\), {message}"
    with pytest.raises(ValueError, match=message):
        _family("random_search")("")


def test_equal_content_has_an_equal_fingerprint():
    fingerprint = schedule_descriptions.fingerprint
    assert fingerprint(schedules.Constant(0.1)) == fingerprint(schedules.Constant(0.1))
    assert fingerprint(schedules.Constant(0.1)) != fingerprint(schedules.Constant(0.2))
    first, second = (
        schedules.RecordedRates((0,), (0.1,), label) for label in ("a", "b")
    )
    assert fingerprint(first) == fingerprint(second)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "at least one schedule, found none"),
        (
            ("cosine", "cosine"),
            "different names, found 'cosine 0.001, warm-up 0' twice",
        ),
    ],
)
def test_collect_refuses(names, message):
    with pytest.raises(ValueError, match=message):
        schedule_families.collect([_family(name) for name in names], "")


def test_unknown_descriptions_are_refused():
    with pytest.raises(ValueError, match=r"kind out of .*, found 'magic'"):
        schedule_descriptions.from_description({"kind": "magic"})
    with pytest.raises(ValueError, match="known kind, found 3"):
        schedule_descriptions.describe(3)
