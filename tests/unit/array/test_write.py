"""Writing over real disk threads: disks that fail, fill up, hang or lie; bounded memory; what is told afterwards."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import replace

import pytest

from tests.unit.array.rig import RAID6, REMOTE, Rig, rig
from webraid.array.events import DiskStalled, ShardWritten
from webraid.array.placement import Placement
from webraid.array.stripes import Stripe, StripeResult
from webraid.backend.faulty import Fault
from webraid.model import MIB, Code, Geometry, shard_name

SILENT = replace(REMOTE, server_checks_digest=False)  # a provider that verifies nothing
SMALL = 300_000


def read_back(six: Rig, result: StripeResult, data: bytes) -> bool:
    return bytes(six.array.read(result.pack, strict=True).get(0, len(data))) == data


def disks_of(result: StripeResult) -> dict[int, int]:
    return {home.index: home.disk[0] for home in result.pack.homes}


@pytest.mark.parametrize(
    "geometry", [RAID6, Geometry(Code.COPIES, 1, 4), Geometry(Code.XOR, 2, 3), Geometry(Code.NONE, 6, 6)]
)
def test_what_is_written_can_be_read(geometry: Geometry) -> None:
    with rig(6) as six:
        stripe, data = six.stripe(6 * MIB + 1, geometry)
        writer = six.array.writer()
        writer.submit(stripe)
        (result,) = writer.finish()
        assert len(result.pack.homes) == geometry.n
        assert result.missing == ()
        assert all(result.verified)
        assert writer.outstanding == 0
        assert read_back(six, result, data)
        written = sum(event.size for event in six.events if isinstance(event, ShardWritten))
        assert written == sum(store.used() for store in six.stores)


def test_a_tiny_pack_is_three_objects() -> None:
    with rig(6) as six, six.array.writer() as writer:
        stripe, _ = six.stripe(1000)
        writer.submit(stripe)
        (result,) = writer.finish()
        assert disks_of(result) == {0: 0, 4: 4, 5: 5}
        assert result.missing == ()


def test_a_disk_that_fails_is_replaced_by_another_home() -> None:
    with rig(7) as seven:
        seven.faults[2].down = True
        with seven.array.writer(alternate=seven.alternate) as writer:
            stripes = [seven.stripe(5 * MIB, seed=10 * i) for i in range(3)]
            for stripe, _ in stripes:
                writer.submit(stripe)
            results = writer.finish()
        assert all(disks_of(result)[2] == 6 and not result.missing for result in results)
        data = {stripe.pack.id: data for stripe, data in stripes}
        assert all(read_back(seven, result, data[result.pack.id]) for result in results)


def test_without_another_home_the_shard_is_missing_and_named() -> None:
    with rig(6) as six:
        six.faults[2].down = True
        with six.array.writer(alternate=six.alternate) as writer:
            stripe, data = six.stripe(5 * MIB)
            writer.submit(stripe)
            (result,) = writer.finish()
        assert result.missing == ((2, six.id(2)),)
        assert sorted(disks_of(result)) == [0, 1, 3, 4, 5]
        assert read_back(six, result, data)


def test_shards_that_were_placed_nowhere_are_told_as_missing() -> None:
    with rig(6) as six, six.array.writer() as writer:
        stripe, _ = six.stripe(5 * MIB)
        homes = (*stripe.placement.homes[:5], None)
        writer.submit(Stripe(stripe.pack, stripe.shards, Placement(homes, (5,), True, "one disk is gone")))
        assert writer.finish()[0].missing == ((5, b""),)


def test_a_full_disk_is_left_out_for_the_rest_of_the_run() -> None:
    with rig(7) as seven:
        seven.faults[1].full = True
        with seven.array.writer(alternate=seven.alternate) as writer:
            for i in range(4):
                writer.submit(seven.stripe(4 * MIB, seed=10 * i)[0])
            results = writer.finish()
        assert all(disks_of(result)[1] == 6 for result in results)
        assert seven.faults[1].calls <= 2, "nobody insists"


def test_a_hung_disk_is_declared_stalled_and_the_run_goes_on() -> None:
    with rig(6) as six:
        six.faults[3].hang = threading.Event()
        began = time.monotonic()
        with six.array.writer(patience=0.15) as writer:
            for i in range(6):
                writer.submit(six.stripe(5 * MIB, seed=10 * i)[0])
            results = writer.finish()
        assert time.monotonic() - began < 3
        assert len(results) == 6
        assert all(result.missing == ((3, six.id(3)),) for result in results)
        assert [event.disk for event in six.events if isinstance(event, DiskStalled)] == ["d3"]
        assert writer.outstanding == 0


def test_a_disk_that_hangs_halfway_hands_its_queue_to_others() -> None:
    with rig(7) as seven:
        data = {}
        with seven.array.writer(patience=0.15, alternate=seven.alternate) as writer:
            for i in range(8):
                if i == 3:
                    seven.faults[0].hang = threading.Event()
                stripe, data[stripe.pack.id] = (pair := seven.stripe(5 * MIB, seed=10 * i))[0], b""
                data[stripe.pack.id] = pair[1]
                writer.submit(stripe)
            results = writer.finish()
        assert all(result.missing == () for result in results)
        assert {disks_of(result)[0] for result in results} == {0, 6}
        assert all(read_back(seven, result, data[result.pack.id]) for result in results)


def test_a_slow_disk_is_not_taken_for_a_hung_one() -> None:
    with rig(6) as six:
        six.faults[3].slow = 0.04
        with six.array.writer(patience=0.3) as writer:
            for i in range(5):
                writer.submit(six.stripe(SMALL, seed=10 * i)[0])
            results = writer.finish()
        assert all(result.missing == () for result in results)
        assert not any(isinstance(event, DiskStalled) for event in six.events)


def test_memory_stays_within_the_window() -> None:
    with rig(6) as six:
        six.faults[5].slow = 0.02
        most = 0
        with six.array.writer(window=20 * MIB) as writer:
            for i in range(12):
                writer.submit(six.stripe(4 * MIB, seed=10 * i)[0])  # 6 MiB each
                most = max(most, writer.outstanding)
            assert most <= 20 * MIB
            assert len(writer.finish()) == 12


def test_a_stripe_larger_than_the_window_is_written_all_the_same() -> None:
    with rig(6) as six, six.array.writer(window=MIB) as writer:
        for i in range(3):
            writer.submit(six.stripe(4 * MIB, seed=i * 10)[0])
        assert len(writer.finish()) == 3


def test_stripes_are_told_as_they_settle_on_the_submitting_thread() -> None:
    with rig(6) as six:
        told: list[tuple[StripeResult, int]] = []
        with six.array.writer(on_stripe=lambda result: told.append((result, threading.get_ident()))) as writer:
            for i in range(4):
                writer.submit(six.stripe(SMALL, seed=10 * i)[0])
            assert writer.finish() == []
        assert len(told) == 4
        assert {thread for _, thread in told} == {threading.get_ident()}


def test_where_the_provider_verifies_nothing_the_first_shard_of_each_disk_is_read_back() -> None:
    with rig(6, caps=SILENT) as six:
        with six.array.writer(sample=4) as writer:
            for i in range(8):
                writer.submit(six.stripe(4 * MIB, seed=10 * i)[0])
            results = writer.finish()
        assert sum(sum(result.verified) for result in results) == 6 * 2
        assert all(result.missing == () for result in results)


def test_a_disk_that_gives_back_wrong_bytes_is_found_out_at_once() -> None:
    with rig(7, caps=SILENT) as seven:
        seven.faults[2].flip_rate = 1.0
        with seven.array.writer(sample=1000, alternate=seven.alternate) as writer:
            for i in range(4):
                writer.submit(seven.stripe(4 * MIB, seed=10 * i)[0])
            results = writer.finish()
        assert {finding for finding in seven.findings if finding[0] != "d2"} == set()
        assert ("d2", 2, "corrupt") in seven.findings
        assert all(disks_of(result)[2] == 6 for result in results), "and none of its later shards is believed"


def test_a_transient_error_is_no_loss() -> None:
    with rig(6) as six:
        for faults in six.faults:
            faults.script = [Fault.BEFORE]
        with six.array.writer() as writer:
            stripe, data = six.stripe(5 * MIB)
            writer.submit(stripe)
            (result,) = writer.finish()
        assert result.missing == ()
        assert read_back(six, result, data)


def test_homes_carry_what_the_table_needs() -> None:
    with rig(6) as six, six.array.writer() as writer:
        stripe, _ = six.stripe(5 * MIB)
        writer.submit(stripe)
        (result,) = writer.finish()
        for home in result.pack.homes:
            stored = six.stores[home.disk[0]].snapshot()[shard_name(stripe.pack.id, home.index)]
            assert home.md5 == hashlib.md5(stored).digest()


def test_a_crash_on_a_disks_thread_reaches_the_submitting_thread() -> None:
    with rig(6) as six:
        six.faults[4].crash_at(1)
        writer = six.array.writer()
        with pytest.raises(KeyboardInterrupt), writer:
            writer.submit(six.stripe(5 * MIB)[0])
            writer.finish()


def test_all_disks_down_ends_and_tells_everything_missing() -> None:
    with rig(6) as six:
        for faults in six.faults:
            faults.down = True
        with six.array.writer(patience=0.2, alternate=six.alternate) as writer:
            for i in range(10):
                writer.submit(six.stripe(4 * MIB, seed=10 * i)[0])
            results = writer.finish()
        assert len(results) == 10
        assert all(len(result.missing) == 6 and result.pack.homes == () for result in results)


def test_a_disk_that_is_not_in_the_pool_is_missing() -> None:
    with rig(6) as six, six.array.writer() as writer:
        stripe, _ = six.stripe(5 * MIB)
        del six.disks[six.id(1)]
        writer.submit(stripe)
        assert writer.finish()[0].missing == ((1, six.id(1)),)
