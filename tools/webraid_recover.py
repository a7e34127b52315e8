#!/usr/bin/env python3
"""webraid-recover: the files of a WebRAID pool back from its disks' folders, without WebRAID.

One file, written from docs/spec alone, for Linux and macOS (on Windows: in WSL).  It needs Python >= 3.11, and once
    python3 -m pip install blake3 cryptography msgspec zstandard      (tried with 1.0, 50.0, 0.22 and 0.25)
    python3 webraid_recover.py DISK... --list                         shows the snapshots
    python3 webraid_recover.py DISK... --list --snapshot ID           shows the files in one of them
    python3 webraid_recover.py DISK... --to FOLDER [--snapshot ID] [--path P]...
A DISK is the folder that a disk's objects lie in, or one that a cloud's objects were copied to (names may have lost
their slashes to '_').  Give all that you have: the newest snapshots may be known to some only.  Disks are only read,
and nothing is written outside of FOLDER, which must be empty or new.  The passphrase or the recovery code is asked for,
or comes from --password-file, WEBRAID_PASSWORD_FILE or WEBRAID_PASSWORD.  Only root sets owners; devices are left out.
Exit code 0: everything is back; 1: something is not, and was named.  What a 'note:' tells costs no file.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import hashlib
import hmac
import os
import re
import struct
import sys
import time
import unicodedata
import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

try:
    import blake3
    import msgspec
    import zstandard
    from cryptography.exceptions import InvalidSignature, InvalidTag
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError as missing:
    sys.exit(f"{missing}\nfirst run: python3 -m pip install --upgrade blake3 cryptography msgspec zstandard")


class Refused(Exception):
    __repr__ = Exception.__str__


WRONG = (  # what is raised where something does not follow the format, or was forged
    Refused, InvalidSignature, InvalidTag, ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError,
    TypeError, ValueError, struct.error, msgspec.MsgspecError, zstandard.ZstdError,
)  # fmt: skip
Map = dict[str, Any]
Keys = tuple[set[tuple[int, bytes]], Ed25519PublicKey]  # epochs with their root secrets, and the owner
Record = tuple[int, bytes, int, bytes, bytes, list[Map]]  # lamport, device, seq, digest, that of the one before, ops
HEEDED = {"commit": "append", "forget": "forget"}  # operations that matter here, and the rights that they take
OWNERS = "genesis enroll grant evict add-slot drop-slot rotate"  # these count by what is signed in them
OTHERS = "add-disk joined remove-disk set-role dropped prepare close abort condemn swept retag relevel drilled"
COLUMNS = re.split(" ", "path type mode uid gid user group mtime ctime atime size inode device nlink chunks")
AT = struct.Struct(">16sBIQII?")  # pack, kind, number, offset, stored, plain, compressed: a big pool has millions
NAME = re.compile(r"(?:^|/)(shards/(\w\w)/\2\w{30}\.\d+|log/\w{16}/\d{10}-\w{16}|slots/\w{16})\Z", re.ASCII)
UNIT = 1 << 20
EXP = [1]  # powers of 2 in GF(256), see parity.md
while len(EXP) < 255:
    EXP.append(EXP[-1] << 1 ^ (0x11D if EXP[-1] & 0x80 else 0))
LOG = {value: power for power, value in enumerate(EXP)}
POINTS = [0, *EXP]


def need(holds: object, otherwise: str) -> None:
    if not holds:
        raise Refused(otherwise)


def open_slot(slot: bytes, pool: bytes, secret: str) -> Keys | None:
    """See keys.md.  None where ``secret`` does not open it; raises one of WRONG where it is none of the pool's."""
    need(len(slot) in range(168, 36_169, 36) and slot[:8] == b"WRSLOT\0\1", "it is no key slot")
    need(zlib.crc32(slot[:-4] + pool) == int.from_bytes(slot[-4:], "big"), "it is damaged, or another pool's")
    kind, lanes, passes, memory = struct.unpack_from(">BBHI", slot, 8)
    need(kind in (1, 2), "it is a machine's")
    salt, context = slot[16:48], slot[:16] + pool
    if kind == 1:
        need(8 * lanes <= memory <= 2 << 20 and 0 < passes <= 10 and 0 < lanes <= 16, "it asks for too much")
        password = unicodedata.normalize("NFC", secret).encode(errors="surrogateescape")
        ikm = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(password)
    else:
        code = re.sub(r"[\s\-\u2010-\u2015]", "", secret).upper().translate(str.maketrans("ILO", "110"))
        ikm = code.encode(errors="surrogateescape")
    key = HKDF(SHA256(), 64, salt, context).derive(ikm)
    if not hmac.compare_digest(key[32:], slot[48:80]):
        return None
    plain = ChaCha20Poly1305(key[:32]).decrypt(bytes(12), slot[80:-4], context)
    roots = {struct.unpack_from(">I32s", plain, at) for at in (0, *range(68, len(plain), 36))}
    return roots, Ed25519PrivateKey.from_private_bytes(plain[36:68]).public_key()


