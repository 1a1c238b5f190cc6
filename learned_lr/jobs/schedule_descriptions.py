"""Schedules as JSON-able values: for tables, for `best.json`, and to tell equal ones."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from learned_lr.trainees import adaptive_schedules, schedules

# What a table's description has beside a schedule's own values: the row that it shares.
POOL = "pool"
# The name of a schedule's class in tables and in best.json.
KINDS = {
    "constant": schedules.Constant,
    "step_decay": schedules.StepDecay,
    "exponential": schedules.Exponential,
    "cosine": schedules.WarmupCosine,
    "linear": schedules.WarmupLinear,
    "one_cycle": schedules.OneCycle,
    "reduce_on_plateau": adaptive_schedules.ReduceOnPlateau,
    "hypergradient": adaptive_schedules.Hypergradient,
    "replay": schedules.RecordedRates,
}


def describe(schedule: Any) -> dict[str, Any]:
    """Returns a schedule as JSON-able values: its kind and its parameters."""
    for kind, schedule_class in KINDS.items():
        if type(schedule) is schedule_class:
            return {"kind": kind, **dataclasses.asdict(schedule)}
    if isinstance(schedule, adaptive_schedules.Learned):
        spec = schedule.controller.files()["spec.json"].decode()
        values = {
            field.name: getattr(schedule, field.name)
            for field in dataclasses.fields(schedule)
            if field.name != "controller"
        }
        return {"kind": "learned", "controller": json.loads(spec), **values}
    raise ValueError(f"Expected a schedule of a known kind, found {schedule!r}.")


def from_description(description: dict[str, Any]) -> Any:
    """Returns the schedule that `describe` described; of the kinds in `KINDS`."""
    values = dict(description)
    kind = values.pop("kind", None)
    if kind == "learned":
        raise ValueError(
            "Expected a schedule of plain values, found a controller, whose weights are in its own folder "
            "alone: name that with @controller."
        )
    if kind not in KINDS:
        raise ValueError(f"Expected a kind out of {sorted(KINDS)}, found {kind!r}.")
    return KINDS[kind](**values)


def fingerprint(schedule: Any) -> str:
    """Returns 16 hexadecimal digits that tell schedules apart: equal content, equal digits."""
    return fingerprint_of(describe(schedule))


def fingerprint_of(description: Mapping[str, Any]) -> str:
    """Returns the fingerprint of the schedule that `describe` described; names of rows don't count."""
    values = {k: v for k, v in description.items() if k not in ("label", POOL)}
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
