"""When a training run has gone wrong: a loss that is not finite or far above where it was, or that stays bad."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping

import numpy as np

from learned_lr.control.checks import check_array, check_count

EXPLOSION, FAR_ABOVE_START, DEATH = "explosion", "far above start", "death"

_DECAY = 0.8
# So many times the loss that the run started with are no noise.
_FAR_ABOVE = 2.0
# What must hold for so many decisions in a row of a run of 25, at least 4 steps each, as those were that gave these numbers
# (docs/callback.md). Both losses are above their best by
# this much, the train loss by a part of its start at least.
_RISE, _MIN_RISE, _NUM_RISEN = 0.5, 0.1, 4
# Both are back at the untrained loss, though both had been well below.
_LEARNED, _BACK, _NUM_BACK = 0.8, 0.97, 2
# Neither is below the untrained loss, and they never were well below. What three lower rates have not helped isn't the rate's fault.
_NUM_STUCK, _MAX_STUCK_ALARMS = 4, 3
# Nor has the train loss fallen by this much meanwhile. That of the untrained model is of inference mode; behind a batch
# normalisation training begins far above it, and learns.
_FALL = 0.01
_NUM_DECISIONS, _MIN_INTERVAL = 25, 4
# After so many alarms in a row the brake takes what it sees for the run's own level.
_MAX_IN_A_ROW = 3


class SafetyBrake:
    """Tells an explosion or a slow death from noise, overfitting, and losses that only are of another scale.

    The train loss may be scaled (class weights) or raised (dropout, augmentation) against the validation loss, so that it
    is compared with that of the first interval as well. A validation loss alone is no sign: it overfits, and for as long as
    averages of a batch normalisation lag behind it may be thousands of times too high.

    Attributes:
      factor: float > 1, how many times its running mean a loss must be; infinity for an alarm about losses that are
        not finite alone.
      means: the running means (train loss, validation loss); None before the first losses.
      start: (train loss, validation loss) of the untrained model; None before they are known.
      best: the lowest (train loss, validation loss) since.
    """

    def __init__(
        self,
        factor: float = 5.0,
        num_decisions: int = _NUM_DECISIONS,
        control_interval: int = _MIN_INTERVAL,
        is_weighted: bool = False,
    ):
        """Checks the factor.

        Args:
          factor: float > 1, see above.
          num_decisions: int, those of the whole run; of more than 25 more in a row must be bad for a slow death.
          control_interval: int, training steps between two of them; likewise where it is less than 4.
          is_weighted: whether classes or examples are weighted in training. The held-out loss is then not the one that falls,
            and that neither is below its start is no alarm.

        Raises:
          ValueError: unless it is above 1.
        """
        is_number = isinstance(factor, numbers.Real)
        if not is_number or not factor > 1:
            raise ValueError(f"Expected brake_factor > 1, found {factor!r}.")
        self.factor = factor
        self.means: tuple[float, float] | None = None
        self.start: tuple[float, float] | None = None
        self.best: tuple[float, float] = (math.inf, math.inf)
        self._first_train = math.nan
        self._stuck_at = math.nan
        self._in_a_row = [0] * 3
        self._num_alarms = 0
        self._num_stuck_alarms = 0
        self.adapt(num_decisions, control_interval, is_weighted)

    def adapt(
        self, num_decisions: int, control_interval: int, is_weighted: bool
    ) -> None:
        """Goes on with a run that has become longer, or in which weights begin; the arguments are those of a new one."""
        self._patience = max(
            1.0, num_decisions / _NUM_DECISIONS, _MIN_INTERVAL / control_interval
        )
        if is_weighted:
            self._num_stuck_alarms = _MAX_STUCK_ALARMS

    def alarm(self, train_loss: float, validation_loss: float) -> str | None:
        """Takes the losses of a decision, in order.

        Args:
          train_loss: float, of the interval; at the first call of the untrained model.
          validation_loss: float, likewise.

        Returns:
          EXPLOSION, FAR_ABOVE_START, DEATH, or None if all is well; then the losses enter the running means.
        """
        losses = train_loss, validation_loss
        if not all(map(math.isfinite, losses)):
            return EXPLOSION
        if self.means is None or self.start is None or not all(self.start):
            # Of a start of 0 nothing is a multiple.
            self.means = self.start = losses
            return None
        scales = self._scales(self.means, self.start)
        if all(loss > self.factor * scale for loss, scale in zip(losses, scales)):
            return EXPLOSION
        found = None if math.isinf(self.factor) else self._compare(losses)
        if found is not None and self._num_alarms < _MAX_IN_A_ROW:
            self._num_alarms += 1
            self._in_a_row = [0] * 3
            self._stuck_at = math.nan
            return found
        if found is not None:
            self.start, self.best, self._first_train = losses, losses, train_loss
        self._num_alarms = 0
        self.best = min(self.best[0], train_loss), min(self.best[1], validation_loss)
        train_mean, validation_mean = (
            _DECAY * m + (1 - _DECAY) * loss for loss, m in zip(losses, self.means)
        )
        self.means = train_mean, validation_mean
        return None

    def _scales(
        self, means: tuple[float, float], start: tuple[float, float]
    ) -> tuple[float, ...]:
        """What an explosion is a multiple of: the running means.

        Of losses that may be below 0 these may come near 0 by chance; then the largest size seen of each.
        """
        seen = means, start, self.best
        if min(map(min, seen)) > 0:
            return means
        columns = zip(*seen)
        return tuple(max(abs(v) for v in c if math.isfinite(v)) for c in columns)

    def _compare(self, losses: tuple[float, float]) -> str | None:
        """Compares with the start and the best so far."""
        if self.start is None or not min(self.start) > 0:
            return None  # What "times" would mean of such losses is not known.
        train, validation = (loss / s for loss, s in zip(losses, self.start))
        if min(train, validation) > _FAR_ABOVE:
            return FAR_ABOVE_START
        if math.isnan(self._first_train):
            self._first_train = max(losses[0], self.start[0])
        if losses[0] > _FAR_ABOVE * self._first_train:
            return FAR_ABOVE_START
        best = [b / s for b, s in zip(self.best, self.start)]
        is_risen = (
            # Of a best of 0 or below, "this much" isn't known either.
            min(self.best) > 0
            and all(loss - b > _RISE * b for loss, b in zip(losses, self.best))
            and train - best[0] > _MIN_RISE
        )
        has_learned = max(best) < _LEARNED
        is_stuck = not has_learned and min(train, validation) >= 1
        is_stuck = is_stuck and self._num_stuck_alarms < _MAX_STUCK_ALARMS
        is_falling = losses[0] < (1 - _FALL) * self._stuck_at
        if math.isnan(self._stuck_at) or is_falling:
            self._stuck_at = losses[0]
        if not is_stuck:
            self._stuck_at = math.nan
        conditions = (
            (is_risen, _NUM_RISEN),
            (has_learned and min(train, validation) >= _BACK, _NUM_BACK),
            (is_stuck and not is_falling, _NUM_STUCK),
        )
        self._in_a_row = [
            n + 1 if c else 0 for n, (c, _) in zip(self._in_a_row, conditions)
        ]
        is_over = [
            n >= round(self._patience * most)
            for n, (_, most) in zip(self._in_a_row, conditions)
        ]
        self._num_stuck_alarms += is_over[2]
        return DEATH if any(is_over) else None

    def state(self) -> dict[str, np.ndarray]:
        """Returns everything, as arrays by name."""
        counts = *self._in_a_row, self._num_alarms, self._num_stuck_alarms
        return {
            "means": np.array([] if self.means is None else self.means),
            "start": np.array([] if self.start is None else self.start),
            "best": np.array([*self.best, self._first_train, self._stuck_at]),
            "alarms": np.array(counts),
        }

    def check(self, state: Mapping[str, np.ndarray]) -> None:
        """Refuses what `state` can't have returned.

        Raises:
          ValueError: with what was expected and found.
        """
        if set(state) != set(self.state()):
            raise ValueError(
                f"Expected the brake's arrays {sorted(self.state())}, found {sorted(state)}."
            )
        for name in ("means", "start"):
            check_array(name, state[name], (2 if state[name].size else 0,))
        if state["means"].size != state["start"].size:
            raise ValueError("Expected both of means and start or none, found one.")
        check_array("best", state["best"], (4,), is_finite=False)
        if np.any(np.isnan(state["best"][:2])) or np.any(state["best"] == -np.inf):
            raise ValueError("Expected losses in best, found NaN or minus infinity.")
        check_array("alarms", state["alarms"], (5,), "i")
        for count in state["alarms"].tolist():
            check_count("each of alarms", count, 0)

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from what `state` returned."""
        self.means = tuple(state["means"].tolist()) or None
        self.start = tuple(state["start"].tolist()) or None
        *best, self._first_train, self._stuck_at = state["best"].tolist()
        self.best = best[0], best[1]
        *self._in_a_row, self._num_alarms, self._num_stuck_alarms = state[
            "alarms"
        ].tolist()