def open_envelope(keys: list[bytes], pool: bytes, kind: bytes, blob: bytes) -> bytes:
    need(blob[:8] == b"WRSEAL\0\1" and blob[8:16] == kind.ljust(8, b"\0"), "it is no envelope")
    need(96 <= len(blob) <= 96 + (64 << 20), "its length is wrong")
    info = pool + blob[8:16] + b"WRSEAL\0\1"
    for key in (HKDF(SHA256(), 64, blob[16:48], info).derive(key) for key in keys):
        if hmac.compare_digest(key[32:], blob[48:80]):
            return ChaCha20Poly1305(key[:32]).decrypt(bytes(12), blob[80:], info)
    raise Refused("it is sealed with keys that this passphrase does not lead to: is there a newer one?")


class Disks:
    """The objects of all folders, by name (see layout.md); several folders may have one of the same name."""

    def __init__(self, folders: list[str]) -> None:
        self.paths: dict[str, list[str]] = {}
        self.whole = lru_cache(None)(self._whole)
        for folder in folders:
            for root, _, files in os.walk(folder, onerror=self._unreadable):
                for path in (os.path.join(root, file) for file in files):
                    name = NAME.search(re.sub(r"[\\_:]", "/", path[len(folder) :]))
                    if name and os.path.isfile(path) and (name[2] or os.path.getsize(path) < 65 << 20):
                        self.paths.setdefault(name[1], []).append(path)

    def _unreadable(self, error: OSError) -> None:
        print(f"note: {error.filename!r} cannot be read: {error.strerror}", file=sys.stderr)

    def every(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """(name, bytes) of all copies of the objects whose names begin so, in the names' order."""
        for name in sorted(name for name in self.paths if name.startswith(prefix)):
            for path in self.paths[name]:
                try:
                    yield name, Path(path).read_bytes()
                except OSError as error:
                    self._unreadable(error)

    def _whole(self, name: str, digest: bytes) -> str:
        """The path of a copy that has this SHA-256; '' if there is none."""
        for path in self.paths.get(name, []):
            with contextlib.suppress(OSError), open(path, "rb") as file:
                if hashlib.file_digest(file, "sha256").digest() == digest:
                    return path
            print(f"note: {path!r} is damaged, or cannot be read", file=sys.stderr)
        return ""


def decode(code: str, have: dict[int, bytes], wanted: int) -> bytes:
    """Bytes of shard ``wanted`` from those of any k others at the same place, by Lagrange's formula (parity.md)."""
    need(code in ("xor", "rs"), "a data shard is missing, and there is no parity")
    total = 0
    for at, data in have.items():
        if code == "rs":
            power = sum(LOG[POINTS[wanted] ^ POINTS[i]] - LOG[POINTS[at] ^ POINTS[i]] for i in have if i != at)
            data = data.translate(bytes([0, *(EXP[(LOG[value] + power) % 255] for value in range(1, 256))]))
        total ^= int.from_bytes(data, "big")
    return total.to_bytes(len(data), "big")


class Pack(NamedTuple):
    disks: Disks
    id: bytes
    key: str  # which one seals it: 'meta' or 'data'
    code: str
    k: int
    n: int
    length: int
    digests: tuple[bytes, ...]  # SHA-256 of each shard object

    def shard(self, index: int, at: int, size: int) -> bytes | None:
        """Bytes of a shard, as if it went on with zeros; None where it is not to be had."""
        rows, rest = divmod(self.length, self.k * UNIT)
        length = rows * UNIT + min(max(rest - (index * UNIT if index < self.k else 0), 0), UNIT)
        if at >= length:
            return bytes(size)
        path = self.disks.whole(f"shards/{self.id.hex()[:2]}/{self.id.hex()}.{index}", self.digests[index])
        with contextlib.suppress(OSError), open(path, "rb") as file:
            file.seek(at)
            return file.read(min(size, length - at)).ljust(size, b"\0")
        return None

    def read(self, start: int, size: int) -> bytes:
        """Bytes of the pack: straight from its data shards, or decoded from any k."""
        need(1 <= self.k <= self.n <= 255 and start + size <= self.length, "there can be no such pack")
        found = b""
        while len(found) < size:
            unit, at = divmod(start + len(found), UNIT)
            index, at, step = unit % self.k, unit // self.k * UNIT + at, min(size - len(found), UNIT - at)
            piece = self.shard(index, at, step)
            if piece is None:
                others = ((i, self.shard(i, at, step)) for i in range(self.n) if i != index)
                have = dict(islice(((i, data) for i, data in others if data is not None), self.k))
                need(len(have) == self.k, f"{len(have)} of {self.k} shards are there")
                piece = decode(self.code, have, index)
            found += piece
        return found


class Pool:
    """Opened with the passphrase or the recovery code: snapshots, and where every chunk lies."""

    def __init__(self, disks: Disks, secret: str) -> None:
        self.disks = disks
        self.pool, (roots, self.owner) = self._unlock(secret)
        secrets = [root for _, root in sorted(roots, reverse=True)]
        info = {use: b"webraid/1/root/" + use.encode() for use in ("meta", "data", "id")}
        self.keys = {
            use: [HKDF(SHA256(), 32, None, info[use]).derive(root) for root in secrets] for use in info
        }  # the newest first
        self.certificates: dict[bytes, Map] = {}
        self.packs: dict[bytes, dict[Pack, None]] = {}
        self.places: dict[bytes, bytes] = {}  # id -> AT of each pack that has it
        self.snapshots: list[Map] = []
        self.problems: list[str] = []
        self.reason = "no pack that is known holds it"
        self._apply(self._records())

    def _unlock(self, secret: str) -> tuple[bytes, Keys]:
        """Tries all slots, as an old one may still lie there; last those that ask for most, which may be forged."""
        pools = {head[8:24] for _, head in self.disks.every("log/") if head[:8] == b"WRLOG\0\0\1"}
        slots = sorted((slot for _, slot in self.disks.every("slots/")), key=lambda slot: slot[12:16] + slot[10:12])
        found: dict[bytes, Keys] = {}
        for pool, slot in ((pool, slot) for slot in dict.fromkeys(slots) for pool in pools):
            with contextlib.suppress(*WRONG):
                if keys := open_slot(slot, pool, secret):
                    found.setdefault(pool, keys)[0].update(keys[0])
        if len(found) != 1:
            sys.exit(f"of {len(pools)} pools in these folders this passphrase or code opens {len(found)}, not one")
        return found.popitem()

    def _records(self) -> list[Record]:
        """Every record that verifies, in the order in which they count."""
        found, refused = dict[str, Record](), dict[str, str]()
        for name, blob in self.disks.every("log/"):  # a device's first one, with its certificate, comes first
            others = blob[8:24] != self.pool and hashlib.sha256(blob).hexdigest().startswith(name[-16:])
            if name not in found and not others:
                try:
                    found[name] = self._record(name, blob)
                except WRONG as error:
                    refused[name] = repr(error)
        self.problems += [f"record {name} is refused: {refused[name]}" for name in refused if name not in found]
        return sorted(found.values(), key=lambda record: record[:4])

    def _record(self, name: str, blob: bytes) -> Record:
        need(len(blob) == 152 + int.from_bytes(blob[84:88], "big") and blob[:8] == b"WRLOG\0\0\1", "it is no record")
        device, seq, digest = blob[24:32], int.from_bytes(blob[36:44], "big"), hashlib.sha256(blob).digest()
        need(seq and name == f"log/{device.hex()}/{seq:010d}-{digest.hex()[:16]}", "its name is not its own")
        plain = open_envelope(self.keys["meta"], self.pool, b"log", blob[88:-64])
        if seq == 1:  # nothing else of a body is used before the signature holds
            said = next((op for op in msgspec.msgpack.decode(plain)["ops"] if op["op"] == "enroll"), {"public": b""})
            need(hashlib.sha256(said["public"]).digest()[:8] == device, "it has no certificate of its device")
            told = msgspec.msgpack.encode([self.pool, said["public"], said["name"], said["rights"]])
            self.owner.verify(said["signature"], b"WRCERT\0\1" + told)
            self.certificates.setdefault(device, said)
        need(device in self.certificates, "the first record of its device is missing")
        key = Ed25519PublicKey.from_public_bytes(self.certificates[device]["public"])
        key.verify(blob[-64:], blob[:88] + hashlib.sha256(blob[88:-64]).digest())
        body = msgspec.msgpack.decode(plain)
        need({op["op"] for op in body["ops"]} <= {*HEEDED, *OWNERS.split(), *OTHERS.split()}, "it is too new")
        return int(body["lamport"]), device, seq, digest, blob[44:76], body["ops"]

    def _counting(self, records: list[Record]) -> Iterator[tuple[bytes, Map]]:
        """(device, operation) of all that count: see "Operations" in table.md."""
        rights = {device: [(0.0, 0, op["rights"])] for device, op in self.certificates.items()}  # serial, after, rights
        ignored = set[bytes]()
        for op in (op for *_, ops in records for op in ops if op["op"] in ("evict", "grant")):
            with contextlib.suppress(*WRONG):
                device, heads, last = op["device"], op.get("heads", []), op.get("after", 0)
                said, serial = [device, op.get("rights"), op.get("serial"), last], op.get("serial", 0)
                if op["op"] == "evict":  # as if it took all rights, for good
                    last, serial = op["seq"], float("inf")
                    said = [device, last]
                told = msgspec.msgpack.encode(said + ([heads] if heads else []))
                self.owner.verify(op["signature"], b"WR" + op["op"].upper().encode() + b"\0\1" + told)
                rights[device].append((serial, last, op.get("rights", [])))
                ignored |= strays([record for record in records if record[1] == device], last, heads)
        for _, device, seq, digest, _, ops in records:
            may = max((one for one in rights[device] if 0 <= one[1] < seq), key=lambda one: one[0])[2]
            yield from ((device, op) for op in ops if HEEDED.get(op["op"]) in may and digest not in ignored)

    def _apply(self, records: list[Record]) -> None:
        segments, forgotten = dict[bytes, None](), set[bytes]()
        for device, op in self._counting(records):
            with contextlib.suppress(*WRONG):  # what nobody can have meant is passed over
                if op["op"] == "commit":
                    self._commit(device, op)
                    segments |= dict.fromkeys(op.get("segments", []))
                else:
                    forgotten |= set(op["snapshots"])
        for segment in reversed(segments):  # the newest first: older ones repeat what it says, and many are gone
            try:
                self._segment(segment)
            except WRONG as error:
                self.reason = f"no pack that is known holds it; a part of the index cannot be read: {error!r}"
        replaced = {(shot["device"], run) for shot in self.snapshots for run in shot["replaces"]}
        for shot in self.snapshots:
            shot["hidden"] = shot["id"] in forgotten or (shot["partial"] and (shot["device"], shot["id"]) in replaced)

    def _commit(self, device: bytes, op: Map) -> None:
        table, places, shot = op.get("packs", []), op.get("places", []), op.get("snapshot")
        need(all(at[1] in (1, 2, 3) and 0 <= at[2] < len(table) for at in places), "places that are none")
        if shot:
            shot = {"files": 0, "replaces": [], **shot, "device": device, "partial": bool(shot.get("partial"))}
            names = ", ".join(repr(os.fsdecode(root["name"])) for root in shot["roots"])
            need(0 <= shot["time_ms"] < 253_370_764_800_000, "a time that no calendar has")
            when = time.gmtime(shot["time_ms"] / 1000)
            shot["about"] = f"{time.strftime('%F %R', when)} UTC  {shot['files']!r} files  {shot['host']!r}  {names}"
            self.snapshots.append(shot | {"id": bytes(op["run"]), "replaces": set(shot["replaces"])})
        for one in table:
            pack = Pack(self.disks, one["id"], "meta", "copies", 1, 1, one["length"], (one["sha256"],))
            self.packs.setdefault(pack.id, {})[pack] = None
        for id, kind, number, *where in places:
            self._place(id, table[number]["id"], kind, *where[:5])

    def _segment(self, segment: bytes) -> None:
        form, _, packs, chunks = msgspec.msgpack.decode(self.chunk(segment))[:4]
        need(form == 1, "an unknown format")
        for id, kind, code, k, n, _, length, digests in zip(*packs[:8], strict=True):
            key = "meta" if kind == "table" else "data"
            self.packs.setdefault(id, {})[Pack(self.disks, id, key, code, k, n, length, tuple(digests))] = None
        ids = (chunks[0][at : at + 16] for at in range(0, len(chunks[0]), 16))
        for id, pack, *where in zip(ids, *chunks[1:8], strict=True):
            self._place(id, packs[0][pack], *where)

    def _place(self, id: bytes, *where: Any) -> None:
        known, place = self.places.get(id, b""), AT.pack(*where)
        self.places[id] = known if place in known else known + place

    def chunk(self, id: bytes) -> bytes:
        """The plaintext of a chunk, page or segment, from any pack that has it.  Raises Refused."""
        reason = self.reason
        for place in AT.iter_unpack(self.places.get(id, b"")):
            for pack, key in ((one, key) for one in self.packs.get(place[0], {}) for key in self.keys[one.key]):
                try:
                    return self._opened(id, pack, key, *place[1:])
                except WRONG as error:
                    reason = repr(error)
        raise Refused(reason)

    def _opened(self, id: bytes, pack: Pack, root: bytes, kind: int, number: int, *where: int) -> bytes:
        """See pack.md.  The chunk's id proves it, so the head of the pack with its commitment need not be there."""
        info, (offset, stored, plain, compressed) = b"WRPK\1" + self.pool + pack.id, where
        key, aad = HKDF(SHA256(), 64, None, info).derive(root)[:32], info + struct.pack(">IB", number, kind)
        data = ChaCha20Poly1305(key).decrypt(number.to_bytes(12, "big"), pack.read(offset, stored), aad)
        if compressed:
            need(zstandard.get_frame_parameters(data).content_size == plain, "its length is wrong")
            data = zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
        need(len(data) == plain, "its length is wrong")
        need(blake3.blake3(data, key=self.keys["id"][-1]).digest(16) == id, "it is another chunk")
        return data

    def entries(self, root: bytes, wanted: list[bytes]) -> Iterator[Map]:
        """The entries of a tree in path order: those that are ``wanted``, what lies in them, and what they lie in."""
        waiting, missing = [root], set(wanted)
        while waiting:
            page, rows = waiting.pop(), list[Map]()
            try:
                value = msgspec.msgpack.decode(self.chunk(page))
                if value[0] == 1:
                    waiting += [child[1] for child in reversed(value[1])]
                else:
                    rows = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*value[2:17], strict=True)]
                    rows = [row | value[17].get(number, {}) for number, row in enumerate(rows)]
                    need(all(type(row["path"]) is bytes for row in rows), "its paths are none")
            except WRONG as error:
                self.problems.append(f"a part of the list of files cannot be read: {error!r}")
            for row in rows:
                path = row["path"] + b"/"
                below = {want for want in wanted if path.startswith(want + b"/")}
                missing -= below
                if below or not wanted or any(want.startswith(path) for want in wanted):
                    yield row
        self.problems += [f"{os.fsdecode(path)!r} is not in this snapshot" for path in missing]

    def content(self, entry: Map) -> Iterator[tuple[int, bytes]]:
        """(offset, bytes) of everything in a file that is not a hole."""
        extents = [list(extent) for extent in entry.get("sparse") or [[0, entry["size"]]]]
        for at in range(0, len(entry["chunks"]), 16):
            piece = self.chunk(entry["chunks"][at : at + 16])
            while piece:
                need(extents, "it has more bytes than its size")
                (offset, length), *rest = extents
                yield offset, piece[:length]
                extents = [[offset + len(piece), length - len(piece)], *rest] if len(piece) < length else rest
                piece = piece[length:]
        need(not any(length for _, length in extents), "it has fewer bytes than its size")


