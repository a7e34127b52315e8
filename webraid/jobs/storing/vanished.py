"""The guard against empty sources: what was there the last time and has vanished was hardly deleted on purpose.

A drive that is not mounted looks like an empty folder, and a snapshot of it would let retention throw the good ones
away.  So such a put ends with an error, unless it was said that this is meant.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from webraid.entry import EntryType
from webraid.errors import SourcesUnreadable, WebRAIDError
from webraid.files.problem import display
from webraid.files.roots import Root
from webraid.jobs.base.context import Context
from webraid.jobs.base.pages import Pages
from webraid.jobs.base.snapshots import ordered
from webraid.jobs.storing.before import key_of, last_with, roots_in
from webraid.model import many
from webraid.table.fold import Shot
from webraid.table.tree import walk

MANY = 20  # files: of as many at least, and ...
SHARE = 10  # ... fewer than a tenth being left, it has vanished
WALKED = 1000  # files that are left at most for a PATH among several to be looked at on its own

HINT = "Is a drive not mounted? If it is meant (files deleted, or left out now), say so once with --allow-empty."


def refuse_missing(ctx: Context, roots: Sequence[Root], host: str, source: str) -> None:
    """Before anything is read: raises SourcesUnreadable when a root stored before is not there any more, or empty.

    ``source``: the config's name for them, '' for PATHs.
    """
    for root in roots:
        if root.only or not _gone(root):
            continue
        shot = _last(ctx, host, root)
        if shot is not None and _files(ctx, shot, root, 1):
            what = "is not there any more" if not os.path.lexists(root.path) else "is empty"
            text = f"{_called(root, roots, source)} {what}, and snapshot {shot.name} has files of it"
            raise SourcesUnreadable(f"{text}: nothing was stored of it", hint=HINT)


def refuse_shrunk(ctx: Context, roots: Sequence[Root], host: str, source: str, kept: Mapping[bytes, int]) -> None:
    """After everything was looked at: raises SourcesUnreadable when hardly anything is left of a root.

    ``kept``: name of a root -> files found in it.
    """
    for root in roots:
        left = kept.get(root.name, 0)
        shot = _last(ctx, host, root) if not root.only else None
        if shot is None or shot.info.files <= SHARE * left:
            continue
        enough = max(MANY, SHARE * left + 1) if left else 1
        had = _files(ctx, shot, root, enough) if left < WALKED or len(shot.info.roots) == 1 else 0
        if had >= enough:
            what = f"{_called(root, roots, source)} had {many(had, 'file')} or more in snapshot {shot.name}"
            raise SourcesUnreadable(f"{what}, and {left or 'none'} are left: nothing was stored of it", hint=HINT)


def refuse_empty_stream(ctx: Context, root: Root, host: str, size: int) -> None:
    """Raises SourcesUnreadable when a stream that had content the last time has none."""
    shot = last_with(ctx, host, root)
    if not size and shot is not None and shot.info.size:
        text = f"the stream was empty, and snapshot {shot.name} has {shot.info.size:,} bytes of it: nothing was stored"
        raise SourcesUnreadable(
            text, hint="Look at what should have written it. If it is meant, say so: --allow-empty."
        )


def _last(ctx: Context, host: str, root: Root) -> Shot | None:
    """What was stored of the root the last time: the newest whole snapshot, or what interrupted puts have stored since
    then, whichever holds more.  A drive may have failed in the middle of the very first put."""
    shots = [shot for shot in ordered(ctx) if shot.info.host == host and key_of(root) in roots_in(shot)]
    whole = max((i for i, shot in enumerate(shots) if not shot.info.partial), default=0)
    return max(shots[whole:], key=lambda shot: shot.info.files, default=None)


def _called(root: Root, roots: Sequence[Root], source: str) -> str:
    """How an error calls it: errors of sources go into mails and logs, where no name of a file belongs."""
    if not source:
        return display(root.path)
    paths = sorted(roots, key=lambda root: root.name)
    return f"source {source}" if len(roots) == 1 else f"path {paths.index(root) + 1} of {len(roots)} of source {source}"


def _gone(root: Root) -> bool:
    try:
        with os.scandir(root.path) as found:
            return next(found, None) is None
    except NotADirectoryError:
        return False
    except FileNotFoundError:
        return True
    except OSError:
        return False  # it is there; what is wrong with it comes out when it is read


def _files(ctx: Context, shot: Shot, root: Root, enough: int) -> int:
    """How many files a snapshot has of a root; counted no further than ``enough``."""
    if len(shot.info.roots) == 1:
        return shot.info.files
    count = 0
    try:
        for entry in walk(shot.info.root, Pages(ctx), under=[root.name]):
            count += entry.type is EntryType.FILE
            if count >= enough:
                break
    except WebRAIDError:
        return count  # its pages cannot be read now: what was counted must do, and 'check' tells of them
    return count
