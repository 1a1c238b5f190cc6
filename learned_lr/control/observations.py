"""What a controller sees: measurements of a network in training, turned into a bounded feature vector. numpy only."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from learned_lr.control import weight_path
from learned_lr.control.checks import check_number, check_positive
from learned_lr.control.loss_logarithms import LOG_FLOOR, log, log_ratio
from learned_lr.control.measurements import Measurement, look_at_weights
from learned_lr.control.weight_path import WeightPath, WeightSample

# The seven features of the paper (section 2.2), in its order.
FEATURES = (
    "train_loss",
    "validation_loss",
    "prediction_variance",
    "prediction_change_variance",
    "final_kernel_mean",
    "final_kernel_variance",
    "learning_rate",
)
# Of these `progress` is a fraction; the others are logarithms of ratios, and of a number, under every transform.
OPTIONAL_FEATURES = (
    "progress",
    "train_loss_trend",
    "validation_loss_trend",
    "validation_loss_rise",
    "generalization_gap",
    "num_training_steps",
    *weight_path.FEATURES,
)
TRANSFORMS = ("raw", "log", "relative")

# Bounds of the raw features whose range is not known from elsewhere; larger values are clipped.
_MAX_PREDICTION_VARIANCE = 1e4
_MAX_KERNEL_MEAN = 1e2
_MAX_KERNEL_VARIANCE = 1e4
_MAX_LOG_RATIO = 20.0
# Above it the square of a raw feature, which a normaliser's variance may be, is infinite in float32.
_MAX_BOUND = 1e18


@dataclasses.dataclass(frozen=True)
class ObservationSpec:
    """Which features a controller sees and how they are transformed.

    Attributes:
      features: names out of `FEATURES` and `OPTIONAL_FEATURES`. `progress` is the fraction of the budget used;
        `train_loss_trend` and `validation_loss_trend` are the logarithm of the loss over that of the decision before,
        0 at the first; `validation_loss_rise` is that of the loss over the least so far, 0 while it falls;
        `generalization_gap` that of the validation loss over the train loss;
        `num_training_steps` is the logarithm of the length of the run.
      transform: 'raw', values as they are; 'log', logarithms of losses, variances and learning rate; 'relative',
        logarithms of ratios: losses against the first measurement, the rate against the initial one, kernel moments
        against their start; predictions as in 'log'. A relative view does not change with the scale of a task.
      max_loss: float, losses are clipped to it (the cap of a diverged run).
      min_learning_rate: float, lower bound of the learning rate.
      max_learning_rate: float, upper bound of the learning rate.
    """

    features: tuple[str, ...] = FEATURES
    transform: str = "log"
    max_loss: float = 1e4
    min_learning_rate: float = 1e-7
    max_learning_rate: float = 1.0

    def __post_init__(self) -> None:
        is_list = isinstance(self.features, (list, tuple))
        if not is_list:
            raise ValueError(
                f"Expected features to be a list of names, found {self.features!r}."
            )
        object.__setattr__(self, "features", tuple(self.features))
        known = FEATURES + OPTIONAL_FEATURES
        unknown = [name for name in self.features if name not in known]
        if (
            unknown
            or not self.features
            or len(set(self.features)) != len(self.features)
        ):
            raise ValueError(
                f"Expected distinct features out of {list(known)}, found {list(self.features)}."
            )
        if self.transform not in TRANSFORMS:
            raise ValueError(
                f"Expected transform to be one of {list(TRANSFORMS)}, found {self.transform!r}."
            )
        check_positive("max_loss", self.max_loss)
        check_positive("min_learning_rate", self.min_learning_rate)
        check_number("max_learning_rate", self.max_learning_rate)
        if max(self.max_loss, self.max_learning_rate) > _MAX_BOUND:
            raise ValueError(
                f"Expected max_loss and max_learning_rate <= {_MAX_BOUND:g}, found "
                f"{self.max_loss!r} and {self.max_learning_rate!r}."
            )
        if not self.min_learning_rate <= self.max_learning_rate:
            raise ValueError(
                "Expected 0 < min_learning_rate <= max_learning_rate, found "
                f"{self.min_learning_rate!r} and {self.max_learning_rate!r}."
            )

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns (minimum, maximum), float32 `[num_features]` each: the range every observation lies in."""
        low, high = zip(*(self._feature_bounds(name) for name in self.features))
        return np.asarray(low, np.float32), np.asarray(high, np.float32)

    def label(self, name: str) -> str:
        """Returns what a feature's number is, for the axis of a figure: the name, and what was done to it."""
        if name == "num_training_steps":
            return f"log {name}"
        if name in OPTIONAL_FEATURES or self.transform == "raw":
            return name
        if self.transform == "relative" and not name.startswith("prediction"):
            return f"{name} (relative)"
        return name if name == "final_kernel_mean" else f"log {name}"

    def _feature_bounds(self, name: str) -> tuple[float, float]:
        raw = {
            "train_loss": (0.0, self.max_loss),
            "validation_loss": (0.0, self.max_loss),
            "prediction_variance": (0.0, _MAX_PREDICTION_VARIANCE),
            "prediction_change_variance": (0.0, _MAX_PREDICTION_VARIANCE),
            "final_kernel_mean": (-_MAX_KERNEL_MEAN, _MAX_KERNEL_MEAN),
            "final_kernel_variance": (0.0, _MAX_KERNEL_VARIANCE),
            "learning_rate": (self.min_learning_rate, self.max_learning_rate),
            "progress": (0.0, 1.0),
            "train_loss_trend": (-_MAX_LOG_RATIO, _MAX_LOG_RATIO),
            "validation_loss_trend": (-_MAX_LOG_RATIO, _MAX_LOG_RATIO),
            "validation_loss_rise": (0.0, _MAX_LOG_RATIO),
            "generalization_gap": (-_MAX_LOG_RATIO, _MAX_LOG_RATIO),
            "num_training_steps": (0.0, _MAX_LOG_RATIO),
            **dict.fromkeys(weight_path.FEATURES, (-_MAX_LOG_RATIO, _MAX_LOG_RATIO)),
            **dict.fromkeys(weight_path.COSINES, (-1.0, 1.0)),
        }[name]
        if name in OPTIONAL_FEATURES or self.transform == "raw":
            return raw
        if self.transform == "relative" and not name.startswith("prediction"):
            return (-_MAX_LOG_RATIO, _MAX_LOG_RATIO)
        if name == "final_kernel_mean":
            return raw
        floor = self.min_learning_rate if name == "learning_rate" else LOG_FLOOR
        return (math.log(floor), math.log(raw[1]))


