"""One run of `benchmarks.peers`: a network, a contender and a seed, in PyTorch on one thread.

Must not know which runs there are, or how they are told apart.
"""

from __future__ import annotations

import copy
import functools
import math
import time

import numpy as np
import torch

from benchmarks.peer_models import MODELS
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.control_loop import ControlLoop

NUM_MEASUREMENTS = 25
WARMUP_FRACTION = 0.05
WEIGHT_DECAY = 0.01
_EVALUATION_BATCH_SIZE = 250
_NUM_RECALIBRATION_IMAGES = 1000
# Convolutions take a quarter less time so.
_FORMAT = torch.channels_last


def use_one_thread() -> None:
    """Makes this process compute on one thread, so that CPU seconds of runs can be compared."""
    torch.set_num_threads(1)


@functools.lru_cache(maxsize=2)
def _tensors(data, num_train, pooling):
    """(inputs, labels) of each part: standardised by the channels' moments over the training images."""
    parts = {}
    for part in ("train", "validation", "test"):
        stop = num_train if part == "train" else None
        images = torch.tensor(getattr(data, f"{part}_images")[:stop])
        labels = torch.tensor(getattr(data, f"{part}_labels")[:stop]).long()
        inputs = images.permute(0, 3, 1, 2).float() / 255
        if pooling > 1:
            inputs = torch.nn.functional.avg_pool2d(inputs, pooling)
        parts[part] = inputs, labels
    axes = (0, 2, 3)
    mean = parts["train"][0].mean(axes, keepdim=True)
    deviation = parts["train"][0].std(axes, keepdim=True)
    return {
        part: (((x - mean) / deviation).contiguous(memory_format=_FORMAT), labels)
        for part, (x, labels) in parts.items()
    }


class _Trained:
    """A network, its optimizer and what was measured of them.

    Schedule-Free evaluates other weights than it takes gradients at, so the optimizer changes
    its mode with the model, as its authors ask for.
    """

    def __init__(self, model, optimizer, parts):
        self.model, self.optimizer, self.parts = model, optimizer, parts
        self.is_schedule_free = hasattr(optimizer, "eval")
        self.losses: dict[int, float] = {}
        self.best_loss, self.best_weights = math.inf, None
        self.uncounted_sec = 0.0
        self.train()

    def train(self):
        """What a step needs."""
        self.model.train()
        if self.is_schedule_free:
            self.optimizer.train()

    @torch.no_grad()
    def _eval(self):
        if self.is_schedule_free:
            self.optimizer.eval()
            norms = [
                module
                for module in self.model.modules()
                if isinstance(module, torch.nn.BatchNorm2d)
            ]
            if norms:  # PreciseBN: running moments are of the gradients' weights, not of these.
                for norm in norms:
                    norm.momentum = 1.0
                self.model(self.parts["train"][0][:_NUM_RECALIBRATION_IMAGES])
        self.model.eval()

    @torch.no_grad()
    def _logits(self, part):
        batches = self.parts[part][0].split(_EVALUATION_BATCH_SIZE)
        return torch.cat([self.model(batch) for batch in batches])

    def measure(self, step: int) -> float:
        """Returns the validation loss after `step` updates; once a step, and keeps the best weights."""
        if step not in self.losses:
            self._eval()
            labels = self.parts["validation"][1]
            logits = self._logits("validation")
            loss = torch.nn.functional.cross_entropy(logits, labels).item()
            self.losses[step] = loss
            if loss < self.best_loss:
                self.best_loss = loss
                self.best_weights = copy.deepcopy(self.model.state_dict())
            self.train()
        return self.losses[step]

    def measure_uncounted(self, step: int) -> None:
        """Measures for the benchmark, not for the contender."""
        start = time.process_time()
        self.measure(step)
        self.uncounted_sec += time.process_time() - start

    def back_to_best(self) -> None:
        """After an explosion: the best weights so far, and an optimizer without memory."""
        self.model.load_state_dict(self.best_weights)
        self.optimizer.state.clear()

    def test(self) -> tuple[float, float]:
        """Returns (loss, accuracy) of the weights with the best validation loss."""
        self.model.load_state_dict(self.best_weights)
        self.model.eval()
        logits, labels = self._logits("test"), self.parts["test"][1]
        loss = torch.nn.functional.cross_entropy(logits, labels).item()
        return loss, (logits.argmax(1) == labels).float().mean().item()


