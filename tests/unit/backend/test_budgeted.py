"""What a day or a month may cost is counted, kept to, and comes anew."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from tests.unit.backend.rig import result
from webraid.backend.budget import LEAST, PAGE, Allowance, Budget, Period, Resource, add_spent, parse_allowance
from webraid.backend.budgeted import Budgeted, overdrawing
from webraid.backend.faulty import Fault, Faults, Faulty
from webraid.backend.memory import Memory
from webraid.backend.metered import Meter
from webraid.backend.retrying import Retrying, RetryPolicy
from webraid.backend.wrapper import Call, Op
from webraid.env import Env
from webraid.errors import ConfigError, QuotaExceeded, Unavailable
from webraid.model import DiskState

SHARD = "shards/ab/1"


class Rig:
    """Budgeted over Faulty over Memory, on a day of our choice."""

    def __init__(self, env: Env, *allowances: Allowance, at: str = "2026-11-21T12:00", stored: int = 0) -> None:
        self.now = datetime.datetime.fromisoformat(at).replace(tzinfo=datetime.UTC).timestamp()
        self.env = dataclasses.replace(env, now=lambda: self.now)
        self.faults = Faults(env=env)
        self.memory = Memory()
        self.budget = Budget(allowances, self.env, stored=stored)
        self.disk = Budgeted(Faulty(self.memory, self.faults), self.budget)

    def at(self, text: str) -> None:
        self.now = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()

    def spent(self) -> list[int]:
        return [balance.spent for balance in self.budget.balances()]


def per(period: Period, **amounts: int) -> list[Allowance]:
    return [Allowance(Resource(name), period, amount) for name, amount in amounts.items()]


DAY, MONTH = Period.DAY, Period.MONTH
ALL = [Allowance(resource, DAY, 1 << 40) for resource in Resource]


# ------------------------------------------------------------------------------------------------------------ counting
def test_every_operation_is_counted_in_its_class_and_bodies_in_bytes(env: Env, put: Any) -> None:
    rig = Rig(env, *ALL)
    rig.disk.prepare()
    put(rig.disk, SHARD, bytes(100))
    list(rig.disk.list(""))
    assert rig.disk.get(SHARD, offset=10, size=20) == bytes(20)
    assert rig.disk.get(SHARD) == bytes(100)
    rig.disk.stat(SHARD)
    rig.disk.usage()
    rig.disk.delete(SHARD)
    assert rig.spent() == [3, 4, 1, 120, 100]  # writes, reads, deletes, egress, upload


def test_a_listing_counts_a_request_a_page(env: Env) -> None:
    rig = Rig(env, *per(DAY, writes=10))
    for number in range(PAGE * 2 + 1):
        rig.memory.store.put(f"a{number}", b"")
    list(rig.disk.list(""))
    assert rig.spent() == [3]
    list(rig.disk.list("nothing"))
    assert rig.spent() == [4]


def test_a_request_that_fails_counts_but_its_body_does_not(env: Env, put: Any) -> None:
    rig = Rig(env, *ALL)
    rig.faults.script = [Fault.BEFORE, None, Fault.BEFORE]
    with pytest.raises(Unavailable):
        put(rig.disk, SHARD, bytes(100))
    put(rig.disk, SHARD, bytes(100))
    with pytest.raises(Unavailable):
        rig.disk.get(SHARD, size=50)
    assert rig.spent() == [2, 1, 0, 0, 100]


def test_every_try_counts(env: Env, put: Any) -> None:
    rig = Rig(env, *per(DAY, writes=4))
    rig.faults.down = True
    disk = Retrying(rig.disk, RetryPolicy(attempts=9), env=rig.env, meter=Meter())
    with pytest.raises(QuotaExceeded):
        put(disk, SHARD, b"1")
    assert rig.faults.calls == 4


# ----------------------------------------------------------------------------------------------------------- hard stop
@pytest.mark.parametrize(
    ("amounts", "what", "words"),
    [
        ({"writes": 2}, "requests", "its write requests are spent until 1 December"),
        ({"upload": 250}, "upload", "its uploads are spent until 1 December"),
    ],
)
def test_what_is_spent_is_refused_with_when_it_comes_back(
    env: Env, put: Any, amounts: dict[str, int], what: str, words: str
) -> None:
    rig = Rig(env, *per(MONTH, **amounts))
    put(rig.disk, "shards/1", bytes(100))
    put(rig.disk, "shards/2", bytes(100))
    calls = rig.faults.calls
    with pytest.raises(QuotaExceeded, match=words) as caught:
        put(rig.disk, "shards/3", bytes(100))
    assert (caught.value.what, caught.value.key, rig.faults.calls) == (what, "shards/3", calls)
    assert f"{next(iter(amounts))}-per-month" in caught.value.hint
    assert rig.disk.get("shards/1") == bytes(100)  # the other way is open
    rig.disk.delete("shards/1")


def test_a_download_is_refused_before_it_is_sent_where_its_length_is_known(env: Env, put: Any) -> None:
    rig = Rig(env, *per(DAY, egress=150))
    put(rig.disk, SHARD, bytes(100))
    rig.disk.get(SHARD, size=100)
    with pytest.raises(QuotaExceeded, match="downloads are spent until 22 November") as caught:
        rig.disk.get(SHARD, size=100)
    assert (caught.value.what, rig.spent()) == ("egress", [100])
    rig.disk.get(SHARD)  # of unknown length: only then it shows that it was too much
    assert rig.spent() == [200]
    with pytest.raises(QuotaExceeded):
        rig.disk.get(SHARD)
    put(rig.disk, SHARD, bytes(100))


def test_the_log_is_written_and_read_whatever_is_spent(env: Env, put: Any) -> None:
    rig = Rig(env, *per(DAY, writes=1, reads=1, deletes=1, egress=1, upload=1))
    for number in range(3):
        put(rig.disk, f"log/{number}", bytes(10))
        rig.disk.get("pool" if number < 0 else f"log/{number}")
        list(rig.disk.list("shards/"))
        rig.disk.usage()
        rig.disk.delete(f"log/{number}")
    assert rig.spent() == [6, 6, 3, 30, 30]


def test_another_month_begins_with_its_first_second_in_utc(env: Env, put: Any) -> None:
    rig = Rig(env, *per(MONTH, writes=1), *per(DAY, upload=1000), at="2026-12-31T23:59")
    put(rig.disk, SHARD, bytes(100))
    with pytest.raises(QuotaExceeded, match="until 1 January"):
        put(rig.disk, SHARD, bytes(100))
    assert rig.budget.spent(Op.PUT)
    rig.at("2027-01-01T00:00")
    assert rig.budget.spent(Op.PUT) is None
    assert rig.spent() == [0, 0]
    put(rig.disk, SHARD, bytes(100))


@pytest.mark.parametrize(
    ("at", "day", "month"),
    [("2026-02-28T10:00", "1 March", "1 March"), ("2028-02-28T00:00", "29 February", "1 March"),
     ("2026-01-31T23:59", "1 February", "1 February"), ("2026-12-31T00:00", "1 January", "1 January")],
)  # fmt: skip
def test_the_end_of_a_period_is_a_date(env: Env, at: str, day: str, month: str) -> None:
    rig = Rig(env, *per(DAY, writes=1), *per(MONTH, reads=1), at=at)
    sentences = [balance.sentence() for balance in rig.budget.balances()]
    assert sentences == [f"its write requests are spent until {day}", f"its read requests are spent until {month}"]


def test_a_multiple_of_what_is_stored_grows_with_it(env: Env) -> None:
    rig = Rig(env, Allowance(Resource.EGRESS, MONTH, times=3.0), stored=1 << 30)
    assert rig.budget.balances()[0].limit == 3 << 30
    rig.budget.stored = 2 << 30
    assert rig.budget.balances()[0].limit == 6 << 30
    rig.budget.stored = 0
    assert rig.budget.balances()[0].limit == LEAST


# ------------------------------------------------------------------------------------------------------------ overdraw
def test_who_has_no_other_way_gets_it_and_that_is_told_once(env: Env, put: Any) -> None:
    rig = Rig(env, *per(DAY, egress=100, reads=100))
    told: list[str] = []
    rig.budget.on_overdrawn = told.append
    put(rig.disk, SHARD, bytes(90))
    for _ in range(3):
        with overdrawing(rig.disk):
            assert rig.disk.get(SHARD, size=90) == bytes(90)
    assert told == ["its downloads are spent until 22 November"]
    assert rig.spent() == [270, 3]
    with pytest.raises(QuotaExceeded):
        rig.disk.get(SHARD, size=1)


def test_overdrawing_a_disk_without_a_budget_is_nothing_special(put: Any) -> None:
    memory = Memory()
    put(memory, "a", b"1")
    with overdrawing(memory):
        assert memory.get("a") == b"1"


# ------------------------------------------------------------------------------------------------------------- keeping
def test_what_several_runs_counted_adds_up_and_old_periods_go(env: Env, put: Any) -> None:
    rig = Rig(env, *per(DAY, writes=10), *per(MONTH, upload=1000))
    other = Rig(env, *per(DAY, writes=10), *per(MONTH, upload=1000))
    saved = {"2026-10": {"upload": 5}, "2026-11": {"upload": 7}}
    for one in (rig, other, rig):
        put(one.disk, SHARD, bytes(100))
        saved = add_spent(saved, one.budget.unsaved(), one.budget.current())
        one.budget.adopt(saved)
    assert rig.spent() == [3, 307]
    assert rig.budget.unsaved() == {}
    assert sorted(saved) == ["2026-11", "2026-11-21"]
    rig.at("2026-11-22T00:00")
    assert rig.spent() == [0, 307]


def test_what_could_not_be_saved_is_told_again(env: Env, put: Any) -> None:
    rig = Rig(env, *per(DAY, writes=10))
    put(rig.disk, SHARD, b"1")
    assert rig.budget.unsaved()["2026-11-21"] == {"writes": 1, "upload": 1}  # and nobody adopts the sum
    put(rig.disk, SHARD, b"1")
    assert rig.spent() == [2]
    fresh = rig.budget.unsaved()
    assert fresh["2026-11-21"] == {"writes": 2, "upload": 2}
    rig.budget.adopt(fresh)
    assert (rig.spent(), rig.budget.unsaved()) == ([2], {})


def test_a_clock_that_has_lost_its_date_costs_no_counts(env: Env, put: Any) -> None:
    saved = {"2026-10": {"upload": 5}, "2026-11": {"upload": 7}, "2026-11-21": {"upload": 6}}
    rig = Rig(env, *per(DAY, upload=1000), at="1970-01-01T00:02")
    put(rig.disk, SHARD, bytes(100))
    saved = add_spent(saved, rig.budget.unsaved(), rig.budget.current())
    rig.at("2026-11-21T12:00")
    assert add_spent(saved, {}, rig.budget.current()) == {"2026-11": {"upload": 7}, "2026-11-21": {"upload": 6}}


def test_what_fails_after_midnight_is_given_back_to_the_day_before(env: Env) -> None:
    rig = Rig(env, *per(DAY, upload=100), *per(MONTH, upload=100), at="2026-11-30T23:59")
    call = Call(Op.PUT, SHARD, up=90)
    taken = rig.budget.take(call)
    rig.at("2026-12-01T00:00")
    rig.budget.give_back(call, taken)
    rig.budget.take(call)
    with pytest.raises(QuotaExceeded):
        rig.budget.take(call)
    assert rig.spent() == [90, 90]
    rig.at("2026-11-30T23:59")
    assert rig.spent() == [0, 0]


@pytest.mark.parametrize(
    ("key", "value", "allowance"),
    [
        ("writes-per-month", 1_000_000, Allowance(Resource.WRITES, MONTH, 1_000_000)),
        ("reads-per-day", 2500, Allowance(Resource.READS, DAY, 2500)),
        ("egress-per-month", "3x", Allowance(Resource.EGRESS, MONTH, times=3.0)),
        ("egress-per-month", "0.5 x", Allowance(Resource.EGRESS, MONTH, times=0.5)),
        ("egress-per-day", "10 GiB", Allowance(Resource.EGRESS, DAY, 10 << 30)),
        ("upload-per-day", "750 GB", Allowance(Resource.UPLOAD, DAY, 750 * 10**9)),
    ],
)
def test_allowances_are_written_so(key: str, value: object, allowance: Allowance) -> None:
    assert parse_allowance(key, value) == allowance


@pytest.mark.parametrize(
    ("key", "value"),
    [("writes-per-day", 0), ("writes-per-day", -1), ("writes-per-day", "many"), ("writes-per-day", True),
     ("reads-per-day", 1.5), ("egress-per-day", "0x"), ("egress-per-day", "0"), ("egress-per-day", "lots"),
     ("upload-per-day", "3x")],
)  # fmt: skip
def test_what_is_no_allowance_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError):
        parse_allowance(key, value)


# -------------------------------------------------------------------------------------------------------- in its disk
def test_a_disk_whose_downloads_are_spent_is_well_and_can_be_written(rigs: Any, env: Env, put: Any) -> None:
    budget = Budget(per(DAY, egress=250), env)
    disk = rigs(threads=2, budget=budget).disk
    result(put(disk, SHARD, bytes(100)))
    for _ in range(2):
        result(disk.get(SHARD, size=100))
    for _ in range(9):
        with pytest.raises(QuotaExceeded, match="disk attic: its downloads are spent"):
            result(disk.get(SHARD, size=100))
    assert (disk.health.state, disk.health.opened_by) == (DiskState.ONLINE, None)
    assert (disk.health.usable, disk.health.writable) == (False, True)
    assert result(put(disk, "shards/2", bytes(100))).size == 100
    assert result(disk.get(SHARD, size=100, overdraw=True)) == bytes(100)
    assert result(disk.stat(SHARD)).size == 100


def test_a_disk_whose_writes_are_spent_is_well_and_can_be_read(rigs: Any, env: Env, put: Any) -> None:
    disk = rigs(threads=2, budget=Budget(per(DAY, writes=2), env)).disk
    result(put(disk, SHARD, bytes(100)))
    assert disk.health.writable
    result(put(disk, "shards/2", bytes(100)))
    assert (disk.health.usable, disk.health.writable) == (True, False)  # before anything had to be refused
    for number in range(9):
        with pytest.raises(QuotaExceeded):
            result(put(disk, f"shards/x{number}", b"1"))
    assert (disk.health.state, disk.health.usable) == (DiskState.ONLINE, True)
    assert result(disk.get(SHARD)) == bytes(100)
