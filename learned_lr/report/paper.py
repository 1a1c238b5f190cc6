"""Tables 1 and 2 in the paper's layout, the paper's figures beside ours."""

from __future__ import annotations

import csv
import dataclasses
import importlib.resources
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from learned_lr.report import statistics
from learned_lr.report.blocks import Block, Bold, Heading, Table
from learned_lr.report.contenders import GRID, Contender
from learned_lr.report.evaluations import METRICS, Evaluation
from learned_lr.report.tables import UNKNOWN, is_known, number, plus_minus

# Columns of a comparison's difference.
DIFFERENCE = ("difference", "difference_low", "difference_high")

_HEADER = (
    "data set",
    "network",
    "who",
    "baseline",
    "n",
    "test loss, baseline",
    "test loss, learned",
    "difference [95%]",
    "p",
    "accuracy, baseline",
    "accuracy, learned",
    "million samples",
)
_NOTE = (
    "Mean ± standard deviation. * the learned schedule differs from the baseline at p < "
    "0.05 in the two-sample t-test. Difference: in test loss, run by run on the same seeds, with its bootstrap "
    "95% interval; p: paired t-test, Holm-corrected for both metrics of all our rows of this table. Samples: what was spent on this very "
    "task to find the baseline and the learned schedule, in gradient samples: trainee steps x batch size + "
    "validation images / 3. 'paper' is as printed there (arXiv:1909.09712)."
)
_POOL_NOTE = (
    " Of several controllers in one row there is no two-sample test; the deviation is that of one of them "
    "over seeds, and in brackets stands that of their means; the spend is that of each."
)
# An episode of the paper: 1,000 steps of 1,000 images, 101 measurements on 10,000 images, of
# which three cost what one image of a step does. Its grid is 48 of them, its controllers 1,000.
SAMPLES_PER_RUN = 1000 * 1000 + 101 * 10_000 / 3
NUM_RUNS = {"baseline": 48, "learned": 1000}
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
    dataset = str(results.get("dataset") or (*known, task)[0])
    model = str(results.get("model") or "unknown")
    network = task[len(dataset) + 1 :] if task.startswith(f"{dataset}_") else model
    return dataset, _NETWORKS.get(network, network)


def key_of(evaluation: Evaluation) -> tuple[str, str]:
    """Returns (data set, network), the latter with what its task was bound to beside its name."""
    dataset, network = pair_of(evaluation)
    return dataset, ", ".join([network, *evaluation.run.task_bindings])


def has_pair(pair: str) -> bool:
    """Whether the paper has curves of a task."""
    return pair in {f"{row['dataset']}_{row['model']}" for row in printed("table1.csv")}


def tables(compared: Mapping[Evaluation, Sequence[Contender]]) -> Iterator[Block]:
    """Yields Table 1 and Table 2; the paper's rows stand there whether ours do or not.

    Args:
      compared: of all evaluate runs, what each compared.
    """
    found = {_identity(c): c for i in compared.items() for c in _comparisons(*i)}
    yield Heading("Tables 1 and 2")
    for is_transfer in (False, True):
        own = [c for c in found.values() if (c.source is not None) == is_transfer]
        yield _table(own, is_transfer)


@dataclasses.dataclass(frozen=True)
class _Comparison:
    """A controller against a schedule of its evaluation, and the spend of both."""

    evaluation: Evaluation
    learned: str
    baseline: str
    # Where the controller was trained, if not here.
    source: str | None
    num_samples: tuple[float | None, float | None]


def _comparisons(evaluation, contenders) -> Iterator[_Comparison]:
    """The controllers of an evaluation against its reference, those from elsewhere against their source's grid first."""
    known = {c.name: c for c in contenders}
    for learned in evaluation.learned:
        if not evaluation.source_tasks(learned):
            continue  # It may be of either table.
        own = known.get(learned)
        source = None
        if evaluation.is_transfer(learned):
            source = (own and own.source) or ", ".join(evaluation.source_tasks(learned))
        moved = [
            c.name
            for c in known.values()
            if c.source == source and c.role.startswith(GRID)
        ]
        for baseline in [*(moved if source else ()), evaluation.reference]:
            if baseline == learned:
                continue
            samples = (
                known[n].num_samples if n in known else None
                for n in (baseline, learned)
            )
            yield _Comparison(evaluation, learned, baseline, source, tuple(samples))


def _identity(comparison) -> tuple:
    """The same runs that two evaluations compare, the second took them over, are one row and one test."""
    evaluation, names = comparison.evaluation, (comparison.learned, comparison.baseline)
    runs = (evaluation.of(name)[[*METRICS]].to_csv(index=False) for name in names)
    return (*key_of(evaluation), *names, comparison.source, *runs)


def _table(found, is_transfer) -> Table:
    rows, values, quiet = [], [], set()
    number, title, baseline, treated = (
        (
            "2",
            "a controller trained on other tasks",
            "the source's best of the grid",
            "controller",
        )
        if is_transfer
        else ("1", "one task", "best of the grid", "auto")
    )
    name = f"table{number}"
    ours = _our_rows(found)
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
            blank = [UNKNOWN] * (len(_HEADER) - 5)
            rows.append([*key, "ours", UNKNOWN, "not run", *blank])
            values.append({"dataset": key[0], "network": key[1], "who": "ours"})
        ours = [row for row in ours if row not in same]
    for row in ours:
        values.append(row)
        rows.append([Bold(cell) for cell in _cells(row)])
    notes = [_NOTE, _POOL_NOTE if is_pooled else "", *_taught(found)]
    return Table(
        name,
        f"Table {number}. Learned schedule against a baseline, {title}",
        _HEADER,
        rows,
        values,
        "".join(notes),
        list(dict.fromkeys(comparison.evaluation.run for comparison in found)),
        frozenset(quiet),
        4,
    )


