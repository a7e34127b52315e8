"""An independent reader: from the bytes on the disks and the passphrase to every snapshot's files, and to every broken
promise.  It knows the formats (codec, and what records, segments and pages mean), but none of the jobs, no array, no
cache and no quorum."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from webraid.array.tolerance import pack_tolerance
from webraid.codec.chunker import chunk_id
from webraid.codec.footer import FOOTER, parse_footer
from webraid.codec.keys import Opened, open_slot
from webraid.codec.layout import join_pack, shard_sizes
from webraid.codec.pack import open_chunk, read_directory
from webraid.codec.parity import coder
from webraid.codec.records import parse_name
from webraid.codec.shard import open_shard
from webraid.entry import EntryType
from webraid.errors import WrongPassphrase
from webraid.model import Code, Geometry, Home, Pack, PackKind, shard_name
from webraid.table.fold import Record, Shot, State, fold
from webraid.table.index import Index, decode_segment
from webraid.table.survey import read_marker
from webraid.table.tree import walk
from webraid.table.verify import Verifier

Objects = Mapping[str, Mapping[str, bytes]]
__all__ = ["Found", "Reader"]


@dataclass
class Found:
    """What the reader found.  ``snapshots``: id -> path -> content (None for what is no file)."""

    state: State
    snapshots: dict[bytes, dict[bytes, bytes | None]]
    shots: dict[bytes, Shot]
    problems: list[str] = field(default_factory=list)
    weakest: int = 1 << 30  # domains that may vanish without any loss
    whole: dict[bytes, set[bytes]] = field(default_factory=dict)  # pack -> chunk ids, of all packs with k valid shards


class Reader:
    """Keeps what it has verified, by content: a thousand worlds share most of their bytes."""

    def __init__(self, objects: Objects, passphrase: str) -> None:
        marker = next(read_marker(disk["pool"]) for disk in objects.values() if "pool" in disk)
        self.pool = marker.pool
        opened = self._unlock(objects, passphrase)
        self.root = opened.root
        self._verifier = Verifier(self.pool, opened.root, opened.owner.public)
        self._records: dict[bytes, Record] = {}
        self._digests: dict[int, tuple[bytes, bytes]] = {}
        self._packs: dict[tuple[bytes, ...], bytes] = {}
        self._chunks: dict[tuple[bytes, bytes], bytes] = {}
        self._segments: dict[bytes, Index] = {}
        self._trees: dict[bytes, list[tuple[bytes, bool, list[bytes]]]] = {}
        self._directories: dict[bytes, set[bytes]] = {}

    def _unlock(self, objects: Objects, passphrase: str) -> Opened:
        for disk in objects.values():
            for name, blob in disk.items():
                if name.startswith("slots/"):
                    try:
                        return open_slot(blob, self.pool, passphrase)
                    except WrongPassphrase:
                        continue
        raise AssertionError("no key slot anywhere")

    def sha256(self, data: bytes) -> bytes:
        """Remembered by identity: the stores of all worlds share their bytes objects, which are kept alive here."""
        known = self._digests.get(id(data))
        if known is None or known[0] is not data:
            known = self._digests[id(data)] = data, hashlib.sha256(data).digest()
        return known[1]

    # ------------------------------------------------------------------------------------------------------------- log
    def read(self, objects: Objects) -> Found:
        """Everything, and everything that is wrong."""
        problems: list[str] = []
        by_disk = {read_marker(disk["pool"]).disk: disk for disk in objects.values() if "pool" in disk}
        records = self._log(objects, problems)
        state = fold(records.values())
        found = Found(state, {}, {shot.id: shot for shot in state.shots}, problems)
        joined = {info.id: info.domain for info in state.joined()}
        if not joined:  # the first disk is being filled: records come in any order, and nothing counts yet
            problems[:] = [problem for problem in problems if not problem.startswith("gap")]
        disks = {disk: by_disk[disk] for disk in joined if disk in by_disk}
        index = self._index(state, disks, joined, found)
        for shot in state.shots:
            found.snapshots[shot.id] = self._files(shot, index, disks, problems)
        found.whole = {pack.id: {p.id for p in index.places[pack.id]} for pack in index.packs.values()}
        return found

    def _log(self, objects: Objects, problems: list[str]) -> dict[str, Record]:
        blobs: dict[str, bytes] = {}
        for disk, held in objects.items():
            for name, blob in held.items():
                if name.startswith("log/") and blobs.setdefault(name, blob) != blob:
                    problems.append(f"{disk} has other bytes under {name}")
        records = {}
        for name in sorted(blobs, key=lambda name: (parse_name(name)[1] != 1, name)):
            digest = self.sha256(blobs[name])
            if digest not in self._records:
                self._records[digest] = self._verifier.open(blobs[name], name)
            records[name] = self._records[digest]
        logs: dict[bytes, dict[int, Record]] = {}
        for name, record in records.items():
            if record.seq in logs.setdefault(record.device, {}):
                problems.append(f"fork at {name}")
            logs[record.device][record.seq] = record
        for device, log in logs.items():
            if sorted(log) != list(range(1, max(log) + 1)):
                problems.append(f"gap in the log of {device.hex()}: {sorted(log)}")
            for seq, record in log.items():
                if seq > 1 and seq - 1 in log and record.prev != log[seq - 1].digest:
                    problems.append(f"chain broken at {device.hex()}/{seq}")
        return records

    # ----------------------------------------------------------------------------------------------------------- index
    def _index(
        self, state: State, disks: Mapping[bytes, Mapping[str, bytes]], joined: Mapping[bytes, str], found: Found
    ) -> Index:
        index = Index()
        for _, commit in state.live_commits():
            for number, packed in enumerate(commit.packs):
                if packed.id in state.swept:
                    continue
                geometry = Geometry(Code.COPIES, 1, max(1, len(joined)))
                pack = Pack(packed.id, PackKind.TABLE, geometry, packed.length, (packed.sha256,))
                index.add(pack, [at.place() for at in commit.places if at.pack == number])
        segments = set(state.segments())
        for _, commit in state.live_commits():
            for segment in commit.segments:
                if segment in segments:
                    self._take_in(segment, index, disks, found)
        for pack in index.packs.values():
            self._weigh(pack, index, disks, joined, found)
        return index

    def _take_in(self, segment: bytes, index: Index, disks: Mapping[bytes, Mapping[str, bytes]], found: Found) -> None:
        try:
            plain = self._chunk(segment, index, disks)
        except AssertionError as error:
            found.problems.append(f"segment {segment.hex()}: {error}")
            return
        if segment not in self._segments:
            self._segments[segment] = decode_segment(plain)
        for pack in self._segments[segment].packs.values():
            if pack.id in found.state.swept:
                continue
            index.add(pack, self._segments[segment].places[pack.id])

    def _weigh(
        self, pack: Pack, index: Index, disks: Mapping[bytes, Mapping[str, bytes]], joined: Mapping[bytes, str],
        found: Found,
    ) -> None:  # fmt: skip
        homes = [Home(i, disk) for i, disk in self._valid(pack, disks)]
        if pack.kind is PackKind.DATA:  # a shard that the table does not name helps nobody who does not look for it
            left = found.state.left
            named = {(home.index, home.disk) for home in pack.homes if not left(home.disk, pack.id, home.index)}
            homes = [home for home in homes if (home.index, home.disk) in named]
        safe = pack_tolerance(pack, joined, homes)
        found.weakest = min(found.weakest, safe)
        if safe < 0:
            found.problems.append(f"{pack.kind} pack {pack.id.hex()} has fewer than k valid shards")

    def _valid(self, pack: Pack, disks: Mapping[bytes, Mapping[str, bytes]]) -> list[tuple[int, bytes]]:
        copies = pack.geometry.code is Code.COPIES
        result = []
        for index in range(1 if copies else pack.geometry.n):
            name, digest = shard_name(pack.id, index), pack.shards[index]
            result += [
                (index, disk) for disk, held in disks.items() if name in held and self.sha256(held[name]) == digest
            ]
        return result

    # ----------------------------------------------------------------------------------------------------------- bytes
    def _pack(self, pack: Pack, disks: Mapping[bytes, Mapping[str, bytes]]) -> bytes:
        homes = dict(self._valid(pack, disks))
        empty = sum(not digest for digest in pack.shards[: pack.geometry.k])
        use = sorted(homes)[: pack.geometry.k - empty]
        assert len(use) == pack.geometry.k - empty, f"pack {pack.id.hex()} cannot be read"
        key = (pack.id, *(pack.shards[index] for index in use))
        if key not in self._packs:
            have = {i: open_shard(disks[homes[i]][shard_name(pack.id, i)], pack, i) for i in use}
            sizes = shard_sizes(pack.length, pack.geometry.k)
            lacking = [i for i in range(pack.geometry.k) if i not in have and sizes[i]]
            known = {**{i: b"" for i, size in enumerate(sizes) if not size}, **have}
            decoded = coder(pack.geometry).decode(known, lacking, sizes[0]) if lacking else {}
            data = {i: decoded[i][: sizes[i]] if i in decoded else known[i] for i in range(pack.geometry.k)}
            self._packs[key] = bytes(join_pack(data, pack.length, pack.geometry.k))
        return self._packs[key]

    def _chunk(self, chunk: bytes, index: Index, disks: Mapping[bytes, Mapping[str, bytes]]) -> bytes:
        for pack_id, places in index.places.items():
            place = next((place for place in places if place.id == chunk), None)
            if place is None:
                continue
            pack = index.packs[pack_id]
            sealed = self._pack(pack, disks)  # whether it can be read depends on the world ...
            if (pack_id, chunk) not in self._chunks:  # ... what it says does not
                key = self.root.data if pack.kind is PackKind.DATA else self.root.meta
                part = sealed[place.offset : place.offset + place.stored]
                plain = open_chunk(key, self.pool, pack_id, place, part)
                assert chunk_id(self.root.id, plain) == chunk
                self._chunks[pack_id, chunk] = plain
            return self._chunks[pack_id, chunk]
        raise AssertionError(f"chunk {chunk.hex()} is in no pack")

    def _files(
        self, shot: Shot, index: Index, disks: Mapping[bytes, Mapping[str, bytes]], problems: list[str]
    ) -> dict[bytes, bytes | None]:
        def fetch(ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
            return {page: self._chunk(page, index, disks) for page in ids}

        files: dict[bytes, bytes | None] = {}
        try:
            if shot.info.root not in self._trees:
                self._trees[shot.info.root] = [
                    (entry.path, entry.type is EntryType.FILE, entry.chunk_ids())
                    for entry in walk(shot.info.root, fetch)
                ]
            fetch([shot.info.root])
            for path, is_file, chunks in self._trees[shot.info.root]:
                files[path] = b"".join(self._chunk(chunk, index, disks) for chunk in chunks) if is_file else None
        except AssertionError as error:
            problems.append(f"snapshot {shot.name}: {error}")
        return files

    # ------------------------------------------------------------------------------------------------ unfinished packs
    def stored_chunks(self, objects: Objects) -> dict[bytes, set[bytes]]:
        """Pack -> ids of its chunks, for every pack of which k shards lie anywhere, whether or not any table knows it:
        told from the shards alone."""
        shards: dict[bytes, dict[int, bytes]] = {}
        for held in objects.values():
            for name, data in held.items():
                if name.startswith("shards/"):
                    pack, _, index = name.rpartition("/")[2].partition(".")
                    shards.setdefault(bytes.fromhex(pack), {})[int(index)] = data
        for pack, there in shards.items():
            if pack not in self._directories and (whole := self._joined(there)) is not None:
                self._directories[pack] = whole
        return {pack: self._directories[pack] for pack in shards if pack in self._directories}

    def _joined(self, shards: Mapping[int, bytes]) -> set[bytes] | None:
        footer = parse_footer(next(iter(shards.values())))
        k, length = footer.k, footer.pack_length
        sizes = shard_sizes(length, k)
        known = {**{i: b"" for i, size in enumerate(sizes) if not size}, **{i: d[:-FOOTER] for i, d in shards.items()}}
        if len(known) < k:
            return None
        lacking = [i for i in range(k) if i not in known]
        decoded = coder(Geometry(footer.code, k, footer.n or 1)).decode(known, lacking, sizes[0]) if lacking else {}
        data = {i: bytes(decoded[i][: sizes[i]]) if i in decoded else known[i] for i in range(k)}
        pack = bytes(join_pack(data, length, k))
        key = self.root.meta if footer.kind is PackKind.TABLE else self.root.data
        places = read_directory(key, self.pool, footer.pack, lambda at, size: pack[at : at + size])
        return {place.id for place in places}
