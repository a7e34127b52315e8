"""Keys and their slots: a wrong passphrase is told from a damaged slot, and neither gives anything away."""

from __future__ import annotations

import unicodedata
import zlib

import pytest

from webraid.codec.keys import (
    KdfParams,
    Root,
    new_device,
    new_owner,
    new_recovery_code,
    new_root,
    open_device,
    open_slot,
    seal_device,
    seal_passphrase_slot,
    seal_recovery_slot,
    slot_type,
)
from webraid.env import seeded
from webraid.errors import ConfigError, SealBroken, WrongPassphrase

ENV = seeded(11)
POOL = b"\x02" * 16
ROOT, OWNER, DEVICE = new_root(ENV), new_owner(ENV), new_device(ENV)
TINY = KdfParams(memory_kib=32, passes=1, lanes=1)
WORDS = "seven words nobody would ever guess"
CODE = new_recovery_code(seeded(12))


def passphrase_slot(passphrase: str = WORDS) -> bytes:
    return seal_passphrase_slot(POOL, passphrase, ROOT, OWNER, seeded(13), TINY)


def with_checksum(blob: bytearray, pool: bytes = POOL) -> bytes:
    """As a forger would leave it: the checksum has no secret."""
    return bytes(blob[:-4]) + zlib.crc32(bytes(blob[:-4]) + pool).to_bytes(4, "big")


def test_each_slot_gives_back_what_it_holds() -> None:
    root = Root(ROOT.secret, epoch=7)
    for blob, text in (
        (seal_passphrase_slot(POOL, WORDS, root, OWNER, ENV, TINY), WORDS),
        (seal_recovery_slot(POOL, CODE, root, OWNER, ENV), CODE.lower().replace("-", " ")),
    ):
        opened = open_slot(blob, POOL, text)
        assert (opened.root, opened.owner) == (root, OWNER)
    device = open_device(seal_device(POOL, b"k" * 32, root, DEVICE, ENV), POOL, b"k" * 32)
    assert (device.root, device.device) == (root, DEVICE)


def test_slots_say_of_which_type_they_are_without_a_key() -> None:
    blobs = (
        passphrase_slot(),
        seal_recovery_slot(POOL, CODE, ROOT, OWNER, ENV),
        seal_device(POOL, bytes(32), ROOT, DEVICE, ENV),
    )
    assert [slot_type(blob, POOL) for blob in blobs] == [1, 2, 3]
    assert [len(blob) for blob in blobs] == [168] * 3


def test_the_default_cost_is_a_quarter_of_a_gibibyte_and_three_passes() -> None:
    assert KdfParams() == KdfParams(memory_kib=262_144, passes=3, lanes=4)


def test_a_wrong_passphrase_code_or_device_key_is_told_as_such() -> None:
    with pytest.raises(WrongPassphrase):
        open_slot(passphrase_slot(), POOL, WORDS + " ")
    other = new_recovery_code(seeded(99))
    with pytest.raises(WrongPassphrase, match="does not open"):
        open_slot(seal_recovery_slot(POOL, CODE, ROOT, OWNER, ENV), POOL, other)
    with pytest.raises(WrongPassphrase):
        open_device(seal_device(POOL, b"k" * 32, ROOT, DEVICE, ENV), POOL, b"l" * 32)


def test_a_mistyped_code_is_told_from_a_wrong_one() -> None:
    blob = seal_recovery_slot(POOL, CODE, ROOT, OWNER, ENV)
    typo = CODE[:5] + ("3" if CODE[5] != "3" else "4") + CODE[6:]
    with pytest.raises(WrongPassphrase, match="mistyped"):
        open_slot(blob, POOL, typo)


