"""The committing thread: alone at once, together in one call, never two writes at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from webraid.errors import ProtocolError, RateLimited, Unavailable
from webraid_dropbox.commits import Committer

WAIT = 10.0  # seconds no step of a test takes


class Server:
    """What was sent, call by call; each call waits while ``gate`` is closed."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Semaphore(0)
        self.error: BaseException | None = None
        self.ended = threading.Event()

    def send(self, entries: Sequence[str]) -> list[str | Unavailable]:
        self.calls.append(list(entries))
        self.begun.release()
        assert self.gate.wait(WAIT)
        if self.error is not None:
            raise self.error
        return [Unavailable(entry) if entry.startswith("bad") else f"done {entry}" for entry in entries]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def committer(server: Server):
    made: Committer[str, str] = Committer(server.send, server.ended.set, patience=0.03)
    yield made
    server.gate.set()
    made.close()


def test_a_lone_commit_goes_out_at_once(server: Server) -> None:
    committer: Committer[str, str] = Committer(server.send, patience=WAIT * 100)
    assert committer.hand_in("/a", "a").result(WAIT) == "done a"
    assert server.calls == [["a"]]
    committer.close()


def test_what_comes_while_a_batch_is_on_its_way_is_committed_together(server: Server, committer) -> None:
    server.gate.clear()
    first = committer.hand_in("/a", "a")
    assert server.begun.acquire(timeout=WAIT)
    others = [committer.hand_in(f"/{name}", name) for name in "bcd"]
    server.gate.set()
    assert [future.result(WAIT) for future in (first, *others)] == ["done a", "done b", "done c", "done d"]
    assert server.calls == [["a"], ["b", "c", "d"]]


def test_a_commit_waits_for_uploads_that_are_on_their_way(server: Server) -> None:
    committer: Committer[str, str] = Committer(server.send, patience=WAIT * 100)
    with committer.uploading():
        first = committer.hand_in("/a", "a")
        assert not server.begun.acquire(timeout=0.02)
        second = committer.hand_in("/b", "b")
    assert (first.result(WAIT), second.result(WAIT)) == ("done a", "done b")
    assert server.calls == [["a", "b"]]
    committer.close()


def test_a_commit_does_not_wait_longer_than_its_patience(server: Server, committer) -> None:
    with committer.uploading():
        assert committer.hand_in("/a", "a").result(WAIT) == "done a"


def test_a_hundred_commits_wait_for_no_more(server: Server) -> None:
    committer: Committer[str, str] = Committer(server.send, patience=WAIT * 100)
    with committer.uploading():
        futures = [committer.hand_in(f"/{number}", str(number)) for number in range(100)]
        assert futures[-1].result(WAIT) == "done 99"
    committer.close()


def test_a_call_holds_a_thousand_commits_at_most(server: Server, committer) -> None:
    with committer.writing():
        futures = [committer.hand_in(f"/{number}", str(number)) for number in range(1500)]
    assert [future.result(WAIT) for future in futures] == [f"done {number}" for number in range(1500)]
    assert max(map(len, server.calls)) == 1000


def test_two_commits_of_one_path_never_share_a_call(server: Server, committer) -> None:
    with committer.writing():
        futures = [committer.hand_in("/a", name) for name in ("1", "2", "3")]
    assert [future.result(WAIT) for future in futures] == ["done 1", "done 2", "done 3"]
    assert server.calls == [["1"], ["2"], ["3"]]


def test_each_caller_gets_what_became_of_its_own(server: Server, committer) -> None:
    with committer.writing():
        good, bad, fine = (committer.hand_in(f"/{name}", name) for name in ("a", "bad", "b"))
    assert (good.result(WAIT), fine.result(WAIT)) == ("done a", "done b")
    with pytest.raises(Unavailable, match="bad"):
        bad.result(WAIT)


def test_what_befalls_a_whole_call_is_told_to_each_in_an_error_of_its_own(server: Server, committer) -> None:
    server.error = RateLimited("busy", retry_after=3.0, scope="writes", provider_code="x")
    with committer.writing():
        futures = [committer.hand_in(f"/{name}", name) for name in "abc"]
    errors = [future.exception(WAIT) for future in futures]
    assert all(isinstance(error, RateLimited) for error in errors)
    assert len({id(error) for error in errors}) == 3
    assert {(error.retry_after, error.scope, error.provider_code) for error in errors} == {(3.0, "writes", "x")}  # type: ignore[union-attr]


def test_after_a_failed_call_the_next_commit_works(server: Server, committer) -> None:
    server.error = RuntimeError("a bug")
    assert isinstance(committer.hand_in("/a", "a").exception(WAIT), RuntimeError)
    server.error = None
    assert committer.hand_in("/a", "a").result(WAIT) == "done a"


def test_too_few_answers_are_an_error_for_all() -> None:
    committer: Committer[str, str] = Committer(lambda entries: [], patience=0.01)
    with pytest.raises(ProtocolError, match="1 commits got 0 answers"):
        committer.hand_in("/a", "a").result(WAIT)
    committer.close()


def test_nothing_is_committed_while_somebody_else_writes(server: Server, committer) -> None:
    with committer.writing():
        future = committer.hand_in("/a", "a")
        assert not server.begun.acquire(timeout=0.02)
    assert future.result(WAIT) == "done a"


def test_nobody_is_alone_while_others_write_upload_or_wait(server: Server, committer) -> None:
    with committer.alone() as first, committer.alone() as second:
        assert (first, second) == (True, False)
    with committer.writing(), committer.alone() as while_written:
        assert not while_written
    with committer.uploading(), committer.alone() as while_uploaded:
        assert not while_uploaded
    server.gate.clear()
    committer.hand_in("/a", "a")
    with committer.alone() as while_committed:
        assert not while_committed
    server.gate.set()


def test_the_thread_begins_with_the_first_commit_and_ends_after_close(server: Server) -> None:
    before = set(threading.enumerate())
    committer: Committer[str, str] = Committer(server.send, server.ended.set)
    assert set(threading.enumerate()) == before
    server.gate.clear()
    waiting = committer.hand_in("/a", "a")
    committer.close()
    (thread,) = set(threading.enumerate()) - before
    assert thread.daemon
    server.gate.set()
    assert waiting.result(WAIT) == "done a"
    thread.join(WAIT)
    assert not thread.is_alive()
    assert server.ended.is_set()


def test_who_still_commits_after_close_is_served_and_leaves_no_thread(server: Server, committer) -> None:
    committer.close()
    assert committer.hand_in("/a", "a").result(WAIT) == "done a"
    assert committer.hand_in("/b", "b").result(WAIT) == "done b"
    for thread in [one for one in threading.enumerate() if one.name == "dropbox-commits"]:
        thread.join(WAIT)
        assert not thread.is_alive()


def test_where_no_thread_can_be_had_that_put_fails_and_the_next_one_works(
    server: Server, committer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError):
            committer.hand_in("/a", "a")
    assert committer.hand_in("/b", "b").result(WAIT) == "done b"
    assert server.calls == [["b"]], "nobody waits for the first one any more"
