"""Reading over real disk threads: lost, lying, slow and hung disks; ranges; many packs at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.array.rig import POOL, RAID6, REMOTE, Rig, rig
from webraid.array.array import Request
from webraid.array.events import DiskStalled, ShardRead
from webraid.errors import NotEnoughShards, ShardCorrupt
from webraid.model import MIB, Code, Geometry, Home, shard_name

SMALL = 300_000
LENGTH = 9 * MIB + 12_345


@pytest.fixture(params=[False, True], ids=["remote", "local"])
def six(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with rig(6, local=request.param) as made:
        yield made


def whole(view: object, length: int) -> bytes:
    return bytes(view.get(0, length))  # type: ignore[attr-defined]


@pytest.mark.parametrize("length", [0, 1, SMALL, MIB, 4 * MIB, 5 * MIB + 7, 11 * MIB - 3])
def test_a_healthy_stripe_is_read(six: Rig, length: int) -> None:
    pack, data = six.stored(length)
    assert whole(six.array.read(pack), length) == data
    assert six.findings == set()


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry(Code.NONE, 4, 4),
        Geometry(Code.COPIES, 1, 3),
        Geometry(Code.XOR, 3, 4),
        Geometry(Code.XOR, 1, 2),
        Geometry(Code.RS, 3, 6),
        Geometry(Code.RS, 1, 3),
    ],
)
def test_every_code_is_read_with_m_disks_lost(six: Rig, geometry: Geometry) -> None:
    pack, data = six.stored(3 * MIB + 77, geometry)
    for i in range(geometry.m):
        six.faults[i].down = True
    assert whole(six.array.read(pack), pack.length) == data


def test_every_erasure_pattern_of_raid6_is_read(six: Rig) -> None:
    pack, data = six.stored(5 * MIB + 11)
    originals = [store.snapshot() for store in six.stores]
    for count in (1, 2):
        for lost in combinations(range(6), count):
            for i in lost:
                six.stores[i].discard(shard_name(pack.id, i))
            six.events.clear()
            assert whole(six.array.read(pack), pack.length) == data, lost
            assert {problem for _, _, problem in six.findings} <= {"missing"}
            for i in lost:
                for name, content in originals[i].items():
                    six.stores[i].put(name, content)


def test_wrong_bytes_from_m_disks_are_named_and_replaced_by_a_strict_read(six: Rig) -> None:
    pack, data = six.stored(5 * MIB + 11)
    six.stores[1].flip(shard_name(pack.id, 1), 1000)
    six.stores[4].flip(shard_name(pack.id, 4), 5)
    assert whole(six.array.read(pack, strict=True), pack.length) == data
    assert ("d1", 1, "corrupt") in six.findings
    assert six.findings <= {("d1", 1, "corrupt"), ("d4", 4, "corrupt")}


def test_local_disks_are_verified_in_every_full_read() -> None:
    with rig(6, local=True) as six:
        pack, data = six.stored(SMALL)
        six.stores[0].flip(shard_name(pack.id, 0), 1000)
        assert whole(six.array.read(pack), pack.length) == data
        assert six.findings == {("d0", 0, "corrupt")}


def test_m_plus_one_lost_shards_are_an_error_that_names_the_disks(six: Rig) -> None:
    pack, _ = six.stored(5 * MIB)
    six.faults[0].down = True
    six.stores[3].discard(shard_name(pack.id, 3))
    six.stores[5].flip(shard_name(pack.id, 5))
    with pytest.raises(NotEnoughShards) as caught:
        six.array.read(pack, strict=True)
    assert (caught.value.have, caught.value.need) == (3, 4)
    for told in ("d0 (does not answer)", "d3 (it is not there)", "d5 (it is damaged)"):
        assert told in str(caught.value)
    assert "d1" not in str(caught.value)


def test_all_disks_down_is_an_error_that_names_all() -> None:
    with rig(6) as six:
        pack, _ = six.stored(SMALL)
        for faults in six.faults:
            faults.down = True
        with pytest.raises(NotEnoughShards) as caught:
            six.array.read(pack)
        # A pack this small has but three shards.
        assert all(f"d{i} " in str(caught.value) for i in (0, 4, 5))


def test_disks_that_left_the_pool_are_named_by_their_id() -> None:
    with rig(6) as six:
        pack, _ = six.stored(4 * MIB)
        for i in range(3):
            del six.disks[six.id(i)]
        with pytest.raises(NotEnoughShards, match=f"{six.id(2).hex()} \\(not in the pool\\)"):
            six.array.read(pack)


def test_a_hung_disk_does_not_slow_a_read(six: Rig) -> None:
    pack, data = six.stored(6 * MIB)
    six.array.read(pack)
    six.faults[0].hang = threading.Event()
    began = time.monotonic()
    assert whole(six.array.read(pack), pack.length) == data
    assert time.monotonic() - began < 0.8
    assert [event.disk for event in six.events if isinstance(event, DiskStalled)] == ["d0"]
    began = time.monotonic()
    for _ in range(5):
        assert whole(six.array.read(pack), pack.length) == data
    assert time.monotonic() - began < 0.8, "and it is left alone from then on"


def test_too_many_hung_disks_end_in_an_error_not_in_a_hang() -> None:
    with rig(6, patience=0.2) as six:
        pack, _ = six.stored(SMALL * 20)
        for i in range(3):
            six.faults[i].hang = threading.Event()
        began = time.monotonic()
        with pytest.raises(NotEnoughShards, match=r"d0 \(does not answer\)"):
            six.array.read(pack)
        assert time.monotonic() - began < 3


def test_with_too_many_hung_disks_each_of_many_packs_is_told_unreadable() -> None:
    with rig(6, patience=0.2) as six:
        packs = [six.stored(4 * MIB, seed=10 * i)[0] for i in range(8)]
        for i in range(3):
            six.faults[i].hang = threading.Event()
        views = [view for _, view in six.array.read_many(Request(pack) for pack in packs)]
        assert all(isinstance(view.error, NotEnoughShards) for view in views)


def test_a_slow_disk_is_overtaken() -> None:
    with rig(6) as six:
        pack, data = six.stored(SMALL)  # only d0 holds data
        six.array.read(pack)
        six.faults[0].slow = 0.6
        began = time.monotonic()
        assert whole(six.array.read(pack), pack.length) == data
        assert time.monotonic() - began < 0.5


def test_nothing_is_fetched_twice_without_need() -> None:
    with rig(6, floor=5.0) as six:
        pack, _ = six.stored(16 * MIB)
        six.array.read(pack)
        six.events.clear()
        six.array.read(pack)
        assert sum(event.size for event in six.events if isinstance(event, ShardRead)) <= 16.8 * MIB


def test_a_small_range_fetches_little() -> None:
    with rig(6, floor=5.0) as six:
        pack, data = six.stored(16 * MIB)
        view = six.array.read(pack, [(3 * MIB + 500, 2000)])
        assert bytes(view.get(3 * MIB + 500, 2000)) == data[3 * MIB + 500 : 3 * MIB + 2500]
        assert sum(event.size for event in six.events if isinstance(event, ShardRead)) == 2000


def test_bytes_that_were_not_asked_for_are_refused() -> None:
    with rig(6) as six:
        pack, _ = six.stored(8 * MIB)
        view = six.array.read(pack, [(0, 1000)])
        with pytest.raises(ValueError, match="not asked for"):
            view.get(500, 1000)
        with pytest.raises(ValueError, match="not inside a pack"):
            six.array.read(pack, [(8 * MIB - 1, 2)])


ranges = st.lists(st.tuples(st.integers(0, 9 * MIB), st.integers(0, 3 * MIB)), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=ranges, lost=st.sets(st.integers(0, 5), max_size=2), strict=st.booleans())
def test_ranges_are_exact_healthy_and_degraded(
    six: Rig, asked: list[tuple[int, int]], lost: set[int], strict: bool
) -> None:
    pack, data = six.stored(LENGTH)
    for i in lost:
        six.stores[i].discard(shard_name(pack.id, i))
    inside = [(offset, min(size, pack.length - offset)) for offset, size in asked]
    view = six.array.read(pack, inside, strict=strict)
    for offset, size in inside:
        assert bytes(view.get(offset, size)) == data[offset : offset + size]
        third = size // 3
        assert bytes(view.get(offset + third, third)) == data[offset + third : offset + 2 * third]


def test_many_packs_are_read_within_the_window(six: Rig) -> None:
    packs = [six.stored(2 * MIB + i, seed=10 * i) for i in range(12)]
    six.faults[2].down = True
    requests = [Request(pack, None, tag) for tag, (pack, _) in enumerate(packs)]
    taken: list[int] = []
    most = [0]

    def counted() -> Iterator[Request]:
        for request in requests:
            most[0] = max(most[0], request.tag + 1 - len(taken))
            yield request

    for request, view in six.array.read_many(counted(), window=7 * MIB):
        assert whole(view, request.pack.length) == packs[request.tag][1]
        taken.append(request.tag)
    assert sorted(taken) == list(range(12))
    assert most[0] <= 5, "three fit, one is looked at ahead, one is in the caller's hands"


def test_of_many_packs_a_lost_one_does_not_end_the_others(six: Rig) -> None:
    packs = [six.stored(5 * MIB, seed=10 * i) for i in range(4)]
    for i in range(3):
        six.stores[i].discard(shard_name(packs[1][0].id, i))
    good = 0
    for request, view in six.array.read_many(Request(pack, None, i) for i, (pack, _) in enumerate(packs)):
        if request.tag == 1:
            assert isinstance(view.error, NotEnoughShards)
            with pytest.raises(NotEnoughShards):
                view.get(0, 1)
        else:
            good += whole(view, 5 * MIB) == packs[request.tag][1]
    assert good == 3


def test_many_packs_are_read_around_a_hung_disk() -> None:
    with rig(6) as six:
        packs = [six.stored(4 * MIB, seed=10 * i) for i in range(10)]
        six.faults[3].hang = threading.Event()
        began = time.monotonic()
        for request, view in six.array.read_many(Request(pack, None, i) for i, (pack, _) in enumerate(packs)):
            assert whole(view, 4 * MIB) == packs[request.tag][1]
        assert time.monotonic() - began < 2.0


def test_a_reader_that_stops_early_leaves_no_thread_busy() -> None:
    with rig(6) as six:
        packs = [six.stored(2 * MIB, seed=10 * i)[0] for i in range(6)]
        answers = six.array.read_many(Request(pack) for pack in packs)
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        for thread in threading.enumerate():
            if thread.name == "array-read":
                thread.join(2.0)
                assert not thread.is_alive()


def test_a_crash_on_a_disks_thread_reaches_the_caller(six: Rig) -> None:
    pack, _ = six.stored(5 * MIB)
    for faults in six.faults:
        faults.crash_at(1)
    with pytest.raises(KeyboardInterrupt):
        six.array.read(pack)


def test_a_disk_without_ranges_is_read_all_the_same() -> None:
    with rig(6, caps=replace(REMOTE, range_get=False)) as six:
        pack, data = six.stored(9 * MIB)
        view = six.array.read(pack, [(MIB, 5 * MIB)])
        assert bytes(view.get(MIB, 5 * MIB)) == data[MIB : 6 * MIB]


@pytest.mark.parametrize("index", range(6))
def test_a_lost_shard_is_rebuilt_as_it_was(six: Rig, index: int) -> None:
    pack, _ = six.stored(9 * MIB + 5)
    name = shard_name(pack.id, index)
    original = six.stores[index].snapshot()[name]
    six.stores[(index + 1) % 6].flip(shard_name(pack.id, (index + 1) % 6), 77)
    shard = six.array.reconstruct(pack, index, pool=POOL)
    assert bytes(shard.object) == original
    assert shard.sha256 == pack.shards[index]


def test_a_copy_is_rebuilt_from_another() -> None:
    with rig(3) as three:
        pack, _ = three.stored(SMALL, Geometry(Code.COPIES, 1, 3))
        name = shard_name(pack.id, 0)
        original = three.stores[0].snapshot()[name]
        three.stores[1].discard(name)
        assert bytes(three.array.reconstruct(pack, 0, pool=POOL).object) == original


def test_too_few_shards_rebuild_nothing(six: Rig) -> None:
    pack, _ = six.stored(5 * MIB)
    for i in (1, 2):
        six.stores[i].discard(shard_name(pack.id, i))
    with pytest.raises(NotEnoughShards, match="d1"):
        six.array.reconstruct(pack, 0, pool=POOL)


def test_a_shard_rebuilt_for_another_pool_is_refused(six: Rig) -> None:
    pack, _ = six.stored(5 * MIB)
    with pytest.raises(ShardCorrupt):
        six.array.reconstruct(pack, 0, pool=bytes(16))


def test_duplicates_of_a_shard_stand_in_for_each_other() -> None:
    with rig(7) as seven:
        pack, data = seven.stored(8 * MIB, RAID6)
        name = shard_name(pack.id, 2)
        seven.stores[6].put(name, seven.stores[2].snapshot()[name])
        pack = replace(pack, homes=(*pack.homes, Home(2, seven.id(6))))
        for i in (0, 1, 2):
            seven.faults[i].down = True
        assert whole(seven.array.read(pack), pack.length) == data
