"""Roots of several epochs in one slot, and a new root in a box for one device."""

from __future__ import annotations

import pytest

from webraid.codec.boxes import open_box, seal_box
from webraid.codec.keys import (
    MOST_OLDER,
    Root,
    join_roots,
    new_device,
    new_owner,
    new_recovery_code,
    new_root,
    next_root,
    open_device,
    open_slot,
    seal_device,
    seal_recovery_slot,
)
from webraid.env import seeded
from webraid.errors import SealBroken

ENV = seeded(21)
POOL = bytes(range(16))
FIRST = new_root(ENV)
SECOND = next_root(FIRST, ENV)
THIRD = next_root(SECOND, ENV)
OWNER, DEVICE = new_owner(ENV), new_device(ENV)


def test_a_new_root_has_all_older_ones_and_their_chunk_ids() -> None:
    assert [root.epoch for root in THIRD.every()] == [2, 1, 0]
    assert THIRD.id == SECOND.id == FIRST.id
    assert len({root.data for root in THIRD.every()} | {root.meta for root in THIRD.every()}) == 6
    assert len({root.check for root in THIRD.every()}) == 3 and len(THIRD.check) == 16
    assert THIRD.of(1)[0].secret == SECOND.secret and THIRD.of(5) == []


def test_slots_of_any_kind_hold_all_of_them() -> None:
    code = new_recovery_code(ENV)
    slot = seal_recovery_slot(POOL, code, THIRD, OWNER, ENV)
    assert len(slot) == 168 + 2 * 36
    assert open_slot(slot, POOL, code).root == THIRD
    assert open_device(seal_device(POOL, bytes(32), THIRD, DEVICE, ENV), POOL, bytes(32)).root == THIRD


@pytest.mark.parametrize("wrong", ["cut", "longer", "huge"])
def test_a_slot_of_an_impossible_length_is_refused(wrong: str) -> None:
    code = new_recovery_code(ENV)
    slot = seal_recovery_slot(POOL, code, SECOND, OWNER, ENV)
    made = {"cut": slot[:-1], "longer": slot + bytes(36), "huge": slot + bytes(36 * MOST_OLDER)}
    with pytest.raises(SealBroken):
        open_slot(made[wrong], POOL, code)


def test_joined_roots_keep_every_secret_once() -> None:
    other = Root(b"o" * 32, 2)
    both = join_roots(THIRD, other)
    assert both.secret == THIRD.secret and [root.epoch for root in both.every()] == [2, 2, 1, 0]
    assert join_roots(both, THIRD) == both == join_roots(both, both)
    assert join_roots(FIRST, Root(SECOND.secret, 1)) == SECOND
    assert join_roots(other, FIRST).secret == other.secret


def test_only_the_device_it_is_for_opens_a_box() -> None:
    box = seal_box(POOL, DEVICE.public, THIRD, ENV)
    opened = open_box(box, POOL, DEVICE)
    assert opened == Root(THIRD.secret, 2) and opened.older == ()
    for pool, device in ((POOL, new_device(ENV)), (bytes(16), DEVICE)):
        with pytest.raises(SealBroken):
            open_box(box, pool, device)
    assert seal_box(POOL, DEVICE.public, THIRD, ENV) != box


@pytest.mark.parametrize("at", [0, 31, 32, 64, 99, 100, 115])
def test_a_damaged_box_is_refused(at: int) -> None:
    box = bytearray(seal_box(POOL, DEVICE.public, THIRD, ENV))
    box[at] ^= 1
    with pytest.raises(SealBroken):
        open_box(box, POOL, DEVICE)
    with pytest.raises(SealBroken):
        open_box(bytes(box)[:-1], POOL, DEVICE)


@pytest.mark.parametrize(
    "public", [bytes(32), b"\1" + bytes(31), b"\xff" * 32, bytes(31)], ids=["y is 0", "y is 1", "too large", "short"]
)
def test_a_key_that_is_no_point_gets_no_box(public: bytes) -> None:
    if public == bytes(32):  # y = 0 maps to u = 1, a point of low order
        with pytest.raises(SealBroken, match="agreed"):
            seal_box(POOL, public, THIRD, ENV)
        return
    with pytest.raises(SealBroken):
        seal_box(POOL, public, THIRD, ENV)


def test_nothing_secret_shows() -> None:
    shown = repr(THIRD)
    _ = (THIRD.data, THIRD.check)
    assert all(secret.hex() not in shown and str(secret) not in shown for secret in (THIRD.secret, FIRST.secret))
