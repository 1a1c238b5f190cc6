"""Observations: each transform against hand-made numbers, and bounds that hold whatever comes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from learned_lr.control.measurements import Measurement
from learned_lr.control.observations import (
    FEATURES,
    ObservationBuilder,
    ObservationSpec,
)

ALL = FEATURES + ("progress",)
FIRST = Measurement(2.5, 2.0, 0.02, 0.0, 0.1, 0.01)
LATER = Measurement(1.0, 4.0, 0.09, 0.01, 0.5, 0.04, validation_accuracy=0.3)
CAP = 3.4538776394910684  # 1.5 ln 10


def _build(transform, measurement, rate=1e-3, progress=0.25, first=FIRST, **spec):
    builder = ObservationBuilder(ObservationSpec(ALL, transform, 10.0, **spec))
    builder.start(first, 1e-2)
    return builder.build(measurement, rate, progress)


@pytest.mark.parametrize(
    "transform, expected",
    [
        ("raw", [1.0, 4.0, 0.09, 0.01, 0.5, 0.04, 1e-3, 0.25]),
        (
            "log",
            # ln 1, ln 4, ln 0.09, ln 0.01, as it is, ln 0.04, ln 0.001, as it is
            [0.0, 1.3862944, -2.4079456, -4.6051702, 0.5, -3.2188758, -6.9077553, 0.25],
        ),
        (
            "relative",
            # ln 1/2, ln 4/2, as in log twice, (0.5 - 0.1) / 0.1, ln 4, ln 0.1, as it is
            [-0.6931472, 0.6931472, -2.4079456, -4.6051702, 4.0, 1.3862944]
            + [-2.3025851, 0.25],
        ),
    ],
)
def test_transform_by_hand(transform, expected):
    found = _build(transform, LATER)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.float32(expected), rtol=2e-7, atol=1e-7)


def test_features_come_in_the_order_asked_for():
    spec = ObservationSpec(("progress", "learning_rate", "validation_loss"), "raw")
    builder = ObservationBuilder(spec)
    builder.start(FIRST, 1e-2)
    found = builder.build(LATER, 0.125, 0.75)
    np.testing.assert_array_equal(found, np.float32([0.75, 0.125, 4.0]))


def test_the_relative_view_refers_to_the_present_episode():
    builder = ObservationBuilder(ObservationSpec(ALL, "relative", 10.0))
    builder.start(LATER, 0.5)
    builder.build(FIRST, 0.25, 0.0)
    builder.start(FIRST, 1e-2)
    found = builder.build(LATER, 1e-3, 0.25)
    np.testing.assert_array_equal(found, _build("relative", LATER))


def test_the_relative_view_does_not_change_with_the_scale_of_the_losses():
    scaled = [
        m._replace(train_loss=m.train_loss / 8, validation_loss=m.validation_loss / 8)
        for m in (FIRST, LATER)
    ]
    found = _build("relative", scaled[1], first=scaled[0])
    np.testing.assert_allclose(found, _build("relative", LATER), rtol=1e-6)


def test_the_relative_rate_goes_down_to_its_lower_bound():
    # ln(1e-7 / 1e-2), far below the floor of the losses
    found = _build("relative", LATER, rate=1e-7)[ALL.index("learning_rate")]
    assert found == pytest.approx(-11.512925, rel=1e-6)


LOW_AND_HIGH = {
    "raw": (
        [0.0, 0.0, 0.0, 0.0, -100.0, 0.0, 1e-5, 0.0],
        [CAP, CAP, 1e4, 1e4, 100.0, 1e4, 0.5, 1.0],
    ),
    "log": (
        # ln 1e-6 four times and ln 1e-5; ln of the largest values
        [-13.815511, -13.815511, -13.815511, -13.815511, -100.0, -13.815511]
        + [-11.512925, 0.0],
        [1.2394975, 1.2394975, 9.2103404, 9.2103404, 100.0, 9.2103404]
        + [-0.69314718, 1.0],
    ),
    "relative": (
        [-20.0, -20.0, -13.815511, -13.815511, -20.0, -20.0, -20.0, 0.0],
        [20.0, 20.0, 9.2103404, 9.2103404, 20.0, 20.0, 20.0, 1.0],
    ),
}


@pytest.mark.parametrize("transform", LOW_AND_HIGH)
def test_bounds_by_hand(transform):
    low, high = ObservationSpec(ALL, transform, CAP, 1e-5, 0.5).bounds()
    assert low.dtype == high.dtype == np.float32
    np.testing.assert_allclose(low, LOW_AND_HIGH[transform][0], rtol=1e-6)
    np.testing.assert_allclose(high, LOW_AND_HIGH[transform][1], rtol=1e-6)


@pytest.mark.parametrize("transform", ["raw", "log"])
def test_bounds_are_tight(transform):
    spec = ObservationSpec(ALL, transform, CAP, 1e-5, 0.5)
    builder = ObservationBuilder(spec)
    builder.start(FIRST, 1e-2)
    low = builder.build(Measurement(0.0, 0.0, 0.0, 0.0, -1e3, 0.0), 1e-5, 0.0)
    high = builder.build(Measurement(1e9, 1e9, 1e9, 1e9, 1e9, 1e9), 0.5, 1.0)
    np.testing.assert_array_equal(low, spec.bounds()[0])
    np.testing.assert_array_equal(high, spec.bounds()[1])


EXTREMES = (math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0, 5e-324)


@pytest.mark.parametrize("transform", LOW_AND_HIGH)
def test_bounds_hold_whatever_is_measured(transform):
    spec = ObservationSpec(ALL, transform, CAP, 1e-5, 0.5)
    low, high = spec.bounds()
    builder = ObservationBuilder(spec)
    for start, value in itertools.product(EXTREMES, EXTREMES):
        builder.start(Measurement(*[start] * 6), 1e-2)
        found = builder.build(Measurement(*[value] * 6), value, value)
        assert np.all(found >= low) and np.all(found <= high), (start, value, found)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("transform", LOW_AND_HIGH)
def test_what_is_not_finite_counts_as_the_largest(transform, value):
    found = _build(transform, Measurement(*[value] * 6), rate=value, progress=value)
    high = ObservationSpec(ALL, transform, 10.0).bounds()[1]
    np.testing.assert_array_equal(found, high)


def test_progress_is_clipped_to_one():
    assert _build("log", LATER, progress=1.5)[-1] == 1.0
    assert _build("log", LATER, progress=-0.5)[-1] == 0.0


def test_a_log_of_nothing_is_the_floor():
    found = _build("log", FIRST)[ALL.index("prediction_change_variance")]
    assert found == pytest.approx(math.log(1e-6), rel=1e-6)


def test_build_before_start_is_refused():
    builder = ObservationBuilder(ObservationSpec())
    with pytest.raises(ValueError, match=r"Expected start\(\) before build\(\)"):
        builder.build(FIRST, 1e-3, 0.0)


@pytest.mark.parametrize(
    "features", [(), ("train_loss", "train_loss"), ("train_loss", "wall_time")]
)
def test_features_that_are_none_are_refused(features):
    with pytest.raises(ValueError, match="Expected distinct features out of") as error:
        ObservationSpec(features)
    assert str(list(features)) in str(error.value)


def test_an_unknown_transform_is_refused():
    with pytest.raises(
        ValueError, match=r"one of \['raw', 'log', 'relative'\], found 'sqrt'"
    ):
        ObservationSpec(transform="sqrt")


@pytest.mark.parametrize("max_loss", [0.0, -1.0, math.nan])
def test_a_cap_that_is_none_is_refused(max_loss):
    with pytest.raises(ValueError, match=f"Expected max_loss .*, found {max_loss}"):
        ObservationSpec(max_loss=max_loss)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("raw", ["train_loss", "prediction_variance", "final_kernel_mean", "progress"]),
        (
            "log",
            [
                "log train_loss",
                "log prediction_variance",
                "final_kernel_mean",
                "progress",
            ],
        ),
        (
            "relative",
            [
                "train_loss (relative)",
                "log prediction_variance",
                "final_kernel_mean (relative)",
                "progress",
            ],
        ),
    ],
)
def test_label_says_what_was_done_to_a_feature(transform, expected):
    names = ("train_loss", "prediction_variance", "final_kernel_mean", "progress")
    spec = ObservationSpec(names, transform)
    assert [spec.label(name) for name in names] == expected


CHANGES = (
    "train_loss_trend",
    "validation_loss_trend",
    "validation_loss_rise",
    "generalization_gap",
    "num_training_steps",
)


@pytest.mark.parametrize("transform", LOW_AND_HIGH)
def test_changes_of_a_hand_made_trajectory(transform):
    builder = ObservationBuilder(ObservationSpec(CHANGES, transform, CAP))
    losses = [(2.0, 2.0), (1.0, 1.0), (0.5, 2.0), (0.5, 1.5), (0.25, 0.5)]
    measurements = [Measurement(*pair, 0.02, 0.0, 0.1, 0.01) for pair in losses]
    builder.start(measurements[0], 1e-2)
    found = [builder.build(m, 1e-2, 0.0, 1000) for m in measurements]
    # ln 1/2 = -0.6931, ln 2 = 0.6931, ln 1.5/2 = -0.2877, ln 1.5 = 0.4055, ln 1/3 = -1.0986,
    # ln 4 = 1.3863, ln 3 = 1.0986
    expected = [
        [0.0, 0.0, 0.0, 0.0, 6.9077553],
        [-0.6931472, -0.6931472, 0.0, 0.0, 6.9077553],
        [-0.6931472, 0.6931472, 0.6931472, 1.3862944, 6.9077553],
        [0.0, -0.2876821, 0.4054651, 1.0986123, 6.9077553],
        [-0.6931472, -1.0986123, 0.0, 0.6931472, 6.9077553],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_changes_count_from_a_first_measurement_that_is_not_observed():
    builder = ObservationBuilder(ObservationSpec(CHANGES[:3], "relative"))
    builder.start(FIRST, 1e-2)
    found = builder.build(LATER, 1e-2, 0.1)
    # ln 1/2.5, ln 4/2 twice
    np.testing.assert_allclose(found, [-0.9162907, 0.6931472, 0.6931472], rtol=1e-6)


def test_changes_start_anew_with_the_episode():
    builder = ObservationBuilder(ObservationSpec(CHANGES[:3], "relative"))
    for _ in range(2):
        builder.start(FIRST, 1e-2)
        np.testing.assert_array_equal(builder.build(FIRST, 1e-2, 0.0), np.zeros(3))
        builder.build(LATER._replace(validation_loss=0.5), 1e-2, 0.1)


def test_bounds_of_changes_hold_whatever_is_measured():
    spec = ObservationSpec(CHANGES, "relative")
    low, high = spec.bounds()
    np.testing.assert_array_equal(low, np.float32([-20, -20, 0, -20, 0]))
    np.testing.assert_array_equal(high, np.float32([20, 20, 20, 20, 20]))
    builder = ObservationBuilder(spec)
    for start, value in itertools.product(EXTREMES, EXTREMES):
        builder.start(Measurement(*[start] * 6), 1e-2)
        found = builder.build(Measurement(*[value] * 6), 1e-2, 0.5, 10**12)
        assert np.all(found >= low) and np.all(found <= high), (start, value, found)


def test_length_of_the_run_is_needed_where_it_is_a_feature():
    builder = ObservationBuilder(ObservationSpec(("num_training_steps",)))
    builder.start(FIRST, 1e-2)
    with pytest.raises(ValueError, match="Expected num_training_steps, a feature"):
        builder.build(FIRST, 1e-2, 0.0)


@pytest.mark.parametrize("num_built", [0, 1, 3])
def test_restored_builder_goes_on_bit_for_bit(num_built):
    spec = ObservationSpec(ALL + CHANGES, "relative")
    measurements = [
        LATER._replace(validation_loss=loss) for loss in (2.0, 0.7, 1.9, 1.1)
    ]
    whole, first, second = (ObservationBuilder(spec) for _ in range(3))
    second.restore(first.state(), 1e-2)  # Nothing is restored from nothing.
    with pytest.raises(ValueError, match=r"Expected start\(\)"):
        second.build(FIRST, 1e-2, 0.0, 10)
    whole.start(FIRST, 1e-2)
    expected = [whole.build(m, 1e-3, 0.5, 10) for m in measurements]
    first.start(FIRST, 1e-2)
    for measurement in measurements[:num_built]:
        first.build(measurement, 1e-3, 0.5, 10)
    second.restore(first.state(), 1e-2)
    found = [second.build(m, 1e-3, 0.5, 10) for m in measurements[num_built:]]
    np.testing.assert_array_equal(found, expected[num_built:])


def test_labels_of_changes():
    spec = ObservationSpec(("validation_loss_rise", "num_training_steps"), "log")
    found = [spec.label(name) for name in spec.features]
    assert found == ["validation_loss_rise", "log num_training_steps"]
