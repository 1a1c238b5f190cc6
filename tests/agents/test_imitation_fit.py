"""The fit of an imitation: it finds what the teacher does, with all tasks alike, in one network of several."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from learned_lr.agents import imitation
from learned_lr.agents.imitation import ImitationConfig, LabelledEpisodes
from learned_lr.agents.imitation_fit import fit
from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.controller_spec import ControllerSpec
from learned_lr.control.observations import ObservationSpec
from learned_lr.trainees.episode import Episode
from learned_lr.trainees.episode_groups import EpisodeGroup

SPEC = ControllerSpec(
    network="mlp",
    num_units=8,
    activation="tanh",
    observation=ObservationSpec(("validation_loss", "progress"), "relative"),
    scaling=LearningRateScaling(2.0),
    initial_learning_rate=0.01,
    trainee_steps_per_action=10,
    num_trainee_steps=60,
)
CONFIG = ImitationConfig(
    num_units=8,
    num_networks=1,
    num_fitting_steps=300,
    learning_rate=0.01,
    too_high_weight=1.0,
)


def _item(observations, teacher_actions):
    num = len(observations)
    group = EpisodeGroup((Episode(0, np.zeros((num + 1, 9)), False),))
    actions = np.asarray(teacher_actions, np.float32)[None]
    observations = np.asarray(observations, np.float32)[None]
    return LabelledEpisodes(
        group, observations, actions, actions, np.ones_like(actions), np.ones(1)
    )


def _lines(num=200, seed=0):
    """Observations, and actions that are a function of them."""
    rng = np.random.default_rng(seed)
    observations = rng.normal(size=(num, 2)) * [3.0, 0.2] + [-4.0, 0.5]
    actions = np.tanh(0.4 * (observations[:, 0] + 4.0) - 2.0 * observations[:, 1])
    return observations, actions


def test_fit_finds_a_function_of_the_observations():
    observations, actions = _lines()
    controller, figures = fit(SPEC, CONFIG, {"a": [_item(observations, actions)]}, 0)
    np.testing.assert_allclose(
        controller.weights["normalizer_mean"], observations.mean(0), rtol=1e-5
    )
    np.testing.assert_allclose(
        controller.weights["normalizer_variance"], observations.var(0), rtol=1e-5
    )
    assert controller.action_deviation == np.float32(0.3)
    fresh, expected = _lines(seed=1)
    found = [controller.act(row)[0] for row in fresh]
    assert np.mean((found - expected) ** 2) < 0.01 * expected.var()
    assert figures["explained_variance"] > 0.99
    found = np.array([controller.act(row)[0] for row in observations])
    loss = np.mean((found - actions) ** 2)
    assert figures["explained_variance"] == pytest.approx(
        1 - loss / actions.var(), abs=1e-4
    )
    assert figures["fitting_loss"] == pytest.approx(loss, rel=0.05)


def test_fit_repeats_and_depends_on_the_seed():
    episodes = {"a": [_item(*_lines())]}
    first, again, other = (
        fit(SPEC, CONFIG, episodes, seed)[0].files() for seed in (0, 0, 1)
    )
    assert again == first != other


@pytest.mark.parametrize("network", ["mlp", "lstm"])
def test_several_networks_are_averaged_before_the_last_tanh(network):
    observations, actions = _lines(num=40)
    actions = np.tanh(actions + np.random.default_rng(2).normal(size=len(actions)))
    episodes = {"a": [_item(observations, actions)]}
    config = dataclasses.replace(CONFIG, network=network, num_fitting_steps=20)
    several = dataclasses.replace(config, num_networks=3)
    one = dataclasses.replace(SPEC, network=network)
    spec = dataclasses.replace(one, num_units=24)
    mean, figures = fit(spec, several, episodes, 1)
    # Seeds are numbers of networks: the run's times the networks, and then on.
    single = [fit(one, config, episodes, number) for number in (3, 4, 5)]
    each = np.arctanh(
        [_answers(controller, observations[:20]) for controller, _ in single]
    )
    assert np.all(np.ptp(each, axis=0) > 1e-3)
    np.testing.assert_allclose(
        _answers(mean, observations[:20]), np.tanh(each.mean(0)), atol=1e-5
    )
    losses = [found["fitting_loss"] for _, found in single]
    assert figures["fitting_loss"] == pytest.approx(np.mean(losses))


def test_tasks_weigh_the_same_whatever_their_number_of_decisions():
    ones, minus_ones = np.full(10, 0.6), np.full(90, -0.6)
    episodes = {
        "few": [_item(np.zeros((10, 2)), ones)],
        "many": [_item(np.zeros((45, 2)), minus_ones[:45])] * 2,
    }
    controller, _ = fit(SPEC, CONFIG, episodes, 0)
    assert controller.act(np.zeros(2))[0] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    # With weights w above and 1 below, w (x + 0.6) = 0.6 - x.
    ("weight", "expected"), [(1.0, 0.0), (2.0, -0.2), (5.0, -0.4)]
)  # fmt: skip
def test_too_high_costs_more_than_too_low(weight, expected):
    config = dataclasses.replace(CONFIG, too_high_weight=weight)
    actions = np.repeat([0.6, -0.6], 20)
    controller, _ = fit(SPEC, config, {"a": [_item(np.zeros((40, 2)), actions)]}, 0)
    assert controller.act(np.zeros(2))[0] == pytest.approx(expected, abs=1e-3)


def _fitted(**values):
    """The kernels of one small network that was fitted to lines."""
    config = dataclasses.replace(CONFIG, num_networks=1, **values)
    spec = dataclasses.replace(SPEC, num_units=config.num_units)
    episodes = {"a": [_item(*_lines())]}
    weights = fit(spec, config, episodes, 0)[0].weights
    return weights["hidden_kernel"], weights["action_kernel"]


def test_weight_decay_shrinks_the_kernels():
    norms = []
    for weight_decay in (0.0, 1.0, 1000.0):
        kernels = _fitted(weight_decay=weight_decay)
        norms.append(sum(float(np.sum(kernel**2)) for kernel in kernels))
    assert norms[0] > 2 * norms[1] > 4 * norms[2]


def test_the_rate_of_the_fit_falls_along_half_a_cosine(monkeypatch):
    schedules = []
    adam = tf.keras.optimizers.Adam

    def spy(schedule, **arguments):
        schedules.append(schedule)
        return adam(schedule, **arguments)

    monkeypatch.setattr(tf.keras.optimizers, "Adam", spy)
    _fitted(learning_rate=0.01, num_fitting_steps=200)
    rates = [float(schedules[0](step)) for step in (0, 50, 100, 200)]
    expected = [0.01, 0.01 * (1 + math.sqrt(0.5)) / 2, 0.005, 0.0]
    assert rates == pytest.approx(expected, abs=1e-8)


def _answers(controller, observations):
    """What a controller does in the course of an episode."""
    state, actions = controller.initial_state(), []
    for row in observations:
        action, state = controller.act(row, state)
        actions.append(action)
    return np.array(actions)


def _echoes(seed, num_decisions):
    """Observations, and actions that are a function of what was seen one decision before."""
    observations = np.random.default_rng(seed).normal(size=(num_decisions, 2))
    return observations, 0.9 * np.tanh(2 * np.append(0, observations[:-1, 0]))


def test_an_lstm_remembers_what_an_mlp_can_not():
    # Episodes of another length, which are padded, are as good.
    episodes = {
        "long": [_item(*_echoes(seed, 12)) for seed in range(30)],
        "short": [_item(*_echoes(seed, 5)) for seed in range(30, 60)],
    }
    shares = {}
    for network in ("mlp", "lstm"):
        config = dataclasses.replace(CONFIG, network=network, learning_rate=0.03)
        spec = dataclasses.replace(SPEC, network=network)
        controller, figures = fit(spec, config, episodes, 0)
        errors, actions = [], []
        for seed, num_decisions in ((100, 12), (101, 12), (102, 5), (103, 5)):
            observations, expected = _echoes(seed, num_decisions)
            errors += (_answers(controller, observations) - expected).tolist()
            actions += expected.tolist()
        shares[network] = 1 - np.mean(np.square(errors)) / np.var(actions)
        assert figures["explained_variance"] == pytest.approx(shares[network], abs=0.15)
    assert shares["lstm"] > 0.9
    assert shares["mlp"] < 0.1


def test_padding_counts_for_nothing():
    short, long = _item(*_echoes(0, 5)), _item(*_echoes(1, 12))
    config = dataclasses.replace(CONFIG, network="lstm", num_fitting_steps=5)
    spec = dataclasses.replace(SPEC, network="lstm")
    controller, _ = fit(spec, config, {"a": [short, long]}, 0)
    rows = np.concatenate([short.observations[0], long.observations[0]])
    np.testing.assert_allclose(controller.normalizer[0], rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(controller.normalizer[1], rows.var(0), rtol=1e-5)


def test_untrained_controller_does_nothing():
    controller = imitation.untrained(SPEC, 0.5)
    assert controller.act(np.float32([3.0, -1.0]))[0] == 0.0
    assert controller.action_deviation == 0.5
