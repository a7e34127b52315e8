"""The places a put starts from, and the names they are stored under."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from webraid.errors import ConfigError
from webraid.files.problem import display
from webraid.files.safepath import why_unsafe_path


@dataclass(frozen=True, slots=True)
class Root:
    """``path``: absolute, where to read.  ``name``: one path part, how it is called in the snapshot.  ``only``: paths
    below it that alone are stored, each with all that is in it; none: everything."""

    path: bytes = field(repr=False)
    name: bytes = field(repr=False)
    only: frozenset[bytes] = field(default=frozenset(), repr=False)


def root_for(path: str | os.PathLike[str]) -> Root:
    """A path of the command line as a root.

    It is stored under its base name as typed ('photos/' is 'photos').  Where there is none ('.', '..', 'a/..') the
    real folder's name counts; '/' is stored as 'root'.  A path that is a symlink is followed, this once: what it points
    to is stored under the symlink's name.  Symlinks further down are never followed.
    """
    if not os.fspath(path):
        raise ConfigError("a path is empty", hint="Is a variable of your script not set?  '.' is this folder.")
    real = Path(os.path.realpath(path))
    typed = os.fspath(path).rstrip("/").rpartition("/")[2]
    name = typed if typed not in ("", ".", "..") else real.name or "root"
    return Root(os.fsencode(real), os.fsencode(name))


def roots_for(paths: Iterable[str | os.PathLike[str]]) -> list[Root]:
    """All roots of a command line; one that is given twice counts once.  Raises ConfigError, see ``check_roots``."""
    return check_roots(dict.fromkeys(root_for(path) for path in paths))


def check_roots(roots: Iterable[Root]) -> list[Root]:
    """The roots by name.  Raises ConfigError when two share a name, or a name is no single path part."""
    ordered = sorted(roots, key=lambda root: root.name)
    for root in ordered:
        if b"/" in root.name or why_unsafe_path(root.name):
            raise ConfigError(f"nothing can be stored under the name {display(root.name)!r}")
    for one, other in pairwise(ordered):
        if one.name == other.name:
            raise ConfigError(
                f"{display(one.path)} and {display(other.path)} would both be stored as {display(one.name)!r}",
                hint="Put them in two runs, put a folder that holds both, or give one of them through a symlink "
                "with another name.",
            )
    return ordered
