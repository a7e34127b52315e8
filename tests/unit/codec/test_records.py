"""Log records: whole, of this pool, signed by their device, or refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webraid.codec.keys import DeviceKey, new_device
from webraid.codec.records import (
    Header,
    open_record,
    parse_name,
    peek,
    record_name,
    seal_record,
    unverified_body,
)
from webraid.codec.sign import sign
from webraid.env import seeded
from webraid.errors import IntegrityError, SealBroken, SignatureInvalid

META, POOL = b"\x05" * 32, b"\x01" * 16
DEVICE = new_device(seeded(4))
HEADER = Header(POOL, DEVICE.id, 2, 17, b"\x09" * 32, 1_700_000_000_123)


def public(device: bytes) -> bytes:
    return {DEVICE.id: DEVICE.public}[device]


def sealed(body: bytes = b"body", header: Header = HEADER, device: DeviceKey = DEVICE) -> bytes:
    return seal_record(META, header, body, device.private, seeded(8))


@given(
    st.binary(max_size=400), st.integers(0, 10**10 - 1), st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1)
)
def test_a_record_gives_back_header_and_body(body: bytes, seq: int, epoch: int, time_ms: int) -> None:
    header = replace(HEADER, seq=seq, epoch=epoch, time_ms=time_ms)
    blob = sealed(body, header)
    record = open_record(blob, META, POOL, public)
    assert (record.header, record.body, record.digest) == (header, body, hashlib.sha256(blob).digest())
    assert peek(blob) == header


def test_a_record_is_refused_for_every_flipped_bit() -> None:
    blob = sealed()
    for bit in range(8 * len(blob)):
        wrong = bytearray(blob)
        wrong[bit // 8] ^= 1 << bit % 8
        # A flipped device id leads to a key that is not there: the caller's KeyError, not ours.
        with pytest.raises((IntegrityError, KeyError)):
            open_record(wrong, META, POOL, public)


def test_a_record_is_refused_for_every_truncation_and_extension() -> None:
    blob = sealed()
    for wrong in (*(blob[:size] for size in range(len(blob))), blob + b"\0", blob * 2):
        with pytest.raises(SealBroken):
            peek(wrong)
        with pytest.raises(SealBroken):
            open_record(wrong, META, POOL, public)


def test_a_record_of_another_pool_key_or_device_is_refused() -> None:
    with pytest.raises(SealBroken, match="another pool"):
        open_record(sealed(), META, bytes(16), public)
    with pytest.raises(SealBroken):
        open_record(sealed(), bytes(32), POOL, public)
    with pytest.raises(SignatureInvalid):
        open_record(sealed(device=new_device(seeded(5))), META, POOL, public)


def test_a_body_cannot_be_moved_under_another_header() -> None:
    one, two = sealed(b"first"), sealed(b"other", replace(HEADER, seq=18))
    with pytest.raises(SignatureInvalid):
        open_record(one[:88] + two[88:], META, POOL, public)
    # Even when the device itself signs it: the seal of another pool's record does not open.
    foreign = bytearray(sealed(header=replace(HEADER, pool=bytes(16))))
    foreign[8:24] = POOL
    head, body = bytes(foreign[:88]), bytes(foreign[88:-64])
    resigned = head + body + sign(DEVICE.private, head + hashlib.sha256(body).digest())
    with pytest.raises(SealBroken):
        open_record(resigned, META, POOL, public)


def test_an_unverified_body_is_sealed_by_the_pools_key_but_says_nothing_of_the_device() -> None:
    assert unverified_body(sealed(device=new_device(seeded(5))), META, POOL) == b"body"
    for blob, meta, pool in ((sealed()[:-1], META, POOL), (sealed(), bytes(32), POOL), (sealed(), META, bytes(16))):
        with pytest.raises(SealBroken):
            unverified_body(blob, meta, pool)


@pytest.mark.parametrize("field", [{"pool": b""}, {"device": b"123"}, {"prev": bytes(31)}, {"seq": 10**10}])
def test_a_header_that_does_not_fit_is_not_sealed(field: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="wrong size"):
        sealed(header=replace(HEADER, **field))  # type: ignore[arg-type]


def test_a_number_too_long_for_a_name_is_refused_on_reading_too() -> None:
    blob = bytearray(sealed())
    blob[36:44] = (10**10).to_bytes(8, "big")
    with pytest.raises(SealBroken, match="no name can hold"):
        peek(blob)


@given(st.binary(min_size=8, max_size=8), st.integers(0, 10**10 - 1), st.binary(min_size=32, max_size=32))
def test_a_name_says_device_number_and_the_beginning_of_the_digest(device: bytes, seq: int, digest: bytes) -> None:
    name = record_name(device, seq, digest)
    assert name == f"log/{device.hex()}/{seq:010d}-{digest.hex()[:16]}"
    assert parse_name(name) == (device, seq, digest.hex()[:16])


@pytest.mark.parametrize(
    "name",
    ["", "log/0123456789abcdef/0000000001-0123456789abcde", "log/0123456789ABCDEF/0000000001-0123456789abcdef",
     "log/0123456789abcdef/000000001-0123456789abcdef", "log/0123456789abcdef/0000000001-0123456789abcdef\n",
     "x/log/0123456789abcdef/0000000001-0123456789abcdef", "log/0123456789abcdef/00000000٠1-0123456789abcdef"],
)  # fmt: skip
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(SealBroken, match="name"):
        parse_name(name)


def test_a_name_is_not_made_of_what_does_not_fit() -> None:
    for device, seq in ((bytes(7), 1), (bytes(8), -1), (bytes(8), 10**10)):
        with pytest.raises(ValueError, match="ten digits"):
            record_name(device, seq, bytes(32))
