"""An optimizer with a learning rate for the actor and one for the critic."""

from __future__ import annotations

import tensorflow as tf


class TwoRateAdam(tf.Module):
    """Adam with one rate for the actor's variables and one for the critic's.

    `PPOAgent` takes a single optimizer; this one sends each gradient to the Adam of its
    variable. Both are in the checkpoint.
    """

    def __init__(
        self, actor_variables, critic_variables, actor_rate: float, critic_rate: float
    ):
        super().__init__(name="two_rate_adam")
        self._actor_variables = list(actor_variables)
        self._critic_variables = list(critic_variables)
        self.actor_adam = tf.keras.optimizers.Adam(actor_rate, jit_compile=False)
        self.critic_adam = tf.keras.optimizers.Adam(critic_rate, jit_compile=False)
        self.actor_adam.build(self._actor_variables)
        self.critic_adam.build(self._critic_variables)

    @property
    def learning_rate(self):
        """The actor's rate, for TF-Agents' summaries."""
        return self.actor_adam.learning_rate

    def apply_gradients(self, grads_and_vars):
        """Applies each gradient with the Adam of its variable.

        Raises:
          ValueError: on a variable of neither network.
        """
        gradients = {variable.ref(): gradient for gradient, variable in grads_and_vars}
        for adam, variables in (
            (self.actor_adam, self._actor_variables),
            (self.critic_adam, self._critic_variables),
        ):
            adam.apply_gradients([(gradients.pop(v.ref()), v) for v in variables])
        if gradients:
            names = [ref.deref().name for ref in gradients]
            raise ValueError(
                f"Expected variables of actor and critic only, found {names}."
            )