def strays(log: list[Record], last: int, heads: list[bytes]) -> set[bytes]:
    """Digests of a device's records up to number ``last`` that do not lead to ``heads``: it signed them anew."""
    known = {digest: (seq, prev) for _, _, seq, digest, prev, _ in log}
    led, unsure = set[bytes](), 0
    for head, number in ((head, last) for head in heads):
        while head in known and head not in led:
            led.add(head)
            number, head = known[head][0] - 1, known[head][1]
        if head not in led:  # it is not here: what comes before it cannot be told from what was signed anew
            unsure = max(unsure, number)
    return {digest for digest, (seq, _) in known.items() if heads and unsure <= seq <= last} - led


def write(pool: Pool, entry: Map, top: bytes, folders: dict[bytes, Map], linked: set[bytes]) -> None:
    """One entry: only into ``folders`` that were made here, and over nothing."""
    path, kind, parts = entry["path"], entry["type"], entry["path"].split(b"/")
    need(all(part not in (b"", b".", b"..") for part in parts), "its name leads elsewhere")
    for depth in range(1, len(parts) + (kind == "d")):
        folder = b"/".join(parts[:depth])
        if folder not in folders:
            os.mkdir(os.path.join(top, folder), 0o700)
            folders[folder] = entry if depth == len(parts) else {}
    place = os.path.join(top, path)
    if kind == "d":
        return
    if entry.get("hardlink") in linked:
        with contextlib.suppress(OSError):  # where there are no hard links it is written once more
            os.link(os.path.join(top, entry["hardlink"]), place)
            return
    if kind == "l":
        os.symlink(entry["target"], place)
    elif kind == "p":
        os.mkfifo(place)
    else:
        need(kind == "f", "devices and sockets are not")
        with open(place, "xb") as file:
            try:
                for offset, data in pool.content(entry):
                    file.seek(offset)
                    file.write(data)
                file.truncate(entry["size"])
            except BaseException:
                os.unlink(place)
                raise
        linked |= {path} if entry["nlink"] > 1 else set()
    dress(place, entry)


