"""Which errors are tried again, when, and when no more."""

from __future__ import annotations

from typing import Any

import pytest

from webraid.backend.faulty import Fault, Faults, Faulty, Step
from webraid.backend.guarded import Guarded
from webraid.backend.memory import Memory
from webraid.backend.metered import Count, Meter, Metered
from webraid.backend.retrying import Retrying, RetryPolicy
from webraid.backend.throttled import Limits, Throttle, Throttled
from webraid.backend.wrapper import Op, pause
from webraid.env import Env
from webraid.errors import (
    AuthExpired,
    BackendError,
    ContentBlocked,
    Misconfigured,
    ObjectNotFound,
    ObjectTooLarge,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    Unavailable,
    Unsupported,
)  # fmt: skip


class Rig:
    """Retrying over Guarded over Metered over Faulty over Memory."""

    def __init__(self, env: Env, **policy: Any) -> None:
        self.faults = Faults(env=env)
        self.meter = Meter()
        self.memory = Memory()
        self.stopped = False
        inner = Guarded(Metered(Faulty(self.memory, self.faults), self.meter), "attic")
        self.disk = Retrying(inner, RetryPolicy(**policy), env=env, meter=self.meter, stop=lambda: self.stopped)


def test_what_may_work_later_is_tried_again(env: Env, put: Any) -> None:
    rig = Rig(env)
    rig.faults.script = [Fault.BEFORE, Fault.LIMITED, Fault.BEFORE]
    put(rig.disk, "a", b"abc")
    errors = {"Unavailable": 2, "RateLimited": 1}
    assert rig.meter.counts() == {Op.PUT: Count(4, up=3, retries=3, errors=errors)}


def test_an_error_after_the_effect_and_a_retry_leave_one_object(env: Env, put: Any) -> None:
    rig = Rig(env)
    rig.faults.script = [Fault.AFTER, Fault.AFTER]
    stored = put(rig.disk, "a", b"abc")
    assert [found.name for found in rig.disk.list("")] == ["a"]
    assert (stored.version, rig.disk.get("a")) == ("3", b"abc")
    rig.faults.script = [Fault.AFTER]
    rig.disk.delete("a")
    assert list(rig.disk.list("")) == []


def test_attempts_end(env: Env, put: Any) -> None:
    rig = Rig(env, attempts=3)
    rig.faults.down = True
    with pytest.raises(Unavailable):
        put(rig.disk, "a", b"abc")
    assert rig.meter.total() == Count(3, retries=2, errors={"Unavailable": 3})


def test_waits_grow_are_jittered_and_bounded(clock: Any, put: Any) -> None:
    rig = Rig(clock.env, attempts=12, base=0.5, cap=8.0, deadline=1e9)
    rig.faults.down = True
    waits: list[float] = []
    for _ in range(40):
        began = clock.time
        with pytest.raises(Unavailable):
            put(rig.disk, "a", b"abc")
        waits.append(clock.time - began)
    assert all(11 * 0.5 <= wait <= 11 * 8.0 for wait in waits)
    assert len(set(waits)) == 40
    # Growing: were every wait drawn as the first one is (0.5 to 1.5 s), 11 of them could not take longer than this.
    assert sum(waits) / len(waits) > 11 * 1.5


