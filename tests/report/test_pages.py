"""Pages: every kind of block on both, what is text stays text, and the templates travel with the package."""

from __future__ import annotations

import base64
import fnmatch
import html.parser
import pathlib
import re
import runpy
import typing

import jinja2
import pytest
import setuptools

from learned_lr.report.blocks import (
    Block,
    Bold,
    Code,
    Figure,
    Heading,
    Items,
    Paragraph,
    Table,
)
from learned_lr.report.pages import html_page, markdown_page
from learned_lr.report.reading import Run

ROOT = pathlib.Path(__file__).resolve().parents[2]
NASTY = "<b>\"x\" & 'y'</b> {{ 1 + 1 }} {% raw %}"
RUN = Run("path", NASTY, record={"command": f"python -m {NASTY}"})
PNG = b"\x89PNG\r\n\x1a\nnot a picture"
BLOCKS = [
    Heading(NASTY),
    Heading(NASTY, 3),
    Paragraph(NASTY),
    Items([NASTY, NASTY]),
    Code(NASTY),
    Table(
        "table",
        NASTY,
        [NASTY, "n"],
        [[Bold(NASTY), Bold("")], [NASTY, "1"]],
        [],
        NASTY,
        [RUN],
        frozenset({1}),
    ),
    Figure("figure", PNG, NASTY, [RUN]),
]


class _Elements(html.parser.HTMLParser):
    """Collects the attributes and the text of each element, and checks that all are closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.found = [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs), []))
        if tag not in ("meta", "link", "img"):
            self.open.append(self.found[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, _, texts in self.open:
            texts.append(data)

    def texts(self, tag):
        """The text of each element of a kind."""
        return ["".join(texts) for t, _, texts in self.found if t == tag]

    def attributes(self, tag):
        """The attributes of each element of a kind."""
        return [attributes for t, attributes, _ in self.found if t == tag]


def test_every_kind_of_block_is_here():
    assert {type(block) for block in BLOCKS} == set(typing.get_args(Block))


def test_text_stays_text():
    elements = _Elements(html_page(NASTY, NASTY, BLOCKS))
    assert elements.texts("b") == []
    assert elements.texts("title") == elements.texts("h1") == [NASTY]
    assert elements.texts("h2") == elements.texts("h3") == [NASTY]
    # One in the list of sections, two of the block.
    assert elements.texts("li") == [NASTY] * 3
    assert elements.texts("pre") == [NASTY]
    assert elements.texts("th") == [NASTY, "n"]
    assert elements.texts("td") == [NASTY, "", NASTY, "1"]
    assert elements.texts("strong") == [NASTY, ""]
    assert elements.texts("figcaption") == [NASTY]
    paragraphs = [("", NASTY)] * 2 + [("caption", NASTY), ("note", NASTY)]
    paragraphs += [("made", f"{NASTY}: python -m {NASTY}")] * 2
    kinds = [attributes.get("class", "") for attributes in elements.attributes("p")]
    assert list(zip(kinds, elements.texts("p"))) == paragraphs


def test_figures_are_inside_and_nothing_is_fetched():
    page = html_page("title", "summary", BLOCKS)
    elements = _Elements(page)
    (image,) = elements.attributes("img")
    kind, _, data = image["src"].partition(",")
    assert kind == "data:image/png;base64" and base64.b64decode(data) == PNG
    assert image["alt"] == NASTY
    assert [a["href"] for a in elements.attributes("link")] == ["data:,"]
    assert "url(" not in page and "@import" not in page and "<script" not in page


def test_a_wide_table_may_grow_beyond_the_text():
    page = html_page("title", "summary", BLOCKS)
    assert ".caption + .scroll {" in page
    assert re.search(
        r'class="caption">[^<]*</p>\s*<div class="scroll"[^>]*>\s*<table', page
    )


def test_sections_are_linked():
    titles = ["Tables 1 and 2", "Evaluation: a/b_c"]
    elements = _Elements(html_page("title", "", [Heading(t) for t in titles]))
    links = [a["href"] for a in elements.attributes("a")]
    assert links == [f"#{a['id']}" for a in elements.attributes("h2")]
    assert elements.texts("a") == titles


def test_labels_are_set_flush_left_and_quiet_rows_in_grey():
    elements = _Elements(html_page("title", "", BLOCKS))
    for tag, label in (("th", "label"), ("td", "label long")):
        classes = [a.get("class") for a in elements.attributes(tag)]
        assert classes == [label, None] * (len(classes) // 2)
    rows = [a.get("class") for a in elements.attributes("tr")]
    assert rows == [None, None, "quiet"]


def test_page_follows_the_readers_colors():
    style = "".join(_Elements(html_page("title", "", [])).texts("style"))
    dark = re.search(
        r"prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}", style, re.DOTALL
    )
    light = re.search(r":root \{(.*?)\}", style, re.DOTALL)
    names = [set(re.findall(r"--\w+", found.group(1))) for found in (dark, light)]
    assert names[0] == names[1] == set(re.findall(r"var\((--\w+)\)", style))


def test_markdown_escapes_and_sets_in_bold():
    text = markdown_page("a_b", "*", BLOCKS)
    assert text.startswith("# a\\_b\n\n\\*\n")
    escaped = NASTY.replace("<", "\\<")
    assert f"- {escaped}\n- {escaped}\n" in text
    assert f"**{escaped}**" in text
    assert f"![{escaped}](figure.png)" in text and "([CSV](table.csv))" in text
    # Four asterisks with nothing between them would be shown.
    assert "****" not in text


def test_block_that_is_unknown_is_refused():
    class Unknown:
        pass

    with pytest.raises(jinja2.UndefinedError):
        html_page("title", "", [Unknown()])


def test_templates_are_packaged(monkeypatch):
    arguments = {}
    monkeypatch.setattr(setuptools, "setup", arguments.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    patterns = arguments["package_data"]["learned_lr.report"]
    templates = list((ROOT / "learned_lr/report/templates").iterdir())
    assert {path.name for path in templates} >= {"page.html", "style.css"}
    for path in templates:
        name = f"templates/{path.name}"
        assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns), name


def test_a_bar_in_a_cell_is_escaped_once():
    table = Table("name", "Title", ["a|b"], [["c|d"]], [], "", [])
    text = markdown_page("Title", "", [table])
    assert "| a\\|b |" in text and "| c\\|d |" in text
