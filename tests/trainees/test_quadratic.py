"""The toy trainee: against the recursion it stands for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learned_lr.trainees.tasks import QuadraticTask


def _task(**values):
    return QuadraticTask(
        num_trainee_steps=6, trainee_steps_per_action=2, num_dimensions=3, **values
    )


def test_noiseless_descent_by_hand():
    trainee = _task(noise=0.0).make_trainee()
    trainee.reset(7)
    curvature = np.array([0.1, math.sqrt(0.1), 1.0])
    x = np.random.default_rng(7).normal(size=3)
    loss = 0.5 * np.sum(curvature * x**2)
    expected = (loss, loss, np.var(x), 0.0, np.mean(x), np.var(x))
    assert trainee.measure()[:6] == pytest.approx(expected, rel=1e-12)
    for rate in (0.5, 0.1, 1.5):
        # x_i(t + 1) = (1 - rate * curvature_i) x_i(t)
        factor = 1 - rate * curvature
        points = [x, x * factor, x * factor**2]
        losses = [0.5 * np.sum(curvature * point**2) for point in points]
        change = np.var(points[2] - x)
        x = points[2]
        expected = (np.mean(losses[:2]), losses[2], np.var(x), change)
        expected += (np.mean(x), np.var(x))
        measurement = trainee.train(rate)
        assert measurement[:6] == pytest.approx(expected, rel=1e-9)
        assert math.isnan(measurement.validation_accuracy)
        assert not measurement.diverged


def test_a_seed_repeats_bit_for_bit():
    runs = []
    trainee = QuadraticTask().make_trainee()
    for seed in (3, 4, 3):
        trainee.reset(seed)
        rows = [trainee.measure()] + [trainee.train(0.3) for _ in range(20)]
        runs.append(([row[:6] for row in rows], trainee.test()[0]))
    assert runs[0] == runs[2]
    assert runs[0] != runs[1]


def test_a_decaying_rate_beats_any_constant():
    def final_loss(rates):
        trainee, losses = QuadraticTask().make_trainee(), []
        for seed in range(20):
            trainee.reset(seed)
            losses.append([trainee.train(rate) for rate in rates][-1].validation_loss)
        return np.mean(losses)

    constants = [final_loss([rate] * 20) for rate in np.geomspace(0.03, 0.3, 4)]
    assert final_loss(np.geomspace(1, 0.01, 20)) < 0.8 * min(constants)


def test_divergence_earns_the_cap_and_the_best_point_is_tested():
    trainee = _task(noise=0.0).make_trainee()
    trainee.reset(0)
    trainee.measure()
    best = trainee.train(0.5).validation_loss
    for _ in range(2):
        measurement = trainee.train(1e9)
        assert measurement[1:6] == (100.0, 0.0, 0.0, 0.0, 0.0)
        assert measurement.diverged
    assert measurement.train_loss == 100.0
    assert trainee.test()[0] == pytest.approx(best, rel=1e-12)


def test_a_loss_above_the_cap_is_the_cap_from_the_start_on():
    trainee = QuadraticTask(num_dimensions=2000).make_trainee()
    trainee.reset(0)
    assert trainee.measure()[:2] == (100.0, 100.0)


def test_steps_beyond_the_budget_are_refused():
    trainee = _task().make_trainee()  # Of six steps.
    for _ in range(3):
        trainee.train(0.1)
    with pytest.raises(ValueError, match="at most 6 trainee steps, found a call to"):
        trainee.train(0.1)
    trainee.reset(1)
    trainee.train(0.1)
