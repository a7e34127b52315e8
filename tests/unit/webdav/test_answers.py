"""webraid_webdav: what it makes of answers, and what it asks."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.unit.webdav.scripted import HERE, MISSING, PASSWORD, ROOT, USER, Answer, Scripted, digest, listing, row
from webraid.errors import (
    AuthExpired,
    BackendError,
    Misconfigured,
    ObjectNotFound,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    Unavailable,
    Unsupported,
)
from webraid_webdav import WebdavBackend
from webraid_webdav.upload import TEMPORARY

OBJECT = listing(row("a", size=4))
MADE, DONE = Answer(201), Answer(204)


# ----------------------------------------------------------------------------------------------------------------- get
def test_a_get_is_one_request_with_the_login(script: Scripted, disk: WebdavBackend) -> None:
    script.says(GET=Answer(body=b"0123"))
    assert disk.get("a") == b"0123"
    ((method, path, headers, _),) = script.seen
    assert (method, path) == ("GET", f"{ROOT}a")
    assert headers["authorization"] == "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert headers["accept-encoding"] == "identity"
    assert "range" not in headers


def test_a_range_is_asked_for_and_may_come_as_the_whole(script: Scripted, disk: WebdavBackend) -> None:
    script.says(GET=Answer(206, b"12", {"Content-Range": "bytes 1-2/4"}))
    assert disk.get("a", offset=1, size=2) == b"12"
    assert script.seen[0][2]["range"] == "bytes=1-2"
    script.says(GET=Answer(200, b"0123"))
    assert disk.get("a", offset=1, size=2) == b"12"


def test_a_body_in_chunks_needs_no_length(script: Scripted, disk: WebdavBackend) -> None:
    script.says(GET=Answer(body=b"0123", length="chunked"))
    assert disk.get("a") == b"0123"
    assert disk.get("a", offset=1, size=2) == b"12"
    with pytest.raises(ProtocolError):
        disk.get("a", offset=3, size=2)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (Answer(body=b"0123", length="9"), Unavailable),
        (Answer(body=b"0123", length="none"), ProtocolError),
        (Answer(body=b"0123", length="many"), ProtocolError),
        (Answer(206, b"0123", {"Content-Range": "bytes 0-3/9"}), ProtocolError),
        (Answer(416), ProtocolError),
        (Answer(401), AuthExpired),
        (Answer(401, headers={"WWW-Authenticate": 'Digest realm="x", nonce="y"'}), Unsupported),
        (Answer(403), PermissionDenied),
        (Answer(423), Unavailable),
        (Answer(500), Unavailable),
        (Answer(301, headers={"Location": "https://elsewhere.example.org/dav/disk/a"}), Misconfigured),
        (Answer(301, headers={"Location": f"{ROOT}a/"}), ObjectNotFound),
        (Answer(204), Misconfigured),
    ],
)
def test_a_get_that_fails_says_why(
    answer: Answer, wanted: type[BackendError], script: Scripted, disk: WebdavBackend
) -> None:
    script.says(GET=answer)
    with pytest.raises(BackendError) as caught:
        disk.get("a")
    assert type(caught.value) is wanted
    assert script.methods == ["GET"], "nothing was followed or tried again"


def test_a_redirect_does_not_carry_the_password_away(script: Scripted, disk: WebdavBackend) -> None:
    from tests.unit.webdav.scripted import scripted

    with scripted() as other:
        other.says(GET=Answer(body=b"x"), PROPFIND=HERE, PUT=MADE, MKCOL=MADE, MOVE=MADE, DELETE=DONE)
        away = Answer(307, headers={"Location": f"{other.url}a"})
        script.says(GET=away, PROPFIND=away, MKCOL=away, PUT=away)
        for action in (
            lambda: disk.get("a"),
            lambda: disk.stat("a"),
            lambda: list(disk.list("")),
            lambda: disk.put("a", b"1", digest=digest(b"1")),
            lambda: disk.delete("a"),
            disk.prepare,
            disk.usage,
        ):
            with pytest.raises(Misconfigured) as caught:
                action()
            assert PASSWORD not in f"{caught.value!r} {caught.value.hint}"
        assert not other.seen
    assert f"http://127.0.0.1:{other.port}{ROOT}" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "wanted"), [(listing(row("a/", size=None)), ObjectNotFound), (Answer(200, b"<html>"), Misconfigured)]
)
def test_a_page_is_no_object(answer: Answer, wanted: type[BackendError], script: Scripted, disk: WebdavBackend) -> None:
    """Some servers show a folder as a page; some networks answer with a page of their own."""
    script.says(GET=Answer(body=b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}), PROPFIND=answer)
    with pytest.raises(wanted):
        disk.get("a")


def test_an_object_that_is_called_a_page_is_an_object(script: Scripted, disk: WebdavBackend) -> None:
    script.says(GET=Answer(body=b"0123", headers={"Content-Type": "text/html"}), PROPFIND=OBJECT)
    assert disk.get("a") == b"0123"


# ------------------------------------------------------------------------------------------------------------- missing
@pytest.mark.parametrize(
    ("root", "wanted"), [(HERE, ObjectNotFound), (MISSING, Misconfigured), (Answer(503), Unavailable)]
)
def test_a_404_may_mean_the_whole_disk(
    root: Answer, wanted: type[BackendError], script: Scripted, disk: WebdavBackend
) -> None:
    script.says(GET=MISSING, PROPFIND=root)
    with pytest.raises(wanted):
        disk.get("a")
    script.says(PROPFIND=[MISSING, root])
    with pytest.raises(wanted):
        disk.stat("a")
    script.says(PROPFIND=[MISSING, root])
    if wanted is ObjectNotFound:
        assert not list(disk.list("a/"))
    else:
        with pytest.raises(wanted):
            list(disk.list("a/"))


def test_a_folder_is_no_object(script: Scripted, disk: WebdavBackend) -> None:
    script.says(PROPFIND=listing(row("a/", size=None)))
    with pytest.raises(ObjectNotFound):
        disk.stat("a")
    script.says(GET=Answer(405), PROPFIND=listing(row("a/", size=None)))
    with pytest.raises(ObjectNotFound):
        disk.get("a")


# -------------------------------------------------------------------------------------------------------------- delete
def test_a_folder_is_never_deleted(script: Scripted, disk: WebdavBackend) -> None:
    script.says(PROPFIND=listing(row("a/", size=None)), DELETE=DONE)
    disk.delete("a")
    assert script.methods == ["PROPFIND"]


def test_what_is_there_is_deleted_by_its_own_name(script: Scripted, disk: WebdavBackend) -> None:
    script.says(PROPFIND=OBJECT, DELETE=DONE)
    disk.delete("a")
    assert [(method, path) for method, path, *_ in script.seen] == [("PROPFIND", f"{ROOT}a"), ("DELETE", f"{ROOT}a")]


@pytest.mark.parametrize("answer", [Answer(200), DONE, Answer(202), MISSING, Answer(410)])
def test_a_delete_that_was_done_already_is_done(answer: Answer, script: Scripted, disk: WebdavBackend) -> None:
    script.says(PROPFIND=OBJECT, DELETE=answer)
    disk.delete("a")


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (Answer(403), PermissionDenied),
        (Answer(423), Unavailable),
        (listing("<D:response><D:href>/a</D:href><D:status>HTTP/1.1 423 Locked</D:status></D:response>"), Unavailable),
        (listing("<D:response><D:href>/a</D:href><D:status>HTTP/1.1 403 No</D:status></D:response>"), PermissionDenied),
    ],
)
def test_a_delete_that_is_refused_says_so(
    answer: Answer, wanted: type[BackendError], script: Scripted, disk: WebdavBackend
) -> None:
    script.says(PROPFIND=OBJECT, DELETE=answer)
    with pytest.raises(wanted):
        disk.delete("a")


# ---------------------------------------------------------------------------------------------------------------- list
def test_a_listing_goes_folder_by_folder_and_never_deeper(script: Scripted, disk: WebdavBackend) -> None:
    top = listing(row("", size=None), row("a/", size=None), row("b", size=2), row("ab/", size=None))
    script.says(PROPFIND=[top, listing(row("ab/", size=None), row("ab/2")), listing(row("a/", size=None), row("a/1"))])
    assert [(stored.name, stored.size) for stored in disk.list("a")] == [("ab/2", 1), ("a/1", 1)]
    assert {headers["depth"] for _, _, headers, _ in script.seen} == {"1"}
    assert [path for _, path, *_ in script.seen] == [ROOT, f"{ROOT}ab/", f"{ROOT}a/"]


def test_a_listing_keeps_silent_about_what_cannot_be_ours(script: Scripted, disk: WebdavBackend) -> None:
    strange = ("Upper", "a%20b", "_x", "a%2Fb", "%2e%2e", "%C3%A4", "a%00")
    folders = [row(f"{name}/", size=None) for name in (TEMPORARY, "Folder", "%2e%2e")]
    script.says(
        PROPFIND=listing(row("", size=None), *(row(name) for name in strange), *folders, row("mine"), row("mine"))
    )
    assert [stored.name for stored in disk.list("")] == ["mine"]
    assert len(script.seen) == 1, "it went into none of those folders"


@pytest.mark.parametrize("stray", ["../other/x", "/etc", "a/b"])
def test_a_listing_that_leaves_its_folder_is_an_error(stray: str, script: Scripted, disk: WebdavBackend) -> None:
    entry = row(stray) if not stray.startswith("/") else row("x").replace(f"{ROOT}x", stray)
    script.says(PROPFIND=listing(row("", size=None), entry))
    with pytest.raises(ProtocolError, match="not in its folder"):
        list(disk.list(""))


def test_a_folder_that_goes_while_it_is_listed_is_passed_over(script: Scripted, disk: WebdavBackend) -> None:
    script.says(PROPFIND=[listing(row("", size=None), row("a/", size=None), row("b")), MISSING, HERE])
    assert [stored.name for stored in disk.list("")] == ["b"]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (Answer(207, listing(row("x")).body[:-30]), Unavailable),
        (Answer(207, listing(row("x")).body, length="5000"), Unavailable),
        (Answer(200, b"<html>"), Misconfigured),
        (Answer(405), Misconfigured),
        (Answer(501), Unsupported),
        (Answer(429), BackendError),
    ],
)
def test_a_listing_that_breaks_off_is_an_error(
    answer: Answer, wanted: type[BackendError], script: Scripted, disk: WebdavBackend
) -> None:
    script.says(PROPFIND=answer)
    with pytest.raises(wanted):
        list(disk.list(""))


def test_an_endless_listing_is_given_up(script: Scripted, disk: WebdavBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webraid_webdav.folders.MAX_LISTING", 10_000)
    script.says(PROPFIND=listing(row("", size=None), *(row(f"{number}") for number in range(100))))
    with pytest.raises(ProtocolError, match="more than 10000 bytes"):
        list(disk.list(""))


# --------------------------------------------------------------------------------------------------------------- usage
@pytest.mark.parametrize(
    ("free", "used", "wanted"),
    [
        ("70", "30", (30, 70, 100)),
        ("-3", "30", (30, None, None)),
        ("", "", (None, None, None)),
        ("7", "", (None, 7, None)),
    ],
)
def test_usage_is_what_the_server_tells(
    free: str, used: str, wanted: tuple[int | None, ...], script: Scripted, disk: WebdavBackend
) -> None:
    told = f"<D:quota-available-bytes>{free}</D:quota-available-bytes><D:quota-used-bytes>{used}</D:quota-used-bytes>"
    script.says(PROPFIND=listing(row("", size=None, more=told)))
    usage = disk.usage()
    assert (usage.used, usage.free, usage.total) == wanted


# ----------------------------------------------------------------------------------------------------------------- put
def test_a_put_is_an_upload_and_a_move(script: Scripted, disk: WebdavBackend) -> None:
    script.says(MKCOL=MADE, PROPFIND=MISSING, PUT=MADE, MOVE=MADE)
    stored = disk.put("log/1", b"0123", digest=digest(b"0123"))
    assert (stored.size, stored.verified, stored.hashes) == (4, False, ())
    _, path, _, body = next(one for one in script.seen if one[0] == "PUT")
    _, source, headers, _ = script.seen[-1]
    assert body == b"0123"
    assert path == source
    assert path.startswith(f"{ROOT}{TEMPORARY}/")
    assert (headers["destination"], headers["overwrite"]) == (f"{script.url}log/1", "F")
    script.says(PUT=MADE, MOVE=MADE)
    disk.put("log/2", b"", digest=digest(b""))
    assert script.methods == ["PUT", "MOVE"], "folders are made once a process"
    assert script.seen[0][2]["content-length"] == "0"


def test_the_same_bytes_are_left_alone(script: Scripted, disk: WebdavBackend) -> None:
    """A put that is repeated because its answer was lost must not take its object away, not even for a moment."""
    script.says(
        MKCOL=MADE, PUT=MADE, MOVE=Answer(412), GET=Answer(body=b"0123"), DELETE=DONE, PROPFIND=[MISSING, OBJECT]
    )
    disk.put("a", b"0123", digest=digest(b"0123"))
    assert script.methods[-5:] == ["PUT", "MOVE", "PROPFIND", "GET", "DELETE"]
    assert TEMPORARY in script.seen[-1][1]


@pytest.mark.parametrize(("there", "asked"), [(b"4567", ["PROPFIND", "GET"]), (b"01234", ["PROPFIND"])])
def test_other_bytes_are_overwritten(there: bytes, asked: list[str], script: Scripted, disk: WebdavBackend) -> None:
    script.says(MKCOL=MADE, PROPFIND=MISSING, PUT=MADE, MOVE=MADE)
    disk.put("b", b"", digest=digest(b""))
    size = listing(row("a", size=len(there)))
    script.says(PUT=MADE, MOVE=[Answer(412), DONE], GET=Answer(body=there), PROPFIND=size)
    disk.put("a", b"0123", digest=digest(b"0123"))
    assert script.methods == ["PUT", "MOVE", *asked, "MOVE"]
    assert script.seen[-1][2]["overwrite"] == "T"


@pytest.mark.parametrize("status", [403, 404, 409])
def test_folders_that_were_taken_away_are_made_again_once(status: int, script: Scripted, disk: WebdavBackend) -> None:
    script.says(MKCOL=MADE, PROPFIND=MISSING, PUT=MADE, MOVE=MADE)
    disk.put("log/1", b"1", digest=digest(b"1"))
    script.says(MKCOL=MADE, PUT=MADE, MOVE=[Answer(status), MADE])
    disk.put("log/2", b"1", digest=digest(b"1"))
    assert script.methods == ["PUT", "MOVE", "MKCOL", "MOVE"]
    script.says(MKCOL=MADE, PUT=MADE, MOVE=Answer(status))
    with pytest.raises(BackendError) as caught:
        disk.put("log/3", b"1", digest=digest(b"1"))
    assert not isinstance(caught.value, ObjectNotFound)
    assert script.methods.count("MOVE") == 2


@pytest.mark.parametrize("status", [404, 409])
def test_the_folder_for_uploads_is_made_again_once(status: int, script: Scripted, disk: WebdavBackend) -> None:
    script.says(MKCOL=MADE, PROPFIND=MISSING, PUT=MADE, MOVE=MADE)
    disk.put("a", b"1", digest=digest(b"1"))
    script.says(MKCOL=MADE, PUT=[Answer(status), MADE], MOVE=MADE)
    disk.put("b", b"1", digest=digest(b"1"))
    assert script.methods == ["PUT", "MKCOL", "PUT", "MOVE"]
    script.says(MKCOL=MADE, PUT=Answer(status))
    with pytest.raises((Misconfigured, Unavailable)):
        disk.put("c", b"1", digest=digest(b"1"))


def test_after_a_failure_nobody_can_explain_folders_are_looked_after_again(
    script: Scripted, disk: WebdavBackend
) -> None:
    """nginx answers 500 to a put into a folder that is not there."""
    script.says(MKCOL=MADE, PROPFIND=MISSING, PUT=Answer(500), MOVE=MADE)
    with pytest.raises(Unavailable):
        disk.put("a", b"1", digest=digest(b"1"))
    script.says(MKCOL=MADE, PROPFIND=MISSING, PUT=MADE, MOVE=MADE)
    disk.put("a", b"1", digest=digest(b"1"))
    assert script.methods[0] == "MKCOL"


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ({"PUT": Answer(507)}, QuotaExceeded),
        ({"PUT": Answer(405)}, Misconfigured),
        ({"MOVE": Answer(502)}, Unavailable),
        ({"MOVE": [Answer(412), Answer(412)], "PROPFIND": OBJECT}, Unavailable),
        ({"MOVE": Answer(412), "PROPFIND": listing(row("a/", size=None))}, Misconfigured),
        ({"MOVE": listing('<D:response><D:href>/a</D:href><D:status>HTTP/1.1 507 X</D:status></D:response>')},
         QuotaExceeded),
        ({"MKCOL": Answer(403)}, PermissionDenied),
        ({"MKCOL": Answer(409), "PROPFIND": MISSING}, Misconfigured),
        ({"MKCOL": Answer(409), "PROPFIND": HERE}, Unavailable),
    ],
)  # fmt: skip
def test_a_put_that_fails_says_why(
    answers: dict[str, Answer | list[Answer]], wanted: type[BackendError], script: Scripted, disk: WebdavBackend
) -> None:
    script.says(**{"MKCOL": MADE, "PUT": MADE, "MOVE": MADE, "DELETE": DONE, "PROPFIND": MISSING} | answers)  # type: ignore[arg-type]
    with pytest.raises(BackendError) as caught:
        disk.put("a/b", b"1", digest=digest(b"1"))
    assert type(caught.value) is wanted
    assert all(TEMPORARY in path for method, path, *_ in script.seen if method == "DELETE")


def test_what_did_not_fit_is_taken_away_again(script: Scripted, disk: WebdavBackend) -> None:
    script.says(MKCOL=MADE, PROPFIND=MISSING, PUT=Answer(507), DELETE=DONE)
    with pytest.raises(QuotaExceeded):
        disk.put("a", b"1", digest=digest(b"1"))
    assert [path for method, path, *_ in script.seen if method in ("PUT", "DELETE")] == [script.seen[-1][1]] * 2


# --------------------------------------------------------------------------------------------------- prepare and sweep
def test_a_folder_that_is_there_is_left_alone(script: Scripted, disk: WebdavBackend) -> None:
    script.says(PROPFIND=[HERE, MISSING])
    disk.prepare()
    assert script.methods == ["PROPFIND", "PROPFIND"]


def test_what_is_missing_above_is_made(script: Scripted, disk: WebdavBackend) -> None:
    script.says(PROPFIND=[MISSING, HERE, MISSING], MKCOL=[Answer(409), MADE, MADE])
    disk.prepare()
    assert [path for method, path, *_ in script.seen if method == "MKCOL"] == [ROOT, "/dav/", ROOT]


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ({"PROPFIND": MISSING, "MKCOL": Answer(403)}, PermissionDenied),
        ({"PROPFIND": MISSING, "MKCOL": Answer(409)}, Misconfigured),
        ({"PROPFIND": MISSING, "MKCOL": MADE}, Misconfigured),
        ({"PROPFIND": Answer(405)}, Misconfigured),
        ({"PROPFIND": Answer(200, b"<html>hello")}, Misconfigured),
        ({"PROPFIND": Answer(401)}, AuthExpired),
        ({"PROPFIND": listing(row("", size=4))}, Misconfigured),
    ],
)
def test_prepare_says_why_it_cannot(
    answers: dict[str, Answer], wanted: type[BackendError], script: Scripted, disk: WebdavBackend
) -> None:
    script.says(**answers)  # type: ignore[arg-type]
    with pytest.raises(wanted):
        disk.prepare()


def test_only_old_uploads_are_swept_away_by_the_servers_clock(script: Scripted, disk: WebdavBackend) -> None:
    def left(name: str, when: str, size: int | None = 1) -> str:
        return row(f"{TEMPORARY}/{name}", size=size, more=f"<D:getlastmodified>{when}</D:getlastmodified>")

    found = listing(
        row(f"{TEMPORARY}/", size=None), left("old", "Mon, 19 Oct 2026 07:28:00 GMT"),
        left("new", "Wed, 21 Oct 2026 07:28:00 GMT"), left("undated", "once"),
        left("folder", "Mon, 19 Oct 2026 07:28:00 GMT", size=None), Date="Wed, 21 Oct 2026 08:00:00 GMT",
    )  # fmt: skip
    script.says(PROPFIND=[HERE, found], DELETE=DONE)
    disk.prepare()
    assert [path for method, path, *_ in script.seen if method == "DELETE"] == [f"{ROOT}{TEMPORARY}/old"]


def test_a_sweep_that_fails_does_not_stop_a_put(script: Scripted, disk: WebdavBackend) -> None:
    script.says(MKCOL=MADE, PROPFIND=Answer(500), PUT=MADE, MOVE=MADE)
    disk.put("a", b"1", digest=digest(b"1"))
    assert script.methods == ["MKCOL", "PROPFIND", "PUT", "MOVE"]
