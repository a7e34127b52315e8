"""This machine's SQLite file: records, what disks served, files seen.  A cache: it can be deleted at any time.

The index half (packs, homes, chunks) is in local_index.py.  One connection, one lock: any thread may call.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from webraid.errors import PoolError

SCHEMA_VERSION = 1
# Small values that no disk can tell again, by the beginning of their keys: budgets, what was written, measured and
# scrubbed when, and what is being done.  They stay in the state folder wherever the cache is.
LASTING = (
    "spent:", "stored:", "written:", "growth:", "scrub:", "drain:", "probed:", "pace", "lag:", "damaged-log:", "adding",
)  # fmt: skip
Row = tuple[bytes, int, bytes, bytes]  # a record: device, number, digest, the object's bytes
FREE = "Free some space in the folder for temporary files."
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# a full or unwritable file system says nothing about the file: it must not be thrown away for that
_OUTSIDE = (
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR,
)  # fmt: skip
_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE records(device BLOB, seq INT, digest BLOB, blob BLOB, PRIMARY KEY(device, seq, digest)) WITHOUT ROWID;
CREATE TABLE served(disk BLOB, device BLOB, seq INT, PRIMARY KEY(disk, device)) WITHOUT ROWID;
CREATE TABLE packs(id BLOB PRIMARY KEY, kind TEXT, code TEXT, k INT, n INT, rotates INT, length INT, shards BLOB,
  run BLOB) WITHOUT ROWID;
CREATE TABLE members(segment BLOB, pack BLOB, PRIMARY KEY(segment, pack)) WITHOUT ROWID;
CREATE TABLE homes(pack BLOB, idx INT, disk BLOB, locator TEXT, md5 BLOB, fresh INT, PRIMARY KEY(pack, idx, disk))
  WITHOUT ROWID;
CREATE TABLE chunks(id BLOB, pack BLOB, kind INT, number INT, offset INT, stored INT, plain INT, compressed INT,
  PRIMARY KEY(id, pack)) WITHOUT ROWID;
CREATE INDEX chunks_of_pack ON chunks(pack);
CREATE TABLE bad(pack BLOB, idx INT, disk BLOB, problem TEXT, PRIMARY KEY(pack, idx, disk)) WITHOUT ROWID;
CREATE TABLE seen(path BLOB PRIMARY KEY, size INT, mtime INT, ctime INT, inode INT, device INT, atime INT,
  sparse BLOB, chunks BLOB) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as an earlier run saw it.  ``path`` is absolute; ``sparse``: its holes, as the caller encodes them;
    ``chunks``: the content's ids end to end."""

    path: bytes
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    atime_ns: int
    sparse: bytes
    chunks: bytes


