#!/usr/bin/env python3
"""webraid-recover: a WebRAID pool's files back from its disks' folders, without WebRAID.

One file, written from docs/spec alone.  It needs Python >= 3.11 and: pip install blake3 cryptography msgspec zstandard

    python webraid_recover.py --list DISK DISK ...
    python webraid_recover.py --to FOLDER [--snapshot ID] [--path P]... DISK DISK ...

A DISK is a folder of the pool, or a folder that a cloud's objects were copied to (names may have lost their slashes to
'_').  Give as many as there are: any k of the n shards of each stripe do.  The passphrase or the recovery code is asked
for, or read from WEBRAID_PASSWORD.  Exit code 0: everything is back; 1: something is missing, and was named.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import hashlib
import hmac
import json
import os
import re
import struct
import sys
import time
import unicodedata
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import blake3
import msgspec
import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

UNIT = 1 << 20
Root = dict[str, bytes]  # what it is for -> key
Record = tuple[int, bytes, int, bytes, list[dict[str, Any]]]  # lamport, device, seq, digest, operations
RIGHTS = {"commit": "append", "forget": "forget", "swept": "sweep"}
NAME = re.compile(
    r"(shards/[0-9a-f]{2}/[0-9a-f]{32}\.\d+|log/[0-9a-f]{16}/\d{10}-[0-9a-f]{16}|slots/[0-9a-f]{16}|pool)$"
)


class Refused(Exception):
    """An object that is not what it must be."""


def need(holds: object, what: str) -> None:
    if not holds:
        raise Refused(what)


def unpack(data: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused(f"it is no msgpack: {error}") from None


def hkdf(ikm: bytes, salt: bytes | None, info: bytes, size: int) -> bytes:
    return HKDF(SHA256(), size, salt, info).derive(ikm)


def opened(key: bytes, number: int, sealed: bytes, aad: bytes) -> bytes:
    try:
        return ChaCha20Poly1305(key).decrypt(number.to_bytes(12, "big"), sealed, aad)
    except InvalidTag:
        raise Refused("its seal is broken") from None


def open_slot(blob: bytes, pool: bytes, secret: str) -> tuple[list[Root], Ed25519PublicKey] | None:
    """All roots, the newest first, and the owner's public key; None where ``secret`` does not open it."""
    need(len(blob) in range(168, 36_169, 36) and blob[:8] == b"WRSLOT\0\1", "it is no key slot")
    need(zlib.crc32(blob[:-4] + pool) == int.from_bytes(blob[-4:], "big"), "the slot is damaged")
    kind, lanes, passes, memory = struct.unpack_from(">BBHI", blob, 8)
    salt, context = blob[16:48], blob[:16] + pool
    if kind == 1:
        need(8 * lanes <= memory <= 2 << 20 and 0 < passes <= 10 and 0 < lanes <= 16, "hostile parameters")
        password = unicodedata.normalize("NFC", secret).encode()
        ikm = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(password)
    elif kind == 2:
        code = re.sub(r"[\s\-\u2010-\u2015]", "", secret).upper().translate(str.maketrans("ILO", "110"))
        ikm = code.encode()
    else:
        return None
    both = hkdf(ikm, salt, context, 64)
    if not hmac.compare_digest(both[32:], blob[48:80]):
        return None
    plain = opened(both[:32], 0, blob[80:-4], context)
    secrets = [plain[4:36], *(plain[at + 4 : at + 36] for at in range(68, len(plain), 36))]
    labels = {"meta": b"meta", "data": b"data", "id": b"id"}
    roots = [{name: hkdf(one, None, b"webraid/1/root/" + word, 32) for name, word in labels.items()} for one in secrets]
    return roots, Ed25519PrivateKey.from_private_bytes(plain[36:68]).public_key()


