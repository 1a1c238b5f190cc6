"""Tasks: what is trained, on what, with which budget. Plain values; nothing is loaded or built here.

A task's `make_trainee` imports what it needs, so that naming a task costs nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable

from learned_lr.trainees import task_fields

INPUT_SCALINGS = ("unit", "standardized")
OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
PRECISIONS = ("float32", "mixed_bfloat16")
PREDICTIONS = ("probabilities", "logits")


@dataclasses.dataclass(frozen=True)
class Task:
    """Image classification: a data set, a network, an optimizer and a budget.

    Attributes:
      name: the task's name, which names its run directory.
      dataset: 'digits', a name of `synthetic`, a TFDS name, or a function that returns a
        `datasets.Dataset`.
      model: a name in `models.MODELS`, or a function (input_shape, num_classes[, width])
        that returns a Keras model with logits.
      batch_size: images of one minibatch.
      num_trainee_steps: minibatch updates of one episode.
      trainee_steps_per_action: minibatch updates between two decisions.
      num_train_images: images to train on; None for all but the validation images.
      num_validation_images: images held out of the training split, the last ones; None
        for the data set's own number.
      validation_batch_size: images of one batch of the validation pass.
      width: the network's width, None for its own default.
      input_scaling: 'unit', x / 255; 'standardized', each image to mean 0, deviation 1.
      optimizer: 'adam', 'adamw', 'rmsprop', 'sgd', or a function that returns a Keras
        optimizer.
      momentum: momentum of 'sgd'.
      adam_epsilon: epsilon of 'adam' and 'adamw'.
      weight_decay: of 'adamw'; a step takes the rate times this off each weight.
      pooling: images are averaged over squares of so many pixels a side.
      label_noise: fraction of the training labels that are redrawn at random, the same
        ones in every run.
      precision: 'float32' or 'mixed_bfloat16' (float32 weights, bfloat16 arithmetic).
      predictions: what the prediction statistics are taken of, 'probabilities' or
        'logits'.
      raw_dir: folder of raw IDX or CIFAR files, used instead of TFDS.
      file: the Python file that the task comes from, if it is not one of the package's.
    """

    name: str
    dataset: str | Callable[[], Any]
    model: str | Callable[..., Any]
    batch_size: int = 1000
    num_trainee_steps: int = 1000
    trainee_steps_per_action: int = 10
    num_train_images: int | None = None
    num_validation_images: int | None = None
    validation_batch_size: int = 1000
    width: int | None = None
    input_scaling: str = "unit"
    optimizer: str | Callable[[], Any] = "adam"
    momentum: float = 0.9
    adam_epsilon: float = 1e-7
    weight_decay: float = 0.01
    pooling: int = 1
    label_noise: float = 0.0
    precision: str = "float32"
    predictions: str = "probabilities"
    raw_dir: str | None = None
    file: str | None = None

    def __post_init__(self):
        task_fields.check_budget(self)
        for field in ("batch_size", "validation_batch_size", "pooling"):
            task_fields.check_positive(self, field)
        for field in ("num_train_images", "num_validation_images", "width"):
            if getattr(self, field) is not None:
                task_fields.check_positive(self, field)
        task_fields.check_choice(self, "input_scaling", INPUT_SCALINGS)
        task_fields.check_choice(self, "precision", PRECISIONS)
        task_fields.check_choice(self, "predictions", PREDICTIONS)
        for field in ("label_noise", "weight_decay", "momentum"):
            task_fields.check_fraction(self, field)
        task_fields.check_above_0(self, "adam_epsilon")
        if not callable(self.optimizer):
            task_fields.check_choice(self, "optimizer", OPTIMIZERS)

    @property
    def is_sgd(self) -> bool:
        """Whether the optimizer is SGD, with or without momentum."""
        if callable(self.optimizer):
            return type(self.optimizer()).__name__ == "SGD"
        return self.optimizer == "sgd"

    @property
    def num_decisions(self) -> int:
        """Decisions of one episode."""
        return self.num_trainee_steps // self.trainee_steps_per_action

    def make_trainee(self):
        """Returns a `trainee.Trainee` of this task: data loaded, network built."""
        from learned_lr.trainees import trainee

        return trainee.Trainee(self)

    def __reduce__(self):
        # A function of a task file can't be imported in another process: what travels
        # then is the file's path and the plain values.
        values = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self)
        }
        if self.file is not None:
            values = {name: v for name, v in values.items() if not callable(v)}
        from learned_lr.trainees import tasks

        return (tasks.rebuild, (values,))


@dataclasses.dataclass(frozen=True)
class QuadraticTask:
    """A toy task without data: noisy gradient descent on a quadratic bowl.

    The loss is 0.5 * sum(curvature_i * x_i^2) with curvatures from 0.1 to 1;
    gradients carry Gaussian noise, so that a decaying rate beats any constant. It lets the real training code run end
    to end in seconds.

    Attributes:
      name: the task's name.
      num_trainee_steps: updates of one episode.
      trainee_steps_per_action: updates between two decisions.
      num_dimensions: length of x.
      noise: standard deviation of the gradient noise.
    """

    name: str = "quadratic"
    num_trainee_steps: int = 200
    trainee_steps_per_action: int = 10
    num_dimensions: int = 10
    noise: float = 0.3
    file: str | None = None

    def __post_init__(self):
        task_fields.check_budget(self)
        task_fields.check_positive(self, "num_dimensions")
        task_fields.check_at_least_0(self, "noise")

    @property
    def is_sgd(self) -> bool:
        """True: it descends along the gradient."""
        return True

    @property
    def num_decisions(self) -> int:
        """Decisions of one episode."""
        return self.num_trainee_steps // self.trainee_steps_per_action

    def make_trainee(self):
        """Returns a `quadratic.QuadraticTrainee`."""
        from learned_lr.trainees import quadratic

        return quadratic.QuadraticTrainee(self)
