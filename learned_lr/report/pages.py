"""How the report's parts are written: one self-contained HTML page, and Markdown beside its figures."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

import jinja2

from learned_lr.report.blocks import (
    Block,
    Bold,
    Code,
    Figure,
    Heading,
    Items,
    Paragraph,
)
from learned_lr.report.tables import markdown_table


def html_page(title: str, summary: str, blocks: Sequence[Block]) -> str:
    """Returns the page: figures inside, nothing fetched, no script."""
    # A block's macro in blocks.html has the name of its class.
    named = [(type(block).__name__.lower(), block) for block in blocks]
    sections = [b.text for b in blocks if isinstance(b, Heading) and b.level == 2]
    page = _environment().get_template("page.html")
    return page.render(title=title, summary=summary, sections=sections, blocks=named)


def markdown_page(title: str, summary: str, blocks: Sequence[Block]) -> str:
    """Returns the report as Markdown; figures are files beside it."""
    parts = [f"# {_plain(title)}\n", f"{_plain(summary)}\n", *map(_markdown, blocks)]
    return "\n".join(parts)


def _environment():
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("learned_lr.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["anchor"] = _anchor
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    # In wide tables what stands behind a number has a line of its own.
    environment.filters["folded"] = lambda cell: re.sub(r" (?=[\[(/])", "\n", cell)
    environment.tests["bold"] = lambda cell: isinstance(cell, Bold)
    return environment


def _anchor(text):
    return "".join(c if c.isalnum() else "-" for c in text.lower())


def _markdown(block):
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}\n"
    if isinstance(block, Paragraph):
        return f"{_plain(block.text)}\n"
    if isinstance(block, Code):
        return f"```\n{block.text}\n```\n"
    if isinstance(block, Items):
        return "".join(f"- {_plain(text)}\n" for text in block.texts)
    made = "".join(f"- {_plain(run.name)}: `{run.command}`\n" for run in block.runs)
    if isinstance(block, Figure):
        text = (
            f"![{_plain(block.caption)}]({block.name}.png)\n\n{_plain(block.caption)}\n"
        )
    else:
        rows = [[_markdown_cell(c) for c in row] for row in (block.header, *block.rows)]
        text = f"**{_plain(block.caption)}** ([CSV]({block.name}.csv))\n\n"
        text += markdown_table(rows)
        text += f"\n{_plain(block.note)}\n" if block.note else ""
    return f"{text}\n{made}" if made else text


def _markdown_cell(cell):
    text = _plain(cell).replace("\n", " ")
    # Four asterisks with nothing between them would be shown as such.
    return f"**{text}**" if text and isinstance(cell, Bold) else text


def _plain(text):
    """Escapes what Markdown would take for markup."""
    for character in ("\\", "*", "_", "<", "[", "]"):
        text = text.replace(character, f"\\{character}")
    return text
