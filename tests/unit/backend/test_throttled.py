"""Bytes and requests per second are kept, and learnt."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from webraid.backend.faulty import Faults, Faulty
from webraid.backend.memory import Memory
from webraid.backend.metered import Meter
from webraid.backend.retrying import Retrying, RetryPolicy
from webraid.backend.throttled import SLOWEST, Limits, Throttle, Throttled
from webraid.backend.wrapper import Op
from webraid.env import Env
from webraid.errors import RateLimited, Unavailable


class Rig:
    def __init__(self, env: Env, limits: Limits) -> None:
        self.faults = Faults(env=env)
        self.meter = Meter()
        self.memory = Memory()
        self.env = env
        self.throttle = Throttle(limits, env)
        self.stopped = False
        self.disk = self.another()

    def another(self) -> Throttled:
        inner = Faulty(self.memory, self.faults)
        return Throttled(inner, self.throttle, env=self.env, meter=self.meter, stop=lambda: self.stopped)


def test_bytes_up_are_limited_over_all_instances(clock: Any, put: Any) -> None:
    rig = Rig(clock.env, Limits(up=1000))
    for n in range(10):
        put(rig.another(), f"a{n}", bytes(1000))
    assert clock.time - 1000 == pytest.approx(9.0)  # the first second's worth is the burst
    assert rig.meter.counts()[Op.PUT].throttled == pytest.approx(9.0)


def test_bytes_down_are_limited_whether_the_length_is_known_or_not(clock: Any) -> None:
    rig = Rig(clock.env, Limits(down=1000))
    rig.memory.store.put("a", bytes(1000))
    for _ in range(5):
        rig.disk.get("a", size=1000)
    assert clock.time - 1000 == pytest.approx(4.0)
    for _ in range(5):
        rig.disk.get("a")
    rig.disk.get("a", size=0)
    assert clock.time - 1000 == pytest.approx(8.0)  # the last one is owed
    rig.disk.get("a", size=1)
    assert clock.time - 1000 == pytest.approx(9.001)


def test_up_does_not_slow_down(clock: Any, put: Any) -> None:
    rig = Rig(clock.env, Limits(up=1))
    put(rig.disk, "a", b"1")
    for _ in range(10):
        rig.disk.get("a")
        rig.disk.stat("a")
    assert clock.time == 1000.0


def test_requests_per_second_are_limited(clock: Any) -> None:
    rig = Rig(clock.env, Limits(requests=10))
    for _ in range(30):
        rig.disk.usage()
    assert clock.time - 1000 == pytest.approx(2.0)


def test_after_a_quiet_time_only_the_burst_is_free(clock: Any) -> None:
    rig = Rig(clock.env, Limits(requests=10, burst=2.0))
    clock.sleep(1000)
    for _ in range(40):
        rig.disk.usage()
    assert clock.time - 2000 == pytest.approx(2.0)


def test_a_refusal_halves_the_configured_rate_once_a_second_and_success_creeps_up(clock: Any) -> None:
    rig = Rig(clock.env, Limits(requests=16))
    rig.faults.storm = 3
    for _ in range(3):
        with pytest.raises(RateLimited):
            rig.disk.usage()
    assert rig.throttle.requests_rate == 8.0
    clock.sleep(2)
    rig.faults.storm = 1
    with pytest.raises(RateLimited):
        rig.disk.usage()
    assert rig.throttle.requests_rate == 4.0
    rates = []
    for _ in range(100):
        rig.disk.usage()
        rates.append(rig.throttle.requests_rate)
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(4.16)
    assert rates[-1] == 16.0


def test_without_a_limit_one_is_learnt_and_dropped_again(clock: Any) -> None:
    rig = Rig(clock.env, Limits())
    for _ in range(20):
        rig.disk.usage()
        clock.sleep(0.1)
    assert rig.throttle.requests_rate is None
    rig.faults.storm = 1
    with pytest.raises(RateLimited):
        rig.disk.usage()
    learnt = rig.throttle.requests_rate
    assert learnt == pytest.approx(5.25)
    began = clock.time
    for _ in range(10):
        rig.disk.usage()
    assert clock.time - began > 1.5  # at about half of what it was, without a burst
    for _ in range(60):
        rig.disk.usage()
    assert rig.throttle.requests_rate is None


def test_no_storm_pushes_a_disk_below_the_floor(clock: Any) -> None:
    rig = Rig(clock.env, Limits(requests=2))
    rig.faults.storm = 30
    for _ in range(30):
        with pytest.raises(RateLimited):
            rig.disk.usage()
        clock.sleep(5)
    assert rig.throttle.requests_rate == SLOWEST


def test_a_retry_after_to_one_thread_holds_back_the_others(clock: Any) -> None:
    rig = Rig(clock.env, Limits())
    rig.faults.storm, rig.faults.retry_after = 1, 12.0
    with pytest.raises(RateLimited):
        rig.disk.usage()
    rig.another().usage()
    assert clock.time - 1000 == pytest.approx(12.0)


def test_a_retry_after_of_an_hour_does_not_hold_back_others_for_an_hour(clock: Any) -> None:
    rig = Rig(clock.env, Limits())
    rig.faults.storm, rig.faults.retry_after = 1, 3600.0
    with pytest.raises(RateLimited):
        rig.disk.usage()
    rig.another().usage()
    assert clock.time - 1000 == pytest.approx(30.0)


def test_a_closed_disk_does_not_wait_for_its_turn(clock: Any, put: Any) -> None:
    rig = Rig(clock.env, Limits(up=1))
    rig.stopped = True
    with pytest.raises(Unavailable, match="closed"):
        put(rig.disk, "a", bytes(100))
    assert (clock.time, rig.faults.calls) == (1000.0, 0)


def test_retries_are_throttled_too(clock: Any) -> None:
    rig = Rig(clock.env, Limits(requests=1))
    rig.faults.down = True
    disk = Retrying(rig.disk, RetryPolicy(attempts=5, base=1e-3, cap=1e-3), env=clock.env, meter=rig.meter)
    with pytest.raises(Unavailable):
        disk.usage()
    assert clock.time - 1000 == pytest.approx(4.0, abs=0.1)


def test_threads_share_the_limit(clock: Any) -> None:
    rig = Rig(clock.env, Limits(requests=100))

    def work() -> None:
        disk = rig.another()
        for _ in range(50):
            disk.usage()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # On a clock that every sleeper moves, at least the sum of what one queue of 200 would wait.
    assert clock.time - 1000 >= 0.99
