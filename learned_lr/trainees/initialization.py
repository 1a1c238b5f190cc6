"""Re-initialises a Keras model in place from a seed, so that nothing has to be traced again."""

import numpy as np
import tensorflow as tf


def flat_layers(model: tf.keras.Model) -> list[tf.keras.layers.Layer]:
    """Returns the model and all its layers, those of nested models too, in order."""
    return list(model._flatten_layers())


class Initializer:
    """Draws every variable of a model from its layer's own initializer and a seed.

    A variable `kernel` is drawn by its layer's `kernel_initializer` and a variable
    `depthwise_kernel` by its `depthwise_initializer`, as Keras' layers name them. State of
    another origin (a statistic without an initializer) returns to the value it was built
    with.
    """

    def __init__(self, model: tf.keras.Model):
        """Finds the initializer of each variable.

        Raises:
          ValueError: if a trainable variable has none; names the layer and the variable.
        """
        self._variables, self._initializers = [], []
        self._generators = []
        seen = set()
        for layer in flat_layers(model):
            own = layer._trainable_weights + layer._non_trainable_weights
            for variable in own:
                if id(variable) in seen:
                    continue
                seen.add(id(variable))
                self._variables.append(variable)
                self._initializers.append(_find_initializer(layer, variable))
            generator = getattr(
                getattr(layer, "_random_generator", None), "_generator", None
            )
            if generator is not None:
                self._generators.append(generator)
        missed = [v.name for v in model.variables if id(v) not in seen]
        missed = [
            name
            for name in missed
            if not any(name == g.state.name for g in self._generators)
        ]
        if missed:
            raise ValueError(
                f"Expected every variable of model {model.name!r} to belong to a layer, "
                f"found {missed} elsewhere: they could not be re-initialised."
            )

    def initialize(self, seed: int) -> None:
        """Assigns fresh values to all variables and seeds the dropout generators."""
        seeds = np.random.default_rng([seed, 0]).integers(
            2**31 - 1, size=len(self._variables) + len(self._generators)
        )
        for variable, initializer, variable_seed in zip(
            self._variables, self._initializers, seeds
        ):
            variable.assign(initializer(variable, int(variable_seed)))
        for generator, generator_seed in zip(
            self._generators, seeds[len(self._variables) :]
        ):
            generator.reset_from_seed(int(generator_seed))


def _find_initializer(layer, variable):
    """Returns a function (variable, seed) -> value."""
    name = variable.name.split("/")[-1].split(":")[0]
    names = [f"{name}_initializer", f"{name.removesuffix('_kernel')}_initializer"]
    initializer = next(filter(None, (getattr(layer, n, None) for n in names)), None)
    if initializer is None:
        if variable.trainable:
            raise ValueError(
                f"Expected layer {layer.name!r} ({type(layer).__name__}) to have an "
                f"attribute {name}_initializer for its variable {name!r}, found none: the "
                "variable could not be re-initialised between episodes."
            )
        value = variable.numpy()
        return lambda variable, seed: value
    if not hasattr(initializer, "get_config"):
        raise ValueError(
            f"Expected {name}_initializer of layer {layer.name!r} to be an initializer of Keras, "
            f"found {initializer!r}, which no seed can be given to."
        )
    config = initializer.get_config()
    has_forget_bias = name == "bias" and getattr(layer, "unit_forget_bias", False)

    def draw(variable, seed):
        if "seed" in config:
            fresh = type(initializer).from_config({**config, "seed": seed})
        else:
            fresh = initializer
        value = fresh(variable.shape, dtype=variable.dtype)
        if not has_forget_bias:
            return value
        # As an LSTM is built: input, forget, candidate and output gate.
        gates = tf.split(value, 4)
        return tf.concat([gates[0], tf.ones_like(gates[1]), *gates[2:]], 0)

    return draw


def start_averages(
    optimizer: tf.keras.optimizers.Optimizer, variables: list[tf.Variable]
) -> None:
    """Gives the moving averages of an optimizer with `use_ema` the weights that a run starts from."""
    if getattr(optimizer, "use_ema", False):
        averages = optimizer._model_variables_moving_average
        for average, variable in zip(averages, variables):
            average.assign(variable)
