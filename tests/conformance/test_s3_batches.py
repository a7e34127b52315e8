"""webraid_s3 deletes by the thousand where the server can, and one by one where it cannot."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest

from tests.conformance.canned import Answer, Canned, refusal
from webraid.backend.conformance import Subject
from webraid.backend.conformance.subject import put
from webraid.errors import AuthExpired, PermissionDenied, Unavailable
from webraid_s3 import S3Backend

NAMES = {"a": "", "b": "", "c": ""}
GONE = Answer(204)


def deleted(*keys: str, failed: tuple[str, str] = ("", ""), marker: bool = False) -> Answer:
    more = "<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>m</DeleteMarkerVersionId>" if marker else ""
    rows = "".join(f"<Deleted><Key>{key}</Key>{more}</Deleted>" for key in keys)
    if failed[0]:
        rows += f"<Error><Key>{failed[0]}</Key><Code>{failed[1]}</Code></Error>"
    return Answer(body=f"<DeleteResult>{rows}</DeleteResult>".encode())


def asked(canned: Canned) -> list[str]:
    return [f"{method} {path}" for method, path, _ in canned.seen]


def test_many_names_go_in_one_request_that_carries_its_md5(canned: Canned, bucket: S3Backend) -> None:
    canned.answers = [deleted("p/a", "p/b", "p/c")]
    bucket.delete_many(NAMES)
    assert asked(canned) == ["POST /b?delete"]
    body = canned.seen[0][2]
    assert all(f"<Key>p/{name}</Key>".encode() in body for name in NAMES)
    assert canned.headers[0]["content-md5"] == base64.b64encode(hashlib.md5(body).digest()).decode()


def test_nothing_to_delete_is_no_request(canned: Canned, bucket: S3Backend) -> None:
    canned.answers = [GONE]
    bucket.delete_many({})
    assert canned.seen == []


def test_what_the_answer_does_not_name_is_deleted_alone_and_its_error_told(
    canned: Canned, bucket: S3Backend
) -> None:  # fmt: skip
    canned.answers = [deleted("p/a", failed=("p/b", "AccessDenied")), refusal(403, "AccessDenied")]
    with pytest.raises(PermissionDenied):
        bucket.delete_many(NAMES)
    assert asked(canned) == ["POST /b?delete", "DELETE /b/p/b"]


@pytest.mark.parametrize("code", ["NotImplemented", "MalformedXML", "MissingContentMD5"])
def test_a_server_that_knows_no_batches_is_asked_once(canned: Canned, bucket: S3Backend, code: str) -> None:
    canned.answers = [refusal(501 if code == "NotImplemented" else 400, code), GONE]
    bucket.delete_many(NAMES)
    bucket.delete_many({"d": ""})
    assert asked(canned) == ["POST /b?delete", *(f"DELETE /b/p/{name}" for name in "abcd")]


@pytest.mark.parametrize(("code", "error"), [("ServiceUnavailable", Unavailable), ("InvalidAccessKeyId", AuthExpired)])
def test_what_may_pass_or_is_for_the_user_to_mend_is_told(
    canned: Canned, bucket: S3Backend, code: str, error: type[Exception]
) -> None:
    canned.answers = [refusal(503 if code == "ServiceUnavailable" else 403, code)]
    with pytest.raises(error):
        bucket.delete_many(NAMES)
    assert asked(canned) == ["POST /b?delete"]


def test_what_was_only_hidden_goes_with_all_its_versions(subject_of: Callable[[str], Subject]) -> None:
    subject = subject_of("s3-versions")
    with subject.opened() as backend:
        for name in NAMES:
            put(backend, f"hidden/{name}", b"1")
    with subject.opened() as other:  # it does not know yet what bucket it is
        assert isinstance(other, S3Backend)
        other.delete_many({f"hidden/{name}": "" for name in NAMES})
        page = other._call("list_object_versions", Prefix=other._prefix + "hidden/")
        assert not (page.get("Versions") or page.get("DeleteMarkers"))