class ObservationBuilder:
    """Turns measurements of one episode into observations; `start` begins an episode.

    The first measurement, the latest, the least validation loss, the initial learning rate and the weights' path if it
    is looked at are kept; nothing else.
    """

    def __init__(self, spec: ObservationSpec):
        self.spec = spec
        self._minimum, self._maximum = spec.bounds()
        self._first: Measurement | None = None
        self._latest: Measurement | None = None
        self._best_loss = math.inf
        self._initial_learning_rate = math.nan
        looks = look_at_weights(spec.features)
        self.path = WeightPath() if looks else None

    def start(self, measurement: Measurement, initial_learning_rate: float) -> None:
        """Begins an episode: the relative features refer to this measurement and learning rate."""
        self._first = self._latest = measurement
        self._best_loss = measurement.validation_loss
        self._initial_learning_rate = float(initial_learning_rate)
        if self.path:
            self.path.start(_weights_of(measurement))

    def build(
        self,
        measurement: Measurement,
        learning_rate: float,
        progress: float,
        num_training_steps: int | None = None,
    ) -> np.ndarray:
        """Returns the observation, float32 `[num_features]`, within `spec.bounds()`. Called once a measurement.

        Args:
          measurement: the latest measurement.
          learning_rate: float, the rate that was in force when it was taken; with a base schedule, the level.
          progress: float in [0, 1], the fraction of the trainee steps done.
          num_training_steps: int > 0, the length of the run; None if the feature is not asked for.

        Raises:
          ValueError: before `start`, or without the length of the run or the weights where they are features.
        """
        if self._first is None:
            raise ValueError(
                "Expected start() before build(): the episode has no first measurement."
            )
        if num_training_steps is None and "num_training_steps" in self.spec.features:
            raise ValueError("Expected num_training_steps, a feature, found None.")
        values = dict(
            measurement._asdict(), learning_rate=learning_rate, progress=progress
        )
        first, latest = self._first, self._latest or self._first
        moved = self.path.add(_weights_of(measurement)) if self.path else {}
        transformed = [
            moved[name]
            if name in moved
            else self._change(name, measurement, latest, num_training_steps)
            if name in OPTIONAL_FEATURES and name != "progress"
            else self._transformed(name, float(values[name]), first)
            for name in self.spec.features
        ]
        self._latest = measurement
        self._best_loss = min(self._best_loss, measurement.validation_loss)
        row = np.nan_to_num(
            np.asarray(transformed, np.float64),
            nan=np.inf,
            posinf=np.inf,
            neginf=-np.inf,
        )
        return np.clip(row, self._minimum, self._maximum).astype(np.float32)

    def has_logarithms(self, measurement: Measurement) -> bool:
        """Whether all losses are above 0: the latest ones, and those that features compare them with."""
        if self._first is None or self._latest is None:
            return False
        reference, latest = self._first.validation_loss, self._latest
        others = reference, latest.train_loss, latest.validation_loss, self._best_loss
        return min(measurement.train_loss, measurement.validation_loss, *others) > 0

    def state(self) -> np.ndarray:
        """Returns what is kept of the measurements, float64: nothing before `start`."""
        if self._first is None or self._latest is None:
            return np.zeros(0)
        first, latest = self._first.numbers, self._latest.numbers
        return np.array([*first, *latest, self._best_loss], np.float64)

    def restore(
        self,
        state: np.ndarray,
        initial_learning_rate: float,
        path: np.ndarray | None = None,
    ) -> None:
        """Goes on from what `state` returned, and that of the path."""
        if self.path and path is not None:
            self.path.restore(path)
        if not len(state):
            self._first = self._latest = None
            return
        *measurements, self._best_loss = state.tolist()
        self._first, self._latest = (
            Measurement._make([*values[:-1], bool(values[-1]), None])
            for values in np.split(np.array(measurements), 2)
        )
        self._initial_learning_rate = float(initial_learning_rate)

    def _change(
        self,
        name: str,
        measurement: Measurement,
        latest: Measurement,
        num_training_steps: int | None,
    ) -> float:
        if name == "num_training_steps" and num_training_steps is not None:
            return math.log(num_training_steps)
        if name == "validation_loss_rise":
            best = min(self._best_loss, measurement.validation_loss)
            return log_ratio(measurement.validation_loss, best)
        if name == "generalization_gap":
            return log_ratio(measurement.validation_loss, measurement.train_loss)
        loss = name.removesuffix("_trend")
        return log_ratio(getattr(measurement, loss), getattr(latest, loss))

    def _transformed(self, name: str, value: float, first: Measurement) -> float:
        transform = self.spec.transform
        if name == "progress" or transform == "raw":
            return value
        if transform == "relative":
            if name == "learning_rate":
                floor = self.spec.min_learning_rate
                return log_ratio(value, self._initial_learning_rate, floor)
            if name.endswith("loss"):
                return log_ratio(value, first.validation_loss)
            if name == "final_kernel_variance":
                return log_ratio(value, first.final_kernel_variance)
            if name == "final_kernel_mean":
                # In units of the kernel's standard deviation at the start.
                deviation = math.sqrt(max(first.final_kernel_variance, LOG_FLOOR))
                return (value - first.final_kernel_mean) / deviation
        if name == "final_kernel_mean":
            return value
        floor = self.spec.min_learning_rate if name == "learning_rate" else LOG_FLOOR
        return log(value, floor)


def _weights_of(measurement: Measurement) -> WeightSample:
    if measurement.weights is None:
        raise ValueError("Expected weights, of which a feature is, found none.")
    return measurement.weights
