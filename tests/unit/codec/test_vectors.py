"""The frozen vectors of tests/vectors: read by the code as it is, and made again byte for byte.

``PYTHONPATH=. python tests/unit/codec/test_vectors.py`` writes them anew; what is released is never written anew.
"""

from __future__ import annotations

import hashlib
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from webraid import errors
from webraid.codec.boxes import open_box, seal_box
from webraid.codec.chunker import chunk_id
from webraid.codec.keys import (
    DeviceKey,
    KdfParams,
    Owner,
    Root,
    new_device,
    new_owner,
    new_passphrase,
    new_recovery_code,
    new_root,
    next_root,
    normal_code,
    open_device,
    open_slot,
    seal_device,
    seal_passphrase_slot,
    seal_recovery_slot,
)
from webraid.codec.pack import Chunk, ChunkKind, Place, open_chunk, padme, read_directory, seal_pack
from webraid.codec.parity import coder, generator
from webraid.codec.records import Header, open_record, record_name, seal_record
from webraid.codec.seal import open_envelope, pack_keys, seal_envelope
from webraid.codec.shard import FOOTER, make_shards, open_shard, parse_footer, shard_sizes
from webraid.env import Env, seeded
from webraid.model import Code, Geometry, Pack, PackKind

FOLDER = Path(__file__).parents[2] / "vectors"
Json = dict[str, Any]

POOL, PACK_ID = bytes(range(0x10, 0x20)), bytes(range(0x20, 0x30))


