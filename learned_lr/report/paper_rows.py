"""The paper's rows with all contenders: what each came to, and what was spent to find it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from learned_lr.report import paper
from learned_lr.report.blocks import Block, Bold, Heading, Table
from learned_lr.report.contenders import (
    EXPECTED,
    GRID,
    Contender,
    has_grid,
)
from learned_lr.report.evaluations import METRICS, Evaluation
from learned_lr.report.tables import UNKNOWN, number, plus_minus

# Of the default, in gradient samples: the references of its tasks and three seeds of imitation.
DEFAULT_SAMPLES = 277_632_533
_HEADER = (
    "data set",
    "network",
    "contender",
    "schedule",
    "n",
    "test loss",
    "difference [95%]",
    "p",
    "test accuracy",
    "runs",
    "million samples",
    "of the grid's",
)
_NOTE = (
    "Mean ± standard deviation. Difference: from the winner of the grid, run by run on the same "
    "seeds, with its bootstrap 95% interval; p: paired t-test, Holm-corrected for all "
    "comparisons of its evaluation; 'paper' is as printed there (arXiv:1909.09712). Runs and "
    "samples: what was spent on this very task to find the contender, in gradient samples: "
    "trainee steps x batch size + validation images / 3. Of several controllers in one row: '3 x' "
    "the spend of each; the deviation is that of one of them over seeds, and in brackets stands "
    "that of their means. The default had cost "
    f"{DEFAULT_SAMPLES / 1e6:.0f} million before, on other tasks, once for all (Table 2 says how many of them are near)."
)


def contenders_table(
    compared: Mapping[Evaluation, Sequence[Contender]],
) -> Iterator[Block]:
    """Yields the table of contenders; what a row lacks is named as not run.

    Args:
      compared: of all evaluate runs, what each compared; those without a grid's winner are
        left out.
    """
    groups: dict[tuple[str, str], list[Contender]] = {}
    used = [e for e in compared if has_grid(e) and len(e.rows)]
    # What several evaluations have is shown once, of the one with the most contenders.
    for evaluation in sorted(used, key=lambda e: -len(compared[e])):
        group = groups.setdefault(paper.key_of(evaluation), [])
        known = {_identity(contender) for contender in group}
        group += [c for c in compared[evaluation] if _identity(c) not in known]
    values = []
    for pair, printed in _printed().items():
        values += printed
        own = [key for key in groups if (key[0], key[1].partition(",")[0]) == pair]
        for key in own:
            values += _group(key, groups.pop(key))
        if not own:
            values.append(_row(*pair, "ours"))
    for key, group in groups.items():
        values += _group(key, group)
    rows = [_cells(value) for value in values]
    yield Heading("Contenders and what they cost")
    yield Table(
        "contenders",
        "Every contender of the paper's rows, with its spend on the task",
        _HEADER,
        rows,
        values,
        _NOTE,
        [evaluation.run for evaluation in used],
        frozenset(i for i, v in enumerate(values) if v["is_paper"]),
        4,
    )


def _identity(contender: Contender) -> tuple[str, str, str]:
    """Tells contenders apart that have one label in two evaluations, such as two trainings."""
    evaluation, name = contender.evaluation, contender.name
    members = dict.fromkeys(evaluation.of(name)["member"])
    described = [evaluation.schedules.get(member) for member in members]
    return contender.role, name, json.dumps(described, sort_keys=True)


def _group(key, found: Sequence[Contender]) -> list[dict[str, Any]]:
    """The rows of a task: the expected contenders in their order, then the others."""
    order = {role: number for number, role in enumerate(EXPECTED)}
    ranked = sorted(found, key=lambda c: order.get(c.role, len(order)))
    grid = next((c.num_samples for c in ranked if c.role == GRID), None)
    rows = [_our_row(key, contender, found, grid) for contender in ranked]
    missing = set(EXPECTED) - {contender.role for contender in found}
    rows += [_row(*key, role) for role in EXPECTED if role in missing]
    return sorted(rows, key=lambda row: order.get(row["contender"], len(order)))


def _our_row(key, contender, found, grid_samples) -> dict[str, Any]:
    evaluation, name = contender.evaluation, contender.name
    row = _row(*key, contender.role)
    row.update(schedule=name, num_runs=len(evaluation.of(name)))
    winners = {c.name for c in found if c.role == GRID}
    for metric in METRICS:
        known = evaluation.statistic(metric, name)
        sample = evaluation.of(name)[metric]
        row[metric] = sample.mean()
        row[f"{metric}_std"] = known.get("standard_deviation", sample.std(ddof=1))
        row[f"{metric}_between"] = known.get("deviation_between")
        if name not in winners and evaluation.reference in winners:
            for column in paper.DIFFERENCE:
                row[f"{metric}_{column}"] = known.get(column)
            row[f"{metric}_p"] = known.get("p_paired_holm")
    row["num_controllers"] = contender.num_members
    row["search_runs"] = contender.num_runs
    row["gradient_samples"] = contender.num_samples
    if grid_samples and contender.num_samples is not None:
        row["of_the_grid"] = contender.num_samples / grid_samples
    return row


def _row(dataset, network, contender) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "network": network,
        "contender": contender,
        "is_paper": False,
    }


def _printed() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The paper's rows of both tables, by (data set, network)."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for name, treated in (("table1.csv", "auto"), ("table2.csv", "controller")):
        for printed in paper.printed(name):
            pair = printed["dataset"], printed["model"]
            source = printed.get("source_dataset")
            where = "" if source is None else f" on {source}, moved over"
            for who, column in (("baseline", "baseline"), ("learned", treated)):
                label = GRID if who == "baseline" else "learned"
                row = _row(*pair, f"paper: {label}{where}")
                row.update(is_paper=True, num_runs=int(printed["num_runs"]))
                for metric in METRICS:
                    for suffix in ("", "_std"):
                        row[f"{metric}{suffix}"] = float(
                            printed[f"{column}_{metric}{suffix}"]
                        )
                spend = paper.printed_spend(printed, who)
                row["search_runs"], row["gradient_samples"] = spend
                row["of_the_grid"] = spend[0] / paper.NUM_RUNS["baseline"]
                found.setdefault(pair, []).append(row)
    return found


def _cells(row) -> list[str]:
    cells = [row["dataset"], row["network"], row["contender"]]
    if "num_runs" not in row:
        return [*cells, UNKNOWN, "not run", *[UNKNOWN] * (len(_HEADER) - 5)]
    loss, accuracy = (
        plus_minus(row[m], row[f"{m}_std"], row.get(f"{m}_between")) for m in METRICS
    )
    samples, num_controllers = row["gradient_samples"], row.get("num_controllers", 1)
    each = f"{num_controllers} x " if num_controllers > 1 else ""
    cells += [
        row.get("schedule", UNKNOWN),
        str(row["num_runs"]),
        loss,
        paper.difference(row),
        number(row.get("test_loss_p"), ".2g"),
        accuracy,
        each + number(row["search_runs"], ",.0f"),
        number(None if samples is None else samples / 1e6, ",.1f"),
        number(row.get("of_the_grid"), ".2f"),
    ]
    return cells if row["is_paper"] else [Bold(cell) for cell in cells]
