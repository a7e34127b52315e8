"""Help texts as man pages: roff with the macros of man(7).  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PREFORMATTED = "\b\n"  # how a help text marks a paragraph whose lines stay as they are
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """A man page's content.  ``help``: as typer has it; ``sections``: (title, pairs of term and text) after it."""

    name: str
    title: str
    synopsis: Sequence[str]
    help: str
    sections: Sequence[tuple[str, Sequence[Pair]]] = ()
    see: Sequence[str] = field(default=())


def escape(text: str) -> str:
    """Text so that roff shows it as it is: no escapes, no hyphens where there were minus signs, no macros."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    text = text.replace("^", "\\(ha").replace("~", "\\(ti").replace('"', "\\(dq")
    return "".join(sign if ord(sign) < 128 else f"\\[u{ord(sign):04X}]" for sign in text)


def render(page: Page, version: str) -> str:
    """The page as roff."""
    heading = page.name.replace(" ", "-")
    lines = [
        ".\\\" made by 'webraid man': change the program's help, not this page",
        f'.TH {escape(heading.upper())} 1 "" "webraid {escape(version)}" "WebRAID"',
        ".SH NAME",
        f"{escape(heading)} \\- {escape(page.title)}",
        ".SH SYNOPSIS",
        *(_bold(line) for line in _between(page.synopsis, ".br")),
        ".SH DESCRIPTION",
    ]
    examples: list[str] = []
    for paragraph in _paragraphs(page.help):
        is_example = paragraph.startswith((f"{PREFORMATTED}Example", f"{PREFORMATTED}Five commands"))
        told = _paragraph(paragraph, headless=is_example)
        first = lines[-1].startswith(".SH") and not is_example
        (examples if is_example else lines).extend(told[1:] if first and told[0] == ".PP" else told)
    for title, pairs in page.sections:
        lines += [f".SH {escape(title.upper())}", *_pairs(pairs)] if pairs else []
    lines += [".SH EXAMPLES", *examples] if examples else []
    if page.see:
        lines += [".SH SEE ALSO", ", ".join(f"\\fB{escape(name)}\\fR(1)" for name in page.see)]
    return "\n".join(lines) + "\n"


def _between(lines: Sequence[str], between: str) -> Iterable[str]:
    for i, line in enumerate(lines):
        yield from ((between, line) if i else (line,))


def _bold(line: str) -> str:
    return line if line.startswith(".br") else f"\\fB{escape(line)}\\fR"


def _paragraphs(text: str) -> list[str]:
    return [part for part in re.split(r"\n\s*\n", text.strip("\n")) if part.strip()]


def _paragraph(text: str, *, headless: bool) -> list[str]:
    if not text.startswith(PREFORMATTED):
        return [".PP", *(_line(line) for line in text.splitlines())]
    rows = text.removeprefix(PREFORMATTED).splitlines()
    head = [] if headless else [".PP", _line(rows[0]), ".PP"]
    return [*head, ".nf", ".RS 4", *(_line(row.removeprefix("  ")) for row in rows[1:]), ".RE", ".fi"]


def _line(text: str) -> str:
    shown = escape(text.rstrip())
    return f"\\&{shown}" if shown.startswith((".", "\\(aq")) else shown


def _pairs(pairs: Iterable[Pair]) -> Iterable[str]:
    for term, text in pairs:
        yield from (".TP", f"\\fB{escape(term)}\\fR", _line(" ".join(text.split())) or "\\&")
