"""What the pages hold: blocks of code, commands, code within sentences, links and headings."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [
        ROOT / "README.md",
        ROOT / "WORKSPACE_NOTES.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)


@dataclasses.dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
      page: path of the page, from the root of the repository.
      line: the number of its first line of code.
      language: what stands behind the fence; '' if nothing does.
      text: the code.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def read(page: str) -> str:
    """Returns the text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def split(page: str, text: str) -> tuple[list[Block], str]:
    """Returns the fenced blocks of a page and the text without them.

    Raises:
      ValueError: if a fence is not closed.
    """
    blocks, rest, fence = [], [], None
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.match(r"\s*(```+|~~~+)\s*(\S*)", line)
        if fence is None and match:
            fence, language, start, code = match.group(1), match.group(2), number, []
        elif fence is None:
            rest.append(line)
        elif line.strip() == fence:
            blocks.append(Block(page, start + 1, language, "\n".join(code) + "\n"))
            fence = None
        else:
            code.append(line)
    if fence is not None:
        raise ValueError(f"Expected {fence} that closes {page}:{start}, found none.")
    return blocks, "\n".join(rest)


def blocks(language: str | None = None) -> list[Block]:
    """Returns the blocks of all pages, or those of one language."""
    found = [block for page in PAGES for block in split(page, read(page))[0]]
    return [block for block in found if language in (None, block.language)]


def commands(text: str) -> list[list[str]]:
    """Returns the words of each command of a shell block, comments left out."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def prose(page: str) -> str:
    """Returns a page without its blocks."""
    return split(page, read(page))[1]


def inline_code(page: str) -> list[str]:
    """Returns the code within the sentences and tables of a page, line breaks as blanks."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(page))]


def links(page: str) -> list[str]:
    """Returns where the links and pictures of a page lead."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchors(page: str) -> set[str]:
    """Returns the anchors of the headings of a page, as MkDocs and code hosts make them."""
    headings = re.findall(r"^#+ +(.+)$", prose(page), flags=re.MULTILINE)
    return {
        re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
        for heading in headings
    }
