"""What a controller is, apart from running it: its spec, the weights that fit, and how `spec.json` is checked.

May import numpy; must not know how a controller acts, nor where its weights lie.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from learned_lr.control.actions import LearningRateScaling
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.observations import ObservationSpec

FORMAT_VERSION = 1
NETWORKS = ("mlp", "lstm")
ACTIVATIONS = ("tanh", "relu")
# What spec.json says of the folder, beside the spec.
_FOLDER_ENTRIES = ("format_version", "weights_sha256")
# Entries that controllers of earlier versions lack, which then have their default.
_LATER_ENTRIES = ("base_schedule", "initial_sgd_learning_rate")


class ControllerError(ValueError):
    """A controller folder that can't be used: what was expected and what was found."""


@dataclasses.dataclass(frozen=True)
class ControllerSpec:
    """Everything but the weights that a controller needs to act, and where it comes from.

    Attributes:
      network: 'mlp' (one hidden layer) or 'lstm' (one LSTM layer).
      num_units: int, the width of that layer.
      activation: 'tanh' or 'relu', the activation of the MLP's hidden layer.
      observation: the features and transforms it was trained on.
      scaling: how its action changes the learning rate.
      initial_learning_rate: float, the rate an episode started from in training; with a base schedule, the level.
      trainee_steps_per_action: int, trainee steps between two decisions in training.
      num_trainee_steps: int, trainee steps of an episode in training.
      act_before_first_interval: bool, whether it decides on the untrained network already; if not, the first interval
        runs at the initial rate.
      source_tasks: names of the tasks it was trained on.
      provenance: JSON-able facts about the training (versions, seeds, validation loss, configuration).
      base_schedule: what the level is multiplied by at each step; None for nothing, the paper's action.
      initial_sgd_learning_rate: float, in place of `initial_learning_rate` where the optimizer is SGD, whose good rates
        are larger than those of Adam and its kind; None for the same.
    """

    network: str
    num_units: int
    activation: str
    observation: ObservationSpec
    scaling: LearningRateScaling
    initial_learning_rate: float
    trainee_steps_per_action: int
    num_trainee_steps: int
    act_before_first_interval: bool = True
    source_tasks: tuple[str, ...] = ()
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    base_schedule: BaseSchedule | None = None
    initial_sgd_learning_rate: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "source_tasks", tuple(self.source_tasks))
        if self.network not in NETWORKS:
            raise ControllerError(
                f"Expected network to be one of {list(NETWORKS)}, found {self.network!r}."
            )
        if self.activation not in ACTIVATIONS:
            raise ControllerError(
                f"Expected activation to be one of {list(ACTIVATIONS)}, found {self.activation!r}."
            )

    @property
    def num_decisions(self) -> int:
        """Decisions of an episode in training."""
        return self.num_trainee_steps // self.trainee_steps_per_action

    def first_level(self, is_sgd: bool) -> float:
        """Returns what the first decision scales, for an optimizer that is SGD or one that isn't."""
        own = self.initial_sgd_learning_rate if is_sgd else None
        return self.initial_learning_rate if own is None else own

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of each float32 weight by its name."""
        features, units = len(self.observation.features), self.num_units
        shapes: dict[str, tuple[int, ...]] = {
            "normalizer_mean": (features,),
            "normalizer_variance": (features,),
        }
        if self.network == "mlp":
            shapes.update(hidden_kernel=(features, units), hidden_bias=(units,))
        else:
            # Gates in Keras' order: input, forget, cell, output.
            shapes.update(
                lstm_kernel=(features, 4 * units),
                lstm_recurrent_kernel=(units, 4 * units),
                lstm_bias=(4 * units,),
            )
        shapes.update(action_kernel=(units, 1), action_bias=(1,), action_deviation=(1,))
        return shapes

    def check_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Refuses weights that don't fit.

        Args:
          weights: arrays by name.

        Raises:
          ControllerError: on a missing, unknown, wrongly shaped or non-finite weight.
        """
        shapes = self.weight_shapes()
        if set(weights) != set(shapes):
            raise ControllerError(
                f"Expected weights named {sorted(shapes)}, found {sorted(weights)}."
            )
        for name, shape in shapes.items():
            if weights[name].shape != shape:
                raise ControllerError(
                    f"Expected weight {name!r} of shape {shape}, found {weights[name].shape}."
                )
            if not np.all(np.isfinite(weights[name])):
                raise ControllerError(
                    f"Expected finite values in weight {name!r}, found NaN or infinity."
                )

    def document(self, weights_sha256: str) -> dict[str, Any]:
        """Returns the entries of `spec.json`, JSON-able: the spec, the format's version and the hash of the weights."""
        return {
            **dataclasses.asdict(self),
            "format_version": FORMAT_VERSION,
            "weights_sha256": weights_sha256,
        }


def read_document(path: str) -> dict[str, Any]:
    """Returns the entries of a `spec.json`; none is missing but those that earlier versions didn't write.

    Raises:
      ControllerError: if the file is missing, isn't JSON, or has another version or other entries.
    """
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except OSError as error:
        raise ControllerError(
            f"Expected a controller with a file {path}, found none: {error.strerror}."
        ) from error
    except ValueError as error:
        raise ControllerError(
            f"Expected JSON in {path}, found something else: {error}."
        ) from error
    version = document.get("format_version") if isinstance(document, dict) else None
    if version != FORMAT_VERSION:
        raise ControllerError(
            f"Expected format_version {FORMAT_VERSION} in {path}, found {version!r}."
        )
    names = {field.name for field in dataclasses.fields(ControllerSpec)}
    expected = names.union(_FOLDER_ENTRIES)
    if not expected.difference(_LATER_ENTRIES) <= set(document) <= expected:
        raise ControllerError(
            f"Expected the entries {sorted(expected)} in {path}, found {sorted(document)}."
        )
    return document


def spec_from_document(document: Mapping[str, Any]) -> ControllerSpec:
    """Returns the spec that `read_document` read.

    Raises:
      ControllerError: if a value is not one that a spec may have.
    """
    values = {
        name: value for name, value in document.items() if name not in _FOLDER_ENTRIES
    }
    try:
        values["observation"] = ObservationSpec(**values["observation"])
        values["scaling"] = LearningRateScaling(**values["scaling"])
        if values.get("base_schedule") is not None:
            values["base_schedule"] = BaseSchedule(**values["base_schedule"])
        return ControllerSpec(**values)
    except (TypeError, ValueError) as error:
        raise ControllerError(
            f"Expected a valid controller spec, found: {error}"
        ) from error
