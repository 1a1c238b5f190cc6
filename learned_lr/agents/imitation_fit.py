"""The regression of a controller's actions on its teacher's, over all labelled episodes.

Must not know run directories, workers or jobs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from learned_lr.agents.imitation import (
    ImitationConfig,
    LabelledEpisodes,
    untrained,
)
from learned_lr.control.controller import Controller
from learned_lr.control.controller_spec import ControllerSpec


def fit(
    spec: ControllerSpec,
    config: ImitationConfig,
    episodes: Mapping[str, Sequence[LabelledEpisodes]],
    seed: int,
) -> tuple[Controller, dict[str, float]]:
    """Fits a controller to the teacher's actions, from scratch.

    Args:
      spec: of the controller, of the config's network and `num_networks * num_units` units.
      config: how it is fitted.
      episodes: by the name of their task. All tasks weigh the same, whatever their number
        of episodes.
      seed: int >= 0, of the initial weights.

    Returns:
      The controller; and figures: `fitting_loss`, the mean over networks, and
      `explained_variance`, the share of the variance of the teacher's actions, in [0, 1] but
      for a bad fit.
    """
    observations, actions, weights = _sequences(episodes)
    is_decision = weights > 0
    rows, row_weights = observations[is_decision], weights[is_decision]
    mean = np.average(rows, axis=0, weights=row_weights)
    variance = np.average((rows - mean) ** 2, axis=0, weights=row_weights)
    controller = untrained(spec, config.action_deviation).with_normalizer(
        mean, variance
    )
    inputs, answers, costs = observations, actions, weights
    if config.network == "mlp":  # Has no use for the order of decisions.
        inputs, answers, costs = rows, actions[is_decision], row_weights
    inputs = controller.normalized(inputs)
    networks, losses = [], []
    for number in range(config.num_networks):
        number += seed * config.num_networks
        model = _new_model(config, 2 * number)
        model.build((None, *inputs.shape[1:]))
        losses.append(_fit_model(model, config, inputs, answers, costs))
        networks.append(model.get_weights())
    *layers, action_kernels, action_biases = zip(*networks)
    merge = _merged_mlp if config.network == "mlp" else _merged_lstm
    merged = {
        **merge(*layers),
        "action_kernel": np.concatenate(action_kernels) / np.float32(len(networks)),
        "action_bias": np.mean(action_biases, axis=0),
    }
    controller = Controller(spec, {**controller.weights, **merged})
    found = np.zeros_like(actions)
    for index, sequence in enumerate(is_decision):
        state = controller.initial_state()
        for decision in np.flatnonzero(sequence):
            found[index, decision], state = controller.act(
                observations[index, decision], state
            )
    unexplained = np.average((found - actions) ** 2, weights=weights)
    spread = np.average(
        (actions - np.average(actions, weights=weights)) ** 2, weights=weights
    )
    return controller, {
        "fitting_loss": float(np.mean(losses)),
        "explained_variance": float(1 - unexplained / max(spread, 1e-12)),
    }


def _sequences(episodes):
    """Observations, the teacher's actions and weights that sum to 1, `[num_episodes, num_decisions, ...]`.

    Episodes of fewer decisions than the longest have zeros behind them, of weight 0.
    """
    num_decisions = max(
        item.actions.shape[1] for groups in episodes.values() for item in groups
    )
    observations, actions, weights = [], [], []
    for groups in episodes.values():
        num_rows = sum(item.actions.size for item in groups)
        for item in groups:
            padding = (0, num_decisions - item.actions.shape[1])
            observations.append(np.pad(item.observations, ((0, 0), padding, (0, 0))))
            actions.append(np.pad(item.teacher_actions, ((0, 0), padding)))
            each = np.full(item.actions.shape, 1 / num_rows / len(episodes))
            weights.append(np.pad(each, ((0, 0), padding)))
    return tuple(map(np.concatenate, (observations, actions, weights)))


def _new_model(config, seed):
    initializers = tf.keras.initializers
    if config.network == "mlp":
        layer = tf.keras.layers.Dense(
            config.num_units,
            activation="tanh",
            kernel_initializer=initializers.GlorotUniform(seed),
        )
    else:
        layer = tf.keras.layers.LSTM(
            config.num_units,
            return_sequences=True,
            kernel_initializer=initializers.GlorotUniform(seed),
            recurrent_initializer=initializers.Orthogonal(seed=seed),
        )
    action = tf.keras.layers.Dense(
        1,
        activation="tanh",
        kernel_initializer=initializers.GlorotUniform(seed + 1),
    )
    return tf.keras.Sequential([layer, action])


def _fit_model(model, config, inputs, actions, weights):
    inputs, actions, weights = (
        tf.constant(values, tf.float32) for values in (inputs, actions, weights)
    )
    num_steps = config.num_fitting_steps
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        config.learning_rate, num_steps
    )
    optimizer = tf.keras.optimizers.Adam(schedule, jit_compile=False)
    optimizer.build(model.trainable_variables)
    kernels = [v for v in model.trainable_variables if v.shape.rank == 2]

    @tf.function
    def run():
        loss = tf.constant(0.0)
        for _ in tf.range(num_steps):
            with tf.GradientTape() as tape:
                error = model(inputs)[..., 0] - actions
                cost = tf.where(error > 0, config.too_high_weight, 1.0)
                loss = tf.reduce_sum(weights * cost * error**2)
                penalty = tf.add_n([tf.reduce_mean(kernel**2) for kernel in kernels])
                total = loss + config.weight_decay * penalty
            gradients = tape.gradient(total, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return float(run())


def _merged_mlp(kernels, biases):
    """One hidden layer with the units of all."""
    return {
        "hidden_kernel": np.concatenate(kernels, axis=1),
        "hidden_bias": np.concatenate(biases),
    }


def _merged_lstm(kernels, recurrent_kernels, biases):
    """One LSTM layer with the units of all, each of which sees the states of its own network alone."""
    num_networks, num_units = len(biases), len(biases[0]) // 4

    def by_gate(arrays):
        """`[..., 4 * num_units]` of each network to `[..., 4 * num_networks * num_units]`."""
        gates = [array.reshape(*array.shape[:-1], 4, num_units) for array in arrays]
        return np.concatenate(gates, axis=-1).reshape(*arrays[0].shape[:-1], -1)

    recurrent = np.zeros(
        (num_networks, num_units, 4, num_networks, num_units), np.float32
    )
    for number, kernel in enumerate(recurrent_kernels):
        recurrent[number, :, :, number] = kernel.reshape(num_units, 4, num_units)
    width = num_networks * num_units
    return {
        "lstm_kernel": by_gate(kernels),
        "lstm_recurrent_kernel": recurrent.reshape(width, 4 * width),
        "lstm_bias": by_gate(biases),
    }
