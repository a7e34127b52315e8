"""Buckets at OpenStack Swift, through its S3 API."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tests.conformance import servers
from tests.conformance.kind import ANY_FAULT, UNDER_FAULTS, Deviation, Kind, injectors, needing
from tests.conformance.kinds.s3 import s3_subject
from tests.conformance.kinds.s3_deviations import PATIENCE, until
from tests.conformance.servers_swift import swift
from webraid.backend.base import Backend
from webraid.backend.conformance import Subject
from webraid.backend.conformance.subject import put, together


@contextlib.contextmanager
def s3_swift(folder: Path) -> Iterator[Subject]:
    with swift(folder) as server:
        yield s3_subject(server)


@contextlib.contextmanager
def s3_swift_faults(folder: Path) -> Iterator[Subject]:
    with swift(folder) as server, servers.faulty_front(server) as front:
        subject = s3_subject(replace(server, port=front.port), bucket="faults")
        yield replace(subject, faults=injectors(front), requests=front.requests)


def _overtaken(subject: Subject) -> bool:
    """The server answers a put with 200 and without an ETag; the plug-in makes Unavailable of it."""

    def race(backend: Backend, number: int) -> None:
        put(backend, "deviation/overtaken", bytes([number]) * 60_000)

    def one() -> bool:
        raised = together(subject, 16, race)
        return any("does not say that it stored" in str(error) for error in raised)

    return until(one, PATIENCE)


KINDS: Mapping[str, Kind] = {
    "s3-swift": Kind(
        s3_swift, without=ANY_FAULT | needing("caps.usage"), backend="s3", server="OpenStack Swift 2.30", deep=True
    ),
    "s3-faults-swift": Kind(s3_swift_faults, checks=UNDER_FAULTS, backend="s3", deep=True),
}
DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        "s3-swift",
        "a put that a newer one overtook is answered without an ETag",
        _overtaken,
        "it is taken for worth another try, and then is the newest",
    ),
)
