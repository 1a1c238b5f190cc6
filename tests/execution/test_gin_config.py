"""Gin files and bindings: what gin itself would take in silence, or answer with another name."""

from __future__ import annotations

import pytest

import gin
from learned_lr.execution import gin_config
from learned_lr.execution.gin_config import UsageError
from learned_lr.jobs import baseline, train  # noqa: F401 - they register what is bound here.

JOBS = ("train", "evaluate")


@pytest.fixture(autouse=True)
def clear_gin():
    """Leaves no bindings behind."""
    yield
    gin.clear_config()


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("workers.num_workers = '2'", "workers.num_workers to be of the type int"),
        ("workers.num_threads = True", "workers.num_threads to be of the type int"),
        ("ppo.num_units = 32.0", "ppo.num_units to be of the type int, found 32.0"),
        ("ppo.discount_factor = 'x'", "ppo.discount_factor to be of the type float"),
        ("environment.act_before_first_interval = 'no'", "to be of the type bool"),
        ("ppo.num_unit = 3", "Did you mean 'num_units'?"),
        ("base_schedule.warmup = 0.1", "Did you mean 'warmup_fraction'?"),
        (
            "num_iterations = 7",
            r"such as .*\btrain.num_iterations.*, found 'num_iterations'",
        ),
        ("nosuchname = 7", "such as task.name, found 'nosuchname' alone"),
        ("import nosuchmodule", "modules that are there, found: No module named"),
    ],
)
def test_a_wrong_binding_is_told(binding, message):
    with pytest.raises(UsageError, match=message):
        gin_config.parse_gin([], [binding])


def test_a_macro_that_is_used_is_no_mistake():
    gin_config.parse_gin([], ["number = 7", "train.seed = %number"])
    assert gin.query_parameter("train.seed").scoped_selector == "number/gin.macro"


@pytest.mark.parametrize("value", ["2.5", "True", "'2'", "%other"])
def test_a_macro_of_another_type_is_told(value):
    bindings = [f"number = {value}", "train.seed = %number", "other = 2.5"]
    bindings += [] if value == "%other" else ["baseline.seed = %other"]
    with pytest.raises(UsageError, match="to be of the type int, found"):
        gin_config.parse_gin([], bindings)


def test_a_macro_without_a_value_is_left_to_gin():
    with pytest.raises(UsageError, match="No bindings specified for 'number"):
        gin_config.parse_gin([], ["train.seed = %number"])


FAMILIES = "baseline.families = [@fast/constant_rate, @slow/constant_rate]"
SLOW = "slow/constant_rate.learning_rates = (0.1,)"


def test_a_mistyped_scope_is_told():
    mistyped = "fats/constant_rate.learning_rates = (0.5,)"
    with pytest.raises(UsageError, match="Did you mean 'fast'?"):
        gin_config.parse_gin([], [FAMILIES, SLOW, mistyped])


COSINE = "baseline.families = [@progress/cosine, @tuned_1/cosine]"
PEAK = "{}/cosine.peak_learning_rates = (0.1,)"
WARMUP = "{}/cosine.num_warmup_steps = (10,)"


@pytest.fixture
def file_of(tmp_path):
    """Writes bindings to a gin file; returns its path."""

    def write(*lines):
        path = tmp_path / "a.gin"
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)

    return write


def test_a_mistyped_scope_is_told_where_the_right_one_has_other_bindings(file_of):
    lines = COSINE, WARMUP.format("progress"), PEAK.format("progres")
    with pytest.raises(UsageError, match="Did you mean 'progress'?"):
        gin_config.parse_gin([file_of(*lines)], [])


def test_a_mistyped_scope_on_the_command_line_is_told(file_of):
    lines = COSINE, PEAK.format("progress")
    with pytest.raises(UsageError, match="Did you mean 'progress'?"):
        gin_config.parse_gin([file_of(*lines)], [PEAK.format("progres")])


def test_a_scope_that_holds_within_another_is_no_mistake():
    families = "baseline.families = [@source/a/cosine]"
    gin_config.parse_gin([], [families, PEAK.format("source")])


def test_a_files_scope_that_is_left_out_beside_its_like_is_no_mistake(file_of):
    lines = COSINE, PEAK.format("tuned_1"), PEAK.format("tuned_2")
    gin_config.parse_gin([file_of(*lines)], [])


def test_a_scope_that_another_binding_leaves_unused_is_no_mistake():
    """As a file's families are where others are bound."""
    fast = "fast/constant_rate.learning_rates = (0.5,)"
    others = "baseline.families = [@slow/constant_rate, @step_decay]"
    gin_config.parse_gin([], [FAMILIES, SLOW, fast, others])


def test_the_job_of_what_is_included(tmp_path):
    (tmp_path / "a.gin").write_text("train.seed = 1\n", encoding="utf-8")
    first = tmp_path / "first.gin"
    first.write_text(f"include '{tmp_path}/a.gin'  # the 'train' one\n", "utf-8")
    assert gin_config.job_of(str(first), JOBS) == "train"


def test_a_file_that_includes_itself_is_refused(tmp_path):
    first, second = tmp_path / "first.gin", tmp_path / "second.gin"
    first.write_text(f"include '{second}'\n", encoding="utf-8")
    second.write_text(f"include '{first}'\n", encoding="utf-8")
    with pytest.raises(UsageError, match="don't include themselves, found .*first.gin"):
        gin_config.job_of(str(first), JOBS)