def stream(length: int) -> bytes:
    """The vectors' long inputs: SHA-256(0) | SHA-256(1) | ..., counters as 8 bytes big endian, cut to ``length``."""
    return b"".join(hashlib.sha256(at.to_bytes(8, "big")).digest() for at in range(length // 32 + 1))[:length]


def flipped(blob: bytes, at: int) -> bytes:
    return blob[:at] + bytes((blob[at] ^ 1,)) + blob[at + 1 :]


def damaged(blob: bytes, error: str, *places: int) -> list[Json]:
    """Must-fail cases that every format has: cut short, one byte too long, a flipped bit in every field."""
    wrong = {"cut short by a byte": blob[:-1], "a byte too long": blob + b"\0", "empty": b""}
    wrong |= {f"bit 0 of byte {at} flipped": flipped(blob, at) for at in places}
    return [{"why": why, "blob": bad.hex(), "error": error} for why, bad in wrong.items()]


# -------------------------------------------------------------------------------------------------------------- makers
def make_keys() -> Json:
    env = seeded(1)
    root, owner, device = new_root(env), new_owner(env), new_device(env)
    return {
        "root": {"secret": root.secret, "data": root.data, "meta": root.meta, "id": root.id, "creds": root.creds},
        "owner": asdict(owner),
        "device": asdict(device),
        "chunk_ids": [{"plain": plain, "id": chunk_id(root.id, plain)} for plain in (b"", b"a", stream(3000)[:100])],
        "passphrase": new_passphrase(env),
        "recovery_code": new_recovery_code(env),
    }


def make_slots() -> Json:
    env, keys = seeded(2), make_keys()
    root = Root(keys["root"]["secret"], 3)
    owner, device = Owner(**keys["owner"]), DeviceKey(**keys["device"])
    params, code, kek = KdfParams(64, 2, 2), keys["recovery_code"], bytes(range(32))
    passphrase = "Ünder the äpple tree"
    word = seal_passphrase_slot(POOL, passphrase, root, owner, env, params)
    dear = bytearray(word)
    dear[12:16] = ((2 << 20) + 1).to_bytes(4, "big")
    dear[-4:] = zlib.crc32(bytes(dear[:-4]) + POOL).to_bytes(4, "big")
    inside = {"epoch": 3, "root": root.secret, "owner": owner.private}
    return {
        "pool": POOL,
        "passphrase": {"text": passphrase, "blob": word, **inside},
        "recovery": {"text": code, "blob": seal_recovery_slot(POOL, code, root, owner, env), **inside},
        "device": {
            "kek": kek,
            "blob": seal_device(POOL, kek, root, device, env),
            "epoch": 3,
            "root": root.secret,
            "device": device.private,
        },
        "must_fail": [
            {"why": "another passphrase", "text": passphrase + "s", "blob": word.hex(), "error": "WrongPassphrase"},
            {"why": "2 GiB and 1 KiB of memory asked for", "blob": dear.hex(), "error": "SealBroken"},
            *damaged(word, "SealBroken", 0, 7, 8, 9, 10, 12, 16, 48, 80, 150, 164),
        ],
    }


def make_epochs() -> Json:
    """A slot that holds three roots, and a box with the newest one."""
    env, keys = seeded(8), make_keys()
    owner, device = Owner(**keys["owner"]), DeviceKey(**keys["device"])
    root = next_root(next_root(Root(keys["root"]["secret"]), env), env)
    slot = seal_recovery_slot(POOL, keys["recovery_code"], root, owner, env)
    box = seal_box(POOL, device.public, root, env)
    roots = [{"epoch": each.epoch, "secret": each.secret} for each in root.every()]
    slots = [{**case, "what": "slot"} for case in damaged(slot, "SealBroken", 0, 8, 16, 48, 80, 150, 200)]
    boxes = [{**case, "what": "box"} for case in damaged(box, "SealBroken", 0, 31, 32, 64, 115)]
    low = {"why": "a point of low order", "blob": (bytes(32) + box[32:]).hex(), "error": "SealBroken", "what": "box"}
    return {
        "pool": POOL,
        "slot": {"code": keys["recovery_code"], "blob": slot, "roots": roots, "check": root.check},
        "box": {"device": device.private, "public": device.public, "blob": box},
        "must_fail": [*slots, *boxes, low],
    }


def make_seal() -> Json:
    env, key = seeded(3), hashlib.sha256(b"envelope").digest()
    blob = seal_envelope(key, POOL, b"log", b"a body", env)
    return {
        "key": key,
        "pool": POOL,
        "good": [{"kind": b"log", "plain": b"a body", "blob": blob},
                 {"kind": b"creds", "plain": b"", "blob": seal_envelope(key, POOL, b"creds", b"", env)}],
        "must_fail": damaged(blob, "SealBroken", 0, 7, 8, 15, 16, 48, 80, len(blob) - 1),
    }  # fmt: skip


def make_pack() -> Json:
    key, source = hashlib.sha256(b"pack").digest(), stream(1200)
    plains = [source[:700], b"", source[700:1000]]
    chunks = [Chunk(bytes((at,)) * 16, ChunkKind(at + 1), plain) for at, plain in enumerate(plains)]
    sealed = seal_pack(key, POOL, PACK_ID, chunks, shuffle=random.Random(4))
    blob = bytes(sealed.data)
    return {
        "key": key,
        "pool": POOL,
        "pack": PACK_ID,
        "pack_key": pack_keys(key, POOL, PACK_ID).key,
        "blob": blob,
        "chunks": [{**asdict(place), "plain_bytes": plain} for place, plain in zip(sealed.places, plains, strict=True)],
        "padme": [{"length": length, "padded": padme(length)} for length in (0, 1, 2, 9, 100, 1000, 1_048_577, 10**9)],
        "must_fail": [
            {"why": f"bit 0 of byte {at} flipped", "blob": flipped(blob, at).hex(), "error": "SealBroken"}
            for at in (0, 31, 32, 43, 44, 59, 60, 161, 162, 177)
        ],
    }


def make_compressed() -> Json:
    """Apart: another version of zstd may write other bytes for the same text, and they are as good."""
    key, plain = hashlib.sha256(b"compressed").digest(), b"to be or not to be, " * 20
    sealed = seal_pack(key, POOL, PACK_ID, [Chunk(bytes(16), ChunkKind.DATA, plain)], shuffle=None)
    chunks = [{**asdict(sealed.places[0]), "plain_bytes": plain}]
    return {"key": key, "pool": POOL, "pack": PACK_ID, "blob": bytes(sealed.data), "chunks": chunks}


def make_parity() -> Json:
    shapes = [(2, 4), (3, 5), (4, 6), (4, 7), (1, 3), (6, 8), (10, 14)]
    source, cases = stream(2000), []
    for code, k, n in [*(("rs", k, n) for k, n in shapes), ("xor", 2, 3), ("xor", 4, 5)]:
        lengths = [20] * (k - 1) + [7 if k > 1 else 20]
        data = [source[shard * 31 : shard * 31 + length] for shard, length in enumerate(lengths)]
        parity = coder(Geometry(Code(code), k, n)).encode(data, 20)
        cases.append({"code": code, "k": k, "n": n, "length": 20, "data": data, "parity": parity})
    return {"matrices": [{"k": k, "n": n, "rows": generator(k, n).tolist()} for k, n in shapes], "stripes": cases}


def make_shard() -> Json:
    cases = []
    for code, k, n, length in [
        ("none", 2, 2, 2_621_441),
        ("copies", 1, 3, 1000),
        ("xor", 3, 4, 3_200_000),
        ("rs", 4, 6, 5_242_885),
        ("rs", 4, 6, 200),
    ]:
        shards = make_shards(POOL, PACK_ID, PackKind.DATA, Geometry(Code(code), k, n), stream(length), md5=True)
        objects = [
            {"index": s.index, "sha256": s.sha256, "md5": s.md5, "footer": bytes(s.object[-FOOTER:])} for s in shards
        ]
        cases.append(
            {"code": code, "k": k, "n": n, "length": length, "sizes": shard_sizes(length, k), "shards": objects}
        )
    table = make_shards(POOL, PACK_ID, PackKind.TABLE, Geometry(Code.COPIES, 1, 3), b"tiny", md5=False)[0]
    footer = bytes(table.object[-FOOTER:])
    return {
        "pool": POOL,
        "pack": PACK_ID,
        "stripes": cases,
        "table_object": bytes(table.object),
        "must_fail": damaged(
            footer, "ShardCorrupt", 0, 8, 9, 10, 11, 12, 14, 16, 18, 24, 32, 48, 64, 96, 104, 108, 124
        )[2:],
    }


def make_record() -> Json:
    env = seeded(5)
    device, meta = new_device(env), hashlib.sha256(b"meta").digest()
    cases: list[Json] = []
    for seq, prev in ((0, bytes(32)), (1234567890, hashlib.sha256(b"before").digest())):
        header = Header(POOL, device.id, 1, seq, prev, 1_700_000_000_123)
        blob = seal_record(meta, header, b"body %d" % seq, device.private, env)
        digest = hashlib.sha256(blob).digest()
        name = record_name(device.id, seq, digest)
        cases.append({"header": asdict(header), "body": b"body %d" % seq, "blob": blob, "digest": digest, "name": name})
    blob = cases[0]["blob"]
    wrong = damaged(blob, "SealBroken", 0, 7, 8, 36, 84)
    wrong += [
        {"why": f"bit 0 of byte {at} flipped", "blob": flipped(blob, at).hex(), "error": "SignatureInvalid"}
        for at in (32, 43, 44, 76, 83, 88, 104, 170, len(blob) - 64, len(blob) - 1)
    ]
    return {
        "meta": meta,
        "device_private": device.private,
        "device_public": device.public,
        "good": cases,
        "must_fail": wrong,
    }


MAKERS: dict[str, Callable[[], Json]] = {
    "keys": make_keys,
    "slots": make_slots,
    "epochs": make_epochs,
    "envelope": make_seal,
    "pack": make_pack,
    "pack-compressed": make_compressed,
    "parity": make_parity,
    "shard": make_shard,
    "record": make_record,
}


def as_json(value: Any) -> Any:
    """Bytes become hex; what is JSON already stays."""
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    return [as_json(inner) for inner in value] if isinstance(value, list) else value


def write_vectors() -> None:
    """What made the frozen files: every random byte comes from a seeded Env, so the same code writes the same files."""
    FOLDER.mkdir(exist_ok=True)
    for name, maker in MAKERS.items():
        (FOLDER / f"{name}.json").write_text(json.dumps(as_json(maker()), indent=1, ensure_ascii=False) + "\n")


# -------------------------------------------------------------------------------------------------------------- tests
def frozen(name: str) -> Json:
    found: Json = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)


def must_fail(cases: list[Json], read: Callable[[Json], object]) -> None:
    assert len(cases) >= 10
    for case in cases:
        with pytest.raises(getattr(errors, case["error"])):
            read(case)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "pack-compressed"])
