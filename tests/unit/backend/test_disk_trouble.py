"""Disk when jobs throw whatever they like, places go down and logins expire."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.unit.backend.rig import WAIT, result, threads_of, until
from webraid.backend.base import Backend, Digest
from webraid.backend.disk import Disk
from webraid.backend.faulty import Fault, Faults
from webraid.backend.health import Event
from webraid.backend.memory import Memory
from webraid.backend.metered import Count
from webraid.backend.retrying import RetryPolicy
from webraid.backend.wrapper import Op
from webraid.env import Env
from webraid.errors import (
    AuthExpired,
    Misconfigured,
    PermissionDenied,
    PluginMissing,
    ProtocolError,
    QuotaExceeded,
    Unavailable,
)  # fmt: skip
from webraid.model import DiskState, Stored, Usage

ONCE = RetryPolicy(attempts=1)
ROOT = Path(__file__).resolve().parents[3]


# ------------------------------------------------------------------------------------------- whatever a job may throw
def test_what_leaks_from_a_plugin_comes_as_a_backend_error_with_its_cause(env: Env) -> None:
    class Leaky(Memory):
        def usage(self) -> Usage:
            raise ZeroDivisionError

    disk = Disk("attic", Leaky, env=env)
    with pytest.raises(ProtocolError, match="disk attic") as caught:
        result(disk.usage())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert disk.close(timeout=WAIT)


def test_the_error_of_a_called_function_is_its_own(rigs: Any) -> None:
    def broken(backend: Backend) -> None:
        raise LookupError("mine")

    disk = rigs().disk
    with pytest.raises(LookupError, match="mine"):
        result(disk.call(broken))
    assert disk.health.last_error is None
    assert result(disk.usage()) == Usage(used=0)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_in_a_thread_is_set_on_the_future_and_the_thread_lives(when: Any, rigs: Any, put: Any) -> None:
    class Crash(BaseException):
        pass

    rig = rigs(threads=1)
    rig.faults.crash_at(1, when, Crash)
    with pytest.raises(Crash):
        result(put(rig.disk, "a", b"x"))
    rig.faults.revive()
    assert result(rig.disk.usage()) == Usage(used=int(when == "after"))
    assert (threads_of(rig.disk), len(rig.opened)) == (1, 1)


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    """What threads let out."""
    seen: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_type))
    return seen


def test_a_callback_cannot_kill_the_thread(rigs: Any, reported: list[type[BaseException]]) -> None:
    class Rude(BaseException):
        pass

    def rude(future: Future[Any]) -> None:
        raise Rude

    rig = rigs(threads=1)
    rig.faults.script = [Fault.HANG]
    future = rig.disk.usage()
    future.add_done_callback(rude)
    rig.faults.release.set()
    result(future)
    assert result(rig.disk.usage()) == Usage(used=0)
    assert reported == [Rude]
    assert threads_of(rig.disk) == 1


def test_a_listener_cannot_kill_the_thread_or_lose_the_answer(rigs: Any, reported: list[type[BaseException]]) -> None:
    def rude(before: DiskState, after: DiskState) -> None:
        raise LookupError

    rig = rigs(threads=1)
    rig.disk.health.on_change = rude
    rig.faults.script = [Fault.EXPIRED]
    with pytest.raises(AuthExpired):
        result(rig.disk.usage())
    assert reported == [LookupError]
    assert threads_of(rig.disk) == 1


@pytest.mark.parametrize("fault", [None, Fault.BEFORE, Fault.EXPIRED, "leak"])
def test_the_bytes_of_a_put_are_let_go_when_it_has_ended(fault: Any, env: Env) -> None:
    class Sink(Memory):
        def put(self, name: str, data: Any, *, digest: Digest) -> Stored:
            if fault == "leak":
                raise ZeroDivisionError
            return Stored(name, len(data))

    faults = Faults(env=env)
    faults.script = [fault]
    disk = Disk("attic", faults.opener(Sink), env=env, retry=ONCE, threads=1)
    body = type("Body", (bytearray,), {})(1000)
    seen = weakref.ref(body)
    gc.collect()
    gc.disable()
    try:
        future = disk.put("a", body, digest=Digest("0" * 64))
        del body
        error = future.exception(WAIT)
        assert (error is None) == (fault is None)
        del future, error
        until(lambda: seen() is None)
    finally:
        gc.enable()
    assert disk.close(timeout=WAIT)


# -------------------------------------------------------------------------------------------------- health, connecting
def test_a_disk_that_is_down_fails_its_jobs_at_once_after_the_third(rigs: Any, clock: Any) -> None:
    rig = rigs(retry=ONCE, threads=1)
    rig.faults.down = True
    for _ in range(3):
        with pytest.raises(Unavailable, match="no answer"):
            result(rig.disk.usage())
    for _ in range(5):
        with pytest.raises(Unavailable, match="asked again in 5 s") as caught:
            result(rig.disk.stat("a"))
    assert (caught.value.disk, caught.value.key) == ("attic", "a")
    assert isinstance(caught.value.__cause__, Unavailable)
    assert (rig.faults.calls, rig.disk.health.state) == (3, DiskState.UNREACHABLE)
    clock.sleep(5)
    with pytest.raises(Unavailable, match="no answer"):
        result(rig.disk.usage())
    with pytest.raises(Unavailable, match="asked again in 10 s"):
        result(rig.disk.usage())
    rig.faults.down = False
    clock.sleep(10)
    assert result(rig.disk.usage()) == Usage(used=0)
    assert rig.disk.health.state is DiskState.ONLINE


def test_jobs_that_were_queued_when_the_breaker_opened_are_not_sent(rigs: Any) -> None:
    rig = rigs(retry=ONCE, threads=1)
    rig.faults.script = [Fault.HANG, Fault.BEFORE, Fault.BEFORE, Fault.BEFORE]
    futures = [rig.disk.usage() for _ in range(20)]
    rig.faults.release.set()
    assert result(futures[0]) == Usage(used=0)
    for future in futures[1:]:
        with pytest.raises(Unavailable):
            result(future)
    assert rig.faults.calls == 4


def test_a_disk_whose_threads_all_hang_fails_its_jobs_at_once_all_the_same(rigs: Any) -> None:
    rig = rigs(threads=1)
    rig.faults.script = [Fault.HANG]
    hung = rig.disk.usage()
    until(lambda: rig.faults.calls == 1)
    for _ in range(3):
        rig.disk.health.saw(Op.GET, Unavailable("seen otherwise"))
    with pytest.raises(Unavailable, match="asked again"):
        result(rig.disk.stat("a"))
    assert not hung.done()


def test_a_place_that_may_not_be_written_is_read_on_but_one_that_may_not_be_opened_is_not(rigs: Any, put: Any) -> None:
    rig = rigs()
    rig.faults.script = [PermissionDenied("read-only")]
    with pytest.raises(PermissionDenied):
        result(put(rig.disk, "a", b"x"))
    assert (rig.disk.health.usable, rig.disk.health.writable) == (True, False)
    shut = rigs()
    shut.faults.connect_error = PermissionDenied("not yours")
    for _ in range(3):
        with pytest.raises(PermissionDenied):
            result(put(shut.disk, "a", b"x"))
    assert shut.disk.health.state is DiskState.UNREACHABLE


def test_of_many_jobs_after_the_cool_off_one_is_the_probe(rigs: Any, clock: Any) -> None:
    rig = rigs(retry=ONCE, threads=4)
    rig.faults.down = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            result(rig.disk.usage())
    clock.sleep(5)
    rig.faults.hang = threading.Event()
    futures = [rig.disk.usage() for _ in range(12)]
    until(lambda: sum(future.done() for future in futures) == 11)
    rig.faults.hang.set()
    for future in futures:
        with pytest.raises(Unavailable):
            result(future)
    assert rig.faults.calls == 4


def test_a_probe_is_one_try(rigs: Any, clock: Any) -> None:
    rig = rigs(retry=RetryPolicy(attempts=4), threads=1)
    rig.faults.down = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            result(rig.disk.usage())
    assert rig.faults.calls == 12
    clock.sleep(5)
    with pytest.raises(Unavailable):
        result(rig.disk.usage())
    assert rig.faults.calls == 13


def test_a_blip_that_retries_ride_out_is_no_outage(rigs: Any) -> None:
    rig = rigs(threads=4)
    rig.faults.script = [Fault.BEFORE] * 4
    for future in [rig.disk.usage() for _ in range(4)]:
        result(future)
    assert rig.disk.health.last_error is None


def test_a_login_that_expired_is_told_by_every_job_and_tried_again_after_the_cool_off(rigs: Any, clock: Any) -> None:
    rig = rigs()
    rig.faults.connect_error = AuthExpired("the login has expired", fix="webraid login attic")
    errors = []
    for _ in range(4):
        with pytest.raises(AuthExpired, match="disk attic: the login has expired") as caught:
            result(rig.disk.stat("a"))
        errors.append(caught.value)
    assert len(set(map(id, errors))) == 4
    assert {error.hint for error in errors} == {"webraid login attic"}
    rig.faults.connect_error = None
    with pytest.raises(AuthExpired):
        result(rig.disk.usage())
    assert rig.opened == []
    clock.sleep(5)
    assert result(rig.disk.usage()) == Usage(used=0)


def test_a_login_that_expires_in_between_opens_the_backend_anew(rigs: Any, clock: Any) -> None:
    rig = rigs(threads=1)
    result(rig.disk.usage())
    rig.faults.script = [Fault.EXPIRED]
    with pytest.raises(AuthExpired):
        result(rig.disk.usage())
    clock.sleep(5)
    result(rig.disk.usage())
    assert [memory.closed for memory in rig.opened] == [True, False]


def test_connecting_is_tried_again_like_any_request(env: Env) -> None:
    tries = iter([Unavailable("x"), Unavailable("x")])

    def opened() -> Backend:
        if error := next(tries, None):
            raise error
        return Memory()

    disk = Disk("attic", opened, env=env)
    assert result(disk.usage()) == Usage(used=0)
    assert disk.meter.counts()[Op.CONNECT] == Count(retries=2)
    assert disk.close(timeout=WAIT)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(PluginMissing("s3 needs boto3", hint="pip install"), Misconfigured), (ZeroDivisionError(), ProtocolError)],
)
def test_what_opening_lets_out_is_a_backend_error_too(error: Exception, kind: Any, env: Env) -> None:
    def opened() -> Backend:
        raise error

    disk = Disk("attic", opened, env=env)
    with pytest.raises(kind) as caught:
        result(disk.usage())
    assert caught.value.__cause__ is error
    assert caught.value.hint in ("pip install", ProtocolError.default_hint)
    assert disk.close(timeout=WAIT)


def test_an_offline_disk_takes_no_jobs_and_a_faulted_one_can_still_be_looked_at(rigs: Any, put: Any) -> None:
    rig = rigs()
    result(put(rig.disk, "a", b"x"))
    rig.disk.health.decide(Event.OFFLINE)
    with pytest.raises(Unavailable, match="taken offline"):
        result(rig.disk.get("a"))
    rig.disk.health.decide(Event.ONLINE)
    rig.disk.health.decide(Event.ALARM)
    assert result(rig.disk.get("a")) == b"x"
    assert rig.disk.health.state is DiskState.FAULTED


def test_a_full_disk_is_read_on(rigs: Any, put: Any) -> None:
    rig = rigs()
    result(put(rig.disk, "a", b"x"))
    rig.faults.full = True
    for _ in range(5):
        with pytest.raises(QuotaExceeded, match="disk attic"):
            result(put(rig.disk, "b", b"x"))
    assert (rig.disk.health.usable, rig.disk.health.writable) == (True, False)
    assert result(rig.disk.get("a")) == b"x"
