"""What SFTP servers do otherwise than they should, each shown by doing it."""

from __future__ import annotations

import contextlib
import threading

from tests.conformance.kind import Deviation
from webraid.backend.base import Backend
from webraid.backend.conformance import Subject
from webraid.backend.conformance.listing import list_during_writes
from webraid.backend.conformance.objects import (
    readers_during_an_overwrite_never_see_a_torn_object,
    sixteen_threads_putting_one_name_leave_one_whole_object,
)
from webraid.backend.conformance.subject import put
from webraid.errors import BackendError, ObjectNotFound

WHILE_OVERWRITTEN = (readers_during_an_overwrite_never_see_a_torn_object, list_during_writes)
WHILE_READ = (readers_during_an_overwrite_never_see_a_torn_object,)
WHEN_RACED = (sixteen_threads_putting_one_name_leave_one_whole_object,)
_ROUNDS = 300  # about one in four shows it
_RACERS = 8
_PATIENCE = 30.0  # seconds; it takes less than one


def gone_while_overwritten(subject: Subject) -> bool:
    """Whether an object can be missed while it is put again."""
    name, over = subject.at("gone/a"), threading.Event()

    def overwrite() -> None:
        with subject.opened() as backend:
            while not over.is_set():
                put(backend, name, b"1")

    with subject.opened() as backend:
        put(backend, name, b"1")
        writer = threading.Thread(target=overwrite, daemon=True)
        writer.start()
        try:
            return any(not list(backend.list(name)) for _ in range(3000))
        finally:
            over.set()
            writer.join()


def missed_by_readers(subject: Subject) -> bool:
    """Whether a reader can be told that there is no object while it is put again."""
    name, over, missed = subject.at("gone/read"), threading.Event(), threading.Event()

    def work(number: int) -> None:
        with subject.opened() as backend:
            while not over.is_set():
                try:
                    if number == 0:
                        put(backend, name, b"1" * 50_000)
                    else:
                        backend.get(name)
                except ObjectNotFound:
                    missed.set()
                except BackendError:  # a race of another kind
                    continue

    with subject.opened() as backend:
        put(backend, name, b"1")
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        return missed.wait(_PATIENCE)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def gone_when_raced(subject: Subject) -> bool:
    """Whether an object that many have put at once, and some with success, is not there afterwards."""
    with contextlib.ExitStack() as stack:
        backends = [stack.enter_context(subject.opened()) for _ in range(_RACERS)]
        return any(_gone_after_a_race(subject.at(f"raced/{number % 9}"), backends) for number in range(_ROUNDS))


def _gone_after_a_race(name: str, backends: list[Backend]) -> bool:
    gate, done = threading.Barrier(len(backends)), []

    def race(backend: Backend, number: int) -> None:
        gate.wait()
        with contextlib.suppress(BackendError):
            put(backend, name, b"1" * number)
            done.append(number)

    threads = [threading.Thread(target=race, args=(backend, number)) for number, backend in enumerate(backends)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        backends[0].get(name)
    except ObjectNotFound:
        return bool(done)
    except BackendError:  # not what is looked for
        return False
    return False


DEVIATIONS = (
    *(
        Deviation(
            "sftp-old",
            f"gone-while-overwritten-{number}",
            gone_while_overwritten,
            "the oldest SFTP has no rename that replaces, so what is overwritten is gone for a moment; WebRAID "
            "overwrites only what it repairs, and a few records of its own",
            check=check.__name__,
        )
        for number, check in enumerate(WHILE_OVERWRITTEN)
    ),
    Deviation(
        "sftp-rclone",
        "gone-when-raced",
        gone_when_raced,
        "after several renames onto one name at once rclone forgets for minutes that the file is there, which lies on "
        "its disk all the same; no two of our threads put the same name",
        check=WHEN_RACED[0].__name__,
    ),
    Deviation(
        "sftp-rclone",
        "missed-by-readers",
        missed_by_readers,
        "rclone removes the old file before it renames the new one; WebRAID overwrites only what it repairs, and a few "
        "records of its own",
        check=WHILE_READ[0].__name__,
    ),
)
