"""Checks of single objects: sizes, names, hashes, digests, and many threads on one name."""

from __future__ import annotations

import threading

from webraid.backend.base import Backend, Bytes
from webraid.backend.conformance.subject import (
    Check,
    Subject,
    all_together,
    digest_of,
    expect,
    needs,
    put,
    together,
)
from webraid.errors import BackendError
from webraid.model import MIB

SIZES = (0, 1, 4 * MIB - 1, 4 * MIB, 8 * MIB + 1)
MAX_NAME = 200  # bytes, as promised in webraid.backend.base
RACERS = 16


def every_size_comes_back(subject: Subject) -> None:
    """0, 1, 4 MiB - 1, 4 MiB, 8 MiB + 1, handed over as bytes, bytearray and as a part of a buffer."""
    buffer = subject.env.random(max(SIZES) + 2)
    sizes = [size for size in SIZES if size <= (subject.caps.max_object or size)]
    with subject.opened() as backend:
        for size in sizes:
            wanted = buffer[1 : size + 1]
            shapes: tuple[Bytes, ...] = (wanted, bytearray(wanted), memoryview(buffer)[1 : size + 1])
            for number, data in enumerate(shapes if size <= 1 else shapes[size % 3 :][:1]):
                name = subject.at(f"size/{size}-{number}")
                put(backend, name, data)
                expect(backend.get(name) == wanted, f"{size} bytes came back as other ones")
                expect(backend.stat(name).size == size, f"stat tells another size than {size}")


def prepare_may_be_called_again(subject: Subject) -> None:
    """Nothing is lost by it."""
    with subject.opened() as backend:
        backend.prepare()
        put(backend, subject.at("prepare/a"), b"1")
        backend.prepare()
        expect(backend.get(subject.at("prepare/a")) == b"1", "prepare took an object away")