def test_todays_code_still_writes_the_frozen_bytes(name: str) -> None:
    assert as_json(MAKERS[name]()) == frozen(name)


def test_no_vector_file_is_without_a_reader() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(MAKERS)


def test_frozen_keys_derive() -> None:
    vector = frozen("keys")
    root = Root(unhex(vector["root"]["secret"]))
    assert {name: getattr(root, name).hex() for name in vector["root"]} == vector["root"]
    for case in vector["chunk_ids"]:
        assert chunk_id(root.id, unhex(case["plain"])).hex() == case["id"]
    assert normal_code(vector["recovery_code"].lower()) == vector["recovery_code"]


def test_frozen_slots_open() -> None:
    vector = frozen("slots")
    pool = unhex(vector["pool"])
    for kind in ("passphrase", "recovery"):
        case = vector[kind]
        opened = open_slot(unhex(case["blob"]), pool, case["text"])
        assert (opened.root.epoch, opened.root.secret.hex(), opened.owner.private.hex()) == (
            3,
            case["root"],
            case["owner"],
        )
    case = vector["device"]
    device = open_device(unhex(case["blob"]), pool, unhex(case["kek"]))
    assert (device.root.secret.hex(), device.device.private.hex()) == (case["root"], case["device"])
    text = vector["passphrase"]["text"]
    must_fail(vector["must_fail"], lambda case: open_slot(unhex(case["blob"]), pool, case.get("text", text)))


