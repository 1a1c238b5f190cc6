"""Statistics: against the paper's printed stars, textbook values, and SciPy's other ways to the same number."""

from __future__ import annotations

import csv
import importlib.resources
import math

import numpy as np
import pytest
import scipy.stats

from learned_lr.report import statistics

PAPER = importlib.resources.files("learned_lr.report") / "paper_data"
TABLES = {"table1.csv": "auto", "table2.csv": "controller"}


def _paper_rows():
    for name, treated in TABLES.items():
        text = (PAPER / name).read_text(encoding="utf-8")
        for row in csv.DictReader(text.splitlines()):
            for metric in ("loss", "accuracy"):
                yield pytest.param(
                    row,
                    treated,
                    metric,
                    id=f"{name}-{row['model']}-{row.get('dataset')}-{metric}",
                )


@pytest.mark.parametrize(("row", "treated", "metric"), _paper_rows())
def test_stars_of_the_paper_come_out_again(row, treated, metric):
    def moments(who):
        name = f"{who}_test_{metric}"
        return float(row[name]), float(row[f"{name}_std"])

    p_value = statistics.p_from_moments(*moments("baseline"), *moments(treated), 10)
    expected = {"yes": "*", "no": ""}[row[f"{metric}_significant"]]
    assert statistics.star(p_value) == expected


def test_both_kinds_of_star_are_in_the_paper():
    stars = {
        param.values[0][f"{param.values[2]}_significant"] for param in _paper_rows()
    }
    assert stars == {"yes", "no"}


def test_compare_by_hand():
    # Means 2 and 4, variances 1 and 4, three runs each.
    found = statistics.compare([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    assert (found.mean, found.reference_mean, found.difference) == (2.0, 4.0, -2.0)
    assert found.standard_deviation == 1.0
    assert found.reference_standard_deviation == 2.0
    # t = -2 / sqrt(2.5 * 2 / 3) with 4 degrees of freedom.
    t_student = -2 / math.sqrt(2.5 * 2 / 3)
    assert found.p_student == pytest.approx(2 * scipy.stats.t.sf(-t_student, 4))
    # Welch: (1/3 + 4/3)^2 / ((1/3)^2 / 2 + (4/3)^2 / 2) = 50 / 17 degrees of freedom.
    assert found.p_welch == pytest.approx(2 * scipy.stats.t.sf(-t_student, 50 / 17))
    # Differences -1, -2, -3: t = -2 / (1 / sqrt(3)) with 2 degrees of freedom.
    assert found.p_paired == pytest.approx(2 * scipy.stats.t.sf(2 * math.sqrt(3), 2))
    # -2 / sqrt(2.5) times 1 - 3 / (4 * 4 - 1).
    assert found.effect_size == pytest.approx(-2 / math.sqrt(2.5) * 0.8)
    assert -3 <= found.difference_low < -2 < found.difference_high <= -1


def test_from_samples_and_from_moments_agree():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=10), rng.normal(0.5, size=10)
    moments = [v for x in (a, b) for v in (x.mean(), x.std(ddof=1))]
    expected = statistics.p_from_moments(*moments, 10)
    assert statistics.compare(a, b).p_student == pytest.approx(expected)


def test_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    intervals = [
        statistics.bootstrap_interval(rng.normal(1.0, 1.0, size=30)) for _ in range(60)
    ]
    hits = sum(low <= 1.0 <= high for low, high in intervals)
    # Binomial(60, 0.95): fewer than 51 happen once in a thousand times.
    assert hits >= 51
    assert statistics.bootstrap_interval(np.arange(9.0)) == (
        statistics.bootstrap_interval(np.arange(9.0))
    )


def test_interval_is_corrected_for_bias_and_skew():
    # SciPy's BCa; plain percentiles are (0.375, 3.125).
    low, high = statistics.bootstrap_interval(
        np.array([0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4])
    )
    assert (low, high) == pytest.approx((0.575, 3.8), abs=0.01)


@pytest.mark.parametrize(("num_runs", "coverage"), [(3, 0.72), (5, 0.85), (10, 0.90)])
def test_interval_of_few_runs_covers_as_often_as_the_pages_say(
    num_runs, coverage, monkeypatch
):
    monkeypatch.setattr(statistics, "_NUM_RESAMPLES", 1000)
    rng = np.random.default_rng(3)
    intervals = [
        statistics.bootstrap_interval(rng.normal(size=num_runs)) for _ in range(600)
    ]
    found = np.mean([low <= 0 <= high for low, high in intervals])
    three_errors = 3 * math.sqrt(coverage * (1 - coverage) / 600)
    assert found == pytest.approx(coverage, abs=three_errors)


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        # 4 * 0.005; 3 * 0.01; 2 * 0.03; 1 * 0.04, which may not fall below 0.06.
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.01, math.nan, 0.04], [0.02, math.nan, 0.04]),
        ([], []),
    ],
)
def test_holm(p_values, expected):
    np.testing.assert_allclose(statistics.holm(p_values), expected)


