"""The index half of the local SQLite file: packs, homes, chunks, shards known to be bad."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from webraid.codec.pack import ChunkKind, Place
from webraid.model import Code, Geometry, Home, Pack, PackKind
from webraid.table.index import Index
from webraid.table.local import Database

_PACK = "packs.id, packs.kind, code, k, n, rotates, length, shards"
# A stripe that was made wider has more shards than before; what is known of it never becomes narrower again.
_WIDER = "".join(f", {column}=iif(excluded.n>n, excluded.{column}, {column})" for column in ("code", "shards", "n"))
_ASK = 500  # ids a query
TABLE_SEGMENT = b"table"  # the segment of table packs: commits name them themselves


def _pack(row: Sequence, homes: Iterable[Home] = ()) -> Pack:  # type: ignore[type-arg]
    pack_id, kind, code, k, n, rotates, length, shards = row
    geometry = Geometry(Code(code), k, n, bool(rotates))
    hashes = tuple(msgspec.msgpack.decode(shards, type=list[bytes]))
    return Pack(pack_id, PackKind(kind), geometry, length, hashes, tuple(homes))


class LocalIndex:
    """Where every chunk is, as far as this machine knows.  ``run`` of a pack is b'' once an index segment names it;
    before, it tells which unfinished run of this machine stored it."""

    def __init__(self, database: Database) -> None:
        self.db = database

    # -- filling -----------------------------------------------------------------------------------------------------
    def segments(self) -> set[bytes]:
        """Ids of the index segments that are loaded."""
        return {row[0] for row in self.db.rows("SELECT DISTINCT segment FROM members")}

    def add(self, index: Index, *, segment: bytes = b"", run: bytes = b"") -> None:
        """Add packs with their chunks; homes are merged.  ``segment``: the one that says so, b'' while pending in
        ``run``."""
        with self.db.transaction() as tx:
            for pack in index.packs.values():
                g = pack.geometry
                tx.execute(
                    "INSERT INTO packs VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET run=min(run, excluded.run)"
                    + _WIDER,
                    (
                        pack.id, pack.kind.value, g.code.value, g.k, g.n, g.rotates, pack.length,
                        msgspec.msgpack.encode(list(pack.shards)), run,
                    ),
                )  # fmt: skip
                self.add_homes(pack, fresh=not segment)
                tx.executemany(
                    "INSERT OR IGNORE INTO chunks VALUES(?,?,?,?,?,?,?,?)",
                    [
                        (p.id, pack.id, int(p.kind), p.number, p.offset, p.stored, p.plain, p.compressed)
                        for p in index.places.get(pack.id, ())
                    ],
                )
            if segment:
                self._settle(index.packs, segment)

    def add_homes(self, pack: Pack, *, fresh: bool) -> None:
        """Add homes of a known pack.  ``fresh``: no index segment says so yet."""
        with self.db.transaction() as tx:
            tx.executemany(
                "INSERT INTO homes VALUES(?,?,?,?,?,?) ON CONFLICT DO UPDATE SET locator=excluded.locator,"
                "md5=excluded.md5, fresh=min(fresh, excluded.fresh)",
                [(pack.id, h.index, h.disk, h.locator, h.md5, fresh) for h in pack.homes],
            )

    def _settle(self, packs: Iterable[bytes], segment: bytes) -> None:
        """These packs are in index segment ``segment`` now, with the homes that it names."""
        with self.db.transaction() as tx:
            tx.execute("INSERT OR IGNORE INTO members VALUES(?, x'')", (segment,))
            for pack in packs:
                tx.execute("INSERT OR IGNORE INTO members VALUES(?, ?)", (segment, pack))
                tx.execute("UPDATE packs SET run=x'' WHERE id=?", (pack,))

    def forget_segments(self, segments: Iterable[bytes]) -> None:
        """Superseded segments: what they said is repeated by newer ones."""
        with self.db.transaction() as tx:
            tx.executemany("DELETE FROM members WHERE segment=?", [(segment,) for segment in segments])

    def drop(self, pack: bytes) -> None:
        """Forget a pending pack that cannot be completed."""
        with self.db.transaction() as tx:
            for table, column in (("packs", "id"), ("homes", "pack"), ("chunks", "pack"), ("bad", "pack")):
                tx.execute(f"DELETE FROM {table} WHERE {column}=?", (pack,))  # noqa: S608 - fixed names

    def widen(self, pack: Pack) -> None:
        """A known pack's stripe has more shards from now on."""
        g = pack.geometry
        with self.db.transaction() as tx:
            tx.execute(
                "UPDATE packs SET code=?, n=?, shards=? WHERE id=? AND n<?",
                (g.code.value, g.n, msgspec.msgpack.encode(list(pack.shards)), pack.id, g.n),
            )

    def drop_homes(self, disk: bytes, shards: Iterable[bytes]) -> None:
        """These shards (pack id, then a byte of index) lie on that disk no more, whatever segments say."""
        rows = [(ref[:-1], ref[-1], disk) for ref in shards]
        with self.db.transaction() as tx:
            tx.executemany("DELETE FROM homes WHERE pack=? AND idx=? AND disk=?", rows)
            tx.executemany("DELETE FROM bad WHERE pack=? AND idx=? AND disk=?", rows)

    # -- asking ------------------------------------------------------------------------------------------------------
    def find(self, ids: Sequence[bytes]) -> dict[bytes, list[tuple[bytes, Place]]]:
        """Chunk id -> (pack id, place) of every pack that has it."""
        found: dict[bytes, list[tuple[bytes, Place]]] = {}
        for start in range(0, len(ids), _ASK):
            part = ids[start : start + _ASK]
            marks = ",".join("?" * len(part))
            for row in self.db.rows(f"SELECT * FROM chunks WHERE id IN ({marks})", part):  # noqa: S608
                chunk, pack, kind, number, offset, stored, plain, compressed = row
                place = Place(chunk, ChunkKind(kind), number, offset, stored, plain, bool(compressed))
                found.setdefault(chunk, []).append((pack, place))
        return found

    def pack(self, pack_id: bytes) -> Pack | None:
        """One pack with its homes."""
        rows = self.db.rows(f"SELECT {_PACK} FROM packs WHERE id=?", (pack_id,))  # noqa: S608
        return _pack(rows[0], self._homes(pack_id)) if rows else None

    def _homes(self, pack_id: bytes) -> list[Home]:
        rows = self.db.rows("SELECT idx, disk, locator, md5 FROM homes WHERE pack=? ORDER BY idx, disk", (pack_id,))
        return [Home(*row) for row in rows]

    def packs(self, kind: PackKind | None = None) -> Iterator[Pack]:
        """All packs with their homes, in the order of their ids."""
        homes: dict[bytes, list[Home]] = {}
        for pack, *home in self.db.rows("SELECT pack, idx, disk, locator, md5 FROM homes ORDER BY pack, idx, disk"):
            homes.setdefault(pack, []).append(Home(*home))
        where = "" if kind is None else f"WHERE packs.kind='{kind.value}'"
        for row in self.db.rows(f"SELECT {_PACK} FROM packs {where} ORDER BY id"):  # noqa: S608
            yield _pack(row, homes.get(row[0], ()))

    def named(self, kind: PackKind | None = None) -> Iterator[Pack]:
        """The same without what an unfinished run has stored so far: that is no data of anybody's yet."""
        pending = {pack for pack, _ in self.pending()}
        return (pack for pack in self.packs(kind) if pack.id not in pending)

    def some(self, start: bytes, count: int) -> list[Pack]:
        """Up to ``count`` packs whose ids follow ``start`` (ids are random, so a random start gives a fair sample)."""
        rows = self.db.rows(f"SELECT {_PACK} FROM packs WHERE id>=? ORDER BY id LIMIT ?", (start, count))  # noqa: S608
        return [_pack(row, self._homes(row[0])) for row in rows]

    def places(self, pack_id: bytes) -> list[Place]:
        """The chunks of a pack."""
        rows = self.db.rows(
            "SELECT id, kind, number, offset, stored, plain, compressed FROM chunks WHERE pack=? ORDER BY number",
            (pack_id,),
        )
        return [
            Place(chunk, ChunkKind(kind), number, offset, stored, plain, bool(compressed))
            for chunk, kind, number, offset, stored, plain, compressed in rows
        ]

    def pending(self) -> list[tuple[bytes, bytes]]:
        """(pack id, run) of packs no commit names yet: a run that goes on, or was interrupted, stored them."""
        return self.db.rows("SELECT id, run FROM packs WHERE run!=x'' ORDER BY id")

    def unrecorded(self) -> set[bytes]:
        """Packs with homes that no index segment names yet (after a repair), or that are pending."""
        rows = self.db.rows("SELECT DISTINCT pack FROM homes WHERE fresh=1")
        return {row[0] for row in rows} | {row[0] for row in self.pending()}

    def of_segments(self, segments: Sequence[bytes]) -> Index:
        """Everything that these segments brought."""
        index = Index()
        for segment in segments:
            for (pack_id,) in self.db.rows("SELECT pack FROM members WHERE segment=? AND pack!=x''", (segment,)):
                pack = self.pack(pack_id)
                if pack is not None:
                    index.add(pack, self.places(pack_id))
        return index

    def has_all_of(self, segment: bytes, gone: Collection[bytes]) -> bool:
        """Whether the segment is loaded and every pack that it names is known here, but for those that are ``gone``.
        Only then may another one take its place."""
        rows = self.db.rows(
            "SELECT members.pack, packs.id FROM members LEFT JOIN packs ON packs.id=members.pack WHERE segment=?",
            (segment,),
        )
        return bool(rows) and all(known is not None or pack in gone or not pack for pack, known in rows)

    def brought_by(self, segments: Collection[bytes]) -> set[bytes]:
        """Packs that these segments, as far as they are loaded, name."""
        rows = self.db.rows("SELECT segment, pack FROM members WHERE pack!=x''") if segments else []
        return {pack for segment, pack in rows if segment in segments}

    def unload(self, pack: bytes) -> None:
        """Forget a pack that no live segment names, and which segments did: should one of them be live again, it is
        read anew."""
        with self.db.transaction() as tx:
            tx.execute("DELETE FROM members WHERE segment IN (SELECT segment FROM members WHERE pack=?)", (pack,))
            self.drop(pack)

    def known_of(self, ids: Collection[bytes]) -> list[bytes]:
        """Those of ``ids`` that are packs known here."""
        return [row[0] for row in self.db.rows("SELECT id FROM packs") if row[0] in ids] if ids else []

    def counts(self) -> tuple[int, int]:
        """How many packs and chunks there are."""
        return (
            self.db.rows("SELECT count(*) FROM packs")[0][0],
            self.db.rows("SELECT count(*) FROM chunks")[0][0],
        )

    # -- shards known to be bad --------------------------------------------------------------------------------------
    def mark_bad(self, pack: bytes, index: int, disk: bytes, problem: str) -> None:
        """A shard was found missing or corrupt: it counts no more until it is repaired."""
        with self.db.transaction() as tx:
            tx.execute("INSERT OR REPLACE INTO bad VALUES(?,?,?,?)", (pack, index, disk, problem))

    def mark_good(self, pack: bytes, index: int, disk: bytes) -> None:
        """The shard was repaired or found whole again."""
        with self.db.transaction() as tx:
            tx.execute("DELETE FROM bad WHERE pack=? AND idx=? AND disk=?", (pack, index, disk))

    def liars(self) -> set[bytes]:
        """Disks with shards that were found to be damaged and are not repaired yet."""
        return {row[0] for row in self.db.rows("SELECT DISTINCT disk FROM bad WHERE problem='corrupt'")}

    def bad(self) -> dict[bytes, set[tuple[int, bytes]]]:
        """Pack -> (index, disk) of the shards that do not count."""
        result: dict[bytes, set[tuple[int, bytes]]] = {}
        for pack, index, disk in self.db.rows("SELECT pack, idx, disk FROM bad"):
            result.setdefault(pack, set()).add((index, disk))
        return result
