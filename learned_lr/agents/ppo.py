"""The PPO agent that trains a controller, its update from collected episodes, and its export."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.agents.ppo import ppo_clip_agent
from tf_agents.networks import (
    actor_distribution_network,
    actor_distribution_rnn_network,
    normal_projection_network,
    value_network,
)
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts
from tf_agents.utils import common

import gin
from learned_lr.agents import actor_weights
from learned_lr.agents.collection import CollectedEpisode
from learned_lr.agents.environment import EnvironmentConfig
from learned_lr.agents.experience import experience_of, kl_divergence
from learned_lr.agents.reward_normalizer import RewardNormalizer
from learned_lr.agents.two_rate_adam import TwoRateAdam
from learned_lr.control.controller import NETWORKS, Controller
from learned_lr.control.controller_spec import ControllerSpec

ACTIVATIONS = ("tanh", "relu")
REWARD_NORMALIZATIONS = ("centered", "scaled")
_RATES = ("actor_learning_rate", "critic_learning_rate")
_INITIAL = ("initial_action_deviation", "init_means_output_factor")
_POSITIVE = ("num_units", "num_epochs", "importance_ratio_clipping", *_RATES, *_INITIAL)


@gin.register("ppo")
@dataclasses.dataclass(frozen=True)
class PPOConfig:
    """Hyperparameters of PPO; plain values.

    Attributes:
      actor: 'mlp', one hidden layer, or 'lstm', one LSTM layer (paper, section 3.3).
      num_units: width of that layer and of the critic's hidden layer.
      activation: 'tanh' or 'relu', of the hidden layers.
      actor_learning_rate: Adam's rate for the actor (paper: 1e-3).
      critic_learning_rate: Adam's rate for the critic (paper: 5e-3).
      importance_ratio_clipping: the epsilon of the paper's equation 1.
      discount_factor: gamma of the returns.
      lambda_value: lambda of generalised advantage estimation.
      num_epochs: gradient steps an update takes over all its episodes.
      initial_action_deviation: standard deviation of the first policy, in action units.
      init_means_output_factor: TF-Agents' scale of the kernel that gives the first policy's means;
        near 0 they are 0, and the base schedule is followed.
      entropy_regularization: weight >= 0 of the entropy bonus.
      reward_normalization: 'centered', rewards minus their running mean over their running
        deviation; 'scaled', TF-Agents' own, which only scales. All episodes have the same
        length, so centring doesn't move the optimum; it spares the critic the offset.
    """

    actor: str = "mlp"
    num_units: int = 32
    activation: str = "tanh"
    actor_learning_rate: float = 1e-3
    critic_learning_rate: float = 5e-3
    importance_ratio_clipping: float = 0.2
    discount_factor: float = 0.99
    lambda_value: float = 0.95
    num_epochs: int = 25
    initial_action_deviation: float = 0.35
    init_means_output_factor: float = 0.1
    entropy_regularization: float = 0.0
    reward_normalization: str = "centered"

    def __post_init__(self):
        for name, choices in (
            ("actor", NETWORKS),
            ("activation", ACTIVATIONS),
            ("reward_normalization", REWARD_NORMALIZATIONS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"Expected ppo.{name} to be one of {list(choices)}, found "
                    f"{getattr(self, name)!r}."
                )
        for name in ("discount_factor", "lambda_value"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"Expected ppo.{name} in [0, 1], found {getattr(self, name)!r}."
                )
        for name in (*_POSITIVE, "entropy_regularization"):
            value, sign = getattr(self, name), ">" if name in _POSITIVE else ">="
            if not 0 <= value < np.inf or (sign == ">" and value == 0):
                raise ValueError(
                    f"Expected ppo.{name} {sign} 0 and finite, found {value!r}."
                )

    def of_network(self, spec: ControllerSpec) -> PPOConfig:
        """Returns the same with the network of a controller."""
        return dataclasses.replace(
            self,
            actor=spec.network,
            num_units=spec.num_units,
            activation=spec.activation,
        )


class PPOTrainer:
    """A TF-Agents PPO agent: `update` learns from episodes, `controller` exports it.

    Attributes:
      checkpoint: a `tf.train.Checkpoint` of all that an update reads or writes.
    """

    def __init__(
        self,
        config: PPOConfig,
        environment_config: EnvironmentConfig,
        task,
        loss_cap: float,
        seed: int,
        initial_controller: Controller | None = None,
        source_tasks: Sequence[str] | None = None,
    ):
        """Builds networks, optimizers and normalisers from a seed.

        Args:
          config: PPO's hyperparameters.
          environment_config: the environment's configuration.
          task: the task, for its name and budget.
          loss_cap: the cap of the task's losses, which bounds the observations.
          seed: int >= 0, of the initial weights.
          initial_controller: the first policy's weights and normaliser, which then stays as
            it is; of the same network and observations. None for random weights and a
            normaliser that follows the observations. The first deviation is the
            configuration's either way.
          source_tasks: names of the tasks that it learns from; None for that of `task` alone.

        Raises:
          ValueError: if the initial controller is of another network or other observations.
        """
        tf.keras.utils.set_random_seed(seed)
        self._config, self._environment_config = config, environment_config
        self._task = task
        earlier = initial_controller.spec.source_tasks if initial_controller else ()
        own = (task.name,) if source_tasks is None else source_tasks
        self._source_tasks = tuple(dict.fromkeys((*earlier, *own)))
        self._spec = environment_config.observation_spec(loss_cap)
        minimum, maximum = self._spec.bounds()
        observation_spec = tensor_spec.BoundedTensorSpec(
            minimum.shape, tf.float32, minimum, maximum, name="observation"
        )
        action_spec = tensor_spec.BoundedTensorSpec((), tf.float32, -1, 1, "log_scale")
        self._actor = _actor_network(config, observation_spec, action_spec)
        critic = value_network.ValueNetwork(
            observation_spec,
            fc_layer_params=(config.num_units,),
            activation_fn=tf.keras.activations.get(config.activation),
        )
        self._actor.create_variables()
        critic.create_variables()
        self.optimizer = TwoRateAdam(
            self._actor.trainable_weights,
            critic.trainable_weights,
            config.actor_learning_rate,
            config.critic_learning_rate,
        )
        self.reward_normalizer = RewardNormalizer()
        self.agent = ppo_clip_agent.PPOClipAgent(
            ts.time_step_spec(observation_spec),
            action_spec,
            optimizer=self.optimizer,
            actor_net=self._actor,
            value_net=critic,
            importance_ratio_clipping=config.importance_ratio_clipping,
            lambda_value=config.lambda_value,
            discount_factor=config.discount_factor,
            entropy_regularization=config.entropy_regularization,
            num_epochs=config.num_epochs,
            use_gae=True,
            use_td_lambda_return=True,
            normalize_rewards=config.reward_normalization == "scaled",
            normalize_observations=True,
            update_normalizers_in_train=False,
            train_step_counter=tf.Variable(0, dtype=tf.int64, trainable=False),
        )
        self.agent.initialize()
        self._is_normalizer_fixed = initial_controller is not None
        if initial_controller:
            self._start_from(initial_controller)
        self._train = common.function(self.agent.train)
        self._num_updates = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.checkpoint = tf.train.Checkpoint(
            agent=self.agent,
            actor=self._actor,
            critic=critic,
            optimizer=self.optimizer,
            reward_normalizer=self.reward_normalizer,
            observation_normalizer=self.agent._observation_normalizer,
            num_updates=self._num_updates,
        )

    def update(self, episodes: list[CollectedEpisode]) -> dict[str, float]:
        """Runs one PPO update over episodes of one length.

        Returns:
          The policy's, value's and entropy's loss and the clip fraction of the last epoch;
          kl, the mean divergence of the new policy from the one that collected; and
          action_deviation, the new policy's.
        """
        rewards = np.stack([episode.rewards for episode in episodes])
        if self._config.reward_normalization == "centered":
            self.reward_normalizer.update(rewards)
            rewards = self.reward_normalizer.normalize(rewards)
        experience = experience_of(episodes, rewards)
        if not int(self._num_updates):
            # Empty, they would clip all they see; PPO's ratio accounts for a changed policy.
            self._update_normalizers(experience)
        loss = self._train(experience)
        self._update_normalizers(experience)
        self._num_updates.assign_add(1)
        controller = self.controller()
        return {
            "policy_loss": float(loss.extra.policy_gradient_loss),
            "value_loss": float(loss.extra.value_estimation_loss),
            "entropy_loss": float(loss.extra.entropy_regularization_loss),
            "clip_fraction": float(loss.extra.clip_fraction),
            "kl": kl_divergence(controller, episodes),
            "action_deviation": controller.action_deviation,
        }

    def _update_normalizers(self, experience):
        if not self._is_normalizer_fixed:
            self.agent.update_observation_normalizer(experience.observation)
        self.agent.update_reward_normalizer(experience.reward)

    def _start_from(self, controller):
        """Gives the actor and the normaliser the values of a controller, all but its deviation."""
        spec, config = controller.spec, self._config
        view = spec.observation.features, spec.observation.transform
        own_view = self._spec.features, self._spec.transform
        if config.of_network(spec) != config or view != own_view:
            raise ValueError(
                "Expected an initial controller of this configuration's network and observations, "
                f"found {spec.network}, {spec.num_units}, {spec.activation} and {view}."
            )
        actor_weights.write(
            config.actor,
            self._actor,
            self.agent._observation_normalizer,
            controller.weights,
        )

    def controller(self, provenance: dict[str, Any] | None = None) -> Controller:
        """Exports the present policy with its normaliser."""
        config = self._config
        spec = self._environment_config.controller_spec(
            self._spec.max_loss,
            self._task,
            network=config.actor,
            num_units=config.num_units,
            activation=config.activation,
            source_tasks=self._source_tasks,
            provenance=provenance or {},
        )
        weights = actor_weights.read(
            config.actor, self._actor, self.agent._observation_normalizer
        )
        return Controller(spec, weights)


def _actor_network(config, observation_spec, action_spec):
    def projection(spec):
        # softplus(bias) is the deviation; it doesn't depend on the observation.
        bias = np.log(np.expm1(config.initial_action_deviation))
        return normal_projection_network.NormalProjectionNetwork(
            spec,
            init_means_output_factor=config.init_means_output_factor,
            std_bias_initializer_value=bias,
        )

    if config.actor == "lstm":
        return actor_distribution_rnn_network.ActorDistributionRnnNetwork(
            observation_spec,
            action_spec,
            input_fc_layer_params=None,
            lstm_size=(config.num_units,),
            output_fc_layer_params=None,
            continuous_projection_net=projection,
        )
    return actor_distribution_network.ActorDistributionNetwork(
        observation_spec,
        action_spec,
        fc_layer_params=(config.num_units,),
        activation_fn=tf.keras.activations.get(config.activation),
        continuous_projection_net=projection,
    )
