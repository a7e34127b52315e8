"""webraid_s3: missing objects and buckets, listings, prepare."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.canned import KEYS, Answer, Canned, refusal
from tests.conformance.canned import s3_options as options
from webraid.backend.conformance import Subject
from webraid.backend.conformance.subject import digest_of
from webraid.errors import (
    AuthExpired,
    BackendError,
    Misconfigured,
    ObjectNotFound,
    PermissionDenied,
    ProtocolError,
    Unavailable,
)
from webraid_s3 import S3Backend, S3Options

SubjectOf = Callable[[str], Subject]
NO_BUCKET = refusal(404, "NoSuchBucket")


# ------------------------------------------------------------------------------------------------------------ missing
def test_an_object_is_missing_only_when_its_bucket_is_there(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [refusal(404, "NoSuchKey")]
    with pytest.raises(ObjectNotFound):
        bucket.get("a")
    assert len(canned.seen) == 1, "the server named what is missing: nothing else to ask"
    canned.answers[:] = [Answer(404), Answer(200)]
    with pytest.raises(ObjectNotFound):
        bucket.stat("a")
    assert [method for method, *_ in canned.seen[1:]] == ["HEAD", "HEAD"]


@pytest.mark.parametrize(
    ("of_bucket", "wanted"), [(Answer(404), Misconfigured), (Answer(403), ObjectNotFound), (Answer(503), Unavailable)]
)
@pytest.mark.parametrize("operation", ["get", "stat"])
def test_a_bare_404_may_mean_the_bucket(
    operation: str, of_bucket: Answer, wanted: type[Exception], canned: Canned, bucket: S3Backend
) -> None:
    canned.answers[:] = [Answer(404), of_bucket]
    with pytest.raises(wanted):
        getattr(bucket, operation)("a")


def test_a_lost_bucket_is_never_an_empty_disk(subject_of: SubjectOf) -> None:
    subject = subject_of("s3-rclone")
    with subject.opened() as backend:
        assert isinstance(backend, S3Backend)
        backend._bucket = "was-deleted"
        for action in (
            lambda: backend.get("a"),
            lambda: backend.stat("a"),
            lambda: list(backend.list("")),
            lambda: backend.put("a", b"1", digest=digest_of(b"1")),
            lambda: backend.delete("a"),
        ):
            with pytest.raises(Misconfigured, match="bucket"):
                action()


def test_delete_ignores_what_is_missing_by_any_name(canned: Canned, bucket: S3Backend) -> None:
    for answer in (Answer(204), refusal(404, "NoSuchKey")):
        canned.answers[:] = [answer]
        bucket.delete("a")


def test_a_size_that_is_no_number_is_a_protocol_error(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [Answer(200, length="many")]
    with pytest.raises(ProtocolError):
        bucket.stat("a")


# --------------------------------------------------------------------------------------------------------------- list
def page(*keys: str, token: str = "", etag: str = "0" * 32) -> Answer:
    rows = "".join(
        f"<Contents><Key>{key}</Key><Size>1</Size><ETag>&quot;{etag}&quot;</ETag></Contents>" for key in keys
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return Answer(body=f"<ListBucketResult><Name>b</Name>{rows}{more}</ListBucketResult>".encode())


def test_a_listing_takes_away_doubles_and_folder_marks(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [page("p/a", "p/b", "p/b", token="1"), page("p/b", "p/c/", "p/c/d")]
    assert [stored.name for stored in bucket.list("")] == ["a", "b", "c/d"]


def test_a_listing_tells_md5s_and_nothing_that_only_looks_so(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [page("p/a"), page("p/a", etag="0" * 32 + "-2")]
    assert [stored.hashes for stored in bucket.list("")] == [(("md5", "0" * 32),)]
    assert [stored.hashes for stored in bucket.list("")] == [()]


@pytest.mark.parametrize(
    ("pages", "wanted"),
    [
        ([page("p/a", token="1"), refusal(503, "SlowDown")], Unavailable),
        ([page("p/a", token="1"), page("p/b", token="1")], ProtocolError),
        ([page("q/a")], ProtocolError),
        (
            [
                Answer(
                    body=b"<ListBucketResult><Name>b</Name><Contents><Key>p/a</Key><Size>x</Size></Contents></ListBucketResult>"
                )
            ],
            ProtocolError,
        ),
        ([Answer(body=b"<ListBucketResult><Cont", length="5000")], Unavailable),
        ([refusal(404, "NoSuchBucket")], Misconfigured),
    ],
)
def test_a_listing_that_breaks_off_is_an_error(
    pages: list[Answer], wanted: type[Exception], canned: Canned, bucket: S3Backend
) -> None:
    canned.answers[:] = pages
    with pytest.raises(Exception) as caught:
        list(bucket.list(""))
    assert isinstance(caught.value, wanted) or getattr(caught.value, "retryable", False) == (wanted is Unavailable)
    assert type(caught.value).__module__ == "webraid.errors"


# ------------------------------------------------------------------------------------------------------------ prepare
@pytest.mark.parametrize(
    "answer", [Answer(200), refusal(409, "BucketAlreadyOwnedByYou"), refusal(409, "BucketAlreadyExists")]
)
def test_a_missing_bucket_is_made_or_was_made_by_another(answer: Answer, canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [NO_BUCKET, answer, page()]
    bucket.prepare()
    assert canned.seen[1][:2] == ("PUT", "/b")
    assert canned.seen[1][2] == b"", "no region to name"


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ([NO_BUCKET, refusal(403, "AccessDenied")], PermissionDenied),
        ([NO_BUCKET, refusal(409, "BucketAlreadyExists"), refusal(403, "AccessDenied")], PermissionDenied),
        ([NO_BUCKET, refusal(400, "InvalidBucketName")], Misconfigured),
        ([refusal(403, "SignatureDoesNotMatch")], AuthExpired),
        ([refusal(400, "AuthorizationHeaderMalformed")], Misconfigured),
        ([refusal(301, "PermanentRedirect")], Misconfigured),
        ([Answer(301)], Misconfigured),
        ([refusal(500, "InternalError")], Unavailable),
    ],
)
def test_prepare_says_why_it_cannot(
    answers: list[Answer], wanted: type[Exception], canned: Canned, bucket: S3Backend
) -> None:
    canned.answers[:] = answers
    with pytest.raises(wanted):
        bucket.prepare()


@pytest.mark.parametrize("status", [301, 307, 400])
def test_a_wrong_region_is_told_not_followed(status: int, canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [refusal(status, "PermanentRedirect", x_amz_bucket_region="eu-west-1")]
    with pytest.raises(Misconfigured) as caught:
        bucket.prepare()
    assert caught.value.hint == "Set this disk's region to eu-west-1."
    assert len(canned.seen) == 1
    canned.answers[:] = [Answer(status, headers={"x-amz-bucket-region": "eu-west-1"})]
    with pytest.raises(BackendError):
        bucket.stat("a")
    assert len(canned.seen) == 2


def test_a_bucket_that_is_there_is_left_alone(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [page()]
    bucket.prepare()
    bucket.prepare()
    assert [method for method, *_ in canned.seen] == ["GET", "GET"]


def test_a_region_of_its_own_is_named_when_a_bucket_is_made(canned: Canned) -> None:
    backend = S3Backend.connect(options(endpoint=canned.endpoint, region="eu-north-1"), KEYS)
    canned.answers[:] = [NO_BUCKET, Answer(200)]
    backend.prepare()
    assert b"eu-north-1" in canned.seen[1][2]
    backend.close()


@pytest.mark.parametrize("kind", ["s3-rclone", "s3-lab"])
def test_wrong_keys_are_a_matter_for_the_user(kind: str, subject_of: SubjectOf) -> None:
    subject = subject_of(kind)
    place = subject.shown[0]
    assert isinstance(place, S3Options)
    access, secret = subject.secrets
    for keys in (
        {"access_key": access, "secret_key": "wrong"},
        {"access_key": "AKIDWRONG0000000001", "secret_key": secret},
    ):
        backend = S3Backend.connect(place, keys)
        for action in (backend.prepare, lambda: backend.get("a"), lambda: list(backend.list(""))):  # noqa: B023
            with pytest.raises(AuthExpired):
                action()
        with pytest.raises(PermissionDenied):
            backend.stat("a")
        backend.close()