def test_a_damaged_slot_is_told_from_a_wrong_passphrase_whatever_was_typed() -> None:
    for blob, text in ((passphrase_slot(), WORDS), (seal_recovery_slot(POOL, CODE, ROOT, OWNER, ENV), CODE)):
        for bit in range(8 * len(blob)):
            wrong = bytearray(blob)
            wrong[bit // 8] ^= 1 << bit % 8
            with pytest.raises(SealBroken):
                open_slot(wrong, POOL, text)
        for size in range(len(blob)):
            with pytest.raises(SealBroken):
                open_slot(blob[:size], POOL, text)
        with pytest.raises(SealBroken):
            open_slot(blob + b"\0", POOL, text)


def test_a_slot_of_another_pool_does_not_open() -> None:
    with pytest.raises(SealBroken, match="another pool"):
        open_slot(passphrase_slot(), bytes(16), WORDS)
    planted = with_checksum(bytearray(passphrase_slot()), bytes(16))
    with pytest.raises(WrongPassphrase):
        open_slot(planted, bytes(16), WORDS)


def test_a_slot_authenticates_its_own_type_and_cost_against_a_forger() -> None:
    for at, value in ((9, 2), (11, 2), (15, 33)):  # lanes, passes, memory: cheaper or dearer, both are refused
        forged = bytearray(passphrase_slot())
        forged[at] = value
        with pytest.raises(WrongPassphrase):
            open_slot(with_checksum(forged), POOL, WORDS)
    forged = bytearray(seal_device(POOL, CODE.replace("-", "").encode(), ROOT, DEVICE, ENV))
    forged[8] = 2
    with pytest.raises(WrongPassphrase):
        open_slot(with_checksum(forged), POOL, CODE)


def test_tampered_ciphertext_behind_a_right_commitment_is_damage() -> None:
    forged = bytearray(passphrase_slot())
    forged[90] ^= 1
    with pytest.raises(SealBroken, match="authentication"):
        open_slot(with_checksum(forged), POOL, WORDS)


@pytest.mark.parametrize(
    ("memory_kib", "passes", "lanes"),
    [((2 << 20) + 1, 1, 1), (0xFFFFFFFF, 1, 1), (32, 11, 1), (1024, 1, 17), (32, 0, 1), (32, 1, 0), (15, 1, 2)],
)
def test_a_slot_that_asks_for_too_much_is_refused_before_anything_is_derived(
    memory_kib: int, passes: int, lanes: int
) -> None:
    forged = bytearray(passphrase_slot())
    forged[9:16] = bytes((lanes,)) + passes.to_bytes(2, "big") + memory_kib.to_bytes(4, "big")
    with pytest.raises(SealBroken, match="asks for"):
        open_slot(with_checksum(forged), POOL, WORDS)
    with pytest.raises(SealBroken, match="asks for"):
        seal_passphrase_slot(POOL, WORDS, ROOT, OWNER, ENV, KdfParams(memory_kib, passes, lanes))


def test_a_slot_opens_only_through_the_door_of_its_type() -> None:
    device = seal_device(POOL, bytes(32), ROOT, DEVICE, ENV)
    with pytest.raises(SealBroken, match="belongs to a device"):
        open_slot(device, POOL, WORDS)
    with pytest.raises(SealBroken, match="not to a device"):
        open_device(passphrase_slot(), POOL, bytes(32))
    unknown = bytearray(device)
    unknown[8] = 4
    with pytest.raises(SealBroken, match="type"):
        slot_type(with_checksum(unknown), POOL)


def test_a_passphrase_means_the_same_however_its_accents_are_composed() -> None:
    composed = unicodedata.normalize("NFC", "Käse über Brücken")
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    assert open_slot(passphrase_slot(decomposed), POOL, composed).root == ROOT


def test_an_empty_or_undecodable_passphrase_is_a_usage_error() -> None:
    for bad in ("", "\udcff"):
        with pytest.raises(ConfigError):
            passphrase_slot(bad)


def test_the_same_passphrase_never_gives_the_same_slot() -> None:
    one, two = (seal_passphrase_slot(POOL, WORDS, ROOT, OWNER, ENV, TINY) for _ in range(2))
    assert one[16:-4] != two[16:-4]
    assert one[48:80] != two[48:80]


def test_derived_keys_all_differ() -> None:
    roots = (ROOT, Root(bytes(32)))
    keys = {key for root in roots for key in (root.secret, root.data, root.meta, root.id, root.creds)}
    assert len(keys) == 10
    assert {len(key) for key in keys} == {32}


def test_no_repr_shows_a_secret() -> None:
    opened = open_slot(passphrase_slot(), POOL, WORDS)
    device = open_device(seal_device(POOL, bytes(32), ROOT, DEVICE, ENV), POOL, bytes(32))
    _ = (opened.root.data, opened.root.meta)  # cached beside the fields: they must not show either
    shown = repr((opened, device))
    for secret in (ROOT.secret, OWNER.private, DEVICE.private, ROOT.data, ROOT.meta):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown


def test_a_root_or_key_of_a_wrong_size_is_refused() -> None:
    for secret, epoch in ((bytes(31), 0), (bytes(32), -1), (bytes(32), 1 << 32)):
        with pytest.raises(ValueError, match="32"):
            Root(secret, epoch)
    with pytest.raises(ValueError, match="32 bytes"):
        seal_device(POOL, bytes(16), ROOT, DEVICE, ENV)
