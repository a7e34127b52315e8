"""webraid_s3: puts and gets, also with answers that are not as they should be."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tracemalloc
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance import servers
from tests.conformance.canned import KEYS, Answer, Canned
from tests.conformance.canned import s3_options as options
from tests.pool.gate import gate
from webraid.backend.base import Digest
from webraid.backend.conformance import Subject
from webraid.backend.conformance.subject import digest_of
from webraid.errors import (
    ProtocolError,
    Unavailable,
)
from webraid.model import MIB
from webraid_s3 import S3Backend, S3Options

NO_VERSIONS = Answer(body=b"<ListVersionsResult><Name>b</Name></ListVersionsResult>")
SubjectOf = Callable[[str], Subject]


def etag(data: bytes, **more: str) -> Answer:
    return Answer(headers={"ETag": f'"{hashlib.md5(data).hexdigest()}"', **more})


# --------------------------------------------------------------------------------------------------------------- puts
def test_a_put_sends_its_md5_and_the_bytes_as_they_are(canned: Canned, bucket: S3Backend) -> None:
    buffer = bytearray(b"0123456789" * 1000)
    for data in (bytes(buffer), buffer, memoryview(buffer), memoryview(buffer)[10:20], memoryview(b"")):
        canned.answers[:] = [etag(bytes(data), **{"x-amz-version-id": "v1"}), NO_VERSIONS]
        stored = bucket.put("a/b", data, digest=digest_of(bytes(data)))
        assert (stored.name, stored.size, stored.verified, stored.version) == ("a/b", len(data), True, "v1")
        method, path, body = canned.seen[-2]
        assert (method, path, body) == ("PUT", "/b/p/a/b", bytes(data))
        assert canned.headers[-2]["content-md5"] == b64encode(hashlib.md5(data).digest()).decode()
        assert "expect" not in canned.headers[-2]


def test_a_put_copies_no_bytes_and_a_get_holds_them_once(subject_of: SubjectOf) -> None:
    data = memoryview(bytearray(16 * MIB))[1:]
    digest = digest_of(data)
    with subject_of("s3-lab").opened() as backend:
        backend.put("big", data, digest=digest)
        tracemalloc.start()
        try:
            backend.put("big", data, digest=digest)
            put_peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            body = backend.get("big")
            get_peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert body == data
        assert put_peak < MIB
        assert get_peak < 17 * MIB


def test_an_etag_that_matched_once_is_held_to_it(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [etag(b"one"), etag(b"other")]
    assert bucket.put("a", b"one", digest=digest_of(b"one")).verified
    with pytest.raises(Unavailable, match="other bytes"):
        bucket.put("a", b"two", digest=digest_of(b"two"))


def test_an_etag_that_never_matched_is_no_hash_and_no_error(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [etag(b"salted")]
    stored = bucket.put("a", b"one", digest=digest_of(b"one"))
    assert (stored.verified, stored.hashes) == (False, ())
    assert bucket.stat("a").hashes == ()


@pytest.mark.parametrize(
    "more", [{"x-amz-server-side-encryption": "aws:kms"}, {"x-amz-server-side-encryption-customer-algorithm": "AES256"}]
)
def test_an_encrypted_objects_etag_only_looks_like_an_md5(
    more: dict[str, str], canned: Canned, bucket: S3Backend
) -> None:
    canned.answers[:] = [etag(b"one"), etag(b"whatever", **more)]
    assert bucket.put("a", b"one", digest=digest_of(b"one")).verified
    stored = bucket.put("a", b"two", digest=digest_of(b"two"))
    assert (stored.verified, stored.hashes) == (False, ())


def test_where_the_provider_is_known_for_it_a_strange_etag_is_an_error_at_once(canned: Canned) -> None:
    backend = S3Backend.connect(options(endpoint=canned.endpoint, provider="r2"), KEYS)
    canned.answers[:] = [etag(b"other")]
    with pytest.raises(Unavailable, match="other bytes"):
        backend.put("a", b"two", digest=digest_of(b"two"))
    backend.close()


def test_a_put_without_an_md5_is_not_verified(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [etag(b"one")]
    assert not bucket.put("a", b"one", digest=Digest("0" * 64)).verified
    assert "content-md5" not in canned.headers[-1]


def test_a_page_that_says_ok_to_everything_is_no_s3_server(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [Answer(body=b"<html>Please log in to the hotel's network</html>")]
    with pytest.raises(ProtocolError, match="no S3 server"):
        bucket.put("a", b"one", digest=digest_of(b"one"))
    for action in (lambda: list(bucket.list("")), bucket.prepare):
        with pytest.raises(ProtocolError, match="no S3 server"):
            action()


# --------------------------------------------------------------------------------------------------------------- gets
@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (Answer(206, b"3456", {"Content-Range": "bytes 3-6/10"}), b"3456"),
        (Answer(206, b"3456", {"Content-Range": "bytes 3-6/*"}), b"3456"),
        (Answer(206, b"3456"), b"3456"),
        (Answer(200, b"3456", {"Content-Range": "bytes 3-6/10"}), b"3456"),
        (Answer(200, b"0123456789"), b"3456"),
        (Answer(200, b"0123456"), b"3456"),
        (Answer(206, b"0123", {"Content-Range": "bytes 0-3/10"}), ProtocolError),
        (Answer(206, b"345", {"Content-Range": "bytes 3-5/6"}), ProtocolError),
        (Answer(206, b"34567", {"Content-Range": "bytes 3-6/10"}), ProtocolError),
        (Answer(206, b"345"), ProtocolError),
        (Answer(200, b"3456"), ProtocolError),
        (Answer(200, b"012345"), ProtocolError),
        (Answer(206, b"34", {"Content-Range": "bytes 3-6/10"}, length="4"), Unavailable),
        (Answer(200, b"012345", length="10"), Unavailable),
        (Answer(200, b"0123456789", length="none"), ProtocolError),
    ],
)
def test_a_range_is_what_was_asked_for_or_an_error(
    answer: Answer, wanted: Any, canned: Canned, bucket: S3Backend
) -> None:
    canned.answers[:] = [answer]
    if isinstance(wanted, bytes):
        assert bucket.get("a", offset=3, size=4) == wanted
    else:
        with pytest.raises(wanted):
            bucket.get("a", offset=3, size=4)
    assert canned.headers[-1]["range"] == "bytes=3-6"


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (Answer(200, b"0123"), b"0123"),
        (Answer(200, b""), b""),
        (Answer(206, b"01", {"Content-Range": "bytes 0-1/4"}), ProtocolError),
        (Answer(200, b"0123", length="none"), ProtocolError),
        (Answer(200, b"01", length="4"), Unavailable),
    ],
)
def test_the_whole_is_the_whole_or_an_error(answer: Answer, wanted: Any, canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [answer]
    if isinstance(wanted, bytes):
        assert bucket.get("a") == wanted
    else:
        with pytest.raises(wanted):
            bucket.get("a")


def test_negative_ranges_are_refused_before_anything_is_sent(canned: Canned, bucket: S3Backend) -> None:
    for offset, size in ((-1, 1), (0, -1)):
        with pytest.raises(ProtocolError):
            bucket.get("a", offset=offset, size=size)
    assert not canned.seen


@pytest.mark.parametrize(("offset", "size"), [(0, 4), (0, 10), (9, 1), (6, 4)])
def test_the_whole_object_holds_any_range(offset: int, size: int, canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [Answer(200, b"0123456789")]
    assert bucket.get("a", offset=offset, size=size) == b"0123456789"[offset : offset + size]


def test_a_put_over_a_slow_line_takes_longer_than_the_timeout_for_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's timeout holds for one sendall: a body in one piece broke off after it, however well it went."""
    monkeypatch.setattr("webraid_s3.client.CONNECT_TIMEOUT", 0.5)
    data = os.urandom(6 << 20)
    with servers.moto() as server, gate(server.port) as slow:
        options = S3Options("slow-line", endpoint=f"http://127.0.0.1:{slow.port}")
        secrets = {"access_key": server.access_key, "secret_key": server.secret_key}
        with contextlib.closing(S3Backend.connect(options, secrets)) as backend:
            backend.prepare()
            slow.rate = 6 << 20
            slow.state = "slow"
            assert backend.put("x", data, digest=digest_of(data)).verified
