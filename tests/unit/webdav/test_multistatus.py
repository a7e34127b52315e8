"""webraid_webdav.multistatus: what listings say, and what is refused of them."""

from __future__ import annotations

import pytest

from tests.unit.webdav.scripted import listing, row
from webraid.errors import BackendError, ProtocolError, Unavailable
from webraid_webdav.multistatus import Entry, entries, first_failure

BOMB = """<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>"""
OUTSIDE = """<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>"""


def read(text: str) -> list[Entry]:
    return list(entries(text.encode()))


def one(more: str) -> Entry:
    (entry,) = entries(listing(row("x", more=more)).body)
    return entry


def test_files_and_folders_are_told_apart() -> None:
    file, folder = entries(listing(row("a%20b/x", size=7), row("f/", size=None)).body)
    assert file == Entry(("dav", "disk", "a b", "x"), size=7)
    assert folder == Entry(("dav", "disk", "f"), folder=True)


def test_only_what_is_there_is_told() -> None:
    """Sabre tells in a second part what it does not know; some servers list what went meanwhile, with 404."""
    text = (
        '<d:multistatus xmlns:d="DAV:"><d:response><d:href>/gone</d:href><d:status>HTTP/1.1 404 Not Found</d:status>'
        "</d:response><d:response><d:href>/x</d:href><d:propstat><d:prop><d:getcontentlength>5</d:getcontentlength>"
        "</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat><d:propstat><d:prop><d:getcontentlength>7"
        "</d:getcontentlength></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>"
        "</d:multistatus>"
    )
    assert read(text) == [Entry(("x",), size=5)]


@pytest.mark.parametrize("href", ["https://other.example.org:8/dav/x", "/dav/x", "/dav/x/", "//dav/x", " /dav/%78 "])
def test_an_address_is_a_path_or_a_url(href: str) -> None:
    text = f'<D:multistatus xmlns:D="DAV:"><D:response><D:href>{href}</D:href></D:response></D:multistatus>'
    parts = read(text)[0].parts
    assert parts == (("x",) if href.startswith("//") else ("dav", "x"))


def test_letters_have_one_spelling() -> None:
    """'ä' as one letter or as a letter and its dots, as macOS writes it."""
    both = [row("%C3%A4"), row("a%CC%88")]
    assert len({entry.parts for entry in entries(listing(*both).body)}) == 1


@pytest.mark.parametrize(
    ("told", "hashes"),
    [
        (f"SHA256:{'AB' * 32}", (("sha256", "ab" * 32),)),
        (f"SHA1:{'1' * 40} MD5:{'2' * 32} ADLER32:12345678", (("sha1", "1" * 40), ("md5", "2" * 32))),
        ("MD5:short SHA1: nonsense", ()),
    ],
)
def test_hashes_are_told_where_they_are_hashes(told: str, hashes: tuple[tuple[str, str], ...]) -> None:
    assert one(f"<o:checksums><o:checksum>{told}</o:checksum></o:checksums>").hashes == hashes


@pytest.mark.parametrize(("told", "free"), [("1000", 1000), ("0", 0), ("-1", None), ("-3", None), ("", None)])
def test_negative_quotas_are_not_known(told: str, free: int | None) -> None:
    assert one(f"<D:quota-available-bytes>{told}</D:quota-available-bytes>").free == free


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Unavailable),
        ("<html><body>login<br></body></html>", Unavailable),
        ("<html/>", ProtocolError),
        ("<multistatus/>", ProtocolError),
        ('<D:multistatus xmlns:D="DAV:"><D:response>', Unavailable),
        ('<D:multistatus xmlns:D="DAV:"/>Internal Server Error', Unavailable),
        (listing(row("x"), head=BOMB).body.decode(), ProtocolError),
        (listing(row("x"), head=OUTSIDE).body.decode(), ProtocolError),
        (listing(row("x"), head="<!DOCTYPE x>").body.decode(), ProtocolError),
        (listing(row("x"), head='<?xml version="1.0" encoding="utf-77"?>').body.decode(), ProtocolError),
        (listing(row("x", status="whatever")).body.decode(), ProtocolError),
        (listing(row("x", more="<D:quota-used-bytes>many</D:quota-used-bytes>")).body.decode(), ProtocolError),
        (listing(row("x", more=f"<D:quota-used-bytes>{'9' * 99}</D:quota-used-bytes>")).body.decode(), ProtocolError),
        ('<D:multistatus xmlns:D="DAV:"><D:response><D:href>http://[</D:href></D:response></D:multistatus>',
         ProtocolError),
    ],
)  # fmt: skip
def test_what_is_no_listing_is_an_error(text: str, wanted: type[BackendError]) -> None:
    with pytest.raises(wanted) as caught:
        read(text)
    assert type(caught.value) is wanted
    assert "passwd" not in str(caught.value)


def test_a_207_that_is_no_success_tells_why() -> None:
    answer = listing(row("x"), "<D:response><D:href>/x</D:href><D:status>HTTP/1.1 423 Locked</D:status></D:response>")
    assert first_failure(answer.body) == 423
    assert first_failure(listing(row("x")).body) == 207
