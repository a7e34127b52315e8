"""The options that choose, the same in every command that takes them: snapshots by --host, --path and --tag, disks by
--backend."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from webraid.jobs.base.snapshots import Which
    from webraid.table.fold import Shot

HOSTS = Annotated[
    list[str] | None, typer.Option("--host", metavar="HOST", help="Only snapshots made on this machine (repeatable).")
]
HOSTS_H = Annotated[
    list[str] | None,
    typer.Option("--host", "-H", metavar="HOST", help="Only snapshots made on this machine (repeatable)."),
]
PATHS = Annotated[
    list[str] | None,
    typer.Option("--path", metavar="FOLDER", help="Only snapshots of this folder, where it lay (repeatable)."),
]
TAGS = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG[,TAG]", help="Only snapshots with this tag; 'a,b': with both (repeatable)."),
]

BACKENDS = Annotated[list[str] | None, typer.Option("--backend", metavar="DISK", help="Only this disk (repeatable).")]


def which(host: Sequence[str] | None, path: Sequence[str] | None, tag: Sequence[str] | None) -> Which:
    """The three together; folders absolute, as snapshots know them."""
    from webraid.jobs.base.snapshots import Which

    paths = [os.fsencode(os.path.abspath(os.path.expanduser(one))) for one in path or []]
    return Which.of(host or [], paths, tag or [])


def origins(shot: Shot) -> str:
    """Where a snapshot's folders lay, in one line."""
    return " ".join(root.origin.decode("utf-8", "backslashreplace") for root in shot.info.roots)
