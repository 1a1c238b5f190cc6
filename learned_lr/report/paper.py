"""Tables 1 and 2 in the paper's layout, the paper's figures beside ours."""

from __future__ import annotations

import csv
import importlib.resources
from collections.abc import Iterator, Sequence
from typing import Any

from learned_lr.report.blocks import Block, Bold, Heading, Table
from learned_lr.report.evaluations import METRICS, Evaluation
from learned_lr.report.tables import UNKNOWN, with_deviation

_HEADER = (
    "data set",
    "network",
    "who",
    "baseline",
    "n",
    "test loss, baseline",
    "test loss, learned",
    "accuracy, baseline",
    "accuracy, learned",
)
_NOTE = (
    "Mean ± standard deviation. * the learned schedule differs from the baseline at p < "
    "0.05 in the two-sample t-test. 'paper' is as printed there (arXiv:1909.09712)."
)
_POOL_NOTE = (
    " Of several controllers in one row there is no such test; the deviation is that of one of them "
    "over seeds, and in brackets stands that of their means."
)
# What the paper's networks are here.
_NETWORKS = {"lenet_wide": "cnn"}


def pair_of(evaluation: Evaluation) -> tuple[str, str]:
    """Returns (data set, network) of an evaluation, as the paper's tables name theirs.

    The network is what the task's name has after the data set's: 'fashion_mnist_resnet18_thin'
    is no row of the paper's. Of a task by gin alone it is the model's own name.
    """
    results, task = evaluation.run.results, evaluation.run.task
    # One that isn't finished has its task's name alone.
    known = [
        r["dataset"] for r in printed("table1.csv") if task.startswith(r["dataset"])
    ]
    dataset = str(results.get("dataset", (*known, task)[0]))
    model = str(results.get("model", "unknown"))
    network = task[len(dataset) + 1 :] if task.startswith(f"{dataset}_") else model
    return dataset, _NETWORKS.get(network, network)


def key_of(evaluation: Evaluation) -> tuple[str, str]:
    """Returns (data set, network), the latter with what its task was bound to beside its name."""
    dataset, network = pair_of(evaluation)
    known = ("name", "file", "dataset", "model")
    bound = [
        f"{name.partition('.')[2]} = {value}"
        for name, value in evaluation.run.config.items()
        if name.startswith("task.") and name.partition(".")[2] not in known
    ]
    return dataset, ", ".join([network, *bound])


def has_pair(pair: str) -> bool:
    """Whether the paper has curves of a task."""
    return pair in {f"{row['dataset']}_{row['model']}" for row in printed("table1.csv")}


def tables(evaluations: Sequence[Evaluation]) -> Iterator[Block]:
    """Yields Table 1 and Table 2; the paper's rows stand there whether ours do or not."""
    yield Heading("Tables 1 and 2")
    yield _table(evaluations, "table1", "auto", False)
    yield _table(evaluations, "table2", "controller", True)


def _table(evaluations, name, treated, is_transfer) -> Table:
    rows, values, quiet = [], [], set()
    number, title, baseline = (
        ("2", "a controller trained on other tasks", "the source's best of the grid")
        if is_transfer
        else ("1", "one task", "best of the grid")
    )
    found = [
        (evaluation, learned)
        for evaluation in evaluations
        for learned in evaluation.learned
        # One of unknown source may be of either table.
        if evaluation.source_tasks(learned)
        and evaluation.is_transfer(learned) == is_transfer
    ]
    ours = [_our_row(evaluation, learned) for evaluation, learned in found]
    is_pooled = any(row["num_members"] > 1 for row in ours)
    for paper in printed(f"{name}.csv"):
        key = paper["dataset"], paper["model"]
        quiet.add(len(rows))
        values.append(_paper_values(paper, treated, baseline))
        rows.append(_cells(values[-1]))
        same = [row for row in ours if (row["dataset"], row["network"]) == key]
        for row in same:
            values.append(row)
            rows.append([Bold(cell) for cell in _cells(row)])
        if not same:
            rows.append([*key, "ours", UNKNOWN, "not run", *[UNKNOWN] * 4])
            values.append({"dataset": key[0], "network": key[1], "who": "ours"})
        ours = [row for row in ours if row not in same]
    for row in ours:
        values.append(row)
        rows.append([Bold(cell) for cell in _cells(row)])
    return Table(
        name,
        f"Table {number}. Learned schedule against a baseline, {title}",
        _HEADER,
        rows,
        values,
        _NOTE + (_POOL_NOTE if is_pooled else ""),
        list(dict.fromkeys(evaluation.run for evaluation, _ in found)),
        frozenset(quiet),
        4,
    )


def _our_row(evaluation: Evaluation, learned: str) -> dict[str, Any]:
    dataset, network = key_of(evaluation)
    row: dict[str, Any] = {
        "dataset": dataset,
        "network": network,
        "who": learned,
        "baseline": evaluation.reference,
        "num_runs": len(evaluation.of(learned)),
        "num_members": evaluation.of(learned)["member"].nunique(),
    }
    for metric in METRICS:
        statistic = evaluation.statistic(metric, learned)
        row[f"baseline_{metric}"] = statistic.get("reference_mean")
        row[f"baseline_{metric}_std"] = statistic.get("reference_standard_deviation")
        row[f"learned_{metric}"] = statistic.get("mean")
        row[f"learned_{metric}_std"] = statistic.get("standard_deviation")
        row[f"learned_{metric}_between"] = statistic.get("deviation_between")
        row[f"{metric}_star"] = statistic.get("star", "")
    return row


def _paper_values(paper, treated, baseline) -> dict[str, Any]:
    row: dict[str, Any] = {
        "dataset": paper["dataset"],
        "network": paper["model"],
        "who": "paper",
        "baseline": baseline,
        "num_runs": paper["num_runs"],
    }
    for metric in METRICS:
        for who, column in (("baseline", "baseline"), ("learned", treated)):
            for suffix in ("", "_std"):
                row[f"{who}_{metric}{suffix}"] = paper[f"{column}_{metric}{suffix}"]
        is_significant = paper[f"{metric.replace('test_', '')}_significant"] == "yes"
        row[f"{metric}_star"] = "*" if is_significant else ""
    return row


def _cells(row):
    cells = [row[name] for name in ("dataset", "network", "who", "baseline")]
    cells.append(str(row["num_runs"]))
    for metric in METRICS:
        for who in ("baseline", "learned"):
            found = (row.get(f"{who}_{metric}{s}") for s in ("", "_std", "_between"))
            # The paper's are text.
            known = (None if v is None else float(v) for v in found)
            star = row[f"{metric}_star"] if who == "learned" else ""
            cells.append(with_deviation(*known) + star)
    return cells


def printed(name: str) -> list[dict[str, str]]:
    """Returns the rows of one of the paper's tables, as printed there."""
    file = importlib.resources.files("learned_lr.report") / "paper_data" / name
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
