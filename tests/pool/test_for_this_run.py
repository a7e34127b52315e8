"""What the flags of a run do to a real pool: counted on its disks, in time that only passes when somebody sleeps."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.pool.flagged import SIZE, Clock, configure, home, models, run, tree
from tests.pool.machine import Home
from webraid.backend.base import Backend, Bytes, Digest
from webraid.backend.budget import Resource
from webraid.backend.wrapper import Call, Op, Wrapper
from webraid.cli.flags import Flags
from webraid.errors import EXIT_DEGRADED, EXIT_OK, Unavailable
from webraid.files.compare import compare_trees
from webraid.jobs.base.events import DiskNotice
from webraid.model import Stored
from webraid.pool import Pool
from webraid.table.survey import MARKER
from webraid_local import LocalBackend

__all__ = ["home", "models", "tree"]  # fixtures


def moved(pool: Pool, *, up: bool) -> int:
    return sum(disk.meter.total().up if up else disk.meter.total().down for disk in pool._ctx.disks.values())


# --------------------------------------------------------------------------------------------------------------- rates
def test_a_put_keeps_to_the_upload_of_its_flag_and_not_to_that_of_the_config(
    home: Callable[[str, int], Home], tree: Path
) -> None:
    machine, clock = home("raid5", 3), Clock()
    configure(machine, "limits", memory="24 MiB", upload="1 KiB/s")
    with run(machine, Flags(limit_upload="1000"), env=clock.env) as pool:
        assert pool.put([str(tree)]).exit_code == EXIT_OK
        sent = moved(pool, up=True)
    assert sent > SIZE
    seconds = sent / (1000 * 1024)
    assert seconds - 2 < clock.slept  # the first second's worth is the burst
    assert clock.time - 1_800_000_000 < 10 * seconds + 10  # not the thousandfold of the config


def test_a_get_keeps_to_the_download_of_its_flag(home: Callable[[str, int], Home], tree: Path) -> None:
    machine, clock = home("raid5", 3), Clock()
    configure(machine, "limits", memory="8 MiB")
    with run(machine, Flags(bwlimit="off:500", transfers="1"), env=clock.env) as pool:
        assert pool.put([str(tree)]).exit_code == EXIT_OK  # what is read back of it is fetched, too
        slept, came = clock.slept, moved(pool, up=False)
        assert pool._ctx.manners.lines.up is None
        assert pool.get(to=machine.folder / "out").exit_code == EXIT_OK
        came = moved(pool, up=False) - came
    assert came > SIZE * 0.99
    ahead = 3 * 800_000  # what is fetched whole is paid for when it is here
    assert clock.slept - slept > (came - ahead) / (500 * 1024) - 2
    assert compare_trees(tree, machine.folder / "out" / "tree") == []


def test_tpslimit_holds_for_every_disk_and_the_smaller_one_of_a_disk_counts(
    home: Callable[[str, int], Home], tree: Path
) -> None:
    machine = home("raid5", 3)
    configure(machine, "d1", tps=0.5)
    configure(machine, "d2", tps=500)
    clock = Clock()
    with run(machine, Flags(tpslimit="2"), env=clock.env) as pool:
        rates = {disk.name: disk._throttle.requests_rate for disk in pool._ctx.disks.values()}
        assert pool.put([str(tree)]).exit_code == EXIT_OK
        waits = {disk.name: disk.meter.total() for disk in pool._ctx.disks.values()}
    assert rates == {"d1": 0.5, "d2": 2.0, "d3": 2.0}
    assert clock.time - 1_800_000_000 > (waits["d1"].requests - 2) / 0.5
    with run(machine, Flags(tpslimit="0")) as pool:
        rates = {disk.name: disk._throttle.requests_rate for disk in pool._ctx.disks.values()}
    assert rates == {"d1": 0.5, "d2": 500, "d3": None}


# ----------------------------------------------------------------------------------------------------------- transfers
class Together:
    """How many requests (``ops``) are on their way to a disk at once, at the most.  Until ``want`` are, each waits for
    the others, up to ``wait`` seconds."""

    def __init__(self, want: int, wait: float = 0.05, ops: Collection[Op] = tuple(Op)) -> None:
        self.most: Counter[tuple[str, Op]] = Counter()
        self._now: Counter[tuple[str, Op]] = Counter()
        self.ops = ops
        self._want, self._wait = want, wait
        self._change = threading.Condition()

    def wrap(self, name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        return lambda: _Counting(opener(), name, self)

    def reached(self, op: Op) -> int:
        return max(count for (_, each), count in self.most.items() if each is op)

    def begin(self, key: tuple[str, Op]) -> None:
        with self._change:
            self._now[key] += 1
            self.most[key] = max(self.most[key], self._now[key])
            self._change.notify_all()
            self._change.wait_for(lambda: self.most[key] >= self._want, self._wait)

    def end(self, key: tuple[str, Op]) -> None:
        with self._change:
            self._now[key] -= 1


class _Counting(Wrapper):
    kind = "counting"

    def __init__(self, inner: Backend, name: str, together: Together) -> None:
        super().__init__(inner)
        self._name, self._together = name, together

    def around(self, call: Call, go: Callable[[], Any]) -> Any:
        if call.op not in self._together.ops or call.name == MARKER:
            return go()
        key = self._name, call.op
        self._together.begin(key)
        try:
            return go()
        finally:
            self._together.end(key)


def test_transfers_is_how_many_shards_are_under_way_on_a_disk(home: Callable[[str, int], Home], tree: Path) -> None:
    machine = home("raid5", 3)
    configure(machine, "limits", memory="24 MiB")
    configure(machine, "d1", threads=2)
    one = Together(2)
    with run(machine, Flags(transfers="1"), wrap=one.wrap) as pool:
        assert pool.put([str(tree)]).exit_code == EXIT_OK
        assert pool.get(to=machine.folder / "one").exit_code == EXIT_OK
    assert set(one.most.values()) == {1}
    assert compare_trees(tree, machine.folder / "one" / "tree") == []


def test_transfers_goes_before_what_suits_a_kind_and_what_a_disk_has(home: Callable[[str, int], Home]) -> None:
    machine, many = home("raid5", 3), Together(5, 1.0, [Op.GET])
    configure(machine, "d1", threads=1)
    with run(machine, Flags(transfers="5", no_cache=True), only=("d1",), wrap=many.wrap) as pool:
        pool.snapshots()  # reads the log, from d1 alone
    assert many.reached(Op.GET) == 5


# ------------------------------------------------------------------------------------------------------------- retries
class _Failing(Wrapper):
    """Fails so many times for each shard that is to be put."""

    kind = "failing"

    def __init__(self, inner: Backend, times: int, tries: Counter[str]) -> None:
        super().__init__(inner)
        self._times, self._tries = times, tries

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        if name.startswith("shards/"):
            self._tries[name] += 1
            if self._tries[name] <= self._times:
                raise Unavailable("not now")
        return super().put(name, data, digest=digest)


@pytest.mark.parametrize(
    ("retries", "fails", "code"),
    [("0", 3, EXIT_DEGRADED), ("2", 3, EXIT_DEGRADED), ("3", 3, EXIT_OK), ("9", 9, EXIT_OK)],
)
def test_retries_is_how_often_a_request_is_tried_again(
    home: Callable[[str, int], Home], tree: Path, monkeypatch: pytest.MonkeyPatch, retries: str, fails: int, code: int
) -> None:
    machine, clock = home("raid5", 3), Clock()
    monkeypatch.setattr(LocalBackend, "caps", replace(LocalBackend.caps, local=False))  # a folder is never asked again
    tries = Counter[str]()

    def wrap(name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        return (lambda: _Failing(opener(), fails, tries)) if name == "d3" else opener

    with run(machine, Flags(retries=retries, patience="1h"), env=clock.env, wrap=wrap) as pool:
        assert pool.put([str(tree)]).exit_code == code
    assert max(tries.values()) == min(int(retries), fails) + 1


# ------------------------------------------------------------------------------------------------------------ patience
class _Hanging(Wrapper):
    """Puts of shards hang until the end of the test; meanwhile time passes."""

    kind = "hanging"

    def __init__(self, inner: Backend, until: threading.Event, clock: Clock) -> None:
        super().__init__(inner)
        self._until, self._clock = until, clock

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        if name.startswith("shards/"):
            while not self._until.is_set():
                time.sleep(0.01)
                self._clock.sleep(0.25)
        return super().put(name, data, digest=digest)


def test_patience_is_how_long_a_disk_may_be_silent(home: Callable[[str, int], Home], tree: Path) -> None:
    machine, until, clock = home("raid5", 3), threading.Event(), Clock()
    configure(machine, "d3", threads=1)
    began, given_up = clock.time, []

    def wrap(name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        return (lambda: _Hanging(opener(), until, clock)) if name == "d3" else opener

    def listen(event: object) -> None:
        if isinstance(event, DiskNotice) and event.disk == "d3":
            given_up.append(clock.time - began)

    with run(machine, Flags(patience="15"), env=clock.env, wrap=wrap, on_event=listen) as pool:
        assert pool._ctx.config.limits.patience == pool._ctx.table.patience == 15
        assert pool.put([str(tree)]).exit_code == EXIT_DEGRADED  # d3's part waits for the next run
        until.set()
    assert 15 <= given_up[0] < 30


# ---------------------------------------------------------------------------------------------------------------- cache
def test_what_no_disk_can_tell_again_outlives_a_run_without_a_cache(
    home: Callable[[str, int], Home], tree: Path
) -> None:
    machine = home("raid5", 3)
    configure(machine, "d1", upload_per_month="1 GB")
    for path in (machine.folder / "state").glob("table.sqlite*"):
        path.unlink()
    spent = []
    for _ in range(2):
        with run(machine, Flags(no_cache=True)) as pool:
            pool.put([str(tree)])
            (status,) = (disk for disk in pool.status().disks if disk.name == "d1")
            assert status.written_ms
        spent += [balance.spent for balance in status.budgets if balance.allowance.resource is Resource.UPLOAD]
    assert SIZE / 3 < spent[0] < spent[1]
    with machine.open() as pool:
        assert pool.check().exit_code == EXIT_OK
        (status,) = (disk for disk in pool.status().disks if disk.name == "d1")
    assert next(iter(status.budgets)).spent >= spent[1]


def test_a_cache_that_missed_what_other_runs_did_is_brought_up_to_date(
    home: Callable[[str, int], Home], tree: Path, tmp_path: Path
) -> None:
    machine = home("raid5", 3)
    other = Flags(cache_dir=str(tmp_path / "cache"))
    for number in range(4):
        (tree / "more").write_bytes(bytes([number]) * 300_000)
        with run(machine, (Flags(), other, Flags(no_cache=True), other)[number]) as pool:
            assert pool.put([str(tree)]).exit_code == EXIT_OK
    for flags in (Flags(), other):
        with run(machine, flags) as pool:
            assert len(pool.snapshots()) == 4
            assert pool.check(read_data=True).exit_code == EXIT_OK


def test_a_cache_that_lies_elsewhere_is_not_believed_before_its_signatures_are_checked(
    home: Callable[[str, int], Home], tree: Path, tmp_path: Path
) -> None:
    machine = home("raid5", 3)
    flags = Flags(cache_dir=str(tmp_path / "cache"))
    with run(machine, flags) as pool:
        pool.put([str(tree)])
    (path,) = (tmp_path / "cache").rglob("*.sqlite")
    database = sqlite3.connect(path)
    device, seq, blob = database.execute("SELECT device, seq, blob FROM records ORDER BY seq DESC LIMIT 1").fetchone()
    forged = bytes(blob[:-64]) + bytes(64)  # the very same words, signed by nobody
    database.execute("INSERT INTO records VALUES(?, ?, ?, ?)", (device, seq, hashlib.sha256(forged).digest(), forged))
    database.commit()
    database.close()
    with run(machine, flags) as pool:  # a new disk is sent every record that is believed
        pool.add_backend("local", "d4", {"path": str(machine.disk(4))})
        assert pool.put([str(tree)]).exit_code == EXIT_OK
    assert all(forged != path.read_bytes() for path in machine.disk(4).rglob("*-*") if path.is_file())