def open_envelope(keys: list[bytes], pool: bytes, kind: bytes, blob: bytes) -> bytes:
    need(blob[:8] == b"WRSEAL\0\1" and blob[8:16] == kind.ljust(8, b"\0") and len(blob) >= 96, "it is no envelope")
    info = pool + blob[8:16] + b"WRSEAL\0\1"
    return opened(fitting(keys, blob[16:48], info, blob[48:80]), 0, blob[80:], info)


def fitting(keys: list[bytes], salt: bytes | None, info: bytes, commitment: bytes) -> bytes:
    """The key that follows from the one of ``keys`` under which it was sealed."""
    for both in (hkdf(key, salt, info, 64) for key in keys):
        if hmac.compare_digest(both[32:], commitment):
            return both[:32]
    raise Refused("it was sealed with another key")


class Disks:
    """The objects of all folders, by name; several folders may have one of the same name."""

    def __init__(self, folders: list[Path]) -> None:
        self.places: dict[str, list[Path]] = {}
        for folder in folders:
            for root, _, files in os.walk(folder):
                for file in files:
                    path = Path(root, file)
                    found = NAME.search(re.sub(r"[\\_:]", "/", path.relative_to(folder).as_posix()))
                    if found:
                        self.places.setdefault(found[1], []).append(path)

    def every(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """(name, bytes) of all copies of all objects below ``prefix``."""
        for name in sorted(self.places):
            if name.startswith(prefix):
                yield from ((name, data) for data in self.copies(name))

    def copies(self, name: str) -> Iterator[bytes]:
        for path in self.places.get(name, []):
            with contextlib.suppress(OSError):
                yield path.read_bytes()


class Pool:
    """Opened with the passphrase or the recovery code: snapshots, and where every chunk lies."""

    def __init__(self, disks: Disks, secret: str) -> None:
        self.disks = disks
        self.pool, self.roots, self.owner = self._unlock(secret)
        self.problems: list[str] = []
        self.packs: dict[bytes, dict[str, Any]] = {}
        self.chunks: dict[bytes, list[tuple[Any, ...]]] = {}  # id -> pack, kind, number, offset, stored, plain, packed
        self.snapshots: list[dict[str, Any]] = []
        self._pack = lru_cache(4)(self._assemble)
        self._apply(self._records())

    def _unlock(self, secret: str) -> tuple[bytes, list[Root], Ed25519PublicKey]:
        opened_by: list[tuple[bytes, list[Root], Ed25519PublicKey]] = []
        pools = {json.loads(data)["pool"] for _, data in self.disks.every("pool")}
        slots = dict.fromkeys(data for _, data in self.disks.every("slots/"))
        for pool in map(bytes.fromhex, pools):
            for blob in slots:
                with contextlib.suppress(Refused):
                    opened_by += [(pool, *found) for found in [open_slot(blob, pool, secret)] if found]
        if opened_by:  # an old slot may lie there yet, which lacks the newest roots
            return max(opened_by, key=lambda found: len(found[1]))
        wrong = "no key slot in these folders opens with this passphrase or recovery code"
        sys.exit(wrong if slots else "none of these folders is a disk of a pool")

    def _records(self) -> list[Record]:
        """Every record that verifies, in the order in which they count."""
        good: dict[bytes, Record] = {}
        keys: dict[bytes, Ed25519PublicKey] = {}
        for name, blob in self.disks.every("log/"):  # a device's first record, with its certificate, sorts first
            digest = hashlib.sha256(blob).digest()
            if digest in good:
                continue
            try:
                good[digest] = self._record(name, blob, digest, keys)
            except (Refused, InvalidSignature, KeyError, UnicodeDecodeError) as error:
                self.problems.append(f"record {name} is refused: {error or 'its signature is wrong'}")
        return sorted(good.values(), key=lambda record: record[:4])

    def _record(self, name: str, blob: bytes, digest: bytes, keys: dict[bytes, Ed25519PublicKey]) -> Record:
        need(len(blob) >= 152 and blob[:24] == b"WRLOG\0\0\1" + self.pool, "it is no record of this pool")
        device, seq, size = blob[24:32], int.from_bytes(blob[36:44], "big"), int.from_bytes(blob[84:88], "big")
        need(len(blob) == 88 + size + 64, "its length is wrong")
        need(name == f"log/{device.hex()}/{seq:010d}-{digest.hex()[:16]}", "its name is not its own")
        sealed = blob[88:-64]
        body = unpack(open_envelope([root["meta"] for root in self.roots], self.pool, b"log", sealed))
        if seq == 1 and device not in keys:
            enroll: dict[str, Any] = next((op for op in body["ops"] if op["op"] == "enroll"), {"public": b""})
            need(hashlib.sha256(enroll["public"]).digest()[:8] == device, "it has no certificate of its device")
            said = msgspec.msgpack.encode([self.pool, enroll["public"], enroll["name"], enroll["rights"]])
            self.owner.verify(enroll["signature"], b"WRCERT\0\1" + said)
            keys[device] = Ed25519PublicKey.from_public_bytes(enroll["public"])
        need(device in keys, "the first record of its device is missing")
        keys[device].verify(blob[-64:], blob[:88] + hashlib.sha256(sealed).digest())
        return body["lamport"], device, seq, digest, body["ops"]

    def _apply(self, records: list[Record]) -> None:
        segments: dict[bytes, None] = {}
        superseded, forgotten, swept = set[bytes](), set[bytes](), set[bytes]()
        for op in self._counting(records):
            match op["op"]:
                case "commit":
                    self._commit(op)
                    segments |= dict.fromkeys(op.get("segments", []))
                    superseded |= set(op.get("supersedes", []))
                case "forget":
                    forgotten |= set(op["snapshots"])
                case "swept":
                    swept |= set(op["packs"])
        for segment in segments:
            try:
                self._segment(unpack(self.chunk(segment)))
            except Refused as error:
                if segment not in superseded:
                    self.problems.append(f"a part of the index cannot be read: {error}")
        for pack in swept & self.packs.keys():
            del self.packs[pack]
        replaced = {(shot["device"], run) for shot in self.snapshots for run in shot.get("replaces", [])}
        for shot in self.snapshots:
            shot["forgotten"] = shot["id"] in forgotten or (shot["device"], shot["id"]) in replaced

    def _counting(self, records: list[Record]) -> Iterator[dict[str, Any]]:
        """The operations whose device has the right to them (docs/spec/table.md, 'Operations')."""
        ends: dict[bytes, int] = {}
        rights: dict[bytes, list[tuple[int, int, list[str]]]] = {}  # device -> serial, after, rights
        for _, device, seq, _, ops in records:
            for op in ops:
                of, after, more = op.get("device", device), op.get("after", 0), [op["heads"]] if op.get("heads") else []
                if op["op"] == "enroll" and seq == 1:
                    rights.setdefault(device, []).append((0, 0, op["rights"]))
                elif op["op"] == "evict" and op["seq"] >= 0 and self._owners(op, b"WREVICT", of, op["seq"], *more):
                    ends[of] = min(op["seq"], ends.get(of, op["seq"]))
                elif op["op"] == "grant" and self._owners(op, b"WRGRANT", of, op["rights"], op["serial"], after, *more):
                    rights.setdefault(of, []).append((op["serial"], after, op["rights"]))
        for _, device, seq, _, ops in records:
            said = [one for one in rights.get(device, []) if 0 <= one[1] < seq <= ends.get(device, seq)]
            may = max(said, key=lambda one: one[0], default=(0, 0, []))[2]
            yield from (op | {"device": device} for op in ops if RIGHTS.get(op["op"]) in may)

    def _owners(self, op: dict[str, Any], word: bytes, *said: Any) -> bool:
        try:
            self.owner.verify(op["signature"], word + b"\0\1" + msgspec.msgpack.encode(list(said)))
        except InvalidSignature:
            return False
        return True

    def _commit(self, op: dict[str, Any]) -> None:
        table = op.get("packs", [])
        for pack in table:
            one = {"code": "copies", "k": 1, "n": 1, "shards": [pack["sha256"]]}
            self.packs[pack["id"]] = one | {"length": pack["length"], "key": "meta"}
        for id, kind, pack, *where in (at for at in op.get("places", []) if 0 <= at[2] < len(table)):
            self.chunks.setdefault(id, []).append((table[pack]["id"], kind, *where[:5]))
        if op.get("snapshot"):
            self.snapshots.append({"id": op["run"], "device": op["device"], **op["snapshot"]})

    def _segment(self, segment: list[Any]) -> None:
        need(segment[0] == 1, "an unknown format")
        _, _, packs, chunks = segment[:4]
        for id, kind, code, k, n, _, length, shards, *_ in zip(*packs, strict=True):
            key = "meta" if kind == "table" else "data"
            if id not in self.packs or n > self.packs[id]["n"]:
                self.packs[id] = {"code": code, "k": k, "n": n, "length": length, "shards": shards, "key": key}
        ids = [chunks[0][at : at + 16] for at in range(0, len(chunks[0]), 16)]
        for id, pack, *where in zip(ids, *chunks[1:8], strict=True):
            self.chunks.setdefault(id, []).append((packs[0][pack], *where))

    def chunk(self, id: bytes) -> bytes:
        """The plaintext of a chunk, page or segment, from any pack that has it.  Raises Refused."""
        why = "no pack that is known holds it"
        places = (place for place in self.chunks.get(id, []) if place[0] in self.packs)
        for pack, kind, number, offset, stored, plain, compressed in places:
            try:
                body, meta = self._pack(pack), self.packs[pack]
                info = b"WRPK\1" + self.pool + pack
                key = fitting([root[meta["key"]] for root in self.roots], None, info, body[:32])
                data = opened(key, number, body[offset : offset + stored], info + struct.pack(">IB", number, kind))
                if compressed:
                    need(zstandard.get_frame_parameters(data).content_size == plain, "its length is wrong")
                    data = zstandard.ZstdDecompressor().decompress(data)
                need(len(data) == plain, "its length is wrong")
                need(
                    blake3.blake3(data, key=self.roots[-1]["id"]).digest(16) == id,
                    "it is not the chunk that was asked for",
                )
                return data
            except Refused as error:
                why = str(error)
        raise Refused(why)

    def _assemble(self, id: bytes) -> bytes:
        meta = self.packs[id]
        k, length, shards = meta["k"], meta["length"], meta["shards"]
        rows, rest = divmod(length, k * UNIT)
        sizes = [rows * UNIT + min(max(rest - i * UNIT, 0), UNIT) for i in range(k)]
        have: dict[int, bytes] = {i: b"" for i in range(k) if not sizes[i]}
        for index, digest in enumerate(shards):
            if len(have) == k:
                break
            for data in self.disks.copies(f"shards/{id.hex()[:2]}/{id.hex()}.{index}") if digest else ():
                if hashlib.sha256(data).digest() == digest:
                    have[index] = data[:-128]
                    break
        need(len(have) >= k, f"{len(have)} of {k} shards are there that its pack {id.hex()} needs")
        if any(i not in have for i in range(k)):
            have |= decode(meta["code"], k, meta["n"], have, sizes)
        units = -(-length // UNIT)
        return b"".join(have[u % k][u // k * UNIT : (u // k + 1) * UNIT] for u in range(units))


def times(a: int, b: int) -> int:
    """The product in GF(256) with the polynomial 0x11D."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return product


INVERSE = {a: next(b for b in range(1, 256) if times(a, b) == 1) for a in range(1, 256)}


def decode(code: str, k: int, n: int, have: dict[int, bytes], sizes: list[int]) -> dict[int, bytes]:
    """The data shards that are missing: byte j of all n shards are values of one polynomial of degree < k."""
    need(code in ("xor", "rs"), "a data shard is missing, and there is no parity")
    points = [0, 1]
    while len(points) < n:
        points.append(times(points[-1], 2))
    used, back = sorted(have)[:k], {}
    for lost in (i for i in range(k) if i not in have):
        total = 0
        for i in used:
            factor = 1 if code == "xor" else _lagrange([points[u] for u in used if u != i], points[i], points[lost])
            scaled = have[i].translate(bytes(times(factor, value) for value in range(256)))
            total ^= int.from_bytes(scaled.ljust(max(sizes), b"\0"), "little")
        back[lost] = total.to_bytes(max(sizes), "little")[: sizes[lost]]
    return back


def _lagrange(others: list[int], at: int, wanted: int) -> int:
    """What a value at point ``at`` adds to the one at point ``wanted``, beside values at the ``others``."""
    factor = 1
    for other in others:
        factor = times(factor, times(wanted ^ other, INVERSE[at ^ other]))
    return factor


COLUMNS = re.split(" ", "path type mode uid gid user group mtime ctime atime size inode device nlink chunks")
Entry = dict[str, Any]


def entries(pool: Pool, page: bytes) -> Iterator[Entry]:
    """Every entry of a tree in path order; what cannot be read of it is among the problems."""
    try:
        value = unpack(pool.chunk(page))
        need(value[0] in (0, 1), "an unknown page")
    except Refused as error:
        pool.problems.append(f"a part of the list of files cannot be read: {error}")
        return
    for _, child, *_ in value[1] if value[0] == 1 else ():
        yield from entries(pool, child)
    for number, row in enumerate(zip(*value[2:17], strict=True)):
        yield dict(zip(COLUMNS, row, strict=True)) | value[17].get(number, {})


def content(pool: Pool, entry: Entry) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of everything in a file that is not a hole."""
    pieces = (pool.chunk(entry["chunks"][at : at + 16]) for at in range(0, len(entry["chunks"]), 16))
    extents = [list(extent) for extent in entry.get("sparse", [])] or [[0, entry["size"]]]
    for piece in pieces:
        while piece:
            need(extents, "it has more bytes than its size")
            part = piece[: extents[0][1]]
            if part:
                yield extents[0][0], part
            piece = piece[len(part) :]
            extents[0] = [extents[0][0] + len(part), extents[0][1] - len(part)]
            if not extents[0][1]:
                extents.pop(0)
    need(sum(length for _, length in extents) == 0, "it has fewer bytes than its size")


def restore(pool: Pool, snapshot: dict[str, Any], target: Path, wanted: list[bytes]) -> None:
    """Write a snapshot below ``target``; what could not be written is among the problems."""
    folders, met, top = list[tuple[bytes, Entry]](), set[bytes](), os.path.realpath(os.fsencode(target))
    if target.exists() and any(target.iterdir()):
        sys.exit(f"{target} is not empty")
    target.mkdir(parents=True, exist_ok=True)
    for entry in entries(pool, bytes(snapshot["root"])):
        path = entry["path"]
        if wanted and not any(_covers(want, path) or _covers(path, want) for want in wanted):
            continue
        met |= {want for want in wanted if _covers(want, path)}
        try:
            place = _place(top, path)
            _make(pool, entry, place, top)
            if entry["type"] == "d":
                folders.append((place, entry))
            else:
                _dress(place, entry)
        except (Refused, OSError) as error:
            why = getattr(error, "strerror", "") or error
            pool.problems.append(f"{path.decode(errors='replace')!r} is not restored: {why}")
    pool.problems += [f"{want.decode(errors='replace')!r} is not in this snapshot" for want in {*wanted} - met]
    for place, entry in reversed(folders):  # their times last: what is made in them would change these
        with contextlib.suppress(OSError):
            _dress(place, entry)


def _covers(folder: bytes, path: bytes) -> bool:
    return path == folder or path.startswith(folder + b"/")


def _place(top: bytes, path: bytes) -> bytes:
    """Where an entry goes.  Refuses a name that leads elsewhere, by itself or through a link."""
    parts = path.split(b"/")
    need(all(part not in (b"", b".", b"..") and b"\0" not in part for part in parts), "a name that leads elsewhere")
    place = os.path.join(top, *parts)
    need(_covers(top, os.path.realpath(os.path.dirname(place))), "a link leads elsewhere")
    return place


def _make(pool: Pool, entry: Entry, place: bytes, top: bytes) -> None:
    os.makedirs(os.path.dirname(place), exist_ok=True)
    kind = entry["type"]
    if kind == "d":
        os.makedirs(place, exist_ok=True)
    elif kind == "l":
        os.symlink(entry.get("target", b""), place)
    elif kind == "p":
        os.mkfifo(place)
    elif kind in "cb":
        os.mknod(place, {"c": 0o20000, "b": 0o60000}[kind] | 0o600, os.makedev(*entry.get("rdev", (0, 0))))
    elif kind == "f":
        if entry.get("hardlink"):
            first = _place(top, entry["hardlink"])
            with contextlib.suppress(OSError):  # it was not chosen, or could not be written: then its content is
                os.link(first, place)
                return
        part = os.path.join(os.path.dirname(place), b".webraid-recover.part")
        with contextlib.ExitStack() as at_the_end, open(part, "wb") as file:
            at_the_end.callback(os.unlink, part)
            for offset, data in content(pool, entry):
                file.seek(offset)
                file.write(data)
            file.truncate(entry["size"])
            os.rename(part, place)
            at_the_end.pop_all()
    else:
        raise Refused("sockets are not restored")


def _dress(place: bytes, entry: Entry) -> None:
    """Owner, rights, attributes and times, as far as this user may set them."""
    if os.geteuid() == 0:
        os.lchown(place, entry["uid"], entry["gid"])
    for name, value in entry.get("xattrs", []):
        with contextlib.suppress(OSError):
            os.setxattr(place, name, value, follow_symlinks=False)
    if entry["type"] != "l":
        os.chmod(place, entry["mode"] if os.geteuid() == 0 else entry["mode"] & 0o777)
    os.utime(place, ns=(entry["atime"], entry["mtime"]), follow_symlinks=False)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("disks", nargs="+", type=Path, metavar="DISK")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="only list the snapshots")
    what.add_argument("--to", type=Path, help="restore into this folder, which must be empty or new")
    parser.add_argument("--snapshot", default="latest", help="its id or the beginning of it")
    parser.add_argument("--path", action="append", default=[], help="only this file or folder of it; may be repeated")
    parser.add_argument("--all", action="store_true", help="forgotten snapshots, too")
    given = parser.parse_args(argv)
    secret = os.environ.get("WEBRAID_PASSWORD") or getpass.getpass("Passphrase or recovery code: ")
    pool = Pool(Disks(given.disks), secret)
    shots = sorted((s for s in pool.snapshots if given.all or not s["forgotten"]), key=lambda s: int(s["time_ms"]))
    if given.list:
        for shot in shots:
            names = ", ".join(root["name"].decode(errors="replace") for root in shot["roots"])
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(shot["time_ms"] / 1000))
            print(f"{shot['id'].hex()[:8]}  {when}  {shot.get('files', 0)} files  {shot['host']}  {names}")
    else:
        chosen = [shot for shot in shots if given.snapshot == "latest" or shot["id"].hex().startswith(given.snapshot)]
        if not chosen:
            sys.exit(f"there is no snapshot {given.snapshot}; see --list")
        restore(pool, chosen[-1], given.to, [os.fsencode(path.strip("/")) for path in given.path])
        print(f"snapshot {chosen[-1]['id'].hex()[:8]} is in {given.to}, with {len(pool.problems)} problems")
    sys.stderr.writelines(f"{problem}\n" for problem in pool.problems)
    return bool(pool.problems)


if __name__ == "__main__":
    sys.exit(main())
