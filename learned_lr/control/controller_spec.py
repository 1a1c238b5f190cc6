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
from learned_lr.control.checks import check_array, check_count, check_positive
from learned_lr.control.observations import ObservationSpec

FORMAT_VERSION = 1
NETWORKS = ("mlp", "lstm")
ACTIVATIONS = ("tanh", "relu")
# Far above any trained weight, and so low that no sum of products in the network leaves float32.
_MAX_WEIGHT = 1e12
# What spec.json says of the folder, beside the spec.
_FOLDER_ENTRIES = ("format_version", "weights_sha256")
# Entries that controllers of earlier versions lack, which then have their default.
_LATER_ENTRIES = ("base_schedule", "initial_sgd_learning_rate")
# Those that base schedules of earlier versions have, and what they were without being told.
_EARLIER_BASE_ENTRIES = {"warmup_fraction", "final_fraction"}
_EARLIER_BASE = {"hold_fraction": 0.0, "decay": "cosine"}


class ControllerError(ValueError):
    """A controller folder that can't be used: what was expected and what was found."""


def first_level(initial: float, initial_sgd: float | None, is_sgd: bool) -> float:
    """Returns what a first decision scales: with SGD a level of its own, if there is one."""
    return initial_sgd if is_sgd and initial_sgd is not None else initial


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
        try:
            self._check_values()
        except ValueError as error:
            raise ControllerError(str(error)) from error
        object.__setattr__(self, "source_tasks", tuple(self.source_tasks))

    def _check_values(self) -> None:
        if self.network not in NETWORKS:
            raise ControllerError(
                f"Expected network to be one of {list(NETWORKS)}, found {self.network!r}."
            )
        if self.activation not in ACTIVATIONS:
            raise ControllerError(
                f"Expected activation to be one of {list(ACTIVATIONS)}, found {self.activation!r}."
            )
        kinds: dict[str, tuple[type, ...]] = {
            "observation": (ObservationSpec,),
            "scaling": (LearningRateScaling,),
            "act_before_first_interval": (bool,),
            "source_tasks": (list, tuple),
            "provenance": (dict,),
            "base_schedule": (BaseSchedule, type(None)),
        }
        for name, expected in kinds.items():
            _check_type(name, getattr(self, name), *expected)
        for name in ("num_units", "trainee_steps_per_action", "num_trainee_steps"):
            check_count(name, getattr(self, name), 1)
        if self.trainee_steps_per_action > self.num_trainee_steps:
            raise ValueError(
                f"Expected trainee_steps_per_action <= num_trainee_steps = {self.num_trainee_steps}, found "
                f"{self.trainee_steps_per_action}."
            )
        check_positive("initial_learning_rate", self.initial_learning_rate)
        if self.initial_sgd_learning_rate is not None:
            check_positive("initial_sgd_learning_rate", self.initial_sgd_learning_rate)
        for task in self.source_tasks:
            _check_type("each of source_tasks", task, str)
        try:
            json.dumps(self.provenance)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"Expected provenance to be JSON-able, found {error}."
            ) from error

    @property
    def num_decisions(self) -> int:
        """Decisions of an episode in training."""
        return self.num_trainee_steps // self.trainee_steps_per_action

    def first_level(self, is_sgd: bool) -> float:
        """Returns what the first decision scales, for an optimizer that is SGD or one that isn't."""
        return first_level(
            self.initial_learning_rate, self.initial_sgd_learning_rate, is_sgd
        )

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
          weights: float arrays by name.

        Raises:
          ControllerError: on a missing, unknown, wrongly shaped or non-finite weight, on a normaliser's variance below
            0, a deviation of the action that isn't above 0, or a weight so large that the network would overflow.
        """
        shapes = self.weight_shapes()
        if set(weights) != set(shapes):
            raise ControllerError(
                f"Expected weights named {sorted(shapes)}, found {sorted(weights)}."
            )
        try:
            for name, shape in shapes.items():
                check_array(f"weight {name!r}", weights[name], shape)
                _check_range(name, weights[name])
        except ValueError as error:
            raise ControllerError(str(error)) from error

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
    except (ValueError, RecursionError) as error:
        raise ControllerError(
            f"Expected JSON in {path}, found something else: {error}."
        ) from error
    version = document.get("format_version") if isinstance(document, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:  # True is 1, too.
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
    base = values.get("base_schedule")
    if isinstance(base, dict) and set(base) == _EARLIER_BASE_ENTRIES:
        values["base_schedule"] = {**base, **_EARLIER_BASE}
    try:
        for name, section in (
            ("observation", ObservationSpec),
            ("scaling", LearningRateScaling),
            ("base_schedule", BaseSchedule),
        ):
            if name != "base_schedule" or values.get(name) is not None:
                values[name] = _section(name, section, values[name])
        return ControllerSpec(**values)
    except ValueError as error:
        raise ControllerError(
            f"Expected a valid controller spec, found: {error}"
        ) from error


def _section(name: str, section: type, values: Any) -> Any:
    """A part of the spec; a left out entry is refused, for its default may not be what the controller was trained with."""
    names = sorted(field.name for field in dataclasses.fields(section))
    if not isinstance(values, dict) or sorted(values) != names:
        found = sorted(values) if isinstance(values, dict) else repr(values)
        raise ValueError(f"Expected the entries {names} in {name}, found {found}.")
    return section(**values)


def _check_type(name: str, value: Any, *kinds: type) -> None:
    is_expected = isinstance(value, kinds)
    if not is_expected:
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"Expected {name} to be a {expected}, found {value!r}.")


def _check_range(name: str, weight: np.ndarray) -> None:
    if name == "normalizer_variance" and not np.all(weight >= 0):
        raise ValueError(f"Expected values >= 0 in weight {name!r}, found less.")
    # As the float32 that it is kept as.
    if name == "action_deviation" and not np.all(np.float32(weight) > 0):
        raise ValueError(f"Expected a value > 0 in weight {name!r}, found {weight}.")
    if not name.startswith("normalizer") and np.any(np.abs(weight) > _MAX_WEIGHT):
        raise ValueError(
            f"Expected values within {_MAX_WEIGHT:g} of 0 in weight {name!r}, found larger ones."
        )