@pytest.mark.parametrize(
    "error",
    [AuthExpired("x"), PermissionDenied("x"), QuotaExceeded("x"), ObjectTooLarge("x"), Misconfigured("x"),
     ContentBlocked("x"), Unsupported("x"), ObjectNotFound("x")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_only_you_can_mend_is_never_tried_again(error: BackendError, env: Env) -> None:
    rig = Rig(env)
    rig.faults.script = [error]
    with pytest.raises(type(error)):
        rig.disk.usage()
    assert rig.faults.calls == 1


@pytest.mark.parametrize(("op", "tries"), [("get", 2), ("stat", 2), ("list", 2), ("put", 1), ("delete", 1)])
def test_a_strange_answer_is_asked_for_once_more_where_asking_changes_nothing(
    op: str, tries: int, env: Env, put: Any
) -> None:
    rig = Rig(env)
    rig.memory.store.put("a", b"abc")
    rig.faults.script = [ProtocolError("x")] * 5
    requests = {"put": lambda: put(rig.disk, "a", b"x")}
    with pytest.raises(ProtocolError):
        requests.get(op, lambda: getattr(rig.disk, op)("a"))()
    assert rig.faults.calls == tries


def test_a_short_body_once_is_healed(env: Env, put: Any) -> None:
    rig = Rig(env)
    put(rig.disk, "a", b"abc")
    rig.faults.script = [Fault.SHORT]
    assert rig.disk.get("a", size=3) == b"abc"


def test_retry_after_is_obeyed(clock: Any, put: Any) -> None:
    rig = Rig(clock.env)
    rig.faults.storm, rig.faults.retry_after = 2, 7.0
    put(rig.disk, "a", b"abc")
    assert 14.0 <= clock.time - 1000 < 15.0


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(clock: Any) -> None:
    rig = Rig(clock.env, deadline=60.0)
    rig.faults.storm, rig.faults.retry_after = 1, 3600.0
    with pytest.raises(RateLimited) as caught:
        rig.disk.usage()
    assert (caught.value.retry_after, clock.time, rig.faults.calls) == (3600.0, 1000.0, 1)


def test_the_deadline_is_over_all_attempts(clock: Any) -> None:
    rig = Rig(clock.env, attempts=1000, base=1.0, cap=4.0, deadline=30.0)
    rig.faults.down = True
    with pytest.raises(Unavailable):
        rig.disk.usage()
    assert 25.0 < clock.time - 1000 < 30.0


def test_a_closed_disk_does_not_sleep_on(clock: Any) -> None:
    rig = Rig(clock.env, attempts=1000, base=10.0, deadline=1e6)
    rig.faults.down = True
    sleep = clock.env.sleep

    def stopping(seconds: float) -> None:
        sleep(seconds)
        rig.stopped = clock.time >= 1003

    inner = Metered(Faulty(rig.memory, rig.faults), rig.meter)
    env = Env(now=clock.env.now, monotonic=clock.env.monotonic, sleep=stopping, rng=clock.env.rng)
    disk = Retrying(inner, RetryPolicy(base=10.0), env=env, meter=rig.meter, stop=lambda: rig.stopped)
    with pytest.raises(Unavailable):
        disk.usage()
    assert clock.time <= 1003.25
    assert rig.faults.calls == 1


def test_a_stop_before_the_wait_costs_no_time(clock: Any) -> None:
    assert not pause(clock.env, 5.0, lambda: True)
    assert clock.time == 1000.0
    assert pause(clock.env, 0.6, lambda: False)
    assert clock.time == pytest.approx(1000.6)
    assert not pause(clock.env, 0.1, lambda: clock.time > 1000.65)


def test_a_listing_that_breaks_off_is_asked_for_anew_and_whole(env: Env, put: Any) -> None:
    rig = Rig(env)
    for name in ("a", "b", "c"):
        put(rig.disk, name, b"x")
    rig.faults.script = [Step(Fault.AFTER, Op.LIST)]
    assert sorted(stored.name for stored in rig.disk.list("")) == ["a", "b", "c"]


def test_what_our_own_limits_hold_up_does_not_count_against_the_deadline(clock: Any, put: Any) -> None:
    """A body that waits for its turn on a slow line for longer than the deadline is tried again all the same."""
    faults, meter = Faults(env=clock.env), Meter()
    throttled = Throttled(
        Faulty(Memory(), faults), Throttle(Limits(up=10), clock.env), env=clock.env, meter=meter
    )  # fmt: skip
    policy = RetryPolicy(attempts=3, deadline=60)
    disk = Retrying(throttled, policy, env=clock.env, meter=meter, waited=lambda: throttled.waited)
    faults.script = [Fault.BEFORE, Fault.BEFORE]
    put(disk, "a", bytes(2000))
    assert (faults.calls, meter.total().retries) == (3, 2)
    assert throttled.waited > 500


def test_what_the_provider_makes_us_wait_for_does_count(clock: Any) -> None:
    faults, meter = Faults(env=clock.env), Meter()
    throttled = Throttled(Faulty(Memory(), faults), Throttle(Limits(), clock.env), env=clock.env, meter=meter)
    policy = RetryPolicy(attempts=9, deadline=60)
    disk = Retrying(throttled, policy, env=clock.env, meter=meter, waited=lambda: throttled.waited)
    faults.storm, faults.retry_after = 99, 25.0
    with pytest.raises(RateLimited):
        disk.usage()
    assert faults.calls == 3
    assert throttled.waited < 5
