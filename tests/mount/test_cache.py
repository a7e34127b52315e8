"""The cache of a mounted view: bounded, shared by threads, and never two fetches of one thing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from webraid.errors import NotInTable
from webraid.jobs.browsing.browse_cache import Kept

PATIENCE = 20


def test_what_was_used_least_lately_is_let_go_when_it_is_full() -> None:
    kept: Kept[str, bytes] = Kept(100, len)
    for name in ("a", "b", "a", "c"):
        assert kept.get([name], lambda keys: [(key, bytes(40)) for key in keys])[name] == bytes(40)
    assert kept.used == 80
    assert kept.missing(["a", "b", "c"]) == ["b"]
    assert (kept.counts.hits, kept.counts.misses, kept.counts.dropped) == (1, 3, 1)


def test_what_is_larger_than_all_room_is_given_and_not_kept() -> None:
    kept: Kept[str, bytes] = Kept(10, len)
    assert kept.get(["a"], lambda keys: [("a", bytes(11))])["a"] == bytes(11)
    assert (kept.used, kept.missing(["a"])) == (0, ["a"])


def test_several_who_want_the_same_cause_one_fetch() -> None:
    kept: Kept[str, bytes] = Kept(100, len)
    go, fetched, got = threading.Event(), list[str](), list[bytes]()

    def fetch(keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        fetched.extend(keys)
        assert go.wait(PATIENCE)
        yield from ((key, b"x") for key in keys)

    threads = [threading.Thread(target=lambda: got.append(kept.get(["a"], fetch)["a"])) for _ in range(5)]
    for thread in threads:
        thread.start()
    while kept.counts.shared < 4 and threads[0].is_alive():
        go.wait(0.001)
    go.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert (fetched, got) == (["a"], [b"x"] * 5)


def test_a_fetch_that_hangs_keeps_nobody_from_another() -> None:
    kept: Kept[str, bytes] = Kept(100, len)
    go = threading.Event()

    def hang(keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        assert go.wait(PATIENCE)
        yield from ((key, b"late") for key in keys)

    slow = threading.Thread(target=lambda: kept.get(["slow"], hang))
    slow.start()
    quick = threading.Thread(target=lambda: kept.get(["quick"], lambda keys: [("quick", b"x")]))
    quick.start()
    quick.join(PATIENCE)
    ended = not quick.is_alive()
    go.set()
    slow.join(PATIENCE)
    assert ended
    assert kept.missing(["slow", "quick"]) == []


def test_what_is_promised_to_others_is_fetched_before_waiting_for_theirs() -> None:
    kept: Kept[str, bytes] = Kept(100, len)
    both, pause = threading.Barrier(2, timeout=PATIENCE), threading.Event()

    def fetch(keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        both.wait()
        yield from ((key, key.encode()) for key in keys)

    answers: list[dict[str, bytes]] = []

    first = threading.Thread(target=lambda: answers.append(kept.get(["a", "b"], fetch)))
    first.start()
    while kept.missing(["a"]) and first.is_alive():
        pause.wait(0.001)
    second = threading.Thread(target=lambda: answers.append(kept.get(["b", "c", "a"], fetch)))
    second.start()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert sorted(map(len, answers)) == [2, 3]


def test_why_one_thing_is_not_to_be_had_is_told_to_all_who_wanted_it_and_the_others_are_kept() -> None:
    kept: Kept[str, bytes] = Kept(100, len)

    def fetch(keys: Sequence[str]) -> Iterator[tuple[str, bytes | Exception]]:
        yield "bad", NotInTable("gone")
        yield "good", b"x"

    with pytest.raises(NotInTable, match="gone"):
        kept.get(["good", "bad"], fetch)
    assert kept.missing(["good", "bad"]) == ["bad"]
    with pytest.raises(LookupError):
        kept.get(["left out"], lambda keys: [])
    assert kept.get(["bad"], lambda keys: [("bad", b"back")]) == {"bad": b"back"}
