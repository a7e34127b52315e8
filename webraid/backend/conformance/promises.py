"""The nine promises of webraid.backend.base.Backend, each with one check of the same name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from webraid.backend.base import Backend
from webraid.backend.conformance.subject import (
    Check,
    Subject,
    all_together,
    expect,
    expect_error,
    expect_missing,
    needs,
    put,
)
from webraid.errors import BackendError, ObjectNotFound, ProtocolError, Unsupported
from webraid.model import MIB

THREADS = 8
OBJECTS = 200


def put_is_whole_or_not_at_all(subject: Subject) -> None:
    """1. After put returns, get gives the same bytes; before, all of them or ObjectNotFound."""
    data = subject.env.random(MIB + 17)
    names = [subject.at(f"whole/{number}") for number in range(6)]
    done = threading.Event()

    def work(backend: Backend, number: int) -> None:
        if number == 0:
            try:
                for name in names:
                    stored = put(backend, name, data)
                    _expect_stored(backend, name, data, stored.locator)
            finally:
                done.set()
        while number and not done.is_set():
            for name in names:
                _expect_whole_or_nothing(backend, name, data)

    all_together(subject, 3 if subject.caps.atomic_put else 1, work)


def _expect_stored(backend: Backend, name: str, data: bytes, locator: str) -> None:
    expect(backend.get(name) == data, "get by name gives other bytes than were put")
    expect(backend.get(name, locator=locator) == data, "get by locator gives other bytes than were put")
    expect(backend.stat(name, locator=locator).size == len(data), "stat tells another size than was put")


def _expect_whole_or_nothing(backend: Backend, name: str, data: bytes) -> None:
    try:
        body = backend.get(name)
    except ObjectNotFound:
        return
    expect(body == data, f"while it was put, {len(body)} of {len(data)} bytes could be read")


def putting_again_leaves_one_object(subject: Subject) -> None:
    """2. Repeating a put is safe; with other bytes the last put wins; there is one object under a name."""
    name = subject.at("again/a")
    first, second = subject.env.random(5000), subject.env.random(3000)
    with subject.opened() as backend:
        for data in (first, first, second):
            put(backend, name, data)
            subject.between_writes()
            expect(backend.get(name) == data, "after putting again, get gives other bytes than the last put")
        listed = [stored for stored in backend.list(subject.at("again/")) if stored.size == len(second)]
        expect(subject.names(backend, subject.at("again/"), {name}) == [name], "list names it more or less than once")
        expect(len(listed) == 1 or subject.caps.list_consistency == "eventual", "list tells an older size")
        backend.delete(name)
        expect_missing(lambda: backend.get(name), "get after deleting what was put three times")


def a_range_is_exact_or_an_error(subject: Subject) -> None:
    """3. First, middle, last byte, to the end; past the end is ProtocolError; the end itself is empty."""
    size = 100_003
    data = subject.env.random(size)
    name, empty = subject.at("range/a"), subject.at("range/empty")
    good = [
        (0, None),
        (0, 1),
        (0, size),
        (0, 0),
        (5, 0),
        (1000, 1000),
        (size - 1, 1),
        (size - 7, None),
        (size, None),
        (size, 0),
    ]
    bad = [(size - 10, 11), (size, 1), (size + 1, None), (size + 1, 0), (size + 1, 1), (0, size + 1), (1, size)]
    with subject.opened() as backend:
        put(backend, name, data)
        put(backend, empty, b"")
        for offset, count in good:
            _expect_range(subject, backend, name, data, offset, count)
        _expect_range(subject, backend, empty, b"", 0, None)
        _expect_range(subject, backend, empty, b"", 0, 0)
        for offset, count in bad:
            _expect_past_end(subject, backend, name, offset, count)
        for offset, count in ((0, 1), (1, None)):
            _expect_past_end(subject, backend, empty, offset, count)


def _expect_past_end(subject: Subject, backend: Backend, name: str, offset: int, count: int | None) -> None:
    allowed = (ProtocolError,) if subject.caps.range_get else (ProtocolError, Unsupported)
    what = f"a range past the end (offset {offset}, size {count})"
    expect_error(lambda: backend.get(name, offset=offset, size=count), what, *allowed)


def _expect_range(subject: Subject, backend: Backend, name: str, data: bytes, offset: int, count: int | None) -> None:
    try:
        body = backend.get(name, offset=offset, size=count)
    except Unsupported:
        expect(not subject.caps.range_get, "caps promise ranges, get says they are unsupported")
        return
    expect(type(body) is bytes, f"get gives {type(body).__name__}, not bytes")
    wanted = data[offset:] if count is None else data[offset : offset + count]
    expect(len(body) == len(wanted), f"a range of {len(wanted)} bytes at {offset} came as {len(body)}")
    expect(body == wanted, f"the range of {len(wanted)} bytes at {offset} holds other bytes")


def a_missing_name_is_object_not_found(subject: Subject) -> None:
    """4. From get, ranged get and stat alike: never there, deleted, a folder, below an object."""
    with subject.opened() as backend:
        put(backend, subject.at("missing/folder/object"), b"1")
        gone = put(backend, subject.at("missing/deleted"), b"2")
        backend.delete(gone.name)
        expect_missing(lambda: backend.get(gone.name, locator=gone.locator), "get by the locator of what was deleted")
        expect_missing(lambda: backend.stat(gone.name, locator=gone.locator), "stat by the locator of what was deleted")
        for name in ("missing/never", "no/such/folder", "missing/deleted", "missing/folder", "missing/folder/object/x"):
            for action, what in _readings(backend, subject.at(name)):
                if subject.caps.range_get or what in ("get", "stat"):
                    expect_missing(action, f"{what} of {name}")


def _readings(backend: Backend, name: str) -> Iterator[tuple[Callable[[], object], str]]:
    yield lambda: backend.get(name), "get"
    yield lambda: backend.get(name, offset=1, size=2), "ranged get"
    yield lambda: backend.get(name, offset=1), "get to the end"
    yield lambda: backend.get(name, size=0), "empty get"
    yield lambda: backend.stat(name), "stat"


def delete_of_what_is_not_there_is_no_error(subject: Subject) -> None:
    """5. And what was there is gone, alone."""
    gone, stays = subject.at("delete/gone"), subject.at("delete/folder/stays")
    with subject.opened() as backend:
        for name in (subject.at("delete/never"), subject.at("no/such/folder")):
            backend.delete(name)
        stored = put(backend, gone, b"1")
        put(backend, stays, b"2")
        backend.delete(gone, locator=stored.locator)
        backend.delete(gone)
        with suppress(BackendError):  # no object of ours can be called so: refused or ignored, both will do
            backend.delete(subject.at("delete/folder"))
        expect_missing(lambda: backend.get(gone), "get of a deleted object")
        expect_missing(lambda: backend.stat(gone), "stat of a deleted object")
        expect(subject.names(backend, subject.at("delete/"), {stays}) == [stays], "list shows not what was left")
        expect(backend.get(stays) == b"2", "a delete took something else along")


def list_gives_every_name_under_the_prefix_once(subject: Subject) -> None:
    """6. Every name under the prefix, with its size, and no other."""
    parts = ("a", "ab/1", "ab/2", "ab/c/d/e", "b-1", "b.2", "0")
    sizes = {subject.at(f"list/{part}"): number for number, part in enumerate(parts)}
    with subject.opened() as backend:
        for name, size in sizes.items():
            put(backend, name, bytes(size))
        put(backend, subject.at("list2"), b"")
        for prefix in ("list/", "list/a", "list/ab", "list/ab/", "list/ab/c/", "list/b", "list/b-1", "list/zz", "list"):
            wanted = {name for name in sizes if name.startswith(subject.at(prefix))}
            wanted |= {subject.at("list2")} if prefix == "list" else set()
            found = subject.names(backend, subject.at(prefix), wanted)
            expect(found == sorted(wanted), f"under {prefix}: {len(found)} names, where {len(wanted)} are")
        told = {stored.name: stored.size for stored in backend.list(subject.at("list/"))}
        expect(told == sizes or subject.caps.list_consistency == "eventual", "list tells wrong sizes")


def only_backend_error_and_its_children_come_out(subject: Subject) -> None:
    """7. Whatever is asked, and whatever befalls the server (every fault the subject can bring about)."""
    name = subject.at("errors/a")
    with subject.opened() as backend:
        put(backend, name, b"0123456789")
        _expect_no_leak(lambda: put(backend, f"{name}/below", b"1"), "put below an object")
        _expect_no_leak(lambda: backend.delete(f"{name}/below"), "delete below an object")
        _expect_no_leak(lambda: put(backend, subject.at("errors"), b"1"), "put where a folder is")
        _expect_no_leak(lambda: backend.delete(subject.at("errors")), "delete where a folder is")
        for missing in (name, f"{name}/below", subject.at("errors"), subject.at("errors/" + "x" * 100)):
            for action, what in (
                *_readings(backend, missing),
                (lambda: backend.get(name, offset=99), "get past the end"),
            ):
                _expect_no_leak(action, what)
    for fault, inject in subject.faults.items():
        with subject.opened() as backend, inject():
            for action, what in _everything(backend, name, subject.at("errors/b")):
                _expect_no_leak(action, f"{what} under the fault {fault!r}")


def _everything(backend: Backend, name: str, other: str) -> Iterator[tuple[Callable[[], object], str]]:
    yield lambda: put(backend, other, b"1"), "put"
    yield from _readings(backend, name)
    yield lambda: list(backend.list(name)), "list"
    yield lambda: backend.delete(other), "delete"
    yield backend.usage, "usage"
    yield backend.prepare, "prepare"


def _expect_no_leak(action: Callable[[], object], what: str) -> None:
    try:
        action()
    except BackendError as error:
        expect(bool(str(error)) and bool(error.hint), f"{what}: an error without a sentence or a hint")
    except Exception as error:  # leaks are what is looked for
        raise AssertionError(f"{what} let out a {type(error).__name__}") from error


def an_instance_is_used_by_one_thread_only(subject: Subject) -> None:
    """8. And therefore many instances work at once: 200 objects by 8 threads."""
    data = [subject.env.random(500 + number) for number in range(OBJECTS)]

    def work(backend: Backend, thread: int) -> None:
        for number in range(thread, OBJECTS, THREADS):
            put(backend, subject.at(f"many/{number}"), data[number])
        for number in range(thread, OBJECTS, THREADS):
            expect(backend.get(subject.at(f"many/{number}")) == data[number], "among threads, get gave other bytes")

    all_together(subject, THREADS, work)
    wanted = {subject.at(f"many/{number}") for number in range(OBJECTS)}
    with subject.opened() as backend:
        expect(subject.names(backend, subject.at("many/"), wanted) == sorted(wanted), "threads lost or doubled objects")


@needs("busy", "requests")
def no_retries_inside(subject: Subject) -> None:
    """9. One call, one request, even where it fails: those above decide what to do next."""
    assert subject.requests is not None
    with subject.opened() as backend:
        put(backend, subject.at("retry/a"), b"1")
        with subject.faults["busy"]():
            for action, what in _everything(backend, subject.at("retry/a"), subject.at("retry/b")):
                if what == "usage":
                    continue
                before = subject.requests()
                error = expect_error(action, f"{what}, answered 503", BackendError)
                expect(error.retryable, f"{what}, answered 503, is not retryable")
                sent = subject.requests() - before
                expect(sent == 1, f"{what}, answered 503, sent {sent} requests")


PROMISES: tuple[Check, ...] = (
    put_is_whole_or_not_at_all,
    putting_again_leaves_one_object,
    a_range_is_exact_or_an_error,
    a_missing_name_is_object_not_found,
    delete_of_what_is_not_there_is_no_error,
    list_gives_every_name_under_the_prefix_once,
    only_backend_error_and_its_children_come_out,
    an_instance_is_used_by_one_thread_only,
    no_retries_inside,
)
