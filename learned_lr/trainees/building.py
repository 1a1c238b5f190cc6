"""Builds what a task names: network and optimizer. Its data is `reduced_data`'s."""

from __future__ import annotations

import tensorflow as tf

from learned_lr.trainees import initialization, models

# Operations of tf.random that keep a state of their own.
_UNSEEDED = {
    "Multinomial",
    "ParameterizedTruncatedNormal",
    "RandomGamma",
    "RandomPoissonV2",
    "RandomShuffle",
    "RandomStandardNormal",
    "RandomUniform",
    "RandomUniformInt",
    "TruncatedNormal",
}


def build_model(task, data) -> tf.keras.Model:
    """Returns the task's network for its data, in the task's precision.

    Raises:
      ValueError: on an unknown name, logits of another shape than [num_classes] or that are
        probabilities, or random numbers that no seed reaches.
    """
    model_fn = task.model
    is_own = callable(model_fn)
    if not is_own:
        if model_fn not in models.MODELS:
            raise ValueError(
                f"Expected task.model to be one of {sorted(models.MODELS)}, found "
                f"{model_fn!r}."
            )
        model_fn = models.MODELS[model_fn]
    # Dropout draws from generator variables, which `reset` can seed.
    tf.keras.backend.experimental.enable_tf_random_generator()
    policy = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(task.precision)
    try:
        width = {} if task.width is None else {"width": task.width}
        model = model_fn(data.train_images.shape[1:], data.num_classes, **width)
    finally:
        tf.keras.mixed_precision.set_global_policy(policy)
    if model.output_shape != (None, data.num_classes):
        raise ValueError(
            f"Expected a model with logits of shape (None, {data.num_classes}), found "
            f"{model.output_shape}."
        )
    if is_own:
        _check_logits(model)
        _check_randomness(model)
    return model


def _check_logits(model):
    """Refuses a last layer that makes probabilities: the loss would take the softmax of them."""
    last = model.layers[-1]
    name = getattr(getattr(last, "activation", None), "__name__", "")
    if isinstance(last, tf.keras.layers.Softmax) or name in ("softmax", "sigmoid"):
        raise ValueError(
            f"Expected model {model.name!r} to end in logits, found {name or 'softmax'} in its last layer, "
            f"{last.name!r}: leave it out, the loss takes the softmax itself."
        )


def _check_randomness(model):
    """Refuses operations whose random numbers follow no generator that `reset` can seed."""
    shape = (2, *model.input_shape[1:])
    function = tf.function(lambda inputs: model(inputs, training=True))
    graph = function.get_concrete_function(tf.TensorSpec(shape)).graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    found = sorted({node.op for node in nodes} & _UNSEEDED)
    if found:
        raise ValueError(
            f"Expected model {model.name!r} to draw random numbers by Keras' layers, found {', '.join(found)} of "
            "tf.random: no seed would repeat a run. tf.random.stateless_* with seeds of a Keras generator "
            "(tf.keras.backend.RandomGenerator as `_random_generator` of the layer) can be seeded."
        )


def build_optimizer(task) -> tf.keras.optimizers.Optimizer:
    """Returns the task's Keras optimizer; the learning rate is set every interval.

    Raises:
      ValueError: if the task's function returns no Keras optimizer, or one that takes its rate
        from a schedule.
    """
    if callable(task.optimizer):
        return _with_rate_to_set(task.optimizer())
    optimizers = tf.keras.optimizers
    if task.optimizer == "sgd":
        return optimizers.SGD(momentum=task.momentum, jit_compile=False)
    if task.optimizer == "rmsprop":
        return optimizers.RMSprop(jit_compile=False)
    epsilon = task.adam_epsilon
    if task.optimizer == "adamw":
        return optimizers.AdamW(
            weight_decay=task.weight_decay, epsilon=epsilon, jit_compile=False
        )
    return optimizers.Adam(epsilon=epsilon, jit_compile=False)


def _with_rate_to_set(optimizer):
    """Returns it; a schedule in it would go over the rate that is set, without a word."""
    if not isinstance(optimizer, tf.keras.optimizers.Optimizer):
        kind = f"{type(optimizer).__module__}.{type(optimizer).__name__}"
        raise ValueError(  # noqa: TRY004 - the user's configuration is at fault.
            "Expected task.optimizer to return an optimizer of tf.keras.optimizers, not of "
            f"its `legacy` part, found {kind}."
        )
    rate = optimizer.get_config().get("learning_rate")
    if isinstance(rate, dict):
        raise ValueError(  # noqa: TRY004 - likewise.
            "Expected task.optimizer to return an optimizer with a number as its learning "
            f"rate, which is set at every step, found the schedule {rate['class_name']}."
        )
    return optimizer


def final_kernel(model: tf.keras.Model) -> tf.Variable:
    """Returns the kernel of the last dense layer, float32 `[inputs, outputs]`.

    Raises:
      ValueError: if the model has no dense layer.
    """
    dense = [
        layer
        for layer in initialization.flat_layers(model)
        if isinstance(layer, tf.keras.layers.Dense)
    ]
    if not dense:
        raise ValueError(
            f"Expected model {model.name!r} to end in a Dense layer, whose kernel is "
            "observed; found none."
        )
    return dense[-1].kernel
