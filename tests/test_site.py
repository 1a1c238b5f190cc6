"""The site of docs/: it shows what its pages link to, and asks no other host for anything."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import types

import documents
import pytest
from documents import ROOT


def _load(name):
    """Imports a module of docs/, which is no package; MkDocs and Griffe need not be there."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks = _load("hooks")
griffe_examples = _load("griffe_examples")
MKDOCS = ROOT / ".venv-docs" / "bin" / "mkdocs"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<script src="https://a.example/x.js"></script>', ["https://a.example/x.js"]),
        ('<script src="//a.example/x.js"></script>', ["//a.example/x.js"]),
        ('<link rel="stylesheet" href="HTTP://a.example/x">', ["HTTP://a.example/x"]),
        ('<link rel="preconnect" href="https://a.example">', ["https://a.example"]),
        ('<link href="https://a.example">', ["https://a.example"]),
        ('<img src="https://a.example/x.png">', ["https://a.example/x.png"]),
        ('<p style="background: url(//a.example/x)">', ["//a.example/x"]),
        ("<style>@import 'https://a.example/x';</style>", ["https://a.example/x"]),
        ("<style>a {src: url('https://a.example/f')}</style>", ["https://a.example/f"]),
        ('<a href="https://a.example">what one follows</a>', []),
        ('<link rel="canonical" href="https://a.example/page">', []),
        ('<script src="assets/x.js"></script><img src="../x.png">', []),
        ("<p>url(https://a.example) in a sentence</p>", []),
    ],
)
def test_addresses_that_a_page_fetches(tmp_path, html, expected):
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    assert hooks.other_hosts(tmp_path / "page.html") == expected
    if expected:
        with pytest.raises(ValueError, match=re.escape(expected[0])):
            hooks.check_site(str(tmp_path))
    else:
        hooks.check_site(str(tmp_path))


def test_addresses_that_a_style_fetches(tmp_path):
    path = tmp_path / "style.css"
    path.write_text("a {b: url(x.svg)} @import url('https://a.example/y');")
    assert hooks.other_hosts(path) == ["https://a.example/y"]


@pytest.mark.parametrize(
    ("path", "link", "expected"),
    [
        ("docs/page.md", "../results/x/a.png", "results/x/a.png"),
        ("docs/page.md", "../results/x/README.md#b", "results/x/README.md#b"),
        ("docs/api/page.md", "../../WORKSPACE_NOTES.md", "../WORKSPACE_NOTES.md"),
        ("docs/page.md", "other.md#anchor", "other.md#anchor"),
        ("docs/api/page.md", "../other.md", "../other.md"),
        ("results/x/README.md", "../y/README.md", "../y/README.md"),
        ("WORKSPACE_NOTES.md", "docs/page.md", "page.md"),
        (
            "docs/page.md",
            "https://a.example/docs/page.md",
            "https://a.example/docs/page.md",
        ),
        ("docs/page.md", "#anchor", "#anchor"),
    ],
)
def test_links_lead_to_the_same_file_in_the_site(path, link, expected):
    text = f"A [name]({link}) and ![picture]({link})."
    changed = f"A [name]({expected}) and ![picture]({expected})."
    assert hooks.with_site_links(text, path) == changed


@pytest.mark.parametrize("page", [p for p in documents.PAGES if p.startswith("docs/")])
def test_site_shows_what_pages_link_to(page):
    for target in hooks.repository_links(documents.prose(page), page).values():
        assert target.endswith((".md", ".png", ".csv")), target
        assert (ROOT / target).is_file(), target


def test_examples_in_docstrings_are_code():
    docstring = "Does it.\n\nExample:\n  if a:\n    b()\n\n  c()\n\nArgs:\n  a: it."
    expected = (
        "Does it.\n\n**Example:**\n\n```python\nif a:\n  b()\n\nc()\n```\n\n"
        "Args:\n  a: it."
    )
    assert griffe_examples.with_code(docstring) == expected
    assert griffe_examples.with_code("No Example: here.") == "No Example: here."


def test_reference_has_every_room():
    rooms = {
        f"learned_lr.{path.parent.name}"
        for path in (ROOT / "learned_lr").glob("*/__init__.py")
    }
    pages = [p for p in documents.PAGES if p.startswith("docs/api/")]
    shown = {
        name
        for page in pages
        for name in re.findall(r"^::: (\S+)$", documents.read(page), re.MULTILINE)
    }
    assert shown == rooms | {"official_resnet", "learned_lr.launch"}


def test_every_family_is_on_the_page_of_comparisons():
    modules = "schedule_families", "controller_pools"
    source = "".join(documents.read(f"learned_lr/jobs/{name}.py") for name in modules)
    families = set(re.findall(r'^@gin.register\("(\w+)"\)', source, re.MULTILINE))
    assert len(families) > 10
    named = {c[1:] for c in documents.inline_code("docs/comparing.md") if c[0] == "@"}
    assert named == families


@pytest.mark.smoke
@pytest.mark.skipif(not MKDOCS.exists(), reason="`make docs` makes the environment")
def test_strict_build(tmp_path):
    done = subprocess.run(
        [str(MKDOCS), "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    hooks.check_site(str(site))
    assert (site / "results" / "digits_cnn" / "schedule.png").is_file()
    assert not list(site.rglob("*.py")) and not list(site.rglob("requirements.txt"))
    figure = (
        "results/paper/evaluate/cifar10_lenet5/cifar10_lenet5_contenders/schedule.png"
    )
    assert f'src="{figure}"' in (site / "results.html").read_text(encoding="utf-8")
    reference = (site / "api" / "control.html").read_text(encoding="utf-8")
    assert 'id="learned_lr.control.controller.Controller.act"' in reference


def test_build_ends_with_the_check(tmp_path, caplog):
    config = types.SimpleNamespace(site_dir=str(tmp_path))
    hooks.on_post_build(config)
    assert caplog.records == []
    (tmp_path / "page.html").write_text('<img src="//a.example/x">', encoding="utf-8")
    hooks.on_post_build(config)
    # A strict build ends on anything from a warning on.
    assert [r.levelname for r in caplog.records if "a.example" in r.message] == [
        "ERROR"
    ]