class Database:
    """The SQLite file.  A damaged one is moved aside and started anew; an older schema likewise.  Without a ``path`` it
    is in memory, and beyond a few megabytes in a file without a name: nothing is left when it is closed."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.fresh = path is None or not path.exists()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.fresh:
            self._discard_journals()
        try:
            self.connection = self._open()
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0)
            if code & 0xFF in _OUTSIDE and code != sqlite3.SQLITE_IOERR_SHORT_READ:
                raise self._failed(error) from error
            self._move_aside()
            self.connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path or "", check_same_thread=False, isolation_level=None, timeout=30.0)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA cache_size=-16000")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
            elif version != SCHEMA_VERSION:
                raise sqlite3.DatabaseError("another version wrote this cache")
        except sqlite3.DatabaseError:
            connection.close()
            raise
        if self.path is not None:
            self.path.chmod(0o600)
        return connection

    def _parts(self) -> list[tuple[str, Path]]:
        """The file and its journals, journals first: a journal must never meet another file than its own."""
        path = self.path
        return [(suffix, path.with_name(path.name + suffix)) for suffix in ("-wal", "-shm", "")] if path else []

    def _discard_journals(self) -> None:
        """Somebody deleted the file alone."""
        for suffix, part in self._parts():
            if suffix:
                part.unlink(missing_ok=True)

    def _move_aside(self) -> None:
        self.fresh = True
        for suffix, part in self._parts():
            if part.exists():
                part.replace(part.with_name(part.name.removesuffix(suffix) + ".damaged" + suffix))

    def _failed(self, error: sqlite3.Error) -> PoolError:
        """What to raise; a file that turns out to be damaged is out of the way for the next run."""
        if getattr(error, "sqlite_errorcode", None) in _DAMAGED:
            self._move_aside()
            return PoolError(
                f"the local table cache is damaged and was moved aside: {error}",
                hint="Run the command again: the cache is rebuilt from the disks.",
            )
        return PoolError(
            f"the local table cache cannot be used: {error}",
            hint=f"Free some space, or delete {self.path}: it is rebuilt from the disks." if self.path else FREE,
        )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable at the end."""
        with self.lock:
            if self.connection.in_transaction:
                yield self.connection
                return
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield self.connection
                self.connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._rollback()
                raise self._failed(error) from error
            except BaseException:
                self._rollback()
                raise

    def _rollback(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # the first error is the one to report
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def rows(self, sql: str, args: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        """All rows of a query."""
        with self.lock:
            try:
                return self.connection.execute(sql, args).fetchall()
            except sqlite3.Error as error:
                raise self._failed(error) from error

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self.connection.close()


class Local:
    """Records, what each disk served, files seen and small values.  ``lasting``: where those are that outlive the
    cache, if not in it."""

    def __init__(self, database: Database, lasting: Database | None = None) -> None:
        self.db = database
        self.lasting = lasting or database

    @property
    def guarded(self) -> bool:
        """Whether all this lies beside the machine's key, so that who may write here could take its part anyway."""
        return self.lasting is self.db

    def close(self) -> None:
        """Close the files."""
        self.db.close()
        self.lasting.close()

    # -- small values ------------------------------------------------------------------------------------------------
    def _home(self, key: str) -> Database:
        return self.lasting if key.startswith(LASTING) else self.db

    def get(self, key: str) -> bytes | None:
        """A small value, or None."""
        rows = self._home(key).rows("SELECT value FROM meta WHERE key=?", (key,))
        return bytes(rows[0][0]) if rows else None

    def set(self, key: str, value: bytes) -> None:
        """Keep a small value."""
        with self._home(key).transaction() as tx:
            tx.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (key, value))

    # -- log ---------------------------------------------------------------------------------------------------------
    def records(self) -> list[Row]:
        """All verified records, whole.  Those that are not any more what was kept are forgotten: nobody may be sent
        such bytes, and the disks have them whole."""
        found = self.db.rows("SELECT device, seq, digest, blob FROM records ORDER BY device, seq")
        rotten = [row[:3] for row in found if not _is_whole(row[2], row[3])]
        if rotten:
            with self.db.transaction() as tx:
                tx.executemany("DELETE FROM records WHERE device=? AND seq=? AND digest=?", rotten)
        return [row for row in found if row[:3] not in set(rotten)] if rotten else found

    def add_records(self, rows: Iterable[Row]) -> None:
        """Remember verified records."""
        with self.db.transaction() as tx:
            tx.executemany("INSERT OR IGNORE INTO records VALUES(?, ?, ?, ?)", rows)

    def blob(self, device: bytes, seq: int, digest: bytes) -> bytes:
        """The bytes of a known record.  Raises KeyError."""
        rows = self.db.rows("SELECT blob FROM records WHERE device=? AND seq=? AND digest=?", (device, seq, digest))
        if not rows:
            raise KeyError((device, seq))
        return bytes(rows[0][0])

    def served(self) -> dict[bytes, dict[bytes, int]]:
        """Disk -> device -> the highest seq up to which it once served that log without a gap."""
        result: dict[bytes, dict[bytes, int]] = {}
        for disk, device, seq in self.db.rows("SELECT disk, device, seq FROM served"):
            result.setdefault(disk, {})[device] = seq
        return result

    def set_served(self, heads: Mapping[bytes, Mapping[bytes, int]]) -> None:
        """Raise what is remembered: disk -> device -> seq (never lowers it)."""
        with self.db.transaction() as tx:
            tx.executemany(
                "INSERT INTO served VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET seq=max(seq, excluded.seq)",
                [(disk, device, seq) for disk, logs in heads.items() for device, seq in logs.items()],
            )

    # -- files seen --------------------------------------------------------------------------------------------------
    def seen(self, path: bytes) -> Seen | None:
        """What an earlier run noted about this file."""
        rows = self.db.rows("SELECT * FROM seen WHERE path=?", (path,))
        return Seen(*rows[0]) if rows else None

    def set_seen(self, files: Iterable[Seen]) -> None:
        """Note files, so that the next run need not read them."""
        with self.db.transaction() as tx:
            tx.executemany(
                "INSERT OR REPLACE INTO seen VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (f.path, f.size, f.mtime_ns, f.ctime_ns, f.inode, f.device, f.atime_ns, f.sparse, f.chunks)
                    for f in files
                ],
            )

    def forget_seen(self, paths: Iterable[bytes]) -> None:
        """These files are read again, whatever they look like."""
        with self.db.transaction() as tx:
            tx.executemany("DELETE FROM seen WHERE path=?", [(path,) for path in paths])

    def every_seen(self) -> Iterator[Seen]:
        """All files noted, in the order of their paths; a few at a time, as there may be millions."""
        after = b""
        while rows := self.db.rows("SELECT * FROM seen WHERE path>? ORDER BY path LIMIT 2000", (after,)):
            yield from (Seen(*row) for row in rows)
            after = rows[-1][0]


def _is_whole(digest: object, blob: object) -> bool:
    """Whether these are the bytes that were kept; a damaged row may hold anything."""
    return isinstance(blob, bytes) and hashlib.sha256(blob).digest() == digest
