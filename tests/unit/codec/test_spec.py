"""A stranger's reader: written from docs/spec alone, imports nothing of ours, opens the frozen vectors."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import unicodedata
import zlib
from pathlib import Path
from typing import Any

import blake3
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

ROOT = Path(__file__).parents[3]
MIB = 1 << 20
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def vectors(name: str) -> Any:
    """The file, with every string that is hex as bytes."""

    def unhex(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: unhex(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [unhex(inner) for inner in value]
        is_hex = isinstance(value, str) and len(value) % 2 == 0 and re.fullmatch("[0-9a-f]*", value)
        return bytes.fromhex(value) if is_hex else value

    return unhex(json.loads((ROOT / "tests" / "vectors" / f"{name}.json").read_text()))


def number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def hkdf(ikm: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    prk = hmac.digest(salt or bytes(32), ikm, "sha256")
    out = block = b""
    for counter in range(1, length // 32 + 1):
        block = hmac.digest(prk, block + info + bytes((counter,)), "sha256")
        out += block
    return out


def unseal(ikm: bytes, salt: bytes, context: bytes, blob: bytes) -> bytes:
    keys = hkdf(ikm, salt, context, 64)
    assert blob[:32] == keys[32:]
    return ChaCha20Poly1305(keys[:32]).decrypt(bytes(12), blob[32:], context)


def envelope(key: bytes, pool: bytes, blob: bytes) -> bytes:
    assert blob[:8] == b"WRSEAL\0\1"
    return unseal(key, blob[16:48], pool + blob[8:16] + blob[:8], blob[48:])


def stream(length: int) -> bytes:
    return b"".join(hashlib.sha256(at.to_bytes(8, "big")).digest() for at in range(length // 32 + 1))[:length]


def test_keys_and_chunk_ids() -> None:
    keys = vectors("keys")
    root = keys["root"]
    for name in ("data", "meta", "id", "creds"):
        assert hkdf(root["secret"], b"", b"webraid/1/root/" + name.encode(), 32) == root[name]
    assert keys["device"]["id"] == hashlib.sha256(keys["device"]["public"]).digest()[:8]
    for case in keys["chunk_ids"]:
        assert blake3.blake3(case["plain"], key=root["id"]).digest()[:16] == case["id"]
    code = keys["recovery_code"].replace("-", "")
    bits = number(hashlib.sha256(b"WRCODE\0\1" + code[:28].encode()).digest()) >> 236
    assert [CROCKFORD.index(character) for character in code[28:]] == [bits >> shift & 31 for shift in (15, 10, 5, 0)]


@pytest.mark.parametrize("kind", ["passphrase", "recovery", "device"])
def test_slots(kind: str) -> None:
    file = vectors("slots")
    case, pool = file[kind], file["pool"]
    slot = case["blob"]
    assert (len(slot), slot[:8]) == (168, b"WRSLOT\0\1")
    assert number(slot[164:]) == zlib.crc32(slot[:164] + pool)
    if slot[8] == 1:
        kdf = Argon2id(
            salt=slot[16:48], length=32, lanes=slot[9], iterations=number(slot[10:12]), memory_cost=number(slot[12:16])
        )
        ikm = kdf.derive(unicodedata.normalize("NFC", case["text"]).encode())
    else:
        ikm = case["text"].replace("-", "").encode() if slot[8] == 2 else case["kek"]
    plain = unseal(ikm, slot[16:48], slot[:16] + pool, slot[48:164])
    assert (number(plain[:4]), plain[4:36]) == (case["epoch"], case["root"])
    assert plain[36:] == (case["device"] if slot[8] == 3 else case["owner"])


def test_slots_with_older_roots_and_boxes() -> None:
    file = vectors("epochs")
    pool, slot = file["pool"], file["slot"]["blob"]
    count = (len(slot) - 168) // 36
    assert (len(slot), count) == (168 + 36 * count, 2)
    assert number(slot[-4:]) == zlib.crc32(slot[:-4] + pool)
    plain = unseal(file["slot"]["code"].replace("-", "").encode(), slot[16:48], slot[:16] + pool, slot[48:-4])
    roots = [(number(plain[:4]), plain[4:36])]
    roots += [(number(plain[at : at + 4]), plain[at + 4 : at + 36]) for at in range(68, len(plain), 36)]
    assert roots == [(root["epoch"], root["secret"]) for root in file["slot"]["roots"]]
    assert hkdf(roots[0][1], b"", b"webraid/1/root/check", 32)[:16] == file["slot"]["check"]
    box, p = file["box"]["blob"], 2**255 - 19
    scalar = X25519PrivateKey.from_private_bytes(hashlib.sha512(file["box"]["device"]).digest()[:32])
    y = int.from_bytes(file["box"]["public"], "little") & (1 << 255) - 1
    mapped = ((1 + y) * pow(1 - y, -1, p) % p).to_bytes(32, "little")
    assert scalar.public_key().public_bytes_raw() == mapped
    shared = scalar.exchange(X25519PublicKey.from_public_bytes(box[:32]))
    context = b"WRBOX\0\0\1" + pool + box[:32] + file["box"]["public"]
    keys = hkdf(shared, b"", context, 64)
    assert (len(box), box[32:64]) == (116, keys[32:])
    inside = ChaCha20Poly1305(keys[:32]).decrypt(bytes(12), box[64:], context)
    assert (number(inside[:4]), inside[4:]) == roots[0]


def test_envelopes() -> None:
    file = vectors("envelope")
    for case in file["good"]:
        assert envelope(file["key"], file["pool"], case["blob"]) == case["plain"]


@pytest.mark.parametrize("name", ["pack", "pack-compressed"])
def test_packs(name: str) -> None:
    file = vectors(name)
    pack, context = file["blob"], b"WRPK\1" + file["pool"] + file["pack"]
    keys = hkdf(file["key"], b"", context, 64)
    assert pack[:32] == keys[32:]

    def piece(number: int, kind: int, sealed: bytes) -> bytes:
        aad = context + number.to_bytes(4, "big") + bytes((kind,))
        return ChaCha20Poly1305(keys[:32]).decrypt(number.to_bytes(12, "big"), sealed, aad)

    head = piece(0, ord("P"), pack[32:60])
    size, count, padding = number(head[:4]), number(head[4:8]), number(head[8:])
    directory = piece(1, ord("D"), pack[60 : 60 + size])
    assert (size, len(directory)) == (34 * count + 16, 34 * count)
    end, found = 60 + size, {}
    for at in range(count):
        entry = directory[34 * at : 34 * at + 34]
        offset, stored, plain = number(entry[18:26]), number(entry[26:30]), number(entry[30:])
        assert offset == end
        end += stored
        chunk = piece(2 + at, entry[16], pack[offset:end])
        if entry[17] == 1:
            chunk = zstandard.ZstdDecompressor().decompress(chunk)
        assert len(chunk) == plain
        found[entry[:16]] = chunk
    assert found == {case["id"]: case["plain_bytes"] for case in file["chunks"]}
    assert piece(2 + count, ord("Z"), pack[end:]) == bytes(padding)
    assert len(pack) == end + padding + 16


def test_shards_of_xor_and_plain_stripes() -> None:
    """Reed-Solomon from its definition is test_parity's part; here are layout, footer and the whole object's digest."""
    file = vectors("shard")
    for case in file["stripes"]:
        k, n, length = case["k"], case["n"], case["length"]
        pack = stream(length)
        data = [bytearray() for _ in range(k)]
        for unit in range((length + MIB - 1) // MIB):
            data[unit % k] += pack[unit * MIB : (unit + 1) * MIB]
        assert [len(payload) for payload in data] == case["sizes"]
        payloads = dict(enumerate(data))
        if case["code"] == "xor":
            total = 0
            for payload in data:
                total ^= number(bytes(payload).ljust(len(data[0]), b"\0"))
            payloads[k] = bytearray(total.to_bytes(len(data[0]), "big"))
        copies = case["code"] == "copies"
        for shard in case["shards"]:
            if (index := shard["index"]) not in payloads:
                continue
            payload, code = payloads[index], ["none", "copies", "xor", "rs"].index(case["code"])
            footer = (
                b"WRSHARD1" + bytes((1, 0, code, 0)) + k.to_bytes(2, "big") + (0 if copies else n).to_bytes(2, "big")
            )
            footer += (
                index.to_bytes(2, "big") + bytes(6) + len(payload).to_bytes(8, "big") + file["pool"] + file["pack"]
            )
            footer += hashlib.sha256(payload).digest() + length.to_bytes(8, "big") + MIB.to_bytes(4, "big") + bytes(16)
            footer += zlib.crc32(footer).to_bytes(4, "big")
            assert footer == shard["footer"]
            assert hashlib.sha256(payload + footer).digest() == shard["sha256"]


def test_records() -> None:
    file = vectors("record")
    for case in file["good"]:
        blob, header = case["blob"], case["header"]
        length = number(blob[84:88])
        sealed, signature = blob[88 : 88 + length], blob[88 + length :]
        assert (blob[:8], len(signature)) == (b"WRLOG\0\0\1", 64)
        signed = blob[:88] + hashlib.sha256(sealed).digest()
        Ed25519PublicKey.from_public_bytes(file["device_public"]).verify(signature, signed)
        fields = blob[8:24], blob[24:32], number(blob[32:36]), number(blob[36:44]), blob[44:76], number(blob[76:84])
        assert fields == tuple(header[name] for name in ("pool", "device", "epoch", "seq", "prev", "time_ms"))
        assert envelope(file["meta"], header["pool"], sealed) == case["body"]
        name = f"log/{blob[24:32].hex()}/{number(blob[36:44]):010d}-{hashlib.sha256(blob).hexdigest()[:16]}"
        assert name == case["name"]


def test_every_byte_table_of_the_specification_has_neither_gap_nor_overlap() -> None:
    sizes = []
    for page in sorted((ROOT / "docs" / "spec").glob("*.md")):
        for table in re.findall(r"\| offset \| size \| field \|\n\|[-|]+\n((?:\|.*\n)+)", page.read_text()):
            at = 0
            for offset, size in re.findall(r"^\| (\S+) \| (\S+) \|", table, re.MULTILINE):
                assert offset == str(at), (page.name, offset)
                if not size.isdecimal():
                    break  # of a length that the table names: what follows is told by formula
                at += int(size)
            sizes.append(at)
    assert sizes == [116, 80, 68, 80, 12, 34, 88, 128]


def test_the_matrices_printed_in_the_specification_are_the_vectors() -> None:
    page = (ROOT / "docs" / "spec" / "parity.md").read_text()
    printed = {
        (int(k), int(n)): [[int(value) for value in row.split(", ")] for row in re.findall(r"\(([^)]*)\)", rows)]
        for k, n, rows in re.findall(r"^\| (\d+) of (\d+) \| (.*) \|$", page, re.MULTILINE)
    }
    made = {(m["k"], m["n"]): m["rows"][m["k"] :] for m in vectors("parity")["matrices"] if m["n"] <= 8}
    assert printed == made
    assert len(made) == 6
