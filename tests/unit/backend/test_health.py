"""The table of states and the breaker."""

from __future__ import annotations

import gc
import itertools
import threading
import weakref
from typing import Any

import pytest

from webraid.backend.health import SEEN, TABLE, Event, Health, event_of, state_diagram
from webraid.backend.wrapper import Op
from webraid.env import Env
from webraid.errors import (
    AuthExpired,
    BackendError,
    ContentBlocked,
    Misconfigured,
    ObjectNotFound,
    PermissionDenied,
    PoolError,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)  # fmt: skip
from webraid.model import DiskState

DOWN = Unavailable("down")


def fail(health: Health, times: int, error: BackendError = DOWN, op: Op = Op.GET) -> None:
    for _ in range(times):
        health.saw(op, error)


# ---------------------------------------------------------------------------------------------------------- the table
def test_every_state_knows_every_event_that_can_be_seen() -> None:
    assert {(state, event) for state in DiskState for event in (*SEEN, Event.ALARM)} <= TABLE.keys()


def test_every_state_can_be_reached_and_left() -> None:
    for state in DiskState:
        assert any(after is state for (before, _), after in TABLE.items() if before is not state)
        assert any(after is not state for (before, _), after in TABLE.items() if before is state)


def test_success_never_heals_a_fault_and_an_alarm_always_makes_one() -> None:
    for state, event in itertools.product(DiskState, SEEN):
        assert (TABLE[state, event] is DiskState.FAULTED) is (state is DiskState.FAULTED)
    assert {TABLE[state, Event.ALARM] for state in DiskState if state is not DiskState.OFFLINE} == {DiskState.FAULTED}


def test_offline_is_left_by_decision_only() -> None:
    for event in (*SEEN, Event.ALARM):
        assert TABLE[DiskState.OFFLINE, event] is DiskState.OFFLINE


def test_the_diagram_shows_every_change_of_the_table_and_nothing_else() -> None:
    lines = state_diagram().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> online"]
    drawn = set()
    for line in lines[2:]:
        arrow, _, events = line.strip().partition(": ")
        before, _, after = arrow.partition(" --> ")
        drawn |= {(before, event, after) for event in events.split(", ")}
    assert drawn == {(str(s), str(e), str(after)) for (s, e), after in TABLE.items() if after is not s}


def test_decisions_follow_the_table_and_others_are_refused(env: Env) -> None:
    changes: list[tuple[DiskState, DiskState]] = []
    health = Health(env, on_change=lambda *change: changes.append(change))
    for event in (Event.DRAIN, Event.SPARE, Event.REBUILD, Event.REBUILT, Event.ALARM, Event.OFFLINE, Event.ONLINE):
        health.decide(event)
    path = ["online", "draining", "spare", "rebuilding", "online", "faulted", "offline", "online"]
    assert changes == list(itertools.pairwise(path))
    with pytest.raises(PoolError, match="online cannot be told rebuilt"):
        health.decide(Event.REBUILT)
    for event in SEEN:
        with pytest.raises(PoolError):
            health.decide(event)
    assert health.state is DiskState.ONLINE


@pytest.mark.parametrize(
    ("state", "usable", "writable", "admits"),
    [("online", True, True, True), ("rebuilding", True, True, True), ("draining", True, False, True),
     ("spare", True, False, True), ("faulted", False, False, True), ("offline", False, False, False)],
)  # fmt: skip
def test_what_a_state_allows(state: str, usable: bool, writable: bool, admits: bool, env: Env) -> None:
    health = Health(env, state=DiskState(state))
    assert (health.usable, health.writable, health.admits, health.admit()) == (usable, writable, admits, admits)


