"""Lists of what to store (--files-from and its two sisters), and the roots that come of them.

What a list names is stored under its whole path: below the current folder's name where the list says it relative to
that, else below 'root'.  So no two things of a list can meet under one name.
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from webraid.errors import ConfigError
from webraid.files.roots import Root, root_for

STDIN = "-"


class ListKind(StrEnum):
    """How a list is written."""

    PATTERNS = "files-from"  # a line each; '*' and '?' as the shell's, '#' begins a comment, empty lines count nothing
    VERBATIM = "files-from-verbatim"  # a line each, as it is
    RAW = "files-from-raw"  # each ends with a NUL byte


def read_list(source: str, kind: ListKind) -> list[bytes]:
    """The paths in a list; '-' is standard input.  Raises ConfigError when it cannot be read or names nothing."""
    try:
        data = sys.stdin.buffer.read() if source == STDIN else Path(source).read_bytes()
    except OSError as error:
        raise ConfigError(f"the list {source!r} cannot be read: {os.strerror(error.errno or 0).lower()}") from error
    end = b"\0" if kind is ListKind.RAW else b"\n"
    parts = data.split(end)
    if kind is ListKind.RAW and parts[-1]:
        raise ConfigError(f"the list {source!r} does not end with a NUL byte: it is not whole")
    found = _patterns(parts) if kind is ListKind.PATTERNS else parts
    return [path for path in found if path]


def _patterns(parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        text = part.strip()
        if not text or text.startswith(b"#"):
            continue
        expanded = os.path.expanduser(text)
        matches = sorted(glob.glob(expanded)) if glob.has_magic(expanded) else [expanded]
        yield from matches or [expanded]  # what matches nothing is told of as missing


def roots_of(paths: Iterable[bytes]) -> list[Root]:
    """What a list names as roots: at most the current folder and the machine's own."""
    here = os.path.realpath(os.fsencode(os.curdir))
    below: dict[bytes, set[bytes]] = {}
    for path in paths:
        whole = _resolved(path)
        near = not os.path.isabs(path) and f"{os.fsdecode(whole)}/".startswith(os.fsdecode(here.rstrip(b"/")) + "/")
        top = here if near else b"/"
        below.setdefault(top, set()).add(whole[len(top) :].strip(b"/"))
    return [
        Root(top, root_for(os.fsdecode(top)).name, frozenset() if b"" in wanted else frozenset(wanted))
        for top, wanted in below.items()
    ]


def _resolved(path: bytes) -> bytes:
    """Absolute, through every symlink but a last one."""
    folder, name = os.path.split(path.rstrip(b"/") or b"/")
    if name in (b"", b".", b".."):
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(folder or os.fsencode(os.curdir)), name)
