"""Buckets at npm's s3rver: a server that breaks promises, kept to see that the suite notices.  Not for data.

Each failure is listed below and seen to happen.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.conformance.kind import ANY_FAULT, Deviation, Kind, needing
from tests.conformance.kinds.s3 import s3_subject
from tests.conformance.kinds.s3_deviations import PATIENCE, any_secret, torn_read, until, wrong_md5_is_stored
from tests.conformance.servers_s3rver import s3rver
from webraid.backend.base import Backend
from webraid.backend.conformance import Subject
from webraid.backend.conformance.listing import list_during_writes, list_longer_than_a_page
from webraid.backend.conformance.objects import (
    prepare_may_be_called_again,
    readers_during_an_overwrite_never_see_a_torn_object,
    sixteen_threads_putting_one_name_leave_one_whole_object,
)
from webraid.backend.conformance.promises import a_range_is_exact_or_an_error, put_is_whole_or_not_at_all
from webraid.backend.conformance.subject import all_together, put, together
from webraid.errors import ObjectNotFound, Unavailable
from webraid_s3 import S3Backend

KIND = "s3-s3rver"


@contextlib.contextmanager
def s3_s3rver(folder: Path) -> Iterator[Subject]:
    with s3rver(folder) as server:
        yield s3_subject(server)


def _half_of_a_put(subject: Subject) -> bool:
    body = bytes(1 << 20)
    torn, turns = threading.Event(), iter(range(1 << 30))

    def work(backend: Backend, number: int, name: str) -> None:
        if number == 0:
            put(backend, name, body)
            return
        for _ in range(50):
            with contextlib.suppress(ObjectNotFound, Unavailable):
                if backend.get(name) != body:
                    torn.set()

    def once() -> bool:
        name = f"deviation/half/{next(turns)}"
        all_together(subject, 4, lambda backend, number: work(backend, number, name))
        return torn.is_set()

    return until(once, PATIENCE)


def _range_to_byte_0(subject: Subject) -> bool:
    """'bytes=0-0' is the first byte; it sends all."""
    with subject.opened() as backend:
        assert isinstance(backend, S3Backend)
        put(backend, "deviation/range", b"0123")
        answer = backend._client.get_object(Bucket=backend._bucket, Key="deviation/range", Range="bytes=0-0")
        with contextlib.closing(answer["Body"]) as body:
            return bool(body.read() == b"0123")


def _cut_listing(subject: Subject) -> bool:
    """A listing that does not fit on one page ends in 500."""
    with subject.opened() as backend:
        assert isinstance(backend, S3Backend)
        for name in ("deviation/cut/a", "deviation/cut/b"):
            put(backend, name, b"1")
        try:
            backend._call("list_objects_v2", Prefix="deviation/cut/", MaxKeys=1)
        except Unavailable as error:
            return error.provider_code == "InternalError"
        return False


def _mixed_up_puts(subject: Subject) -> bool:
    bodies = [bytes([number]) * (60_000 + number) for number in range(16)]

    def once() -> bool:
        together(subject, 16, lambda backend, number: _put(backend, bodies[number]))
        with subject.opened() as backend:
            try:
                return backend.get("deviation/mixed") not in bodies
            except Unavailable:  # another length than it announced
                return True

    return until(once, PATIENCE)


def _put(backend: Backend, body: bytes) -> None:
    put(backend, "deviation/mixed", body)


def _listing_beside_puts(subject: Subject) -> bool:
    """What is written while it is listed makes the listing 500, now and then."""
    names = [f"deviation/list/{number}" for number in range(60)]
    failed, end = threading.Event(), time.monotonic() + PATIENCE
    with subject.opened() as backend:
        for name in names:
            put(backend, name, b"1")

    def work(backend: Backend, number: int) -> None:
        turn = 0
        while not failed.is_set() and time.monotonic() < end:
            turn += 1
            if number:
                with contextlib.suppress(Unavailable):
                    put(backend, names[turn % 60], b"1")
                    if number == 1:
                        backend.delete(names[turn % 60])
                continue
            try:
                list(backend.list("deviation/list/"))
            except Unavailable:
                failed.set()

    all_together(subject, 4, work)
    return failed.is_set()


_WHY = "no disk of yours should be one: WebRAID's own hashes would find it and another disk serve instead"
_LIST_WHY = "a listing that fails is an error, never an empty disk"
_SEEN = (
    ("shows half of an object that is being put", _half_of_a_put, put_is_whole_or_not_at_all, _WHY),
    ("takes the end 0 of a range for none", _range_to_byte_0, a_range_is_exact_or_an_error,
     "Content-Range shows it: ProtocolError, never other bytes"),
    ("a listing that is cut ends in 500, so prepare does", _cut_listing, prepare_may_be_called_again, _LIST_WHY),
    ("a listing that is cut ends in 500", _cut_listing, list_longer_than_a_page, _LIST_WHY),
    ("puts of one name at once are mixed up", _mixed_up_puts,
     sixteen_threads_putting_one_name_leave_one_whole_object, _WHY),
    ("torn reads of what is being overwritten", torn_read, readers_during_an_overwrite_never_see_a_torn_object, _WHY),
    ("a listing beside puts ends in 500", _listing_beside_puts, list_during_writes, _LIST_WHY),
)  # fmt: skip

KINDS: Mapping[str, Kind] = {
    KIND: Kind(
        s3_s3rver,
        without=ANY_FAULT | needing("caps.usage"),
        deviates=frozenset(check.__name__ for *_, check, _ in _SEEN),
        backend="s3",
        server="s3rver 3.7.1",
        deep=True,
    ),
}
DEVIATIONS: tuple[Deviation, ...] = (
    *(Deviation(KIND, name, seen, why, check=check.__name__) for name, seen, check, why in _SEEN),
    Deviation(KIND, "takes any secret", any_secret, "keys are tested against rclone, Swift and the lab"),
    Deviation(KIND, "takes a wrong Content-MD5", wrong_md5_is_stored, "the ETag shows it"),
)
