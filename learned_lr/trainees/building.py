"""Builds what a task names: network and optimizer. Its data is `reduced_data`'s."""

from __future__ import annotations

import tensorflow as tf

from learned_lr.trainees import initialization, models


def build_model(task, data) -> tf.keras.Model:
    """Returns the task's network for its data, in the task's precision.

    Raises:
      ValueError: on an unknown name, or logits of another shape than [num_classes].
    """
    model_fn = task.model
    if not callable(model_fn):
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
    return model


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
