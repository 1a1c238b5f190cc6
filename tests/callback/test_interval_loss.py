"""Interval means out of an epoch's running means."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learned_lr.callback.interval_loss import IntervalLoss


def test_equals_the_mean_of_the_minibatches_across_epochs():
    generator = np.random.default_rng(0)
    losses = generator.uniform(0, 3, (4, 7))  # 4 epochs of 7 steps.
    interval, found, expected, since = IntervalLoss(), [], [], []
    for epoch in losses:
        interval.begin_epoch()
        for step, loss in enumerate(epoch):
            interval.count(1)
            since.append(loss)
            logs = {"loss": np.mean(epoch[: step + 1])}
            if len(since) == 5 or step == 6:  # An epoch's end is always read.
                interval.read(logs)
            if len(since) == 5:
                found.append(interval.mean())
                expected.append(np.mean(since))
                interval.begin_interval()
                since = []
    assert len(found) == 5
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_several_steps_in_one_execution_count_alike():
    interval = IntervalLoss()
    interval.count(10)
    interval.read({"loss": 2.0})
    interval.count(5)
    interval.read({"loss": 3.0})
    assert interval.weight == 15
    assert interval.mean() == pytest.approx(3.0)


def test_reading_twice_changes_nothing():
    interval = IntervalLoss()
    interval.count(1)
    interval.read({"loss": 2.0})
    interval.read({"loss": 2.0})
    assert (interval.total, interval.weight) == (2.0, 1)


def test_a_running_mean_weighs_the_examples_that_it_is_of():
    interval = IntervalLoss()
    interval.count(1)
    interval.read({"loss": 1.0}, lambda mean: 100)
    interval.count(1)
    interval.read({"loss": 2.0}, lambda mean: 400)  # 300 examples of 7/3.
    assert (interval.total, interval.weight) == (800.0, 400)
    interval.begin_interval()
    interval.count(2)
    # Not known of this one: as many examples a minibatch as before.
    interval.read({"loss": 3.0}, lambda mean: None)
    assert interval.weight == 400
    assert interval.mean() == pytest.approx(4.0)


def test_an_epoch_that_counts_minibatches_goes_on_with_them():
    interval = IntervalLoss()
    interval.count(2)
    interval.read({"loss": 1.0}, lambda mean: None)
    interval.count(1)
    interval.read({"loss": 2.0}, lambda mean: 300)
    assert (interval.total, interval.weight) == (6.0, 3)


def test_a_log_that_is_found_to_be_a_running_mean_counts_nothing_twice():
    interval = IntervalLoss(is_running_mean=None)
    interval.count(1, {"loss": 3.0})
    interval.read({"loss": 3.0})
    interval.begin_interval()
    interval.count(1, {"loss": 2.0})
    interval.is_running_mean = True
    interval.read({"loss": 2.0})  # Of losses of 3 and 1.
    assert (interval.total, interval.weight) == (1.0, 1)


def test_a_metric_that_was_reset_begins_anew():
    interval = IntervalLoss()
    interval.count(3)
    interval.read({"loss": 2.0}, lambda mean: 96)
    interval.begin_interval()
    interval.count(2)
    interval.read({"loss": 5.0}, lambda mean: 64)
    assert (interval.total, interval.weight) == (320.0, 64)


def test_state_goes_on():
    interval = IntervalLoss()
    interval.count(3)
    interval.read({"loss": 2.0})
    state = interval.state()
    again = IntervalLoss(*state)
    again.count(1)
    again.read({"loss": 6.0})
    assert again.mean() == pytest.approx(3.0)


def test_nan_is_noticed():
    interval = IntervalLoss()
    assert math.isnan(interval.mean())
    interval.count(1)
    interval.read({"loss": math.nan})
    assert not interval.is_finite()


@pytest.mark.parametrize("logs", [None, {}, {"accuracy": 1.0}])
def test_missing_loss_is_named(logs):
    interval = IntervalLoss()
    interval.count(1)
    with pytest.raises(ValueError, match="Expected a loss in the logs"):
        interval.read(logs)


def test_a_running_mean_that_is_not_known_yet_weighs_examples_as_well():
    interval = IntervalLoss(total=2.0 * 256, weight=256.0, is_running_mean=None)
    interval.count(1, {"loss": 4.0})
    interval.read({"loss": 4.0}, lambda mean: 64.0)
    assert interval.mean() == pytest.approx((2.0 * 4 + 4.0) / 5)
    interval.begin_interval()
    interval.is_running_mean = True
    interval.count(3)
    interval.read({"loss": 7.0}, lambda mean: 256.0)  # The three have a mean of 8.
    assert (interval.mean(), interval.weight) == (pytest.approx(8.0), 192)


def test_a_loss_of_each_example_counts_as_their_mean():
    interval = IntervalLoss(is_running_mean=False)
    interval.count(1, {"loss": np.array([1.0, 3.0])})
    interval.read({"loss": np.array([1.0, 3.0])})
    assert interval.mean() == 2