@pytest.mark.parametrize(
    ("op", "error", "event"),
    [
        (Op.GET, None, Event.OK),
        (Op.GET, ObjectNotFound("x"), Event.OK),
        (Op.PUT, ContentBlocked("x"), Event.OK),
        (Op.GET, Unavailable("x"), Event.UNAVAILABLE),
        (Op.GET, RateLimited("x"), Event.UNAVAILABLE),
        (Op.GET, ProtocolError("x"), Event.UNAVAILABLE),
        (Op.GET, AuthExpired("x"), Event.AUTH),
        (Op.CONNECT, Misconfigured("x"), Event.AUTH),
        (Op.PUT, QuotaExceeded("x"), Event.QUOTA),
        (Op.PUT, QuotaExceeded("x", what="upload"), Event.QUOTA),
        (Op.PUT, QuotaExceeded("x", what="requests"), Event.QUOTA),
        (Op.GET, QuotaExceeded("x", what="egress"), Event.SPENT),
        (Op.GET, QuotaExceeded("x", what="requests"), Event.SPENT),
        (Op.CALL, QuotaExceeded("x", what="egress"), Event.SPENT),
        (Op.CALL, QuotaExceeded("x", what="requests"), Event.OK),
        (Op.PUT, PermissionDenied("x"), Event.QUOTA),
        (Op.DELETE, PermissionDenied("x"), Event.OK),
        (Op.GET, PermissionDenied("x"), Event.UNAVAILABLE),
    ],
)
def test_what_the_end_of_a_job_says(op: Op, error: BackendError | None, event: Event) -> None:
    assert event_of(op, error) is event


# -------------------------------------------------------------------------------------------------------- the breaker
def test_three_failures_in_a_row_make_a_disk_unreachable(env: Env) -> None:
    health = Health(env)
    fail(health, 2)
    health.saw(Op.GET, None)
    fail(health, 2)
    assert (health.state, health.admit(), health.wait) == (DiskState.ONLINE, True, 0.0)
    fail(health, 1)
    assert (health.state, health.admit(), health.wait) == (DiskState.UNREACHABLE, False, 5.0)
    assert not health.usable
    assert not health.writable


def test_an_expired_login_opens_the_breaker_at_once(env: Env) -> None:
    health = Health(env)
    fail(health, 1, AuthExpired("x"))
    assert not health.admit()
    assert isinstance(health.opened_by, AuthExpired)


def test_one_probe_is_let_through_and_cool_offs_double_to_five_minutes(clock: Any) -> None:
    health = Health(clock.env)
    fail(health, 3)
    waits = []
    for _ in range(9):
        waits.append(health.wait)
        clock.sleep(health.wait - 0.01)
        assert not health.admit()
        clock.sleep(0.01)
        assert health.usable
        assert health.writable
        assert [health.admit() for _ in range(3)] == [True, False, False]
        assert not health.usable
        fail(health, 1)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_probe_that_is_answered_closes_the_breaker_and_forgets_the_cool_off(clock: Any) -> None:
    health = Health(clock.env)
    for _ in range(3):
        fail(health, 3)
        clock.sleep(health.wait)
        assert health.admit()
        health.saw(Op.STAT, ObjectNotFound("an answer all the same"))
        assert (health.state, health.admit(), health.admit()) == (DiskState.ONLINE, True, True)
        assert health.opened_by is None
    fail(health, 3)
    assert health.wait == 5.0


def test_a_probe_that_hangs_does_not_bar_the_next_one(clock: Any) -> None:
    health = Health(clock.env)
    fail(health, 3)
    clock.sleep(5)
    assert health.admit()
    clock.sleep(4.9)
    assert not health.admit()
    clock.sleep(0.1)
    assert health.admit()


def test_failures_of_what_was_sent_before_do_not_lengthen_the_cool_off(clock: Any) -> None:
    health = Health(clock.env)
    fail(health, 8)
    assert health.wait == 5.0
    clock.sleep(4)
    fail(health, 1)
    assert health.wait == 1.0


def test_a_success_of_what_was_sent_before_closes_the_breaker(env: Env) -> None:
    health = Health(env)
    fail(health, 3)
    health.saw(Op.GET, None)
    assert health.admit()
    assert health.state is DiskState.ONLINE


def test_a_disk_being_rebuilt_stays_so_while_it_does_not_answer(clock: Any) -> None:
    health = Health(clock.env, state=DiskState.REBUILDING)
    fail(health, 3)
    assert (health.state, health.usable, health.writable) == (DiskState.REBUILDING, False, False)
    clock.sleep(5)
    assert health.admit()
    health.saw(Op.GET, None)
    assert (health.state, health.usable, health.writable) == (DiskState.REBUILDING, True, True)


