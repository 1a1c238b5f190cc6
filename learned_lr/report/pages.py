"""The report's parts and how they are written: one self-contained HTML page, and Markdown beside its figures."""

from __future__ import annotations

import base64
import dataclasses
import html
import string
from collections.abc import Sequence
from typing import Any, Union

from learned_lr.report.reading import Run
from learned_lr.report.tables import markdown_table


class Bold(str):
    """A cell to be set in bold."""


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading: level 2 starts a section, 3 a part of it."""

    text: str
    level: int = 2


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclasses.dataclass(frozen=True)
class Items:
    """A list of plain texts."""

    texts: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Code:
    """A shell command."""

    text: str


@dataclasses.dataclass(frozen=True)
class Table:
    """A table: cells as shown, and the exact values behind it.

    Attributes:
      name: its CSV file's name, without ending.
      caption: the sentence above it.
      header: column names.
      rows: cells as text.
      values: a dict a row, written to CSV.
      note: the sentence below it.
      runs: the run directories behind it.
      quiet: indices of rows to be set in grey.
      num_labels: leading columns that are text, set flush left.
    """

    name: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    values: Sequence[dict[str, Any]]
    note: str = ""
    runs: Sequence[Run] = ()
    quiet: frozenset[int] = frozenset()
    num_labels: int = 1


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
      name: its PNG file's name, without ending.
      png: the file's content.
      caption: the sentence below it; also its alternative text.
      runs: the run directories behind it.
    """

    name: str
    png: bytes
    caption: str
    runs: Sequence[Run] = ()


Block = Union[Heading, Paragraph, Items, Code, Table, Figure]

_STYLE = """
:root { color-scheme: light; --ink: #1d2329; --quiet: #5d6872; --line: #d9dee3; --link: #0b5cad; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 2rem 1.5rem 4rem; color: var(--ink);
  background: #fff; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue",
  Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; margin: 1rem 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; padding-bottom: .5rem; color: var(--ink); font-weight: 600; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line);
  vertical-align: top; white-space: nowrap; }
th { border-bottom: 1.5px solid var(--ink); vertical-align: bottom; white-space: normal; line-height: 1.3; }
.label { text-align: left; }
td.label { white-space: normal; min-width: 5rem; overflow-wrap: break-word; }
tr > :first-child { padding-left: 0; }
tr.quiet td { color: var(--quiet); }
figure { margin: 1.5rem 0; }
figure img { display: block; width: 100%; max-width: 900px; height: auto; }
figcaption, .note { font-size: .875rem; color: var(--quiet); margin: .5rem 0; max-width: 46rem; }
.made { font-size: .8rem; color: var(--quiet); margin: .35rem 0 1.5rem; max-width: none; }
code { font: .85em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { background: #f4f6f8; padding: .6rem .8rem; border-radius: 4px; white-space: pre-wrap; margin: .5rem 0; }
@media (max-width: 640px) {
  body { padding: 1.25rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  figure img { min-width: 560px; }
}
@media print { body { max-width: none; } .scroll { overflow: visible; } }
"""
_PAGE = string.Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="icon" href="data:,">
<style>$style</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
"""
)


def html_page(title: str, summary: str, blocks: Sequence[Block]) -> str:
    """Returns the page: figures inside, nothing fetched, no script."""
    headings = [b.text for b in blocks if isinstance(b, Heading) and b.level == 2]
    links = "".join(
        f'<li><a href="#{_anchor(t)}">{_escape(t)}</a></li>' for t in headings
    )
    parts = [f"<p>{_escape(summary)}</p>", f"<nav><ul>{links}</ul></nav>"]
    parts += [_html(block) for block in blocks]
    return _PAGE.substitute(title=_escape(title), style=_STYLE, body="\n".join(parts))


def markdown_page(title: str, summary: str, blocks: Sequence[Block]) -> str:
    """Returns the report as Markdown; figures are files beside it."""
    parts = [f"# {title}\n", f"{_plain(summary)}\n", *map(_markdown, blocks)]
    return "\n".join(parts)


def _html(block):
    if isinstance(block, Heading):
        name = f' id="{_anchor(block.text)}"' if block.level == 2 else ""
        return f"<h{block.level}{name}>{_escape(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        return f"<p>{_escape(block.text)}</p>"
    if isinstance(block, Code):
        return f"<pre><code>{_escape(block.text)}</code></pre>"
    if isinstance(block, Items):
        items = "".join(f"<li>{_escape(text)}</li>" for text in block.texts)
        return f"<ul>{items}</ul>"
    made = "".join(
        f'<p class="made">{_escape(run.name)}: <code>{_escape(run.command)}</code></p>'
        for run in block.runs
    )
    if isinstance(block, Figure):
        data = base64.b64encode(block.png).decode()
        caption = _escape(block.caption)
        return (
            f'<figure><div class="scroll"><img alt="{caption}" '
            f'src="data:image/png;base64,{data}"></div>'
            f"<figcaption>{caption}</figcaption></figure>{made}"
        )
    note = f'<p class="note">{_escape(block.note)}</p>' if block.note else ""
    return f'<div class="scroll">{_html_table(block)}</div>{note}{made}'


def _html_table(table):
    def cells(tag, row):
        return "".join(
            f"<{tag}{_attributes(tag, index < table.num_labels)}>"
            + (f"<strong>{_escape(c)}</strong>" if isinstance(c, Bold) else _escape(c))
            + f"</{tag}>"
            for index, c in enumerate(row)
        )

    lines = [
        f"<table><caption>{_escape(table.caption)}</caption>",
        f"<thead><tr>{cells('th', table.header)}</tr></thead>",
        "<tbody>",
    ]
    for index, row in enumerate(table.rows):
        kind = ' class="quiet"' if index in table.quiet else ""
        lines.append(f"<tr{kind}>{cells('td', row)}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def _attributes(tag, is_label):
    scope = ' scope="col"' if tag == "th" else ""
    return scope + (' class="label"' if is_label else "")


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
    text = _plain(cell).replace("|", "\\|").replace("\n", " ")
    return f"**{text}**" if isinstance(cell, Bold) else text


def _plain(text):
    """Escapes what Markdown would take for markup."""
    for character in ("\\", "*", "_", "<", "[", "]"):
        text = text.replace(character, f"\\{character}")
    return text


def _escape(text):
    return html.escape(str(text), quote=True)


def _anchor(text):
    return "".join(c if c.isalnum() else "-" for c in text.lower())