def names_at_the_limits(subject: Subject) -> None:
    """200 bytes, every legal character, deep folders, names that are the beginning of others."""
    room = MAX_NAME - len(subject.prefix) - len("names/")
    parts = [
        "x" * room,
        "/".join("y" * (room // 2))[:room].rstrip("/"),
        "abcdefghijklmnopqrstuvwxyz/0123456789/a.b-c",
        "0",
        "00",
        "a-.-b",
        "shards/ff/" + "f" * 32 + ".254",
    ]
    wanted = {subject.at(f"names/{part}"): part.encode() for part in parts}
    with subject.opened() as backend:
        for name, data in wanted.items():
            put(backend, name, data)
        for name, data in wanted.items():
            expect(backend.get(name) == data, f"a name of {len(name)} bytes gives other bytes")
        expect(
            subject.names(backend, subject.at("names/"), set(wanted)) == sorted(wanted),
            "list shows other names than were put",
        )


def sixteen_threads_putting_one_name_leave_one_whole_object(subject: Subject) -> None:
    """The last one wins, whoever that is; the others may be told to come again, nothing worse."""
    name = subject.at("race/a")
    bodies = [bytes([number]) * (60_000 + number) for number in range(RACERS)]
    raised = together(subject, RACERS, lambda backend, number: _race(backend, name, bodies[number]))
    for error in raised:
        if not (isinstance(error, BackendError) and error.retryable):
            raise error
    expect(len(raised) < RACERS, "of sixteen that put one name none got through")
    with subject.opened() as backend:
        body = backend.get(name)
        expect(body in bodies, "sixteen threads on one name left an object that none of them put")
        expect(backend.stat(name).size == len(body), "stat and get see different objects after a race")
        expect(subject.names(backend, subject.at("race/"), {name}) == [name], "a race left more than one object")


def _race(backend: Backend, name: str, data: bytes) -> None:
    put(backend, name, data)


@needs("caps.atomic_put")
def readers_during_an_overwrite_never_see_a_torn_object(subject: Subject) -> None:
    """Each reading is one of the bodies that were put, whole, or an error worth another try."""
    name = subject.at("torn/a")
    writes = 24 if not subject.caps.min_interval_same_key else 4
    bodies = [bytes([65 + number]) * (200_000 + 1000 * number) for number in range(writes)]
    done, read = threading.Event(), list[int]()
    with subject.opened() as backend:
        put(backend, name, bodies[0])

    def work(backend: Backend, number: int) -> None:
        if number == 0:
            try:
                for body in bodies:
                    subject.between_writes()
                    put(backend, name, body)
            finally:
                done.set()
        while number and not done.is_set():
            try:
                body = backend.get(name)
            except BackendError as error:
                if not error.retryable:
                    raise
                continue
            expect(body in bodies, "a reader saw a mixture of two puts")
            read.append(len(body))

    all_together(subject, 4, work)
    expect(bool(read), "not one of many readings during overwrites came through")


@needs("caps.hashes")
def hashes_are_those_of_the_bytes(subject: Subject) -> None:
    """What put, stat and (where caps say so) list tell; a scrub without download rests on it."""
    name, data = subject.at("hash/a"), subject.env.random(70_001)
    digest = digest_of(data)
    known = {"sha256": digest.sha256, "md5": digest.md5}
    with subject.opened() as backend:
        stored = put(backend, name, data)
        answers = [("put", stored), ("stat", backend.stat(name, locator=stored.locator))]
        if subject.caps.hashes_in_list:
            subject.names(backend, name, {name})
            answers += [("list", told) for told in backend.list(name)]
        for where, told in answers:
            for algorithm, value in told.hashes:
                expect(known.get(algorithm, value) == value, f"{where} tells a wrong {algorithm}")
            expect(any(told.hash(algorithm) for algorithm in subject.caps.hashes), f"{where} tells no hash")


def a_wrong_digest_is_refused_or_reported(subject: Subject) -> None:
    """Bytes that are not those of the digest: an error, or at least not 'verified'."""
    with subject.opened() as backend:
        put(backend, subject.at("digest/right"), b"right")  # where ETags must be learnt, they are now
        try:
            stored = backend.put(subject.at("digest/wrong"), b"damaged", digest=digest_of(b"the bytes that were meant"))
        except BackendError:
            return
        expect(not stored.verified, "bytes that do not fit their digest were called verified")


def delete_many_deletes_all_of_them_and_nothing_else(subject: Subject) -> None:
    """With locators and without, some of them gone already; more than one batch where batches are small."""
    batch = subject.caps.batch_delete
    count = batch + 2 if 0 < batch < 20 else 5
    stays = [subject.at("batch/stays"), subject.at("batch/0.0")]
    with subject.opened() as backend:
        stored = [put(backend, subject.at(f"batch/{number}"), b"%d" % number) for number in range(count)]
        for name in stays:
            put(backend, name, b"stays")
        objects = {one.name: one.locator if number % 2 else "" for number, one in enumerate(stored)}
        backend.delete_many({})
        backend.delete_many({**objects, subject.at("batch/never"): ""})
        backend.delete_many(objects)
        found = subject.names(backend, subject.at("batch/"), set(stays))
        expect(sorted(found) == sorted(stays), f"left of {count} objects and two others: {found}")


@needs("caps.usage")
def usage_is_plausible(subject: Subject) -> None:
    """Figures that fit each other."""
    with subject.opened() as backend:
        put(backend, subject.at("usage/a"), bytes(10_000))
        usage = backend.usage()
    figures = (usage.used, usage.free, usage.total)
    expect(any(figure is not None for figure in figures), "caps promise a usage, all its figures are None")
    expect(all(figure is None or figure >= 0 for figure in figures), "a figure of the usage is negative")
    if usage.total is not None:
        expect((usage.used or 0) <= usage.total, "more is used than there is")
        expect((usage.free or 0) <= usage.total, "more is free than there is")


OBJECT_CHECKS: tuple[Check, ...] = (
    every_size_comes_back,
    prepare_may_be_called_again,
    names_at_the_limits,
    sixteen_threads_putting_one_name_leave_one_whole_object,
    readers_during_an_overwrite_never_see_a_torn_object,
    hashes_are_those_of_the_bytes,
    a_wrong_digest_is_refused_or_reported,
    delete_many_deletes_all_of_them_and_nothing_else,
    usage_is_plausible,
)