def test_taking_a_disk_online_by_hand_closes_the_breaker(env: Env) -> None:
    health = Health(env)
    fail(health, 3)
    fail(health, 1, QuotaExceeded("x"), Op.PUT)
    fail(health, 3)
    health.decide(Event.ONLINE)
    assert (health.state, health.admit(), health.writable) == (DiskState.ONLINE, True, True)


def test_a_full_disk_is_read_but_not_written_until_it_is_time_to_try_again(clock: Any) -> None:
    health = Health(clock.env)
    fail(health, 1, QuotaExceeded("x"), Op.PUT)
    assert (health.state, health.usable, health.writable) == (DiskState.ONLINE, True, False)
    health.saw(Op.GET, None)
    assert not health.writable
    clock.sleep(300)
    assert health.writable
    fail(health, 1, QuotaExceeded("x"), Op.PUT)
    assert not health.writable
    health.saw(Op.PUT, None)
    assert health.writable


def test_a_disk_that_lets_nothing_out_is_written_but_not_read_until_it_is_time_to_try_again(clock: Any) -> None:
    health = Health(clock.env)
    fail(health, 9, QuotaExceeded("x", what="egress"))
    assert (health.state, health.opened_by) == (DiskState.ONLINE, None)
    assert (health.usable, health.writable, health.admit()) == (False, True, True)
    health.saw(Op.PUT, None)
    assert not health.usable
    clock.sleep(300)
    assert health.usable
    fail(health, 1, QuotaExceeded("x", what="egress"))
    health.saw(Op.GET, None)
    assert health.usable


def test_a_budget_that_is_spent_takes_a_disk_out_for_that_and_for_nothing_else(env: Env) -> None:
    spent: set[Op] = set()
    health = Health(env, allows=lambda op: op not in spent)
    assert (health.usable, health.writable) == (True, True)
    spent.add(Op.GET)
    assert (health.usable, health.writable, health.admits) == (False, True, True)
    spent.add(Op.PUT)
    spent.remove(Op.GET)
    assert (health.usable, health.writable, health.admits) == (True, False, True)


def test_what_our_own_budget_refused_says_nothing_of_a_disk_that_does_not_answer(clock: Any) -> None:
    spent: set[Op] = set()
    health = Health(clock.env, allows=lambda op: op not in spent)
    fail(health, 3)
    spent.add(Op.GET)
    clock.sleep(health.wait)
    assert health.admit()
    health.saw(Op.GET, QuotaExceeded("its downloads are spent", what="egress"))
    assert health.state is DiskState.UNREACHABLE
    assert health.opened_by is not None
    assert health.admit()  # the probe is still to come


def test_the_last_error_is_kept_without_its_traceback(env: Env) -> None:
    health = Health(env)
    body = type("Body", (bytearray,), {})(10)
    seen = weakref.ref(body)

    def put(data: bytearray) -> None:
        raise Unavailable(f"no {len(data)}", disk="attic")

    try:
        put(body)
    except Unavailable as error:
        health.saw(Op.PUT, error)
    del body
    gc.collect()
    assert seen() is None
    assert str(health.last_error) == "disk attic: no 10"
    health.saw(Op.GET, ObjectNotFound("x"))
    health.saw(Op.GET, None)
    assert isinstance(health.last_error, Unavailable)


def test_a_change_is_told_once_and_outside_the_lock(env: Env) -> None:
    told: list[tuple[str, str, bool]] = []
    health = Health(env)
    health.on_change = lambda before, after: told.append((before, after, health.admits))
    fail(health, 5)
    health.saw(Op.GET, None)
    health.saw(Op.GET, None)
    assert told == [("online", "unreachable", False), ("unreachable", "online", True)]


def test_threads_get_one_probe_between_them(clock: Any) -> None:
    health = Health(clock.env)
    fail(health, 3)
    clock.sleep(5)
    start = threading.Barrier(8)
    got: list[bool] = []

    def work() -> None:
        start.wait()
        got.append(health.admit())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]
