"""Links inside the repository lead somewhere, and every page can be found."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links, name


def _broken(page: Path) -> list[str]:
    text, broken = page.read_text(), []
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        inside = target.is_relative_to(ROOT)
        if (
            not inside
            or not target.exists()
            or (anchor and (target.is_dir() or anchor not in anchors(target.read_text())))
        ):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    assert _broken(page) == []


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    page = ROOT / "docs" / "index.md"
    text = page.read_text()
    assert links("[a](b.md) `[c](d.md)` ![e](f.svg) [`g`](h.md#i)") == ["b.md", "f.svg", "h.md#i"]
    assert anchors("# One word\n## `two` & Three: four\n## One word\n") == {"one-word", "two--three-four", "one-word-1"}
    assert "glossary.md" in links(text)


def test_every_page_is_reached_from_the_readme() -> None:
    """A link to a folder reaches what lies in it."""
    seen: set[Path] = set()
    pending = [ROOT / "README.md"]
    while pending:
        page = pending.pop()
        if page.is_dir():
            pending += page.glob("*.md")
        elif page.suffix == ".md" and page.exists() and page not in seen:
            seen.add(page)
            inside = [link.partition("#")[0] for link in links(page.read_text()) if ":" not in link]
            pending += [(page.parent / link).resolve() for link in inside]
    assert [name(page) for page in PAGES if page not in seen] == []


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").rglob("*.svg")), ids=name)
def test_pictures_are_well_formed_and_tell_what_they_show(picture: Path) -> None:
    root = ElementTree.fromstring(picture.read_text())
    space = {"svg": "http://www.w3.org/2000/svg"}
    assert root.find("svg:title", space) is not None
    assert root.find("svg:desc", space) is not None
    style = root.find("svg:style", space)
    assert style is not None and "prefers-color-scheme: dark" in (style.text or "")
    assert not root.findall(".//svg:script", space) + root.findall(".//svg:image", space)


def test_no_page_names_where_this_checkout_lies() -> None:
    assert [name(page) for page in PAGES if str(ROOT) in page.read_text()] == []
