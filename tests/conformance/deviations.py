"""What the servers under test do otherwise than S3 says.  Each is seen to be still there, so that the list stays true.

Not in the list because it depends on chance: 'rclone serve s3' over a folder names a key twice in a listing while it is
overwritten (webraid_s3 takes the second away), and now and then breaks off a get of such a key (Unavailable).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from webraid.backend.base import Backend, Digest
from webraid.errors import BackendError, Unavailable
from webraid_s3 import S3Backend

WRONG = Digest(sha256="0" * 64, md5="0" * 32)


@dataclass(frozen=True)
class Deviation:
    """``seen``: true while the server of ``kind`` behaves so.  ``reason``: why we can live with it."""

    kind: str
    name: str
    seen: Callable[[Backend], bool]
    reason: str


def _object_below_object(backend: Backend) -> bool:
    name = "deviation/x"
    _put(backend, name)
    return _fails(lambda: _put(backend, f"{name}/y"), Unavailable)


def _delete_of_a_folder(backend: Backend) -> bool:
    _put(backend, "deviation/folder/a")
    return _fails(lambda: backend.delete("deviation/folder"), Unavailable)


def _range_with_200(backend: Backend) -> bool:
    _put(backend, "deviation/range")
    answer = _client(backend).get_object(Bucket="conformance", Key="deviation/range", Range="bytes=1-2")
    with contextlib.closing(answer["Body"]) as body:
        return (answer["ResponseMetadata"]["HTTPStatusCode"], body.read()) == (200, b"12")


def _any_keys(backend: Backend) -> bool:
    """Its subject's keys were made up by us."""
    _put(backend, "deviation/keys")
    return backend.stat("deviation/keys").size == 4


def _wrong_md5_is_stored(backend: Backend) -> bool:
    with contextlib.suppress(Unavailable):  # our own comparison with the ETag
        backend.put("deviation/md5", b"0123", digest=WRONG)
    return backend.stat("deviation/md5").size == 4


def _put(backend: Backend, name: str) -> None:
    backend.put(name, b"0123", digest=Digest(sha256="0" * 64))


def _fails(action: Callable[[], object], error: type[BackendError]) -> bool:
    try:
        action()
    except error:
        return True
    return False


def _client(backend: Backend):
    assert isinstance(backend, S3Backend)
    return backend._client


DEVIATIONS = (
    Deviation("s3-rclone", "no object below an object", _object_below_object, "no name of ours is another's folder"),
    Deviation("s3-rclone", "delete of a folder is 500", _delete_of_a_folder, "no name of ours is another's folder"),
    Deviation("s3-rclone", "a range comes with 200", _range_with_200, "Content-Range says what it is"),
    Deviation("s3-moto", "takes any keys", _any_keys, "keys are tested against rclone and the lab"),
    Deviation("s3-moto", "takes a wrong Content-MD5", _wrong_md5_is_stored, "the ETag shows it"),
)