def dress(place: bytes, entry: Map) -> None:
    """Owner, attributes, rights and times, as far as this user may set them."""
    need(max(entry["uid"], entry["gid"]) < 0xFFFFFFFF and entry["mode"] <= 0o7777, "its owner or mode is none")
    if os.geteuid() == 0:
        os.lchown(place, entry["uid"], entry["gid"])
    for name, value in entry.get("xattrs", []):
        with contextlib.suppress(OSError, AttributeError):  # not every system has them, or lets everybody set them
            os.setxattr(place, name, value, follow_symlinks=False)
    if entry["type"] != "l":
        os.chmod(place, entry["mode"] if os.geteuid() == 0 else entry["mode"] & 0o777)
    os.utime(place, ns=(entry["atime"], entry["mtime"]), follow_symlinks=False)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("disks", nargs="+", metavar="DISK")
    parser.add_argument("--list", action="store_true", help="list the snapshots, or the files of --snapshot")
    parser.add_argument("--to", metavar="FOLDER", help="restore into this folder, which must be empty or new")
    parser.add_argument("--snapshot", help="its id or the beginning of it; the newest one if not given")
    parser.add_argument("--path", action="append", default=[], help="only this file or folder of it; may be repeated")
    parser.add_argument("--all", action="store_true", help="forgotten snapshots, too")
    parser.add_argument("--password-file", metavar="FILE", default=os.environ.get("WEBRAID_PASSWORD_FILE"))
    given = parser.parse_args(argv)
    file, secret = given.password_file, os.environ.get("WEBRAID_PASSWORD")
    secret = Path(file).read_text("utf-8-sig").rstrip("\r\n") if file else secret
    pool = Pool(Disks(given.disks), secret or getpass.getpass("Passphrase or recovery code: "))
    shots = [shot for shot in pool.snapshots if given.all or not shot["hidden"]]
    begin = (given.snapshot or "").lower()
    chosen = [shot for shot in shots if shot["id"].hex().startswith(begin) and (begin or not shot["partial"])]
    wanted = [os.fsencode(path.strip("/")) for path in given.path]
    if not given.to and not given.snapshot:
        for shot in shots:
            print(shot["id"].hex()[:8], shot["about"], "(of an interrupted run)" * shot["partial"], sep="  ")
    elif len(chosen if begin else chosen[-1:]) != 1:
        sys.exit(f"{len(chosen)} snapshots begin with '{begin}': see --list")
    elif not given.to:
        for entry in pool.entries(chosen[-1]["root"], wanted):
            print(f"{entry['type']} {entry['size']!r:>14}  {os.fsdecode(entry['path'])!r}")
    else:
        os.makedirs(given.to, exist_ok=True)
        if os.listdir(given.to):
            sys.exit(f"{given.to} is not empty")
        os.umask(0o077)
        top, folders, linked = os.path.realpath(os.fsencode(given.to)), dict[bytes, Map](), set[bytes]()
        for entry in pool.entries(chosen[-1]["root"], wanted):
            try:
                write(pool, entry, top, folders, linked)
            except (*WRONG, OSError) as error:
                pool.problems.append(f"{os.fsdecode(entry['path'])!r} is not restored: {error!r}")
        for path, entry in reversed(folders.items()):  # last, as what is made in them changes their times
            with contextlib.suppress(*WRONG, OSError):
                dress(os.path.join(top, path), entry)
        print(f"snapshot {chosen[-1]['about']} is in {given.to}, with {len(pool.problems)} problems")
    sys.stderr.writelines(f"{problem}\n" for problem in pool.problems)
    return bool(pool.problems)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped: what is there by now is not all of it")
    except (EOFError, OSError, UnicodeDecodeError) as error:
        sys.exit(str(error) or "there is nobody to ask: use --password-file, WEBRAID_PASSWORD_FILE or WEBRAID_PASSWORD")
