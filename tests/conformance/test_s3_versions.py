"""webraid_s3 in buckets that keep versions: nothing hidden stays behind, and nothing newer is ever taken away."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.conformance.canned import KEYS, Answer, Canned, refusal
from tests.conformance.canned import s3_options as options
from tests.conformance.test_s3_transfer import etag
from webraid.backend.base import Backend
from webraid.backend.conformance import Subject
from webraid.backend.conformance.subject import all_together, put
from webraid.backend.login import Choice, Login, Secrets
from webraid.env import Env
from webraid.errors import ObjectNotFound, ProtocolError, Unavailable
from webraid_s3 import S3Backend
from webraid_s3.versions import LIFECYCLE

SubjectOf = Callable[[str], Subject]


def versions(*of: tuple[str, str], markers: Sequence[tuple[str, str]] = (), next_key: str = "") -> Answer:
    """(key, version id); a marker's id with '!' is the latest of its key."""
    rows = "".join(f"<Version><Key>{key}</Key><VersionId>{id}</VersionId></Version>" for key, id in of)
    rows += "".join(
        f"<DeleteMarker><Key>{key}</Key><VersionId>{id.rstrip('!')}</VersionId>"
        f"<IsLatest>{'true' if '!' in id else 'false'}</IsLatest></DeleteMarker>"
        for key, id in markers
    )
    more = f"<IsTruncated>true</IsTruncated><NextKeyMarker>{next_key}</NextKeyMarker>" if next_key else ""
    return Answer(body=f"<ListVersionsResult><Name>b</Name>{rows}{more}</ListVersionsResult>".encode())


def put_answer(version: str) -> Answer:
    return etag(b"1", **{"x-amz-version-id": version})


HIDDEN = Answer(204, headers={"x-amz-version-id": "m", "x-amz-delete-marker": "true"})


def removed(canned: Canned) -> list[str]:
    return [path.partition("versionId=")[2] for method, path, _ in canned.seen if method == "DELETE" and "?" in path]


@contextlib.contextmanager
def versioned(subject: Subject) -> Iterator[S3Backend]:
    with subject.opened() as backend:
        assert isinstance(backend, S3Backend)
        yield backend


def all_versions(backend: S3Backend, prefix: str) -> list[str]:
    page = backend._call("list_object_versions", Prefix=backend._prefix + prefix)
    return [one["Key"] for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, ())]


def test_nothing_hidden_is_left_by_overwriting_and_deleting(subject_of: SubjectOf) -> None:
    with versioned(subject_of("s3-versions")) as backend:
        for turn in range(3):
            put(backend, "versions/a", bytes([turn]))
            put(backend, "versions/a/below", b"1")
        put(backend, "versions/ab", b"1")
        assert sorted(all_versions(backend, "versions/")) == ["versions/a", "versions/a/below", "versions/ab"]
        assert backend.get("versions/a") == b"\2"
        backend.delete("versions/a")
        assert sorted(all_versions(backend, "versions/")) == ["versions/a/below", "versions/ab"]
        with pytest.raises(ObjectNotFound):
            backend.get("versions/a")


def test_what_was_hidden_long_ago_goes_with_the_next_delete(subject_of: SubjectOf) -> None:
    with versioned(subject_of("s3-versions")) as backend:
        for _ in range(150):  # more than a page
            backend._client.put_object(Bucket=backend._bucket, Key="versions/old", Body=b"1")
        backend._client.delete_object(Bucket=backend._bucket, Key="versions/old")
        backend.delete("versions/old")
        assert all_versions(backend, "versions/old") == []


def test_versions_are_kept_where_the_user_wants_them(subject_of: SubjectOf) -> None:
    subject = subject_of("s3-versions")
    place = subject.shown[0]
    keep = type(place)(place.bucket, endpoint=place.endpoint, keep_versions=True)  # type: ignore[attr-defined,call-arg]
    access, secret = subject.secrets
    backend = S3Backend.connect(keep, {"access_key": access, "secret_key": secret})
    with contextlib.closing(backend):
        put(backend, "versions/kept", b"1")
        put(backend, "versions/kept", b"2")
        backend.delete("versions/kept")
        assert len(all_versions(backend, "versions/kept")) == 3


def test_of_many_writers_of_one_name_one_version_stays(subject_of: SubjectOf) -> None:
    subject = subject_of("s3-versions")
    bodies = [bytes([number]) * 1000 for number in range(8)]

    def work(backend: Backend, number: int) -> None:
        put(backend, "versions/race", bodies[number])

    all_together(subject, 8, work)
    with versioned(subject) as backend:
        assert all_versions(backend, "versions/race") == ["versions/race"]
        assert backend.get("versions/race") in bodies


def test_only_what_is_older_than_the_own_put_goes(canned: Canned, bucket: S3Backend) -> None:
    there = versions(("p/a", "newer"), ("p/a", "mine"), ("p/a", "old2"), ("p/a", "old1"), ("p/ab", "else"),
                     markers=[("p/a", "gone"), ("p/a", "latest!")])  # fmt: skip
    canned.answers[:] = [put_answer("mine"), there, Answer(204)]
    put(bucket, "a", b"1")
    assert removed(canned) == ["old1", "old2", "gone"]


