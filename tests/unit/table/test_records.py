"""Bodies of log records: what is read back, what is refused, what is passed over."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.table.rig import ALICE, OWNER, POOL, enroll, genesis, run_id
from webraid.codec.pack import ChunkKind, Place
from webraid.codec.sign import verify
from webraid.errors import SealBroken, SignatureInvalid
from webraid.table.records import (
    Abort,
    AddDisk,
    Body,
    ChunkAt,
    Close,
    Commit,
    Condemn,
    Joined,
    Prepare,
    RemoveDisk,
    RootDir,
    Snapshot,
    TablePack,
    certificate,
    chunk_at,
    decode_body,
    encode_body,
)

AT = ChunkAt(bytes(16), 2, 0, 2, 94, 40, 24, False)
SHOT = Snapshot(
    root=bytes(16), time_ms=5, host="h", level="raid6", roots=(RootDir(name=b"p\xff", origin=b"/p\xff"),), tags=("x",),
    files=3, size=9, partial=True, problems=1,
)  # fmt: skip
FULL = Body(
    lamport=7,
    ops=(
        genesis(), enroll(ALICE),
        AddDisk(disk=b"d" * 8, name="n", kind="s3", domain="e", identity="i", capacity=5, connection=b"c"),
        Joined(disk=b"d" * 8), RemoveDisk(disk=b"d" * 8),
        Prepare(run=run_id(1), creates=(run_id(2),), reuses=(run_id(3),)),
        Commit(run=run_id(1), packs=(TablePack(id=run_id(2), length=9, sha256=bytes(32)),), places=(AT,),
               segments=(run_id(4),), supersedes=(run_id(5),), snapshot=SHOT),
        Close(run=run_id(1)), Abort(run=run_id(1)), Condemn(packs=(run_id(2),)),
    ),
    vector={b"a" * 8: 3}, acked={b"d" * 8: 2},
)  # fmt: skip
BYTES = encode_body(FULL)


def test_every_operation_comes_back() -> None:
    assert decode_body(BYTES) == FULL


def test_a_body_is_plain_msgpack_and_leaves_out_defaults() -> None:
    body = Body(
        lamport=1, ops=(Close(run=run_id(1)), AddDisk(disk=b"d" * 8, name="n", kind="s3", domain="e", identity=""))
    )
    assert msgspec.msgpack.decode(encode_body(body)) == {
        "lamport": 1,
        "ops": [
            {"op": "close", "run": run_id(1)},
            {"op": "add-disk", "disk": b"d" * 8, "name": "n", "kind": "s3", "domain": "e", "identity": ""},
        ],
    }


def test_no_beginning_of_a_body_is_a_body() -> None:
    for size in range(len(BYTES)):
        with pytest.raises(SealBroken):
            decode_body(BYTES[:size])
    with pytest.raises(SealBroken):
        decode_body(BYTES + b"\0")


@given(st.binary(max_size=200))
def test_garbage_is_no_body(garbage: bytes) -> None:
    with pytest.raises(SealBroken):
        decode_body(garbage)


def test_unknown_fields_are_passed_over() -> None:
    raw = msgspec.msgpack.decode(BYTES)
    raw["later"] = {"x": [1]}
    for op in raw["ops"]:
        op["later"] = 1
    raw["ops"][6]["snapshot"]["later"] = raw["ops"][6]["packs"][0]["later"] = b"x"
    raw["ops"][6]["places"][0].append("later")
    assert decode_body(msgspec.msgpack.encode(raw)) == FULL


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.pop("lamport"),
        lambda raw: raw.pop("ops"),
        lambda raw: raw["ops"][7].pop("run"),
        lambda raw: raw["ops"][7].pop("op"),
        lambda raw: raw["ops"][7].update(op="explode"),
        lambda raw: raw["ops"][7].update(run="text"),
        lambda raw: raw.update(lamport="1"),
        lambda raw: raw.update(acked={"text": 1}),
        lambda raw: raw["ops"][6]["places"][0].pop(),
    ],
)
def test_what_is_missing_unknown_or_of_another_type_is_refused(change: object) -> None:
    """An operation that is not known must not be passed over: it may take something away."""
    raw = msgspec.msgpack.decode(BYTES)
    change(raw)  # type: ignore[operator]
    with pytest.raises(SealBroken):
        decode_body(msgspec.msgpack.encode(raw))


def test_places_of_chunks_come_back() -> None:
    place = Place(bytes(16), ChunkKind.INDEX, 3, 94, 40, 99, True)
    assert chunk_at(place, 4).place() == place
    assert chunk_at(place, 4).pack == 4


def test_a_certificate_is_bound_to_pool_key_name_and_rights() -> None:
    signed = certificate(POOL, ALICE.public, "machine", ("append",))
    assert signed == b"WRCERT\0\1" + msgspec.msgpack.encode([POOL, ALICE.public, "machine", ["append"]])
    signature = enroll(ALICE, rights=("append",)).signature
    verify(OWNER.public, signed, signature)
    others = [
        certificate(bytes(16), ALICE.public, "machine", ("append",)),
        certificate(POOL, OWNER.public, "machine", ("append",)),
        certificate(POOL, ALICE.public, "another", ("append",)),
        certificate(POOL, ALICE.public, "machine", ("append", "sweep")),
    ]
    for other in others:
        with pytest.raises(SignatureInvalid):
            verify(OWNER.public, other, signature)
