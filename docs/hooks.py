"""Hooks of `mkdocs build`: shows what pages link to outside docs/, and refuses pages that fetch from other hosts.

May import MkDocs, inside the functions that need it, so that the tests can import this without it.
"""

from __future__ import annotations

import html.parser
import logging
import pathlib
import posixpath
import re

_DOCS = "docs/"
# What a browser shows by itself; of other files a page names the path.
_SHOWN = (".md", ".png", ".csv")
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
# Attributes whose address a browser fetches by itself, by element.
_FETCHED = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "video": ("src", "poster"),
}
# Links of a page's head that only say where something is.
_NOT_FETCHED = {"alternate", "author", "canonical", "edit", "license", "next", "prev"}
_OTHER_HOST = re.compile(r"^\s*(?:https?:)?//", re.IGNORECASE)
_STYLE_ADDRESS = re.compile(
    r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE
)


def repository_links(markdown: str, path: str) -> dict[str, str]:
    """Returns the relative links of a page that lead elsewhere than it lies in the site.

    Args:
      markdown: the text of the page.
      path: its path in the repository.

    Returns:
      The repository path of each link that leads out of docs/, or from elsewhere anywhere.
    """
    links = {}
    for link in _LINK.findall(markdown):
        address = link.partition("#")[0]
        if not address or "://" in address or address.startswith("mailto:"):
            continue
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), address))
        if not (path.startswith(_DOCS) and target.startswith(_DOCS)):
            links[link] = target
    return links


def site_path(path: str) -> str:
    """Returns the path in the site of a path in the repository: docs/ is the site's root."""
    return path.removeprefix(_DOCS)


def with_site_links(markdown: str, path: str) -> str:
    """Returns a page with the links it has in the repository led to where they are in the site."""
    links = repository_links(markdown, path)
    folder = posixpath.dirname(site_path(path)) or "."

    def replaced(match):
        link = match.group(1)
        if link not in links:
            return link
        anchor = link.partition("#")[1:]
        return posixpath.relpath(site_path(links[link]), folder) + "".join(anchor)

    return _LINK.sub(replaced, markdown)


class _Fetches(html.parser.HTMLParser):
    """Collects what a browser fetches from other hosts when it shows a page."""

    def __init__(self):
        super().__init__()
        self.addresses: list[str] = []
        self._is_style = False

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        self._is_style = tag == "style"
        relations = set(attributes.get("rel", "").lower().split())
        if not (tag == "link" and relations and relations <= _NOT_FETCHED):
            names = _FETCHED.get(tag, ())
            values = [attributes[name] for name in names if name in attributes]
            self.addresses += [v.strip() for v in values if _OTHER_HOST.match(v)]
        self.addresses += _STYLE_ADDRESS.findall(attributes.get("style", ""))

    def handle_endtag(self, tag):
        self._is_style = False

    def handle_data(self, data):
        if self._is_style:
            self.addresses += _STYLE_ADDRESS.findall(data)


def other_hosts(path: pathlib.Path) -> list[str]:
    """Returns the addresses on other hosts that a browser fetches for an HTML or CSS file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".css":
        return _STYLE_ADDRESS.findall(text)
    parser = _Fetches()
    parser.feed(text)
    return parser.addresses


def check_site(site_dir: str) -> None:
    """Checks that no page fetches anything from another host.

    Raises:
      ValueError: with the files and addresses that do.
    """
    found = [
        f"- {path}: {address}"
        for path in sorted(pathlib.Path(site_dir).rglob("*"))
        if path.suffix in (".html", ".css")
        for address in other_hosts(path)
    ]
    if found:
        raise ValueError("\n".join(["Expected no other hosts, found:", *found]))


def on_files(files, config):
    """Adds the files that pages link to outside docs/, and those that these link to."""
    from mkdocs.structure.files import File, InclusionLevel

    root = pathlib.Path(config.config_file_path).parent
    waiting = [_DOCS + file.src_uri for file in files.documentation_pages()]
    known = set(waiting)
    while waiting:
        path = waiting.pop()
        text = (root / path).read_text(encoding="utf-8")
        for target in repository_links(text, path).values():
            is_shown = target.endswith(_SHOWN) and (root / target).is_file()
            if target in known or not is_shown or target.startswith(_DOCS):
                continue
            known.add(target)
            is_page = target.endswith(".md")
            level = InclusionLevel.NOT_IN_NAV if is_page else InclusionLevel.INCLUDED
            files.append(
                File.generated(
                    config, target, abs_src_path=str(root / target), inclusion=level
                )
            )
            if is_page:
                waiting.append(target)
    return files


def on_page_markdown(markdown, page, config, files):
    """Leads the links of the repository to where the files are in the site."""
    is_outside = page.file.generated_by is not None
    path = page.file.src_uri if is_outside else _DOCS + page.file.src_uri
    return with_site_links(markdown, path)


def on_post_build(config):
    """Checks the built site."""
    try:
        check_site(config.site_dir)
    except ValueError as error:
        # A logged error ends a strict build, and its message is shown without a traceback.
        logging.getLogger("mkdocs.hooks").error(str(error))
