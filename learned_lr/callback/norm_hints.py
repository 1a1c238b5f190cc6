"""A warning about batch normalisation whose moving statistics are slower than the run."""

from __future__ import annotations

import math
import warnings
from typing import Any

import keras
import numpy as np

from learned_lr.callback import layers
from learned_lr.callback.backends import to_numpy
from learned_lr.callback.controlled_run import ControlledRun

# Steps of the run over those that the statistics average over. In results/batch_norm 6.4 are enough; 4.8 double the
# test loss of a constant rate, and 3.2 make it 19 times as high.
_FEW = 5.0
_ENOUGH = 10.0


def warn(model: keras.Model, run: ControlledRun) -> None:
    """Warns at the start of a run that is too short for the network's batch normalisation.

    A validation pass uses the layers' moving statistics, which a step moves by 1 - momentum: in a short
    run they are those of weights long gone, and so is every validation loss. Layers that don't train, and those
    whose statistics come from a training before, are left out.

    Args:
      model: a built Keras model.
      run: the one that begins or goes on.
    """
    length = run.loop.num_training_steps
    if run.loop.training_step is not None:
        return
    momenta = [float(layer.momentum) for layer in layers.flat(model) if _is_new(layer)]
    momentum = max(momenta, default=0.0)
    if not momentum or length * (1 - momentum) >= _FEW:
        return
    # Rounded down to two digits: a larger one would be slower.
    enough = max(math.floor(100 * (1 - _ENOUGH / length)) / 100, 0.0)
    averaged = f"some {1 / (1 - momentum):,.0f}" if momentum < 1 else "all"
    warnings.warn(
        f"Expected batch normalisation that keeps up with a run of {length} steps, found a momentum of {momentum:g}: "
        f"its moving statistics average over {averaged} steps, so that the model as it is validated and used lags behind "
        f"the one that is trained, whatever the learning rate is. A momentum of {enough:g} keeps up.",
        stacklevel=3,
    )


def _is_new(layer: Any) -> bool:
    if not isinstance(layer, keras.layers.BatchNormalization) or not layer.trainable:
        return False
    mean = getattr(layer, "moving_mean", None)
    return mean is None or not bool(np.any(to_numpy(mean)))
