"""The report's end: what is incomplete, and how to make everything again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from learned_lr.execution.run_directory import EARLIER_STARTS
from learned_lr.report.blocks import Block, Code, Heading, Items, Paragraph
from learned_lr.report.reading import Run

_COMMAND = "python -m learned_lr.report --root_dir=ROOT_DIR"


def problems(runs: Sequence[Run]) -> list[str]:
    """Returns all that is incomplete so far, a line each; reading more may note more."""
    texts = []
    for run in runs:
        if not run.is_finished:
            status = " ".join(str(run.record.get("status", "unknown")).split())
            texts.append(f"{run.name}: not finished, its status is {status}.")
        texts += [f"{run.name}: {problem}." for problem in run.problems]
    return texts


def incomplete(texts: Sequence[str]) -> Iterator[Block]:
    """Yields the section of what is incomplete."""
    yield Heading("Incomplete")
    yield Items(texts) if texts else Paragraph("Nothing.")


def remaking(runs: Sequence[Run]) -> Iterator[Block]:
    """Yields the commands with the commit and the versions they ran with."""
    yield Heading("Making it again")
    yield Paragraph(
        "The commands, each with the commit and the versions it ran with; "
        "--root_dir is left out."
    )
    for run in runs:
        if run.is_point:
            continue
        text = "; a start before with ".join(map(_made_with, _starts(run.record)))
        yield Paragraph(f"{run.name}: {text}")
        yield Code(run.command)
    yield Paragraph("This report, ROOT_DIR being the folder of these runs:")
    yield Code(_COMMAND)


def _starts(record):
    """The last start, and those before it that had another commit or other versions."""
    earlier = record.get(EARLIER_STARTS)
    known = earlier if isinstance(earlier, list) else []
    return [record, *(start for start in known if isinstance(start, dict))]


def _made_with(record):
    """The commit and the versions of a start, in words."""
    versions = record.get("versions")
    named = versions.items() if isinstance(versions, dict) else ()
    commit = re.sub(r"[^\w.-]", "", str(record.get("commit", "unknown")))
    return ", ".join([f"commit {commit}", *(f"{n} {v}" for n, v in named)])