def test_frozen_epochs_open() -> None:
    vector = frozen("epochs")
    pool, code = unhex(vector["pool"]), vector["slot"]["code"]
    root = open_slot(unhex(vector["slot"]["blob"]), pool, code).root
    assert [{"epoch": each.epoch, "secret": each.secret.hex()} for each in root.every()] == vector["slot"]["roots"]
    assert (root.check.hex(), root.id) == (vector["slot"]["check"], root.older[-1].id)
    device = DeviceKey(b"", unhex(vector["box"]["device"]), unhex(vector["box"]["public"]))
    assert open_box(unhex(vector["box"]["blob"]), pool, device) == Root(root.secret, root.epoch)

    def read(case: Json) -> object:
        blob = unhex(case["blob"])
        return open_slot(blob, pool, code) if case["what"] == "slot" else open_box(blob, pool, device)

    must_fail(vector["must_fail"], read)


def test_frozen_envelopes_open() -> None:
    vector = frozen("envelope")
    key, pool = unhex(vector["key"]), unhex(vector["pool"])
    for case in vector["good"]:
        assert open_envelope(key, pool, unhex(case["kind"]), unhex(case["blob"])).hex() == case["plain"]
    must_fail(vector["must_fail"], lambda case: open_envelope(key, pool, b"log", unhex(case["blob"])))


@pytest.mark.parametrize("name", ["pack", "pack-compressed"])
def test_frozen_packs_open(name: str) -> None:
    vector = frozen(name)
    context = unhex(vector["key"]), unhex(vector["pool"]), unhex(vector["pack"])

    def places(blob: bytes) -> dict[bytes, Place]:
        return {place.id: place for place in read_directory(*context, lambda at, size: blob[at : at + size])}

    blob = unhex(vector["blob"])
    found = places(blob)
    assert len(found) == len(vector["chunks"])
    for case in vector["chunks"]:
        place = found[unhex(case["id"])]
        assert as_json(asdict(place)) == {key: value for key, value in case.items() if key != "plain_bytes"}
        sealed = blob[place.offset : place.offset + place.stored]
        assert open_chunk(*context, place, sealed).hex() == case["plain_bytes"]
    if name == "pack":
        must_fail(vector["must_fail"], lambda case: places(unhex(case["blob"])))


def test_frozen_stripes_decode() -> None:
    for case in frozen("parity")["stripes"]:
        code = coder(Geometry(Code(case["code"]), case["k"], case["n"]))
        shards = dict(enumerate(unhex(shard) for shard in (*case["data"], *case["parity"])))
        have = {index: shards[index] for index in range(case["n"] - case["k"], case["n"])}
        lost = range(case["n"] - case["k"])
        found = code.decode(have, lost, case["length"])
        assert found == {index: shards[index].ljust(case["length"], b"\0") for index in lost}


def test_frozen_shards_open() -> None:
    vector = frozen("shard")
    table = unhex(vector["table_object"])
    pack = Pack(
        unhex(vector["pack"]), PackKind.TABLE, Geometry(Code.COPIES, 1, 3), 4, (hashlib.sha256(table).digest(),)
    )  # fmt: skip
    assert bytes(open_shard(table, pack, 2)) == b"tiny"
    for case in vector["stripes"]:
        for shard in case["shards"]:
            footer = parse_footer(unhex(shard["footer"]))
            assert (footer.code.value, footer.k, footer.pack_length) == (case["code"], case["k"], case["length"])
    must_fail(vector["must_fail"], lambda case: parse_footer(unhex(case["blob"])))


def test_frozen_records_open() -> None:
    vector = frozen("record")
    meta, public, pool = unhex(vector["meta"]), unhex(vector["device_public"]), POOL
    for case in vector["good"]:
        record = open_record(unhex(case["blob"]), meta, pool, lambda device: public)
        assert as_json(asdict(record.header)) == case["header"]
        assert (record.body.hex(), record.digest.hex()) == (case["body"], case["digest"])
        assert record_name(record.header.device, record.header.seq, record.digest) == case["name"]
    must_fail(vector["must_fail"], lambda case: open_record(unhex(case["blob"]), meta, pool, lambda device: public))


def test_a_seeded_env_repeats_itself() -> None:
    one, two = seeded(6), seeded(6)
    assert isinstance(one, Env)
    assert [one.random(5) for _ in range(3)] == [two.random(5) for _ in range(3)]


if __name__ == "__main__":
    write_vectors()
