"""Families of tasks: many small ones in three splits, and the hidden multipliers of their episodes. Plain values.

A task's name is its definition: parts joined by hyphens, in any order but for style.

  cifar10-p2-n5000-noise20-cnn_dropout-w12-adamw-b64-s800

is CIFAR-10, averaged over squares of 2 pixels a side, the first 5,000 training images, a fifth
of their labels redrawn, the network `cnn_dropout` of width 12, AdamW, batches of 64, 800
trainee steps. What a part leaves out is the task's default; `v1000` is the number of
validation images, `standardized` the input scaling, `decay5` a weight decay of 5% with AdamW. A toy task
is `quadratic-d10-noise30-s200`, with 10 dimensions and noise of deviation 0.3.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

import gin
from learned_lr.trainees import synthetic, task_fields, task_types

SPLITS = ("training", "selection", "held_out")
_DATASETS = ("cifar10", "digits", "fashion_mnist")
_NUM_VALIDATION_IMAGES = {"digits": 500}
_DEFAULT_NUM_VALIDATION_IMAGES = 2000
# A letter or a word before a number, the field, and what the number is divided by.
_NUMBERS = {
    "p": ("pooling", None),
    "n": ("num_train_images", None),
    "v": ("num_validation_images", None),
    "noise": ("label_noise", 100),
    "w": ("width", None),
    "decay": ("weight_decay", 100),
    "b": ("batch_size", None),
    "s": ("num_trainee_steps", None),
}
_TOY_NUMBERS = {
    "d": ("num_dimensions", None),
    "noise": ("noise", 100),
    "s": ("num_trainee_steps", None),
}


class FamilyTask(NamedTuple):
    """A task of a family.

    Attributes:
      name: its name, which is its definition.
      task: the task.
      split: 'training', 'selection' or 'held_out'.
    """

    name: str
    task: task_types.Task | task_types.QuadraticTask
    split: str


@gin.register("family")
@dataclasses.dataclass(frozen=True)
class Family:
    """Tasks to train controllers on, to choose among them, and to judge them by.

    Attributes:
      name: names the run directories.
      training: names of tasks, see this module.
      selection: likewise; to choose among controllers.
      held_out: likewise; opened at the end.
      num_decisions: decisions of one episode, on every task.
      max_multiplier: float >= 1, episodes' hidden multipliers lie between its inverse and
        it, log-uniformly.
    """

    name: str
    training: Sequence[str] = ()
    selection: Sequence[str] = ()
    held_out: Sequence[str] = ()
    num_decisions: int = 25
    max_multiplier: float = 4.0

    def __post_init__(self):
        if self.num_decisions < 1:
            raise ValueError(
                f"Expected family.num_decisions >= 1, found {self.num_decisions!r}."
            )
        if not 1 <= self.max_multiplier < math.inf:
            raise ValueError(
                f"Expected family.max_multiplier >= 1, found {self.max_multiplier!r}."
            )
        for split in SPLITS:
            object.__setattr__(self, split, tuple(getattr(self, split)))
        names = [name for split in SPLITS for name in getattr(self, split)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not names:
            raise ValueError(
                "Expected tasks of different names in family.training, .selection and "
                f".held_out, found {f'{twice} twice' if twice else 'none'}."
            )
        self._check_tasks()

    def _check_tasks(self):
        """Refuses one task under two names: parts in another order, or a default that is written out."""
        names: dict[task_types.Task | task_types.QuadraticTask, str] = {}
        for member in self.tasks(*SPLITS):
            same = names.setdefault(
                dataclasses.replace(member.task, name=""), member.name
            )
            if same != member.name:
                raise ValueError(
                    "Expected different tasks in family.training, .selection and .held_out, "
                    f"found one as {same!r} and {member.name!r}."
                )

    def tasks(self, *splits: str) -> tuple[FamilyTask, ...]:
        """Returns the tasks of these splits, in order.

        Raises:
          ValueError: on a name that isn't a task's, or another split.
        """
        unknown = sorted(set(splits) - set(SPLITS))
        if unknown:
            raise ValueError(f"Expected splits out of {SPLITS}, found {unknown}.")
        return tuple(
            FamilyTask(name, parse(name, self.num_decisions), split)
            for split in splits
            for name in getattr(self, split)
        )


def draw_multiplier(max_multiplier: float, seed: int) -> float:
    """Returns the hidden multiplier of an episode, log-uniform in [1 / max_multiplier, max_multiplier]."""
    exponent = np.random.default_rng([seed, 4]).uniform(-1, 1)
    return float(max_multiplier**exponent)


def parse(name: str, num_decisions: int) -> task_types.Task | task_types.QuadraticTask:
    """Returns the task that a name defines.

    Args:
      name: see this module.
      num_decisions: decisions of one episode; must divide the trainee steps.

    Raises:
      ValueError: on a part that is unknown or missing, or a number that is out of its range.
    """
    # Imported here: naming a task in a gin file must not cost TensorFlow's import.
    from learned_lr.trainees import models

    parts = name.split("-")
    is_toy = parts[0] == "quadratic"
    numbers = _TOY_NUMBERS if is_toy else _NUMBERS
    words = {
        word: field
        for field, known in (
            ("dataset", _DATASETS),
            ("model", models.MODELS),
            ("optimizer", task_types.OPTIMIZERS),
            ("input_scaling", task_types.INPUT_SCALINGS),
        )
        for word in known
    }
    fields = {}
    for part in parts[1:] if is_toy else parts:
        if synthetic.is_synthetic(part):
            field, value = "dataset", part
        elif part in words:
            field, value = words[part], part
        else:
            field, value = _number(name, part, numbers, words)
        if field in fields:
            raise ValueError(
                f"Expected one {field} in task {name!r}, found {part!r} beside "
                f"{fields[field]!r}."
            )
        fields[field] = value
    needed = set() if is_toy else {"dataset", "model", "batch_size"}
    missing = sorted((needed | {"num_trainee_steps"}) - set(fields))
    if missing:
        raise ValueError(f"Expected task {name!r} to name its {', '.join(missing)}.")
    steps = fields["num_trainee_steps"]
    if steps % num_decisions:
        raise ValueError(
            f"Expected trainee steps of task {name!r} to be a multiple of "
            f"{num_decisions} decisions, found {steps}."
        )
    fields["trainee_steps_per_action"] = steps // num_decisions
    if is_toy:
        return task_types.QuadraticTask(name, **fields)
    num_validation = _NUM_VALIDATION_IMAGES.get(
        fields["dataset"], _DEFAULT_NUM_VALIDATION_IMAGES
    )
    fields.setdefault("num_validation_images", num_validation)
    if "weight_decay" in fields and fields.get("optimizer") != "adamw":
        raise ValueError(
            f"Expected adamw beside a weight decay in task {name!r}, found "
            f"{fields.get('optimizer', 'adam')}, which has none."
        )
    return task_types.Task(name, **fields)


def _number(name, part, numbers, words):
    match = re.fullmatch(r"([a-z]+)(\d+)", part)
    if not match or match.group(1) not in numbers:
        raise ValueError(
            f"Expected a data set, a network, an optimizer, a scaling or one of {sorted(numbers)} before a number in "
            f"task {name!r}, found {part!r}{task_fields.nearest(part, words)}."
        )
    field, divisor = numbers[match.group(1)]
    number = int(match.group(2))
    return field, number / divisor if divisor else number