def test_what_can_not_be_computed_is_nan():
    one = statistics.compare([1.0], [2.0])
    assert one.difference == -1.0
    assert all(
        math.isnan(value)
        for value in (one.p_student, one.p_paired, one.effect_size, one.difference_low)
    )
    same = statistics.compare([1.0, 1.0], [1.0, 1.0])
    assert (same.difference_low, same.difference_high) == (0.0, 0.0)
    assert math.isnan(same.effect_size) and statistics.star(same.p_student) == ""
    # One image of 300 more on each of three seeds: the differences spread by rounding alone.
    rounded = statistics.compare([0.91, 0.92, 0.93], [0.91 + 1 / 300, 0.92 + 1 / 300, 0.93 + 1 / 300])  # fmt: skip
    assert math.isnan(rounded.p_paired) and rounded.p_student > 0.5
    noise = statistics.compare([0.5, 0.5 + 3e-8, 0.5], [0.6, 0.6, 0.6 + 3e-8])
    assert math.isnan(noise.p_student) and math.isnan(noise.effect_size)
    one_spreads = statistics.compare([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    assert 0 < one_spreads.p_student < 1
    flat = statistics.compare([0.5] * 3, [0.49] * 3)
    assert all(map(math.isnan, (flat.p_paired, flat.p_student, flat.p_welch)))
    with pytest.raises(ValueError, match=r"one length, found shapes \(2,\) and \(1,\)"):
        statistics.compare([1.0, 2.0], [1.0])


def test_across_tasks_by_hand():
    # Means over two runs: 1, 2, 3, 4, 100; the middle half leaves out one at each end.
    means = np.array([3.0, 100.0, 1.0, 4.0, 2.0])
    found = statistics.across_tasks(np.stack([means - 1, means + 1], axis=1))
    assert (found.mean, found.median, found.worst) == (22.0, 3.0, 100.0)
    assert found.interquartile_mean == 3.0
    for low, high in (found.median_interval, found.interquartile_mean_interval):
        assert 0.5 <= low < 3.0 < high <= 101
    again = statistics.across_tasks(np.stack([means - 1, means + 1], axis=1))
    assert found == again


def test_a_quarter_is_cut_off_at_each_end():
    means = np.array([0.0, 0, 0, 1, 2, 3, 10, 100])
    assert statistics.across_tasks(means[:, None]).interquartile_mean == 6 / 4


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("mean", np.mean),
        ("median", np.median),
        ("interquartile_mean", lambda means: np.sort(means)[10:30].mean()),
    ],
)
def test_intervals_are_of_ninety_five_percent(name, figure):
    """Against a bootstrap in two stages that is written out."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(40, 3))
    resampled = []
    for _ in range(4000):
        drawn = values[rng.integers(40, size=40)]
        runs = rng.integers(3, size=(40, 3))
        resampled.append(figure(np.take_along_axis(drawn, runs, axis=1).mean(axis=1)))
    expected = np.percentile(resampled, [2.5, 97.5])
    found = getattr(statistics.across_tasks(values), f"{name}_interval")
    assert found == pytest.approx(expected, abs=0.08 * np.ptp(expected))


def test_tasks_and_runs_are_both_resampled():
    def width(values):
        low, high = statistics.across_tasks(values).mean_interval
        return high - low

    # Standard errors: 1 / sqrt(100) of equal runs; 1 / sqrt(400) of equal tasks.
    signs = np.resize([-1.0, 1.0], 100)
    assert width(np.tile(signs[:, None], 4)) == pytest.approx(3.92 * 0.1, rel=0.05)
    assert width(np.tile(np.resize(signs, 4), (100, 1))) == pytest.approx(
        3.92 * 0.05, rel=0.05
    )
    # One task has its runs to resample, one run a task the tasks; equal values no spread.
    assert width(signs[None, :]) == pytest.approx(3.92 * 0.1, rel=0.05)
    assert width(signs[:, None]) == pytest.approx(3.92 * 0.1, rel=0.05)
    assert width(np.ones((5, 3))) == 0.0


def test_interval_over_tasks_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(20):
        tasks = rng.normal(1.0, 1.0, size=(25, 1))
        runs = tasks + rng.normal(0.0, 0.5, size=(25, 2))
        low, high = statistics.across_tasks(runs).mean_interval
        hits += low <= 1.0 <= high
    # Binomial(20, 0.95): fewer than 16 happen less than three times in a thousand.
    assert hits >= 16


def test_across_tasks_without_a_sample():
    one = statistics.across_tasks(np.array([[2.0]]))
    assert (one.mean, one.worst) == (2.0, 2.0)
    assert all(math.isnan(end) for end in one.mean_interval)
    for shape in ((3,), (0, 2)):
        with pytest.raises(ValueError, match=r"\[num_tasks, num_runs\], found shape"):
            statistics.across_tasks(np.zeros(shape))
