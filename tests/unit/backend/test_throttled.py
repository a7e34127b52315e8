"""Bytes and requests per second are kept, and learnt."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.backend.rig import WAIT, result
from webraid.backend.disk import Disk
from webraid.backend.faulty import Faults, Faulty
from webraid.backend.line import Line
from webraid.backend.memory import Memory, Store
from webraid.backend.metered import Meter
from webraid.backend.retrying import Retrying, RetryPolicy
from webraid.backend.throttled import SLOWEST, Limits, Lines, Throttle, Throttled, Turn
from webraid.backend.wrapper import Call, Op, Wrapper
from webraid.env import Env
from webraid.errors import RateLimited, Unavailable


class Rig:
    def __init__(self, env: Env, limits: Limits, lines: Lines | None = None) -> None:
        self.faults = Faults(env=env)
        self.meter = Meter()
        self.memory = Memory()
        self.env = env
        self.throttle = Throttle(limits, env, lines)
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


def refused(rig: Rig, times: int, retry_after: float | None = None) -> None:
    """So many threads were refused in the same moment."""
    turns = [Turn(Call(Op.USAGE), rig.env) for _ in range(times)]
    for turn in turns:
        assert rig.throttle.wait(turn) == 0.0
    for turn in turns:
        rig.throttle.refused(turn, RateLimited("429", retry_after=retry_after))


def test_a_refusal_halves_the_configured_rate_once_a_second_and_success_creeps_up(clock: Any) -> None:
    rig = Rig(clock.env, Limits(requests=16))
    refused(rig, 3)
    assert rig.throttle.requests_rate == 8.0
    clock.sleep(2)
    rig.disk.usage()
    assert rig.throttle.requests_rate == pytest.approx(8.16)
    refused(rig, 2)
    assert rig.throttle.requests_rate == pytest.approx(4.08)
    rates = []
    for _ in range(100):
        rig.disk.usage()
        rates.append(rig.throttle.requests_rate)
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(4.24)
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
    assert clock.time - began > 1.2  # at about half of what it was, and without a burst after the pause
    for _ in range(60):
        rig.disk.usage()
    assert rig.throttle.requests_rate is None


def test_no_storm_pushes_a_disk_below_the_floor(clock: Any) -> None:
    rig = Rig(clock.env, Limits(requests=2))
    for _ in range(30):
        rig.faults.storm = 1
        with pytest.raises(RateLimited):
            rig.disk.usage()
        clock.sleep(30)
        rig.disk.usage()
    assert rig.throttle.requests_rate == pytest.approx(SLOWEST + 0.02)


def test_a_probe_that_is_refused_leaves_the_rate_alone(clock: Any) -> None:
    rig = Rig(clock.env, Limits(requests=16))
    rig.faults.storm = 9
    for _ in range(9):
        with pytest.raises(RateLimited):
            rig.disk.usage()
    assert rig.throttle.requests_rate == 8.0


def test_a_quiet_time_before_the_refusal_does_not_make_the_limit_tiny(clock: Any) -> None:
    rig = Rig(clock.env, Limits())
    for _ in range(5):
        rig.disk.usage()
        clock.sleep(1000)
    refused(rig, 1)
    assert rig.throttle.requests_rate == 0.5


# --------------------------------------------------------------------------------------------------------- a 429 storm
def test_a_retry_after_to_one_thread_holds_back_the_others(clock: Any) -> None:
    rig = Rig(clock.env, Limits())
    rig.faults.storm, rig.faults.retry_after = 1, 12.0
    with pytest.raises(RateLimited):
        rig.disk.usage()
    rig.another().usage()
    assert clock.time - 1000 == pytest.approx(12.0)


def test_a_retry_after_of_an_hour_is_kept_without_anybody_waiting_for_it(clock: Any) -> None:
    rig = Rig(clock.env, Limits())
    rig.faults.storm, rig.faults.retry_after = 1, 3600.0
    with pytest.raises(RateLimited):
        rig.disk.usage()
    clock.sleep(1000)
    with pytest.raises(RateLimited, match="left alone for 2600 s") as caught:
        rig.another().usage()
    assert caught.value.retry_after == pytest.approx(2600)
    assert (clock.time, rig.faults.calls) == (2000.0, 1)
    clock.sleep(2600)
    rig.another().usage()
    assert rig.faults.calls == 2


def test_pauses_double_while_every_probe_is_refused(clock: Any) -> None:
    rig = Rig(clock.env, Limits(requests=1000))
    rig.faults.storm = 9
    asked = []
    for _ in range(9):
        with pytest.raises(RateLimited):
            rig.disk.usage()
        asked.append(clock.time)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert gaps == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30])
    rig.disk.usage()
    refused(rig, 1)
    began = clock.time
    rig.disk.usage()
    assert clock.time - began == pytest.approx(0.5)  # the first answer has ended the storm


def test_after_a_refusal_one_request_goes_first_and_the_others_follow_its_answer(clock: Any) -> None:
    rig = Rig(clock.env, Limits())
    refused(rig, 4)
    clock.sleep(1)
    first, second = Turn(Call(Op.USAGE), clock.env), Turn(Call(Op.USAGE), clock.env)
    assert (rig.throttle.wait(first), rig.throttle.wait(second) > 0) == (0.0, True)
    rig.throttle.failed(first)  # it learnt nothing: another one is the probe
    assert (rig.throttle.wait(second), rig.throttle.wait(first) > 0) == (0.0, True)
    clock.sleep(30)
    assert rig.throttle.wait(first) == 0.0  # one that hangs does not bar the next
    rig.throttle.answered(first)
    third = Turn(Call(Op.USAGE), clock.env)
    clock.sleep(10)
    assert (rig.throttle.wait(second), rig.throttle.wait(third)) == (0.0, 0.0)


class Angry(Wrapper):
    """Answers 429 until it is told that the minute is over, and notes when it was asked."""

    def __init__(self, inner: Memory, clock: Any, until: float, retry_after: float | None, asked: list[float]) -> None:
        super().__init__(inner)
        self.clock, self.until, self.retry_after, self.asked = clock, until, retry_after, asked

    def around(self, call: Call, go: Callable[[], Any]) -> Any:
        self.asked.append(self.clock.time)
        if self.clock.time < self.until:
            raise RateLimited("429", retry_after=self.retry_after)
        return go()


@pytest.mark.parametrize("retry_after", [None, 5.0, 45.0])
def test_a_minute_of_refusals_is_no_storm_of_requests(clock: Any, put: Any, retry_after: float | None) -> None:
    """Four threads with a hundred jobs at a time, and a provider that answers 429 for a minute."""
    asked: list[float] = []
    store = Store()
    until = clock.time + 60
    disk = Disk("attic", lambda: Angry(Memory(store), clock, until, retry_after, asked), env=clock.env, threads=4)
    done = 0
    while not done:
        futures = [put(disk, f"a{n}", bytes(100)) for n in range(100)]
        done = sum(future.exception(WAIT) is None for future in futures)
        clock.sleep(1)
    refusals = sum(at < until for at in asked)
    assert 1 <= refusals <= 4 + 12  # one from each thread, then one at a time and ever more seldom
    assert disk.meter.total().errors["RateLimited"] == refusals
    assert all(result(put(disk, f"b{n}", b"1")) for n in range(20))
    assert (disk.health.state, disk.health.opened_by) == ("online", None)
    assert disk.close(WAIT)


# --------------------------------------------------------------------------------------------------------- shared lines
def test_disks_share_a_line_and_nobody_gets_an_equal_share_of_nothing(clock: Any, put: Any) -> None:
    lines = Lines(up=Line(1000, clock.env))
    busy, idle = Rig(clock.env, Limits(), lines), Rig(clock.env, Limits(), lines)
    for n in range(10):
        put(busy.disk, f"a{n}", bytes(1000))
    assert clock.time - 1000 == pytest.approx(9.0)  # all of it, while the other one rests
    for n in range(5):
        put(busy.disk, f"b{n}", bytes(1000))
        put(idle.disk, f"b{n}", bytes(1000))
    assert clock.time - 1000 == pytest.approx(19.0)


def test_the_tighter_of_a_disks_own_limit_and_the_line_counts(clock: Any, put: Any) -> None:
    lines = Lines(up=Line(1000, clock.env))
    tight, wide = Rig(clock.env, Limits(up=100), lines), Rig(clock.env, Limits(up=10_000), lines)
    put(tight.disk, "a", bytes(1000))
    assert clock.time - 1000 == pytest.approx(9.0)
    began = clock.time
    for n in range(11):
        put(wide.disk, f"a{n}", bytes(1000))
    assert clock.time - began == pytest.approx(10.0)


def test_small_bodies_do_not_stand_in_line_behind_large_ones(clock: Any) -> None:
    rig = Rig(clock.env, Limits(up=100_000))
    large = [Turn(Call(Op.PUT, up=1_000_000), clock.env) for _ in range(3)]
    waits = [rig.throttle.wait(turn) for turn in large]
    assert waits == pytest.approx([9, 19, 29])
    small = [Turn(Call(Op.PUT, up=50_000), clock.env) for _ in range(4)]
    assert [rig.throttle.wait(turn) for turn in small] == pytest.approx([0, 0, 0.5, 1.0])
    late = Turn(Call(Op.PUT, up=1_000_000), clock.env)
    assert rig.throttle.wait(late) == pytest.approx(41)  # who pays for them


def test_a_rate_that_changes_holds_for_those_who_wait_already(clock: Any, put: Any) -> None:
    def rate() -> float | None:
        return 10.0 if clock.time < 1020 else 1000.0 if clock.time < 5000 else None

    rig = Rig(clock.env, Limits(up=rate))
    put(rig.disk, "a", bytes(5010))  # 10 at once, 200 in 20 s, and the rest in 4.8 s
    assert clock.time - 1000 == pytest.approx(24.8, abs=0.3)
    clock.sleep(4000)
    put(rig.disk, "b", bytes(100_000))
    put(rig.disk, "c", bytes(100_000))
    assert clock.time == pytest.approx(5024.8, abs=0.3)


def test_a_clock_that_stands_still_does_not_hang_anybody(clock: Any, put: Any) -> None:
    still = dataclasses.replace(clock.env, monotonic=lambda: 1000.0)
    rig = Rig(still, Limits(up=1000, requests=1))
    for n in range(5):
        put(rig.disk, f"a{n}", bytes(3000))
    rig.faults.storm, rig.faults.retry_after = 1, 12.0
    with pytest.raises(RateLimited):
        rig.disk.usage()
    rig.disk.usage()
    assert clock.time - 1000 > 12


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