def _taught(found) -> list[str]:
    """What controllers from elsewhere knew of the row that they are in."""
    sentences = []
    for evaluation, learned in dict.fromkeys((c.evaluation, c.learned) for c in found):
        tasks = evaluation.source_tasks(learned)
        if not evaluation.is_transfer(learned) or len(tasks) < 2:
            continue
        dataset, network = pair_of(evaluation)
        # Families name a task by its data set, its reductions, its network and so on.
        named = [task.split("-") for task in tasks]
        of_set = [parts for parts in named if parts[0] == dataset]
        of_both = sum(network in parts for parts in of_set)
        sentences.append(
            f" Of the {len(tasks)} tasks that {learned!r} on {dataset} was taught on, {len(of_set)} are on this data "
            f"set, reduced or whole, {of_both} of them with {network}."
        )
    if sentences:
        sentences.append(" What was fine-tuned from one has seen its tasks, too.")
    return sentences


def _our_rows(found) -> list[dict[str, Any]]:
    rows, p_values = [], []
    for comparison in found:
        evaluation, learned = comparison.evaluation, comparison.learned
        dataset, network = key_of(evaluation)
        row: dict[str, Any] = {
            "dataset": dataset,
            "network": network,
            "who": learned,
            "baseline": comparison.baseline,
            "num_runs": len(evaluation.of(learned)),
            "num_members": evaluation.of(learned)["member"].nunique(),
        }
        for metric in METRICS:
            known = evaluation.comparison(metric, learned, comparison.baseline)
            row[f"baseline_{metric}"] = known.get("reference_mean")
            row[f"baseline_{metric}_std"] = known.get("reference_standard_deviation")
            row[f"learned_{metric}"] = known.get("mean")
            row[f"learned_{metric}_std"] = known.get("standard_deviation")
            row[f"learned_{metric}_between"] = known.get("deviation_between")
            row[f"{metric}_star"] = known.get("star", "")
            for column in DIFFERENCE:
                row[f"{metric}_{column}"] = known.get(column)
            p_values.append(known.get("p_paired", math.nan))
        for who, samples in zip(("baseline", "learned"), comparison.num_samples):
            row[f"{who}_gradient_samples"] = samples
        rows.append(row)
    corrected = iter(statistics.holm(p_values))
    for row in rows:
        row.update({f"{metric}_p": next(corrected) for metric in METRICS})
    return rows


def _paper_values(paper, treated, baseline) -> dict[str, Any]:
    row: dict[str, Any] = {
        "dataset": paper["dataset"],
        "network": paper["model"],
        "who": "paper",
        "baseline": baseline,
        "num_runs": int(paper["num_runs"]),
        "num_members": 1,
    }
    for metric in METRICS:
        for who, column in (("baseline", "baseline"), ("learned", treated)):
            for suffix in ("", "_std"):
                value = float(paper[f"{column}_{metric}{suffix}"])
                row[f"{who}_{metric}{suffix}"] = value
        is_significant = paper[f"{metric.replace('test_', '')}_significant"] == "yes"
        row[f"{metric}_star"] = "*" if is_significant else ""
    for who in NUM_RUNS:
        _, row[f"{who}_gradient_samples"] = printed_spend(paper, who)
    return row


def _cells(row):
    cells = [row[name] for name in ("dataset", "network", "who", "baseline")]
    num_members, num_runs = row["num_members"], row["num_runs"]
    each = f"{num_members} x " if num_members > 1 else ""
    cells.append(f"{each}{num_runs // num_members}")
    means = []
    for metric in METRICS:
        for who in ("baseline", "learned"):
            found = (row.get(f"{who}_{metric}{s}") for s in ("", "_std", "_between"))
            star = row[f"{metric}_star"] if who == "learned" else ""
            means.append(plus_minus(*found) + star)
    spends = []
    for who, prefix in (("baseline", ""), ("learned", each)):
        samples = row[f"{who}_gradient_samples"]
        spends.append(UNKNOWN if samples is None else f"{prefix}{samples / 1e6:,.1f}")
    compared = [difference(row), number(row.get("test_loss_p"), ".2g")]
    return [*cells, *means[:2], *compared, *means[2:], " / ".join(spends)]


def difference(row: Mapping[str, Any]) -> str:
    """Returns the difference in test loss with its interval, from a row that has `DIFFERENCE` of it."""
    low, high = (row.get(f"test_loss_difference_{end}") for end in ("low", "high"))
    text = number(row.get("test_loss_difference"), "+.4f")
    return f"{text} [{low:+.4f}, {high:+.4f}]" if is_known(low) else text


def printed_spend(row: Mapping[str, str], who: str) -> tuple[int, float]:
    """Returns (runs, gradient samples) that one side of a printed row cost on its task.

    Args:
      row: of `printed`; one of Table 2 comes from another task and cost nothing on its own.
      who: 'baseline' or 'learned'.
    """
    num_runs = 0 if "source_dataset" in row else NUM_RUNS[who]
    return num_runs, num_runs * SAMPLES_PER_RUN


def printed(name: str) -> list[dict[str, str]]:
    """Returns the rows of one of the paper's tables, as printed there."""
    file = importlib.resources.files("learned_lr.report") / "paper_data" / name
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
