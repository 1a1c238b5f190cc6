"""A trained controller as data: saved, loaded and run with numpy alone, beside any training framework."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from learned_lr.control import array_archives, controller_spec, pretrained
from learned_lr.control.controller_spec import (
    NETWORKS,
    ControllerError,
    ControllerSpec,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# What the spec needs is reached from here, too.
__all__ = ["NETWORKS", "Controller", "ControllerError", "ControllerSpec"]

_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
}
# TF-Agents' TensorNormalizer.normalize: its variance epsilon and its clipping of the normalised observation.
_VARIANCE_EPSILON = np.float32(1e-3)
_NORMALIZED_CLIP = np.float32(5.0)

_SPEC_FILE = "spec.json"
_WEIGHTS_FILE = "weights.npz"


class Controller:
    """Maps observations to actions: the greedy policy, and the deviation it explored with in training.

    Example:
      controller = Controller.load('results/controller')
      state = controller.initial_state()
      action, state = controller.act(observation, state)
    """

    def __init__(self, spec: ControllerSpec, weights: Mapping[str, np.ndarray]):
        """Checks and keeps the weights.

        Args:
          spec: the spec that goes with the weights.
          weights: float arrays by name, as `spec.weight_shapes()` says; kept as float32.

        Raises:
          ControllerError: as `ControllerSpec.check_weights` says.
        """
        spec.check_weights(weights)
        self.spec = spec
        self.weights = {
            name: np.asarray(weights[name], np.float32) for name in spec.weight_shapes()
        }

    @property
    def action_deviation(self) -> float:
        """The standard deviation of the action in training, in action units."""
        return float(self.weights["action_deviation"][0])

    @property
    def normalizer(self) -> np.ndarray:
        """The mean and the variance that observations are normalised with, float32 `[2, num_features]`."""
        names = ("mean", "variance")
        return np.stack([self.weights[f"normalizer_{name}"] for name in names])

    def initial_state(self) -> tuple[np.ndarray, ...]:
        """Returns the state at the start of an episode: () for an MLP, (hidden, cell) of zeros for an LSTM."""
        if self.spec.network == "mlp":
            return ()
        return (
            np.zeros(self.spec.num_units, np.float32),
            np.zeros(self.spec.num_units, np.float32),
        )

    def with_normalizer(self, mean: ArrayLike, variance: ArrayLike) -> Controller:
        """Returns the same controller with another normaliser.

        Args:
          mean: float `[num_features]`, subtracted from observations.
          variance: float `[num_features]`, non-negative; observations are divided by its root.

        Raises:
          ControllerError: on a wrong shape, a non-finite value or a negative variance.
        """
        changed = {
            "normalizer_mean": np.asarray(mean, np.float64),
            "normalizer_variance": np.asarray(variance, np.float64),
        }
        return Controller(self.spec, {**self.weights, **changed})

    def normalized(self, observations: np.ndarray) -> np.ndarray:
        """Returns what the network is given of observations, float32 `[..., num_features]`: normalised and clipped."""
        mean, variance = self.normalizer
        normalized = (observations - mean) / np.sqrt(variance + _VARIANCE_EPSILON)
        return np.clip(normalized, -_NORMALIZED_CLIP, _NORMALIZED_CLIP)

    def act(
        self, observation: ArrayLike, state: tuple[np.ndarray, ...] = ()
    ) -> tuple[float, tuple[np.ndarray, ...]]:
        """Returns (action, next state): the mean action in [-1, 1] of the policy.

        Args:
          observation: float32 `[num_features]`, as an `ObservationBuilder` of this spec builds it.
          state: what `initial_state` or the call before returned.

        Raises:
          ControllerError: if the observation has another shape.
        """
        weights, num_features = self.weights, len(self.spec.observation.features)
        observation = np.asarray(observation, np.float32)
        if observation.shape != (num_features,):
            raise ControllerError(
                f"Expected an observation of shape ({num_features},), found {observation.shape}."
            )
        inputs = self.normalized(observation)
        if self.spec.network == "mlp":
            hidden = _ACTIVATIONS[self.spec.activation](
                inputs @ weights["hidden_kernel"] + weights["hidden_bias"]
            )
        else:
            hidden, cell = self._lstm(inputs, *state)
            state = (hidden, cell)
        mean = np.tanh(hidden @ weights["action_kernel"] + weights["action_bias"])
        return float(mean[0]), state

    def _lstm(
        self, inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        weights = self.weights
        gates = (
            inputs @ weights["lstm_kernel"]
            + hidden @ weights["lstm_recurrent_kernel"]
            + weights["lstm_bias"]
        )
        input_gate, forget_gate, candidate, output_gate = np.split(gates, 4)
        # c' = f c + i tanh(g); h' = o tanh(c')
        cell = _sigmoid(forget_gate) * cell + _sigmoid(input_gate) * np.tanh(candidate)
        return _sigmoid(output_gate) * np.tanh(cell), cell

    def files(self) -> dict[str, bytes]:
        """Returns the artifact's files by name; the same controller always gives the same bytes."""
        weights = array_archives.pack(self.weights)
        document = self.spec.document(hashlib.sha256(weights).hexdigest())
        text = json.dumps(document, indent=2, sort_keys=True) + "\n"
        return {_WEIGHTS_FILE: weights, _SPEC_FILE: text.encode()}

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes `spec.json` and `weights.npz` into a folder, which is made if it isn't there."""
        os.makedirs(directory, exist_ok=True)
        for name, content in self.files().items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(content)

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Controller:
        """Reads a controller folder.

        Args:
          directory: a path, or the name of one of the package's controllers ('default' is the best of them).

        Raises:
          ControllerError: if a file is missing, truncated, of another version, or doesn't fit the other; or if its
            checksum is right and a value in it is none that a controller may have.
        """
        if not isinstance(directory, (str, bytes, os.PathLike)):
            raise ControllerError(
                f"Expected a controller, its folder or its name, found {type(directory).__name__}."
            )
        directory = pretrained.find(directory)
        if not os.path.isdir(directory):
            raise ControllerError(
                f"Expected a controller's folder or one of {['default', *pretrained.names()]}, found {directory!r}."
            )
        inside = os.path.join(directory, "controller")
        if not os.path.exists(os.path.join(directory, _SPEC_FILE)) and os.path.isfile(
            os.path.join(inside, _SPEC_FILE)
        ):
            raise ControllerError(
                f"Expected a controller's folder, found {directory!r}, whose controller is {inside!r}."
            )
        document = controller_spec.read_document(os.path.join(directory, _SPEC_FILE))
        path = os.path.join(directory, _WEIGHTS_FILE)
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError as error:
            raise ControllerError(
                f"Expected a controller with a file {path}, found none: {error.strerror}."
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != document["weights_sha256"]:
            raise ControllerError(
                f"Expected {path} to have the SHA-256 {document['weights_sha256']} that its spec names, found {found}: "
                "the file is truncated, damaged or of another controller."
            )
        spec = controller_spec.spec_from_document(document)
        try:
            return cls(spec, array_archives.unpack(content))
        except ValueError as error:
            raise ControllerError(f"{path}: {error}") from error


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2, which never overflows.
    return np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * x))
