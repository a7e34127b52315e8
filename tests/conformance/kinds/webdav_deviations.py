"""What the WebDAV servers under test do otherwise than a disk should.  Each is seen to be still there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from tests.conformance.kind import Deviation
from webraid.backend.base import Backend
from webraid.backend.conformance import Subject
from webraid.backend.conformance.listing import list_during_writes
from webraid.backend.conformance.objects import readers_during_an_overwrite_never_see_a_torn_object
from webraid.backend.conformance.subject import all_together, put
from webraid.errors import ObjectNotFound, Unavailable

PATIENCE = 60.0  # seconds until something that depends on chance must have happened; it takes one or two
NAME = "deviation/gap/a"
REASON = "only hints and damaged shards are ever overwritten with other bytes; a repeated put leaves its object alone"


def _during_overwrites(subject: Subject, gap: Callable[[Backend], bool]) -> bool:
    """Whether ``gap`` is seen by one of three while a fourth overwrites."""
    seen, end = threading.Event(), time.monotonic() + PATIENCE
    with subject.opened() as backend:
        put(backend, NAME, b"0")

    def work(backend: Backend, number: int) -> None:
        turn = 0
        while not seen.is_set() and time.monotonic() < end:
            turn += 1
            with suppress(Unavailable):
                if number == 0:
                    put(backend, NAME, b"%d" % turn)
                elif gap(backend):
                    seen.set()

    all_together(subject, 4, work)
    return seen.is_set()


def _not_found(backend: Backend) -> bool:
    try:
        backend.get(NAME)
    except ObjectNotFound:
        return True
    return False


def _not_listed(backend: Backend) -> bool:
    return not list(backend.list(NAME))


_GAPS = (
    ("an object is missing while it is overwritten", _not_found, readers_during_an_overwrite_never_see_a_torn_object),
    ("a list misses an object that is overwritten", _not_listed, list_during_writes),
)
SHOW_A_GAP = frozenset(check.__name__ for _, _, check in _GAPS)
# RFC 4918, 9.9.3: before a move that overwrites, a server must delete what is there.  nginx renames instead.
DEVIATIONS: tuple[Deviation, ...] = tuple(
    Deviation(kind, name, lambda subject, gap=gap: _during_overwrites(subject, gap), REASON, check=check.__name__)  # type: ignore[misc]
    for kind in ("webdav-wsgidav", "webdav-rclone")
    for name, gap, check in _GAPS
)
