"""What happens on one connection: keep-alive, pipelines, Expect, chunks, broken requests, clients that leave."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webraid.lab import Lab
from webraid.lab.http import Answer, Chunked, Request, parse_head

Connect = Callable[..., Any]


@pytest.fixture
def line(lab: Lab, raw: Connect) -> Any:
    return raw(lab.cloud("open"))


def eventually(check: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 1.5
    while not check() and time.monotonic() < deadline:
        time.sleep(0.01)
    return check()


def incoming(lab: Lab) -> list[Path]:
    folder = lab.directory / "open" / ".incoming"
    return list(folder.iterdir()) if folder.exists() else []


def test_many_requests_share_a_connection(line: Any, lab: Lab) -> None:
    for number in range(20):
        assert line.ask("PUT", f"/lab/k{number}", b"x" * number)[0] == 200
        assert line.ask("GET", f"/lab/k{number}")[2] == b"x" * number
        assert line.ask("GET", "/lab/none")[0] == 404
    assert lab.stats()["open"]["connections"] == 1


def test_requests_sent_ahead_are_answered_in_order(line: Any) -> None:
    line.ask("PUT", "/lab/k", b"0123456789" * 10_000)
    line.send(b"".join(b"GET /lab/k HTTP/1.1\r\nRange: bytes=%d-%d\r\n\r\n" % (n, n) for n in range(400)))
    assert [line.read_answer()[2] for _ in range(400)] == [b"%d" % (n % 10) for n in range(400)]


def test_a_request_may_arrive_byte_by_byte(line: Any) -> None:
    for byte in b"PUT /lab/k HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc":
        line.send(bytes([byte]))
    assert line.read_answer()[0] == 200
    assert line.ask("GET", "/lab/k")[2] == b"abc"


def test_an_answer_to_head_has_no_body(line: Any) -> None:
    line.ask("PUT", "/lab/k", b"abc")
    for path, status, length in (("/lab/k", 200, "3"), ("/lab/none", 404, None), ("/none", 404, None)):
        line.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got, headers = line.read_head()
        assert got == status
        assert length in (None, headers["content-length"])
    assert line.ask("GET", "/lab/k")[2] == b"abc"  # nothing was left over on the line


def test_not_modified_and_no_content_leave_the_line_clean(line: Any) -> None:
    etag = line.ask("PUT", "/lab/k", b"abc")[1]["etag"]
    status, headers, _ = line.ask("GET", "/lab/k", b"", f"If-None-Match: {etag}")
    assert (status, "content-length" in headers) == (304, False)
    assert line.ask("DELETE", "/lab/k")[0] == 204
    assert line.ask("GET", "/lab/k")[0] == 404


@pytest.mark.parametrize("head", [b"GET /lab HTTP/1.1\r\nConnection: close", b"GET /lab HTTP/1.0"])
def test_the_connection_ends_when_the_client_says_so(line: Any, head: bytes) -> None:
    line.send(head + b"\r\n\r\n")
    status, headers, body = line.read_answer()
    assert (status, headers["connection"]) == (200, "close")
    assert b"ListBucketResult" in body
    assert line.at_end()


def test_a_client_that_waits_is_told_to_go_on(line: Any) -> None:
    line.send(b"PUT /lab/k HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert line.read_head()[0] == 100
    line.send(b"abc")
    assert line.read_answer()[0] == 200
    assert line.ask("GET", "/lab/k")[2] == b"abc"


def test_a_client_that_waits_is_refused_before_its_body(line: Any, lab: Lab) -> None:
    lab.tune("open", max_object=10)
    line.send(b"PUT /lab/k HTTP/1.1\r\nContent-Length: 5000000\r\nExpect: 100-continue\r\n\r\n")
    status, headers, _ = line.read_answer()
    assert (status, headers["connection"]) == (413, "close")
    assert line.at_end()


def test_a_client_that_sends_on_reads_why_it_was_refused(line: Any, lab: Lab) -> None:
    lab.tune("open", max_object=10)
    line.send(b"PUT /lab/k HTTP/1.1\r\nContent-Length: 300000\r\nExpect: 100-continue\r\n\r\n" + bytes(300_000))
    assert line.read_answer()[0] == 413
    assert line.at_end()
    line.send(bytes(1000))  # still no reset: an answer on a longer line would not have been read yet
    time.sleep(0.02)
    line.send(bytes(1000))


def test_a_refused_body_is_read_to_its_end(line: Any, lab: Lab) -> None:
    lab.tune("open", max_object=10)
    assert line.ask("PUT", "/lab/k", bytes(300_000))[0] == 413
    assert line.ask("PUT", "/lab/k", bytes(10))[0] == 200


def test_a_chunked_body_is_put_together(line: Any) -> None:
    line.send(b"PUT /lab/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n")
    time.sleep(0.02)  # the last line end arrives alone, and belongs to this request, not to the next
    line.send(b"\r\nGET /lab/k HTTP/1.1\r\n\r\n")
    assert line.read_answer()[0] == 200
    assert line.read_answer()[2] == b"abc0123456789"


@pytest.mark.parametrize("body", [b"zz\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"-3\r\nabc\r\n0\r\n\r\n"])
def test_a_malformed_chunk_is_refused(line: Any, lab: Lab, body: bytes) -> None:
    line.send(b"PUT /lab/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert line.read_answer()[0] == 400
    assert line.at_end()
    assert incoming(lab) == []


def test_the_chunks_of_s3_carry_checked_trailers(line: Any) -> None:
    head = ("Content-Encoding: aws-chunked", "x-amz-decoded-content-length: 3", "x-amz-trailer: x-amz-checksum-crc32")
    right = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n"
    wrong = right.replace(b"NSRBwg", b"AAAAAA")
    assert line.ask("PUT", "/lab/k", right, *head)[0] == 200
    assert line.ask("PUT", "/lab/other", wrong, *head)[0] == 400
    assert line.ask("PUT", "/lab/other", right[:-20], *head)[0] == 400
    assert line.ask("PUT", "/lab/other", right[:-20], head[0])[0] == 400
    status, headers, body = line.ask("GET", "/lab/k", b"", "x-amz-checksum-mode: ENABLED")
    assert (status, body, headers["x-amz-checksum-crc32"]) == (200, b"abc", "NSRBwg==")
    assert "content-encoding" not in headers
    assert line.ask("GET", "/lab/other")[0] == 404


def test_a_body_that_fails_its_sha256_is_refused(line: Any) -> None:
    status, _, text = line.ask("PUT", "/lab/k", b"abc", "x-amz-content-sha256: " + "0" * 64)
    assert status == 400
    assert b"XAmzContentSHA256Mismatch" in text
    assert line.ask("GET", "/lab/k")[0] == 404


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01 hello", b"GET /lab", b"GET lab HTTP/1.1", b"GET /lab HTTP/1.1\r\nno colon",
        b"PUT /lab/k HTTP/1.1\r\nContent-Length: -1", b"PUT /lab/k HTTP/1.1\r\nContent-Length: 1x",
        b"GET /lab/%ff HTTP/1.1", b"GET /lab HTTP/1.1\r\n folded: x",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(line: Any, head: bytes) -> None:
    line.send(head + b"\r\n\r\n")
    assert line.read_answer()[0] == 400
    assert line.at_end()


def test_an_endless_head_is_refused(line: Any) -> None:
    line.send(b"GET /lab HTTP/1.1\r\nx: " + b"a" * 70_000)
    assert line.read_answer()[0] == 431
    assert line.at_end()


def test_an_upload_that_breaks_off_leaves_nothing(lab: Lab, raw: Connect) -> None:
    line = raw(lab.cloud("open"))
    line.send(b"PUT /lab/k HTTP/1.1\r\nContent-Length: 500000\r\n\r\n" + bytes(100_000))
    assert eventually(lambda: len(incoming(lab)) == 1)
    line.sock.close()
    assert eventually(lambda: incoming(lab) == [])
    assert raw(lab.cloud("open")).ask("GET", "/lab/k")[0] == 404
    assert eventually(lambda: lab.stats()["open"]["open"] == 1)


def test_a_client_that_only_closes_its_half_still_gets_its_answer(line: Any, lab: Lab) -> None:
    line.ask("PUT", "/lab/k", bytes(1_000_000))
    line.send(b"GET /lab/k HTTP/1.1\r\n\r\n")
    line.sock.shutdown(1)
    assert line.read_answer()[2] == bytes(1_000_000)
    assert line.at_end()
    assert eventually(lambda: lab.stats()["open"]["open"] == 0)


def test_ten_writers_of_one_name_leave_one_whole_object(lab: Lab, raw: Connect) -> None:
    lines = [raw(lab.cloud("open")) for _ in range(10)]
    for number, line in enumerate(lines):
        line.send(b"PUT /lab/k HTTP/1.1\r\nIf-None-Match: *\r\nContent-Length: 50000\r\n\r\n" + b"%d" % number * 25_000)
    for number, line in enumerate(lines):
        line.send(b"%d" % number * 25_000)
    answers = [line.read_answer()[0] for line in lines]
    assert sorted(answers) == [200] + [412] * 9
    assert lines[0].ask("GET", "/lab/k")[2] == b"%d" % answers.index(200) * 50_000


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.binary(max_size=20), st.integers(1, 30))
def test_chunks_come_apart_however_they_are_cut(chunks: list[bytes], after: bytes, grain: int) -> None:
    text = b"".join(b"%x;e=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nName: value\r\n\r\n" + after
    framing, out = Chunked(), b""
    for at in range(0, len(text), grain):
        out += framing.feed(text[at : at + grain])
    assert (out, bytes(framing.rest), framing.done) == (b"".join(chunks), after, True)
    assert framing.trailers == {"name": "value"}


@given(st.binary(max_size=200))
def test_any_bytes_as_a_head_give_a_request_or_a_refusal(head: bytes) -> None:
    assert isinstance(parse_head(head), (Request, Answer))
    assert isinstance(parse_head(b"GET /a?" + head.replace(b" ", b"") + b" HTTP/1.1"), (Request, Answer))
