"""Meters are exact."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from webraid.backend.faulty import Fault, Faults, Faulty
from webraid.backend.memory import Memory
from webraid.backend.metered import Count, Meter, Metered
from webraid.backend.wrapper import Op
from webraid.errors import ObjectNotFound, Unavailable


def test_every_request_and_byte_is_counted_by_class(put: Any) -> None:
    meter = Meter()
    disk = Metered(Memory(), meter)
    put(disk, "a", b"12345")
    put(disk, "b", b"123")
    disk.get("a", offset=1, size=3)
    disk.get("b")
    disk.stat("a")
    list(disk.list(""))
    disk.delete("a")
    disk.usage()
    disk.prepare()
    assert meter.counts() == {
        Op.PUT: Count(2, up=8), Op.GET: Count(2, down=6), Op.STAT: Count(1), Op.LIST: Count(1), Op.DELETE: Count(1),
        Op.USAGE: Count(1), Op.PREPARE: Count(1),
    }  # fmt: skip
    assert meter.total() == Count(9, up=8, down=6)


def test_errors_are_counted_by_class_and_move_no_bytes(put: Any) -> None:
    meter, faults = Meter(), Faults()
    disk = Metered(Faulty(Memory(), faults), meter)
    faults.script = [Fault.BEFORE]
    with pytest.raises(Unavailable):
        put(disk, "a", b"12345")
    for _ in range(2):
        with pytest.raises(ObjectNotFound):
            disk.get("a")
    assert meter.total() == Count(3, errors={"Unavailable": 1, "ObjectNotFound": 2})


def test_a_foreign_error_is_counted_as_what_it_is_mapped_to() -> None:
    class Foreign(Memory):
        ERRORS = {OSError: lambda error: Unavailable(str(error))}

        def usage(self) -> Any:
            raise FileNotFoundError("gone")

        def prepare(self) -> None:
            raise ZeroDivisionError

    meter = Meter()
    disk = Metered(Foreign(), meter)
    with pytest.raises(FileNotFoundError):
        disk.usage()
    with pytest.raises(ZeroDivisionError):
        disk.prepare()
    assert meter.total().errors == {"Unavailable": 1, "ZeroDivisionError": 1}


def test_a_process_that_dies_has_made_its_request(put: Any) -> None:
    meter, faults = Meter(), Faults()
    faults.crash_at(1, "after")
    with pytest.raises(KeyboardInterrupt):
        put(Metered(Faulty(Memory(), faults), meter), "a", b"1")
    assert meter.total() == Count(1)


def test_threads_lose_no_count() -> None:
    meter = Meter()

    def work() -> None:
        for _ in range(500):
            meter.requested(Op.GET)
            meter.moved(Op.GET, down=3)
            meter.throttled(Op.GET, 0.5)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.counts() == {Op.GET: Count(4000, down=12000, throttled=2000.0)}
