"""Faulty breaks its promises exactly as told."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from webraid.backend.base import Backend
from webraid.backend.faulty import MANY, Fault, Faults, Faulty, Step
from webraid.backend.memory import CAPS, Memory, Store
from webraid.backend.wrapper import Op
from webraid.errors import (
    AuthExpired,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)  # fmt: skip


def names(disk: Backend, prefix: str = "") -> list[str]:
    return sorted(stored.name for stored in disk.list(prefix))


def faulty(seed: int = 0, **more: Any) -> tuple[Faulty, Faults, Store]:
    store = Store()
    faults = Faults(seed, **more)
    return Faulty(Memory(store), faults), faults, store


def test_down_expired_full_and_storm_are_switches(put: Any) -> None:
    disk, faults, store = faulty()
    put(disk, "a", b"abc")
    faults.down = True
    with pytest.raises(Unavailable):
        disk.get("a")
    faults.down, faults.expired = False, True
    with pytest.raises(AuthExpired):
        disk.get("a")
    faults.expired, faults.full = False, True
    assert disk.get("a") == b"abc"
    with pytest.raises(QuotaExceeded):
        put(disk, "b", b"abc")
    faults.full, faults.storm, faults.retry_after = False, 2, 1.5
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            disk.get("a")
        assert caught.value.retry_after == 1.5
    assert disk.get("a") == b"abc"
    assert store.names() == ["a"]


def test_before_has_no_effect_and_after_has(put: Any) -> None:
    disk, faults, store = faulty()
    faults.script = [Fault.BEFORE, Fault.AFTER]
    for _ in range(2):
        assert store.names() == []
        with pytest.raises(Unavailable):
            put(disk, "a", b"abc")
    assert store.snapshot() == {"a": b"abc"}


@pytest.mark.parametrize(
    ("fault", "length"), [(Fault.FLIP, 64), (Fault.SHORT, 63), (Fault.LONG, 65), (Fault.WRONG, 64)]
)
def test_bodies_are_spoilt_but_not_what_lies_there(fault: Fault, length: int, put: Any) -> None:
    disk, faults, store = faulty()
    put(disk, "a", bytes(64))
    faults.script = [fault]
    body = disk.get("a")
    assert (len(body), body != bytes(64)) == (length, True)
    if fault is Fault.FLIP:
        assert sum(byte.bit_count() for byte in body) == 1
    assert disk.get("a") == bytes(64) == store.get("a")[0]


def test_a_flip_rate_of_one_spoils_every_body_but_an_empty_one(put: Any) -> None:
    disk, faults, _ = faulty()
    put(disk, "a", b"abc")
    put(disk, "empty", b"")
    faults.flip_rate = 1.0
    assert faults.flip_rate == 1.0
    assert all(disk.get("a") != b"abc" for _ in range(20))
    assert disk.get("empty") == b""
    faults.flip_rate = 0.0
    assert disk.get("a") == b"abc"


def test_a_torn_put_leaves_half_and_a_full_one_only_where_puts_are_not_atomic(put: Any) -> None:
    disk, faults, store = faulty()
    faults.script = [Fault.TORN, Fault.FULL]
    with pytest.raises(Unavailable):
        put(disk, "a", b"123456")
    with pytest.raises(QuotaExceeded):
        put(disk, "b", b"123456")
    assert store.snapshot() == {"a": b"123"}
    faults.script = [Fault.FULL]
    with pytest.raises(QuotaExceeded):
        put(Faulty(Memory(store, replace(CAPS, atomic_put=False)), faults), "b", b"123456")
    assert store.snapshot() == {"a": b"123", "b": b"123"}


def test_a_duplicate_is_listed_twice_until_it_is_deleted(put: Any) -> None:
    disk, faults, _ = faulty()
    faults.script = [Fault.TWICE]
    put(disk, "a", b"x")
    put(disk, "b", b"x")
    assert names(disk) == ["a", "a", "b"]
    disk.delete("a")
    assert names(disk) == ["b"]


def test_a_late_delete_takes_effect_later_unless_the_name_is_put_again(put: Any) -> None:
    disk, faults, store = faulty()
    for name in ("a", "b"):
        put(disk, name, b"x")
    faults.late_calls = 3
    disk.delete("a")
    disk.delete("b")
    put(disk, "b", b"y")
    assert names(disk) == ["a", "b"]
    for _ in range(3):
        disk.stat("b")
    assert store.snapshot() == {"b": b"y"}
    faults.late_calls = 0
    disk.delete("b")
    disk.delete("b")
    faults.script = [Fault.LATE]
    put(disk, "c", b"z")
    disk.delete("c")
    assert disk.get("c") == b"z"
    for _ in range(MANY):
        disk.usage()
    assert store.names() == []


def test_a_stale_listing_lacks_what_is_new_and_shows_what_is_gone(put: Any) -> None:
    disk, faults, _ = faulty()
    put(disk, "old", b"x")
    put(disk, "gone", b"x")
    for _ in range(3):
        disk.usage()
    put(disk, "new", b"x")
    disk.delete("gone")
    faults.stale_calls = 3
    assert names(disk) == ["gone", "old"]
    assert names(disk, "o") == ["old"]
    faults.stale_calls = 0
    faults.script = [Fault.STALE]
    assert names(disk) == ["gone"]
    assert names(disk) == ["new", "old"]


def test_a_script_waits_for_the_request_it_is_meant_for(put: Any) -> None:
    disk, faults, _ = faulty()
    faults.script = [Step(Fault.BEFORE, Op.GET, "b"), None, Fault.FLIP, QuotaExceeded("script")]
    put(disk, "a", b"abc")
    put(disk, "b", b"abc")
    assert disk.get("a") == b"abc"
    with pytest.raises(Unavailable):
        disk.get("b")
    assert disk.get("b") == b"abc"
    disk.stat("b")
    assert disk.get("b") != b"abc"
    with pytest.raises(QuotaExceeded, match="script"):
        disk.stat("b")
    assert faults.script == []


def outcomes(seed: int, order: list[int]) -> dict[int, str]:
    disk, faults, _ = faulty(seed)
    faults.rates = {Fault.BEFORE: 0.3, Fault.LIMITED: 0.3, Fault.FLIP: 1.0}
    found = {}
    for n in order:
        try:
            list(disk.list(f"a{n}"))
            found[n] = "ok"
        except (Unavailable, RateLimited) as error:
            found[n] = type(error).__name__
    return found


def test_faults_by_rate_repeat_from_the_seed_in_whatever_order_threads_come() -> None:
    order = list(range(200))
    first = outcomes(1, order)
    assert first == outcomes(1, order[::-1])
    assert first != outcomes(2, order)
    kinds = list(first.values())
    assert 30 < kinds.count("Unavailable") < 90
    assert 15 < kinds.count("RateLimited") < 75  # of those that did not fail before


def test_a_hanging_place_answers_when_it_is_released(put: Any) -> None:
    disk, faults, _ = faulty()
    put(disk, "a", b"abc")
    for script in (False, True):
        if script:
            faults.script = [Fault.HANG]
        else:
            faults.hang = threading.Event()
        got: list[bytes] = []
        thread = threading.Thread(target=lambda got=got: got.append(disk.get("a")), daemon=True)
        thread.start()
        thread.join(0.03)
        assert thread.is_alive()
        (faults.release if script else faults.hang).set()
        thread.join(5)
        assert got == [b"abc"]
        faults.hang = None


def test_a_slow_place_takes_its_time_on_the_clock(clock: Any) -> None:
    disk, faults, _ = faulty(env=clock.env)
    faults.slow = 2.0
    faults.script = [Fault.SLOW]
    disk.usage()
    disk.usage()
    assert clock.time == 1005.0


@pytest.mark.parametrize(("when", "left"), [("before", ["a", "b"]), ("after", ["a", "b", "c"])])
def test_a_crash_point_ends_the_process_for_all_its_places(when: Any, left: list[str], put: Any) -> None:
    class Crash(BaseException):
        pass

    faults, store = Faults(), Store()
    disks = [Faulty(Memory(store), faults) for _ in range(2)]
    put(disks[0], "a", b"x")
    faults.crash_at(2, when, Crash)
    put(disks[1], "b", b"x")
    assert not faults.crashed
    for name in ("c", "d", "e"):
        with pytest.raises(Crash):
            put(disks[0], name, b"x")
        with pytest.raises(Crash):
            disks[1].get("a")
    assert (sorted(store.names()), faults.crashed, faults.calls) == (left, True, 3)
    faults.revive()
    put(disks[0], "f", b"x")


def test_what_was_on_its_way_when_the_process_died_has_no_effect_and_gets_no_answer(put: Any) -> None:
    faults, store = Faults(), Store()
    faults.hang = threading.Event()
    caught: list[BaseException] = []

    def work() -> None:
        try:
            put(Faulty(Memory(store), faults), "a", b"x")
        except KeyboardInterrupt as error:
            caught.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while faults.calls == 0:
        thread.join(0.001)
    hang, faults.hang = faults.hang, None
    faults.crash_at(1)
    with pytest.raises(KeyboardInterrupt):
        Faulty(Memory(store), faults).usage()
    hang.set()
    thread.join(5)
    assert len(caught) == 1
    assert store.names() == []


def test_a_whole_place_is_rolled_back(put: Any) -> None:
    disk, faults, store = faulty()
    put(disk, "a", b"old")
    snapshot = disk.snapshot()
    put(disk, "a", b"new")
    put(disk, "b", b"new")
    calls = faults.calls
    disk.roll_back(snapshot)
    assert (store.snapshot(), faults.calls) == ({"a": b"old"}, calls)


def test_an_opener_shares_the_past_and_can_refuse(put: Any) -> None:
    faults, store = Faults(), Store()
    opened = faults.opener(lambda: Memory(store))
    faults.script = [Fault.TWICE]
    put(opened(), "a", b"x")
    assert names(opened()) == ["a", "a"]
    faults.connect_error = AuthExpired("x")
    with pytest.raises(AuthExpired):
        opened()


def test_the_journal_names_every_request(put: Any) -> None:
    disk, faults, _ = faulty()
    put(disk, "a", b"x")
    names(disk, "p")
    assert faults.journal == [(Op.PUT, "a"), (Op.LIST, "p")]
    assert faults.calls == 2