def test_a_put_that_was_overtaken_takes_nothing_away(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [put_answer("mine"), versions(("p/a", "newer"), ("p/a", "newest"))]
    put(bucket, "a", b"1")
    assert removed(canned) == []


def test_a_delete_goes_from_old_to_new_and_markers_last(canned: Canned, bucket: S3Backend) -> None:
    there = versions(("p/a", "v2"), ("p/a", "v1"), markers=[("p/a", "m!")])
    canned.answers[:] = [HIDDEN, there, Answer(204)]
    bucket.delete("a")
    assert removed(canned) == ["v1", "v2", "m"]
    canned.seen.clear()
    canned.answers[:] = [versions(("p/a", "v1")), refusal(404, "NoSuchVersion")]
    bucket.delete("a")
    assert [method for method, *_ in canned.seen] == ["GET", "DELETE"], "once it is known, no marker is made first"


@pytest.mark.parametrize("refused", [refusal(403, "AccessDenied"), refusal(501, "NotImplemented")])
def test_a_key_that_may_not_clean_up_still_stores_and_deletes(
    refused: Answer, canned: Canned, bucket: S3Backend
) -> None:
    canned.answers[:] = [put_answer("v1"), refused, put_answer("v2")]
    assert put(bucket, "a", b"1").version == "v1"
    assert put(bucket, "a", b"1").version == "v2", "and it is not tried again and again"
    assert [method for method, *_ in canned.seen] == ["PUT", "GET", "PUT"]
    canned.answers[:] = [HIDDEN]
    bucket.delete("a")
    assert [method for method, *_ in canned.seen[3:]] == ["DELETE"]


def test_a_key_that_may_list_but_not_remove_versions_hides_the_object(canned: Canned, bucket: S3Backend) -> None:
    older = versions(("p/a", "v1"), ("p/a", "v0"))
    canned.answers[:] = [put_answer("v1"), older, Answer(204), older, refusal(403, "AccessDenied"), HIDDEN]
    put(bucket, "a", b"1")
    bucket.delete("a")
    assert canned.seen[-1][:2] == ("DELETE", "/b/p/a"), "the plain delete, which hides it"


def test_a_page_that_is_no_listing_deletes_nothing_and_is_no_success(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [HIDDEN, Answer(body=b"<html>Please log in</html>")]
    with pytest.raises(ProtocolError, match="no listing"):
        bucket.delete("a")


def test_cleaning_up_that_fails_for_now_is_tried_again_with_the_put(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [put_answer("v1"), refusal(503, "ServiceUnavailable")]
    with pytest.raises(Unavailable):
        put(bucket, "a", b"1")


def test_a_long_history_is_read_to_its_end_and_no_further(canned: Canned, bucket: S3Backend) -> None:
    canned.answers[:] = [
        put_answer("v3"),
        versions(("p/a", "v3"), ("p/a", "v2"), next_key="p/a"),
        versions(("p/a", "v1"), ("p/b", "x"), next_key="p/b"),
        Answer(204),
    ]
    put(bucket, "a", b"1")
    assert removed(canned) == ["v1", "v2"]
    assert "key-marker=p%2Fa" in canned.seen[2][1]


# ------------------------------------------------------------------------------------------------ told when it is added
class Listener:
    """A user who only listens."""

    interactive = False
    env = Env()

    def __init__(self) -> None:
        self.heard: list[str] = []

    def tell(self, text: str) -> None:
        self.heard.append(text)

    def ask(
        self, question: str, *, instead: str, default: str = "", choices: Sequence[Choice] = (), only: bool = False,
        hidden: bool = False, optional: bool = False,
    ) -> str:  # fmt: skip
        raise AssertionError(question)

    def browse(self, url: str) -> bool:
        raise AssertionError("nobody asked for a page")


ENABLED = Answer(body=b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")


@pytest.mark.parametrize(
    ("keep", "answers", "heard"),
    [
        (False, [Answer(body=b"<VersioningConfiguration/>")], 0),
        (False, [ENABLED, versions()], 0),
        (False, [ENABLED, refusal(403, "AccessDenied")], 1),
        (True, [ENABLED], 1),
        (True, [Answer(body=b"<VersioningConfiguration/>")], 0),
        (False, [refusal(404, "NoSuchBucket")], 0),
        (False, [refusal(403, "AccessDenied")], 0),
        (False, [refusal(503, "SlowDown")], 0),
    ],
)
def test_the_user_hears_of_versions_that_will_pile_up(
    keep: bool, answers: list[Answer], heard: int, canned: Canned
) -> None:
    canned.answers[:] = answers
    listener = Listener()
    place = options(endpoint=canned.endpoint, keep_versions=keep)
    assert S3Backend.login(place, Secrets(KEYS), listener) == Login()
    assert len(listener.heard) == heard
    assert all(text.endswith(LIFECYCLE) for text in listener.heard)
