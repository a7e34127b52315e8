"""Disk on every day: threads, futures, order, the stack on each thread."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.backend.rig import WAIT, result, threads_of, until
from webraid.backend.base import Backend, Caps, Digest
from webraid.backend.disk import Disk
from webraid.backend.faulty import Fault, Step
from webraid.backend.memory import CAPS, Memory, Store
from webraid.backend.metered import Count
from webraid.backend.retrying import RetryPolicy
from webraid.backend.throttled import Limits
from webraid.backend.wrapper import Op
from webraid.env import Env
from webraid.errors import (
    ObjectNotFound,
)  # fmt: skip
from webraid.model import DiskState, Stored, Usage

ONCE = RetryPolicy(attempts=1)
ROOT = Path(__file__).resolve().parents[3]


# ---------------------------------------------------------------------------------------------------------- every day
def test_every_request_comes_back_as_a_future(rigs: Any, put: Any) -> None:
    disk = rigs().disk
    assert result(disk.prepare()) is None
    stored = result(put(disk, "a/1", b"0123456789"))
    assert (stored.name, stored.size, stored.verified) == ("a/1", 10, True)
    assert result(disk.get("a/1", offset=2, size=3)) == b"234"
    assert result(disk.stat("a/1")).size == 10
    assert [found.name for found in result(disk.list("a/"))] == ["a/1"]
    assert result(disk.usage()) == Usage(used=10)
    assert result(disk.call(lambda backend: backend.get("a/1")[:2])) == b"01"
    assert result(disk.delete("a/1")) is None
    with pytest.raises(ObjectNotFound) as caught:
        result(disk.get("a/1"))
    assert (caught.value.disk, caught.value.key) == ("attic", "a/1")
    assert disk.health.state is DiskState.ONLINE


def test_the_meter_is_exact_through_the_whole_stack(rigs: Any, put: Any) -> None:
    rig = rigs(threads=1)
    rig.faults.script = [Fault.AFTER, Fault.BEFORE, Step(Fault.SHORT)]
    result(put(rig.disk, "a", b"0123456789"))
    result(rig.disk.get("a", size=10))
    with pytest.raises(ObjectNotFound):
        result(rig.disk.stat("b"))
    assert rig.disk.meter.counts() == {
        Op.PUT: Count(3, up=10, retries=2, errors={"Unavailable": 2}),
        Op.GET: Count(2, down=19, retries=1),  # the short body came over the line as well
        Op.STAT: Count(1, errors={"ObjectNotFound": 1}),
    }


def test_an_error_after_the_effect_and_a_retry_leave_one_object(rigs: Any, put: Any) -> None:
    rig = rigs()
    rig.faults.script = [Fault.AFTER]
    result(put(rig.disk, "a", b"abc"))
    assert [found.name for found in result(rig.disk.list(""))] == ["a"]
    assert rig.store.snapshot() == {"a": b"abc"}


def test_eight_threads_and_two_hundred_objects(rigs: Any, put: Any) -> None:
    rig = rigs(threads=8)
    bodies = {f"shards/{n:02x}/{n}": bytes([n]) * (n * 7) for n in range(200)}
    for future in [put(rig.disk, name, body) for name, body in bodies.items()]:
        result(future)
    assert rig.store.snapshot() == bodies
    gets = {name: rig.disk.get(name) for name in bodies}
    assert {name: result(future) for name, future in gets.items()} == bodies
    assert sorted(found.name for found in result(rig.disk.list("shards/"))) == sorted(bodies)
    size = sum(map(len, bodies.values()))
    assert rig.disk.meter.total() == Count(401, up=size, down=size)
    assert 1 <= len(rig.opened) <= 8


def test_two_hundred_objects_through_a_bad_line_arrive_whole(rigs: Any, put: Any) -> None:
    rig = rigs(threads=8, retry=RetryPolicy(attempts=60, deadline=1e9))
    rig.faults.rates = {Fault.BEFORE: 0.1, Fault.AFTER: 0.1, Fault.LIMITED: 0.1, Fault.SHORT: 0.0}
    bodies = {f"a{n}": bytes([n]) * n for n in range(200)}
    for future in [put(rig.disk, name, body) for name, body in bodies.items()]:
        result(future)
    assert rig.store.snapshot() == bodies
    total = rig.disk.meter.total()
    assert total.requests == rig.faults.calls == 200 + total.retries
    assert total.retries == sum(total.errors.values()) > 30


def test_each_thread_has_an_instance_of_its_own_and_uses_no_other(env: Env, put: Any) -> None:
    used: dict[int, set[int]] = {}

    class Watched(Memory):
        def _note(self) -> None:
            used.setdefault(id(self), set()).add(threading.get_ident())

        def put(self, name: str, data: Any, *, digest: Digest) -> Stored:
            self._note()
            gate.wait(WAIT)
            return super().put(name, data, digest=digest)

        def close(self) -> None:
            self._note()
            super().close()

    gate, store, instances = threading.Event(), Store(), []

    def opened() -> Backend:
        instances.append(Watched(store))
        return instances[-1]

    disk = Disk("attic", opened, env=env, caps=Caps(hashes=("sha256",), connections=3))
    futures = [put(disk, f"a{n}", b"x") for n in range(9)]
    until(lambda: len(used) == 3)
    gate.set()
    for future in futures:
        result(future)
    assert disk.close(timeout=WAIT)
    assert [len(threads) for threads in used.values()] == [1, 1, 1]
    assert len({*map(tuple, used.values())}) == 3
    assert all(instance.closed for instance in instances)


# ------------------------------------------------------------------------------------------------------------ threads
def test_a_disk_that_is_never_used_starts_no_thread_and_opens_nothing(rigs: Any) -> None:
    rig = rigs()
    assert threads_of(rig.disk) == 0
    assert rig.disk.close()
    assert rig.opened == []


def test_a_quiet_run_opens_one_connection(rigs: Any) -> None:
    rig = rigs(threads=4)
    for _ in range(20):
        result(rig.disk.usage())
        until(lambda: rig.disk.outstanding == 0)
    assert (len(rig.opened), threads_of(rig.disk)) == (1, 1)


def test_threads_come_as_jobs_wait_and_no_more_than_caps_allow(rigs: Any) -> None:
    rig = rigs(caps=Caps(connections=3))
    rig.faults.hang = threading.Event()
    futures = []
    for expected in (1, 2, 3, 3, 3):
        futures.append(rig.disk.usage())
        assert threads_of(rig.disk) == expected
    until(lambda: rig.faults.calls == 3)
    assert rig.disk.outstanding == 5
    rig.faults.hang.set()
    for future in futures:
        result(future)
    until(lambda: rig.disk.outstanding == 0)


def test_caps_are_given_or_those_of_the_class_or_of_the_first_instance(env: Env) -> None:
    given = Caps(connections=9)
    assert Disk("a", Memory, env=env, caps=given).caps is given
    assert Disk("a", Memory, env=env).caps is Memory.caps
    disk = Disk("a", lambda: Memory(caps=replace(CAPS, connections=2)), env=env)
    assert disk.caps == Caps()
    result(disk.usage())
    assert disk.caps.connections == 2
    assert disk.close(timeout=WAIT)


def test_a_disk_says_who_it_is(env: Env) -> None:
    disk = Disk("attic", Memory, env=env, id=b"12345678")
    assert (disk.name, disk.id, disk.domain) == ("attic", b"12345678", "attic")
    assert Disk("attic", Memory, env=env, domain="house").domain == "house"


def test_urgent_jobs_overtake_bulk_and_equals_keep_their_order(rigs: Any, put: Any) -> None:
    rig = rigs(threads=1)
    rig.faults.script = [Fault.HANG]
    futures = [put(rig.disk, "first", b"x")]
    until(lambda: rig.faults.calls == 1)
    futures += [put(rig.disk, f"bulk{n}", b"x") for n in range(3)]
    futures += [put(rig.disk, f"urgent{n}", b"x", urgent=True) for n in range(3)]
    futures.append(rig.disk.call(lambda backend: list(backend.list("called"))))
    rig.faults.release.set()
    for future in futures:
        result(future)
    order = [name for _, name in rig.faults.journal]
    assert order == ["first", "urgent0", "urgent1", "urgent2", "called", "bulk0", "bulk1", "bulk2"]


def test_a_stall_shows_in_how_long_the_oldest_job_has_been_running(rigs: Any, clock: Any) -> None:
    rig = rigs(threads=2)
    assert rig.disk.oldest_started == 0.0
    rig.faults.script = [Fault.HANG]
    hung = rig.disk.get("a")
    until(lambda: rig.faults.calls == 1)
    clock.sleep(30)
    result(rig.disk.usage())
    assert rig.disk.oldest_started == 30.0
    assert rig.disk.outstanding >= 1
    rig.faults.release.set()
    with pytest.raises(ObjectNotFound):
        result(hung)
    until(lambda: rig.disk.outstanding == 0)
    assert rig.disk.oldest_started == 0.0


def test_one_hung_call_does_not_hold_up_the_others(rigs: Any) -> None:
    rig = rigs(threads=2)
    rig.faults.script = [Fault.HANG]
    hung = rig.disk.usage()
    until(lambda: rig.faults.calls == 1)
    for _ in range(10):
        result(rig.disk.usage())
    assert not hung.done()


def test_a_job_that_was_cancelled_while_it_waited_is_never_sent(rigs: Any) -> None:
    rig = rigs(threads=1)
    rig.faults.script = [Fault.HANG]
    first, second, third = rig.disk.stat("a"), rig.disk.stat("b"), rig.disk.stat("c")
    until(lambda: rig.faults.calls == 1)
    assert second.cancel()
    rig.faults.release.set()
    for future in (first, third):
        with pytest.raises(ObjectNotFound):
            result(future)
    assert [name for _, name in rig.faults.journal] == ["a", "c"]


def test_limits_are_kept_by_all_threads_together(rigs: Any, clock: Any, put: Any) -> None:
    rig = rigs(threads=4, limits=Limits(up=1000))
    for n in range(10):
        result(put(rig.disk, f"a{n}", bytes(1000)))
    assert clock.time - 1000 == pytest.approx(9.0)
    assert rig.disk.meter.total().throttled == pytest.approx(9.0)
