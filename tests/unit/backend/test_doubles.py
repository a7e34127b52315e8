"""Memory keeps its promises; lagging and capped places are as slow and as small as told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from webraid.backend.base import Backend, Digest
from webraid.backend.capped import Capped, Room
from webraid.backend.faulty import Fault, Faults, Faulty, Step
from webraid.backend.lagging import Lagging, Line
from webraid.backend.memory import CAPS, Memory, MemoryOptions, Store
from webraid.backend.wrapper import Op
from webraid.errors import (
    ObjectNotFound,
    ObjectTooLarge,
    ProtocolError,
    QuotaExceeded,
    Unavailable,
    Unsupported,
)  # fmt: skip
from webraid.model import Usage


def names(disk: Backend, prefix: str = "") -> list[str]:
    return sorted(stored.name for stored in disk.list(prefix))


# ------------------------------------------------------------------------------------------------------------- memory
def test_all_instances_on_a_store_see_the_same_objects(put: Any) -> None:
    store = Store()
    one, other = Memory(store), Memory(store)
    put(one, "a", b"abc")
    assert other.get("a") == b"abc"
    other.delete("a")
    with pytest.raises(ObjectNotFound):
        one.stat("a")


def test_a_place_is_found_again_by_its_options(put: Any) -> None:
    options = Memory.options_type()(place="test-a-place")
    put(Memory.connect(options, {}), "a", b"abc")
    assert Memory.connect(options, {}).get("a") == b"abc"
    assert names(Memory.connect(MemoryOptions(place="test-another-place"), {})) == []
    assert Memory.identity(options) == "memory:test-a-place"
    assert Memory.default_domain(options, "attic") == "attic"


def test_memory_gives_exact_ranges_or_errors(put: Any) -> None:
    disk = Memory()
    put(disk, "a", b"0123456789")
    assert disk.get("a", offset=8) == b"89"
    assert disk.get("a", offset=8, size=2) == b"89"
    assert disk.get("a", offset=10) == disk.get("a", offset=10, size=0) == b""
    for offset, size in ((8, 3), (11, None), (11, 0)):
        with pytest.raises(ProtocolError, match="past the end"):
            disk.get("a", offset=offset, size=size)
    with pytest.raises(Unsupported):
        Memory(disk.store, replace(CAPS, range_get=False)).get("a", offset=1)


def test_memory_refuses_wrong_digests_and_large_objects_and_shows_rot() -> None:
    disk = Memory(caps=replace(CAPS, max_object=2))
    with pytest.raises(ProtocolError):
        disk.put("a", b"ab", digest=Digest("0" * 64))
    with pytest.raises(ObjectTooLarge):
        disk.put("a", b"abc", digest=Digest("0" * 64))
    assert names(disk) == []
    disk.store.put("a", b"ab")
    before = disk.stat("a").hash("sha256")
    disk.store.flip("a", 1)
    assert disk.get("a") == b"ac"
    assert disk.stat("a").hash("sha256") != before
    assert next(disk.list("")).hash("sha256") == disk.stat("a").hash("sha256")


def test_memory_lists_while_others_delete_and_rolls_back(put: Any) -> None:
    disk = Memory()
    for name in ("a", "b", "c"):
        put(disk, name, b"x")
    snapshot = disk.store.snapshot()
    listing = disk.list("")
    next(listing)
    disk.delete("b")
    assert [stored.name for stored in listing] == ["c"]
    put(disk, "d", b"x")
    disk.store.restore(snapshot)
    assert names(disk) == ["a", "b", "c"]
    disk.close()
    assert disk.closed


# ------------------------------------------------------------------------------------------------------------ lagging
def test_a_line_has_latency_and_rates_on_the_clock(clock: Any, put: Any) -> None:
    line = Line(clock.env, latency=0.5, up=1000, down=100)
    disk = Lagging(Memory(), line)
    put(disk, "a", bytes(2000))
    assert clock.time == pytest.approx(1002.5)
    disk.get("a", size=50)
    assert clock.time == pytest.approx(1003.5)
    disk.stat("a")
    assert clock.time == pytest.approx(1004.0)
    line.latency, line.up = 0.0, None
    put(disk, "b", bytes(2000))
    assert clock.time == pytest.approx(1004.0)


def test_bodies_queue_on_a_shared_line(clock: Any) -> None:
    naps: list[float] = []
    line = Line(replace(clock.env, sleep=naps.append), up=100)  # nobody's sleep moves this clock
    line.send(100)
    line.send(100)
    assert naps == [1.0, 2.0]


# ------------------------------------------------------------------------------------------------------------- capped
def test_a_capped_place_is_full_at_its_capacity_and_frees_on_delete(put: Any) -> None:
    store, room = Store(), Room(capacity=10)
    store.put("there", b"1234")
    one, other = Capped(Memory(store), room), Capped(Memory(store), room)
    put(one, "a", b"12345")
    with pytest.raises(QuotaExceeded, match="9 of 10"):
        put(other, "b", b"12")
    put(other, "a", b"123456")
    assert one.usage() == Usage(used=10, free=0, total=10)
    one.delete("there")
    one.delete("there")
    put(other, "b", b"1234")
    assert store.used() == 10
    assert one.caps.usage


def test_a_put_that_fails_uses_no_room(put: Any) -> None:
    store, faults, room = Store(), Faults(), Room(capacity=5)
    disk = Capped(Faulty(Memory(store), faults), room)
    put(disk, "a", b"12")
    for name in ("a", "b"):
        faults.script = [Step(Fault.BEFORE, Op.PUT)]
        with pytest.raises(Unavailable):
            put(disk, name, b"123")
    assert disk.usage().used == 2
    put(disk, "b", b"123")


def test_capped_refuses_large_objects_and_knows_the_smaller_limit(put: Any) -> None:
    inner = Memory(caps=replace(CAPS, max_object=8, usage=False))
    disk = Capped(inner, Room(max_object=4))
    assert disk.caps.max_object == 4
    assert Capped(inner, Room()).caps.max_object == 8
    with pytest.raises(ObjectTooLarge):
        put(disk, "a", b"12345")
    put(disk, "a", b"1234")
    assert disk.usage() == Usage(used=4)
    disk.delete("never-counted")
    assert Capped(inner, Room(capacity=9)).usage() == Usage(used=4, free=5, total=9)


def test_a_capped_place_has_no_more_room_than_the_place_itself() -> None:
    class Small(Memory):
        def usage(self) -> Usage:
            return Usage(free=3)

    assert Capped(Small(), Room(capacity=100)).usage() == Usage(used=0, free=3, total=100)


def test_deleting_before_anything_was_counted_is_no_error() -> None:
    store = Store()
    store.put("a", b"12")
    disk = Capped(Memory(store), Room(capacity=9))
    disk.delete("a")
    assert disk.usage().used == 0
