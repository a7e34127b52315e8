"""Checks of list: nothing there, more than one page, while others write."""

from __future__ import annotations

import threading

from webraid.backend.base import Backend
from webraid.backend.conformance.subject import Check, Subject, all_together, expect, put

WRITERS = 8


def list_of_nothing_is_empty(subject: Subject) -> None:
    """A folder that never was, and one whose last object was deleted."""
    with subject.opened() as backend:
        expect(not list(backend.list(subject.at("nothing/"))), "list finds something where nothing was put")
        put(backend, subject.at("emptied/a"), b"1")
        backend.delete(subject.at("emptied/a"))
        expect(not subject.names(backend, subject.at("emptied/"), set()), "list finds what was deleted")


def list_longer_than_a_page(subject: Subject) -> None:
    """A tenth more names than one answer holds, in several folders, each once."""
    names = [subject.at(f"pages/{number % 7}/{number}") for number in range(subject.page * 11 // 10)]

    def work(backend: Backend, thread: int) -> None:
        for name in names[thread::WRITERS]:
            put(backend, name, b"")

    all_together(subject, WRITERS, work)
    with subject.opened() as backend:
        found = subject.names(backend, subject.at("pages/"), set(names))
        expect(len(set(found)) == len(found), f"of {len(names)} names {len(found) - len(set(found))} came twice")
        expect(found == sorted(names), f"of {len(names)} names {len(set(names) - set(found))} are missing")
        part = [name for name in names if name.startswith(subject.at("pages/3/"))]
        expect(subject.names(backend, subject.at("pages/3/"), set(part)) == sorted(part), "one folder of it is wrong")


def list_during_writes(subject: Subject) -> None:
    """What was there before is told once; what comes, goes and is overwritten meanwhile at most once."""
    before = [subject.at(f"busy/{number:03}-old") for number in range(40)]
    done = threading.Event()
    with subject.opened() as backend:
        for name in before:
            put(backend, name, b"1")
        subject.names(backend, subject.at("busy/"), set(before))

    def work(backend: Backend, number: int) -> None:
        if number == 0:
            try:
                for _ in range(5):
                    _expect_each_once(backend, subject.at("busy/"), before)
            finally:
                done.set()
        turn = 0
        while number and not done.is_set():
            put(backend, subject.at(f"busy/{turn % 40:03}-new{number}"), b"2")
            if not subject.caps.min_interval_same_key:
                put(backend, before[turn % 40], b"3")
            backend.delete(subject.at(f"busy/{(turn - 3) % 40:03}-new{number}"))
            turn += 1

    all_together(subject, 3, work)


def _expect_each_once(backend: Backend, prefix: str, before: list[str]) -> None:
    found = [stored.name for stored in backend.list(prefix)]
    expect(len(set(found)) == len(found), "a name came twice while others were written")
    expect(set(before) <= set(found), f"{len(set(before) - set(found))} names were missed while others were written")


LISTING_CHECKS: tuple[Check, ...] = (list_of_nothing_is_empty, list_longer_than_a_page, list_during_writes)
