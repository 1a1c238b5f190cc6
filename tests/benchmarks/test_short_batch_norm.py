"""The thin ResNet whose batch normalisation is for short runs."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from benchmarks import short_batch_norm
from learned_lr.trainees import tasks
from learned_lr.trainees.models import MODELS


def test_the_momentum_alone_differs_from_the_task_of_the_papers_rows():
    name = "cifar10_resnet18_thin_momentum_09"
    task = tasks.make_task(name, short_batch_norm.__file__)
    usual = tasks.make_task("cifar10_resnet18_thin")
    values = {"name": usual.name, "model": usual.model, "file": None}
    assert dataclasses.replace(task, **values) == usual
    layers = [
        model((32, 32, 3), 10, 4).layers for model in (task.model, MODELS[usual.model])
    ]
    assert len(layers[0]) == len(layers[1])
    momenta = set()
    for own, other in zip(*layers):
        configs = [
            {k: v for k, v in layer.get_config().items() if k != "name"}
            for layer in (own, other)
        ]
        if isinstance(own, tf.keras.layers.BatchNormalization):
            momenta.add(tuple(config.pop("momentum") for config in configs))
        assert configs[0] == configs[1]
    assert momenta == {(0.9, 0.997)}
