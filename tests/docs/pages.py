"""The project's pages as tests see them: texts, links, anchors, commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^(```+)[^\n]*\n.*?^\1\s*$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^(?: {4}|\t)[^\n]*\n?)+", re.MULTILINE)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)")


def name(page: Path) -> str:
    """For messages and test ids."""
    return page.relative_to(ROOT).as_posix()


def prose(text: str) -> str:
    """The text without its code."""
    without = _FENCE.sub("", text)
    return re.sub(r"`[^`\n]*`", "", without)


def links(text: str) -> list[str]:
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """What a '#...' in a link may say: headings as GitHub spells them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", _FENCE.sub("", text), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        number, base = 0, slug
        while slug in found:
            number += 1
            slug = f"{base}-{number}"
        found.add(slug)
    return found


def blocks(text: str) -> list[str]:
    """Code blocks, fenced or indented, without their indentation."""
    fenced = [match[0].split("\n", 1)[1].rsplit("\n", 1)[0] for match in _FENCE.finditer(text)]
    indented = [
        re.sub(r"^(?: {4}|\t)", "", match[0], flags=re.MULTILINE) for match in _INDENTED.finditer(_FENCE.sub("", text))
    ]
    return fenced + indented


def commands(text: str) -> Iterator[list[str]]:
    """Every 'webraid ...' command of the text as words: lines of code blocks, and code in the prose."""
    for block in blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield from _commands(line.strip().removeprefix("$ "))
    for code in re.findall(r"`(webraid [^`\n]+)`", _FENCE.sub("", text)):
        yield from _commands(code)


def _commands(line: str) -> Iterator[list[str]]:
    for part in re.split(r"\s(?:&&|\|\||\||;)\s", line):
        if re.match(r"webraid(\s|$)", part):
            yield shlex.split(part.split("  #")[0].split("  (")[0], comments=True)[1:]


def table(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head; cells as text."""
    section = text.split(f"{heading}\n", 1)[1]
    section = re.split(r"^#{1,6} ", section, maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[2:]]
