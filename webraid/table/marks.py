"""Which chunks are live: noted beside the local index in a temporary table, so that memory does not grow with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby

from webraid.table.local import Database

_SCHEMA = """
DROP TABLE IF EXISTS temp.live;
DROP TABLE IF EXISTS temp.shared;
CREATE TEMP TABLE live(id BLOB PRIMARY KEY, locked INT) WITHOUT ROWID;
CREATE TEMP TABLE shared(id BLOB PRIMARY KEY) WITHOUT ROWID;
"""
_NAMED = "FROM chunks JOIN temp.live ON live.id=chunks.id JOIN packs ON packs.id=chunks.pack WHERE packs.run=x''"


class Marks:
    """Live chunks by id.  A ``locked`` one is needed by a forgotten snapshot alone that must not go yet.

    Only packs that a commit names are looked at: what an unfinished run stored keeps nothing alive.
    """

    def __init__(self, database: Database) -> None:
        self.db = database
        with database.transaction() as tx:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                tx.execute(statement)

    def add(self, ids: Iterable[bytes], *, locked: bool = False) -> None:
        """These chunks are live."""
        with self.db.transaction() as tx:
            tx.executemany(
                "INSERT INTO temp.live VALUES(?, ?) ON CONFLICT DO UPDATE SET locked=min(locked, excluded.locked)",
                [(chunk, locked) for chunk in ids],
            )

    def remove(self, ids: Iterable[bytes]) -> None:
        """These are not live any more."""
        with self.db.transaction() as tx:
            tx.executemany("DELETE FROM temp.live WHERE id=?", [(chunk,) for chunk in ids])

    def lost(self) -> list[bytes]:
        """Live chunks (a few of them) that lie in no pack that a commit names.  Locked ones do not count."""
        rows = self.db.rows(
            "SELECT id FROM temp.live WHERE locked=0 AND NOT EXISTS (SELECT 1 FROM chunks JOIN packs"
            " ON packs.id=chunks.pack WHERE chunks.id=live.id AND packs.run=x'') LIMIT 20"
        )
        return [row[0] for row in rows]

    def weigh(self, *, locked: bool) -> tuple[dict[bytes, int], dict[tuple[bytes, ...], int]]:
        """(pack -> bytes of live chunks that lie in no other pack; packs -> bytes of those that lie in all of them).

        ``locked``: locked chunks are live, too.
        """
        only = "" if locked else " AND live.locked=0"
        with self.db.transaction() as tx:
            tx.execute("DELETE FROM temp.shared")
            tx.execute(f"INSERT INTO temp.shared SELECT chunks.id {_NAMED}{only} GROUP BY chunks.id HAVING count(*)>1")
        alone = "chunks.id NOT IN (SELECT id FROM temp.shared)"
        sole = self.db.rows(f"SELECT pack, sum(stored) {_NAMED}{only} AND {alone} GROUP BY pack")
        rows = self.db.rows(
            "SELECT chunks.id, pack, stored FROM temp.shared JOIN chunks ON chunks.id=shared.id JOIN packs"
            " ON packs.id=chunks.pack WHERE packs.run=x'' ORDER BY chunks.id, pack"
        )
        shared: Counter[tuple[bytes, ...]] = Counter()
        for _, group in groupby(rows, key=lambda row: row[0]):
            found = list(group)
            shared[tuple(pack for _, pack, _ in found)] += max(stored for _, _, stored in found)
        return dict(sole), dict(shared)

    def totals(self) -> dict[bytes, int]:
        """Pack -> bytes of its sealed chunks."""
        return dict(self.db.rows("SELECT pack, sum(stored) FROM chunks GROUP BY pack"))

    def measure(self, *, everything: bool = False) -> tuple[int, int, int]:
        """(how many, plain bytes, sealed bytes) of the distinct marked chunks; of all chunks of files with
        ``everything``."""
        which = "WHERE kind=1" if everything else "WHERE id IN (SELECT id FROM temp.live)"
        grouped = f"SELECT max(plain) AS plain, min(stored) AS stored FROM chunks {which} GROUP BY id"  # noqa: S608
        row = self.db.rows(f"SELECT count(*), sum(plain), sum(stored) FROM ({grouped})")[0]  # noqa: S608
        return row[0], row[1] or 0, row[2] or 0

    def packs(self) -> list[bytes]:
        """Ids of all packs that the index knows."""
        return [row[0] for row in self.db.rows("SELECT id FROM packs ORDER BY id")]

    def live_in(self, pack: bytes) -> list[bytes]:
        """Ids of the live chunks in a pack."""
        rows = self.db.rows(
            "SELECT chunks.id FROM chunks JOIN temp.live ON live.id=chunks.id WHERE pack=? ORDER BY number", (pack,)
        )
        return [row[0] for row in rows]

    def elsewhere(self, ids: Iterable[bytes], packs: frozenset[bytes]) -> set[bytes]:
        """Those of ``ids`` that lie in one of ``packs``, too."""
        found = set()
        for chunk in ids:
            rows = self.db.rows("SELECT pack FROM chunks WHERE id=?", (chunk,))
            if any(row[0] in packs for row in rows):
                found.add(chunk)
        return found

    def close(self) -> None:
        """The notes are not needed any more."""
        with self.db.transaction() as tx:
            tx.execute("DROP TABLE IF EXISTS temp.live")
            tx.execute("DROP TABLE IF EXISTS temp.shared")