def _optimizer(kind, rate, model, num_steps):
    """The optimizer of a contender, and its rate as a function of the step."""
    weights = model.parameters()
    if kind == "schedule-free":
        import schedulefree

        warmup_steps = math.ceil(WARMUP_FRACTION * num_steps)
        optimizer = schedulefree.AdamWScheduleFree(
            weights, lr=rate, weight_decay=WEIGHT_DECAY, warmup_steps=warmup_steps
        )
        return optimizer, lambda step: rate
    if kind == "prodigy":
        import prodigyopt

        optimizer = prodigyopt.Prodigy(
            weights,
            lr=1.0,
            weight_decay=WEIGHT_DECAY,
            safeguard_warmup=True,
            use_bias_correction=True,
        )
        # CosineAnnealingLR over the whole run, as its authors advise.
        return optimizer, lambda step: (1 + math.cos(math.pi * step / num_steps)) / 2
    # TensorFlow's epsilon, with which the controllers were trained; PyTorch's own is 1e-8.
    optimizer = torch.optim.AdamW(weights, lr=1e-3, eps=1e-7, weight_decay=WEIGHT_DECAY)
    if kind == "cosine":
        base = BaseSchedule(warmup_fraction=WARMUP_FRACTION)
        return optimizer, lambda step: rate * base.multiplier(step, num_steps)
    return optimizer, lambda step: rate


class _LearnedRates:
    """A controller's rate of each step; it measures when a decision is due."""

    def __init__(self, controller, trained, num_steps):
        self._loop = ControlLoop(controller, num_training_steps=num_steps)
        self._trained = trained
        self.train_losses = []

    def __call__(self, step):
        if self._loop.is_due(step):
            validation_loss = self._trained.measure(step)
            # An untrained network has about the same loss everywhere.
            losses, self.train_losses = self.train_losses or [validation_loss], []
            train_loss = float(np.mean(losses))
            if math.isfinite(validation_loss) and math.isfinite(train_loss):
                weights = self._trained.model.parameters()
                self._loop.observe(
                    train_loss, validation_loss, training_step=step, weights=weights
                )
            else:
                self._trained.back_to_best()
                self._loop.brake(step)
        return self._loop.rate_at(step)


def run(task, contender, seed, data, controller=None, num_steps=None) -> dict:
    """Trains once and returns the figures.

    Args:
      task: a `peers.Task`.
      contender: str, a kind and, unless it names its rates itself, a rate: 'cosine 0.003'.
      seed: int, of initial weights and minibatches.
      data: a `Dataset`.
      controller: the `Controller` of the kind 'learned'.
      num_steps: int, minibatch updates; None for the task's own.

    Returns:
      `best_validation_loss`, `test_loss` and `test_accuracy` of the weights with that,
      and `cpu_sec`: CPU seconds of training with what the contender measures for itself.
    """
    kind, _, rate = contender.partition(" ")
    num_steps = num_steps or task.num_steps
    parts = _tensors(data, task.num_train, task.pooling)
    inputs, labels = parts["train"]
    torch.manual_seed(seed)
    model = MODELS[task.model](inputs.shape[1], inputs.shape[2], data.num_classes)
    model = model.to(memory_format=_FORMAT)
    optimizer, rate_fn = _optimizer(kind, float(rate or "nan"), model, num_steps)
    trained = _Trained(model, optimizer, parts)
    if kind == "learned":
        rate_fn = _LearnedRates(controller, trained, num_steps)
    points = np.linspace(0, num_steps, NUM_MEASUREMENTS + 1).round()
    order = _order(seed, len(labels), task.batch_size, num_steps)
    start = time.process_time()
    for step, rows in enumerate(order):
        learning_rate = rate_fn(step)
        if step in points:
            trained.measure_uncounted(step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        loss = torch.nn.functional.cross_entropy(model(inputs[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if kind == "learned":
            rate_fn.train_losses.append(loss.item())
    duration = time.process_time() - start - trained.uncounted_sec
    trained.measure(num_steps)
    test_loss, accuracy = trained.test()
    return {
        "best_validation_loss": trained.best_loss,
        "test_loss": test_loss,
        "test_accuracy": accuracy,
        "cpu_sec": round(duration, 3),
    }


def _order(seed, num_images, batch_size, num_steps):
    """int64 `[num_steps, batch_size]`: a fresh permutation an epoch, remainder dropped."""
    rng = np.random.default_rng([seed, 1])
    per_epoch = num_images // batch_size
    epochs = [
        rng.permutation(num_images)[: per_epoch * batch_size]
        for _ in range(-(-num_steps // per_epoch))
    ]
    return torch.tensor(np.concatenate(epochs).reshape(-1, batch_size)[:num_steps])
