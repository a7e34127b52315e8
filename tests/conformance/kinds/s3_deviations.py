"""What S3's servers under test do otherwise than S3 says.  Each is seen to be still there, so that the list stays true.

Not in the list, because nothing depends on it any more: 'rclone serve s3' over a folder names a key twice in a listing
while it is overwritten; webraid_s3 takes the second away.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from tests.conformance.kind import Deviation
from webraid.backend.base import Backend, Digest
from webraid.backend.conformance import Subject
from webraid.backend.conformance.subject import all_together, put
from webraid.errors import BackendError, Unavailable
from webraid_s3 import S3Backend, S3Options

WRONG = Digest(sha256="0" * 64, md5="0" * 32)
PATIENCE = 30.0  # seconds until something that depends on chance must have happened; it takes one or two


def _object_below_object(subject: Subject) -> bool:
    with subject.opened() as backend:
        put(backend, "deviation/x", b"1")
        return _fails(lambda: put(backend, "deviation/x/y", b"1"), Unavailable)


def _delete_of_a_folder(subject: Subject) -> bool:
    with subject.opened() as backend:
        put(backend, "deviation/folder/a", b"1")
        return _fails(lambda: backend.delete("deviation/folder"), Unavailable)


def _range_with_200(subject: Subject) -> bool:
    with subject.opened() as backend:
        assert isinstance(backend, S3Backend)
        put(backend, "deviation/range", b"0123")
        answer = backend._client.get_object(Bucket=backend._bucket, Key="deviation/range", Range="bytes=1-2")
        with contextlib.closing(answer["Body"]) as body:
            return (answer["ResponseMetadata"]["HTTPStatusCode"], body.read()) == (200, b"12")


def torn_read(subject: Subject) -> bool:
    """The length of one body with the bytes of another."""
    bodies = (b"a" * 20_000, b"b" * 70_000)
    torn, end = threading.Event(), time.monotonic() + PATIENCE
    with subject.opened() as backend:
        put(backend, "deviation/torn", bodies[0])

    def work(backend: Backend, number: int) -> None:
        turn = 0
        while not torn.is_set() and time.monotonic() < end:
            turn += 1
            with contextlib.suppress(Unavailable):
                if number == 0:
                    put(backend, "deviation/torn", bodies[turn % 2])
                elif backend.get("deviation/torn") not in bodies:
                    torn.set()

    all_together(subject, 4, work)
    return torn.is_set()


def any_keys(subject: Subject) -> bool:
    """Its subject's keys were made up by us."""
    with subject.opened() as backend:
        return put(backend, "deviation/keys", b"0123").size == 4


def wrong_md5_is_stored(subject: Subject) -> bool:
    with subject.opened() as backend:
        with contextlib.suppress(Unavailable):  # our own comparison with the ETag
            backend.put("deviation/md5", b"0123", digest=WRONG)
        return backend.stat("deviation/md5").size == 4


def any_secret(subject: Subject) -> bool:
    """The right key id with another secret is as good."""
    options, access = subject.shown[0], subject.secrets[0]
    assert isinstance(options, S3Options)
    keys = {"access_key": access, "secret_key": "another"}
    with contextlib.closing(S3Backend.connect(options, keys)) as backend:
        return put(backend, "deviation/secret", b"0123").size == 4


def until(seen: Callable[[], bool], seconds: float) -> bool:
    """Whether ``seen`` became true in that time; what depends on chance is tried again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if seen():
            return True
    return False


def _fails(action: Callable[[], object], error: type[BackendError]) -> bool:
    try:
        action()
    except error:
        return True
    return False


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation("s3-rclone", "no object below an object", _object_below_object, "no name of ours is another's folder"),
    Deviation("s3-rclone", "delete of a folder is 500", _delete_of_a_folder, "no name of ours is another's folder"),
    Deviation("s3-rclone", "a range comes with 200", _range_with_200, "Content-Range says what it is"),
    Deviation(
        "s3-rclone",
        "torn reads of what is being overwritten",
        torn_read,
        "only hints are ever overwritten, and a hint is never trusted",
        check="readers_during_an_overwrite_never_see_a_torn_object",
    ),
    Deviation("s3-moto", "takes any keys", any_keys, "keys are tested against rclone and the lab"),
    Deviation("s3-moto", "takes a wrong Content-MD5", wrong_md5_is_stored, "the ETag shows it"),
)
