"""One training run under control: the loop, the losses of the interval, the brake, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from learned_lr.callback.brake import SafetyBrake
from learned_lr.callback.interval_loss import IntervalLoss
from learned_lr.control import loop_state
from learned_lr.control.checks import check_array, check_count
from learned_lr.control.control_loop import ControlLoop
from learned_lr.control.rate_table import RateTable
from learned_lr.control.weight_path import WeightSample

_LOOP, _BRAKE = "loop/", "brake/"


class ControlledRun:
    """What a callback knows of a run, and what a restored training needs of it.

    Attributes:
      loop: the `ControlLoop`.
      brake: the `SafetyBrake`.
      losses: the `IntervalLoss` of the interval in progress.
      step: int, minibatches trained on.
      num_updates: int, the optimizer's count of updates when the latest epoch ended; None before.
      num_decisions: int, decisions of the controller.
      num_explosions: int, how often the brake had to help.
      num_explosions_in_a_row: int, of these, since the latest decision.
    """

    def __init__(self, loop: ControlLoop, brake: SafetyBrake, step: int = 0):
        """Starts a run, `step` minibatches into it."""
        self.loop = loop
        self.brake = brake
        self.losses = IntervalLoss()
        self.step = step
        self.num_updates: int | None = None
        self.num_decisions = 0
        self.num_explosions = self.num_explosions_in_a_row = 0

    def observe(
        self,
        train_loss: float,
        validation_loss: float,
        predictions: np.ndarray | None,
        final_kernel: np.ndarray | None,
        weights: WeightSample | None = None,
    ) -> None:
        """Lets the controller decide, and begins the next interval."""
        self.loop.observe(
            train_loss, validation_loss, predictions, final_kernel, self.step, weights
        )
        self.losses.begin_interval()
        self.num_decisions += 1
        self.num_explosions_in_a_row = 0

    def set_length(
        self, num_training_steps: int, control_interval: int | None, is_weighted: bool
    ) -> None:
        """Changes the length of the run from its step on, for its loop and its brake.

        Args:
          num_training_steps: as `ControlLoop.set_length` takes it.
          control_interval: likewise.
          is_weighted: as `SafetyBrake` takes it.
        """
        self.loop.set_length(num_training_steps, control_interval, self.step)
        interval = self.loop.control_interval
        self.brake.adapt(num_training_steps // interval, interval, is_weighted)

    def explode(self, is_explosion: bool = True) -> None:
        """Cuts the rate; the losses of the interval, and the epoch's running mean, start anew.

        Args:
          is_explosion: whether it counts among those in a row, which stop the training.
        """
        self.loop.brake(self.step)
        self.losses = IntervalLoss(is_running_mean=self.losses.is_running_mean)
        self.num_explosions += 1
        self.num_explosions_in_a_row += is_explosion

    @property
    def schedule(self) -> RateTable:
        """The rates by the step each began with.

        Raises:
          ValueError: before the first decision.
        """
        loop = self.loop
        due = (loop.training_step or 0) + loop.control_interval
        # A decision waits for the end of an execution, which may be long after it was due.
        return loop.schedule_until(max(self.step, min(due, loop.num_training_steps)))

    def rates_in_words(self) -> str:
        """Returns what the learning rates were so far, briefly."""
        rates = self.schedule.learning_rates
        if self.loop.controller.spec.base_schedule is None:
            return f"{len(rates)} rates between {min(rates):.2e} and {max(rates):.2e}"
        # The table goes on to where the next decision would be.
        rates = rates[: max(self.step, 1)]
        return (
            f"{self.num_decisions} decisions, rates up to {max(rates):.2e}, "
            f"{rates[-1]:.2e} at the end"
        )

    def state(self) -> dict[str, np.ndarray]:
        """Returns everything, as arrays by name."""
        counts = (
            self.step,
            self.num_decisions,
            self.num_explosions,
            self.num_explosions_in_a_row,
        )
        return {
            **{f"{_LOOP}{name}": v for name, v in self.loop.state().items()},
            "losses": self.losses.state(),
            **{f"{_BRAKE}{name}": v for name, v in self.brake.state().items()},
            "counts": np.array(counts),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from what `state` returned, with its length of the run.

        Raises:
          ValueError: if it is no such state, with what was expected and found; nothing is
            changed then.
        """
        loop, brake = _part(state, _LOOP), _part(state, _BRAKE)
        _check({n: v for n, v in state.items() if "/" not in n})
        self.brake.check(brake)
        step, before = int(state["counts"][0]), self.loop.state()
        length = self.loop.num_training_steps, self.loop.control_interval
        try:
            # Its epochs may have been others, which `set_length` tells the run afterwards.
            self.loop.set_length(loop_state.length(loop, length[0]), length[1])
            self.loop.restore(loop)
            last = loop["rows"][-1:, 0]
            if np.any(last > step):  # Where the loop would refuse its next decision.
                raise ValueError(
                    f"Expected at least {last[0]:.0f} steps, those of the last row, in counts, found {step}."
                )
        except ValueError:
            self.loop.set_length(*length)
            self.loop.restore(before)
            raise
        self.brake.restore(brake)
        total, weight = state["losses"].tolist()
        self.losses = IntervalLoss(total, weight, self.losses.is_running_mean)
        (
            self.step,
            self.num_decisions,
            self.num_explosions,
            self.num_explosions_in_a_row,
        ) = state["counts"].tolist()


def _part(state: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {n[len(prefix) :]: v for n, v in state.items() if n.startswith(prefix)}


def _check(state: Mapping[str, np.ndarray]) -> None:
    """Refuses what isn't a run's own part of its state."""
    if set(state) != {"losses", "counts"}:
        raise ValueError(
            f"Expected the arrays counts and losses, found {sorted(state)}."
        )
    check_array("losses", state["losses"], (2,))
    check_array("counts", state["counts"], (4,), "i")
    weight = state["losses"][1]
    if weight < 0:
        raise ValueError(f"Expected a weight >= 0 of the losses, found {weight}.")
    for count in state["counts"].tolist():
        check_count("each of counts", count, 0)
