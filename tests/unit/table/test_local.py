"""The local SQLite file is a cache: deleted, damaged or old, it begins anew and nothing else suffers."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from webraid.errors import PoolError
from webraid.table.local import Database, Local, Seen

FILE = Seen(b"/a", 5, 1 << 62, -3, 2**62, 7, 8, b"\x90", bytes(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "table.db"


@pytest.fixture
def local(path: Path) -> Iterator[Local]:
    database = Database(path)
    yield Local(database)
    database.close()


def reopened(path: Path) -> tuple[bool, bytes | None]:
    """(whether the file begins anew, the value kept under 'key')."""
    database = Database(path)
    try:
        return database.fresh, Local(database).get("key")
    finally:
        database.close()


def filled(path: Path) -> None:
    database = Database(path)
    Local(database).set("key", b"value")
    database.close()


# ------------------------------------------------------------------------------------------------------------- the file
def test_what_is_kept_is_there_the_next_time(path: Path) -> None:
    filled(path)
    assert reopened(path) == (False, b"value")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_deleted_file_begins_anew(path: Path) -> None:
    filled(path)
    path.unlink()
    assert reopened(path) == (True, None)


def test_journals_of_a_deleted_file_never_meet_the_new_one(path: Path) -> None:
    database = Database(path)
    Local(database).set("key", b"value")
    wal = path.with_name(path.name + "-wal")
    journal = wal.read_bytes()
    database.close()
    path.unlink()
    wal.write_bytes(journal)
    assert reopened(path) == (True, None)


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\0" + b"\xff" * 4080, b"nonsense" * 999])
def test_a_damaged_file_is_moved_aside(path: Path, damage: bytes) -> None:
    filled(path)
    path.write_bytes(damage)
    fresh, value = reopened(path)
    assert value is None
    if damage:
        assert fresh
        assert path.with_name(path.name + ".damaged").read_bytes() == damage
    assert reopened(path) == (False, None), "the new one is sound"


def test_a_file_of_another_version_is_moved_aside(path: Path) -> None:
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    assert reopened(path) == (True, None)
    assert path.with_name(path.name + ".damaged").exists()


def test_damage_found_while_it_is_used_is_told_and_out_of_the_way(path: Path) -> None:
    database = Database(path)
    with database.transaction() as tx:
        tx.executemany("INSERT INTO meta VALUES(?, ?)", [(f"k{i}", bytes(200)) for i in range(2000)])
    database.close()
    raw = bytearray(path.read_bytes())
    raw[8192:] = b"\xaa" * (len(raw) - 8192)
    path.write_bytes(raw)
    database = Database(path)
    try:
        with pytest.raises(PoolError, match="damaged and was moved aside") as caught:
            database.rows("SELECT sum(length(value)) FROM meta")
    finally:
        database.close()
    assert "again" in caught.value.hint
    assert reopened(path) == (True, None)


def test_a_value_outlives_a_transaction_that_fails_and_the_failed_one_leaves_nothing(local: Local) -> None:
    local.set("key", b"before")
    with pytest.raises(KeyboardInterrupt), local.db.transaction():
        local.set("key", b"after")
        raise KeyboardInterrupt
    assert local.get("key") == b"before"
    local.set("key", b"later")
    assert local.get("key") == b"later"


def test_an_error_of_the_database_is_one_of_ours(local: Local) -> None:
    with pytest.raises(PoolError, match="cannot be used"):
        local.db.rows("SELECT nonsense")
    with pytest.raises(PoolError, match="cannot be used"), local.db.transaction() as tx:
        tx.execute("INSERT INTO nowhere VALUES(1)")


# -------------------------------------------------------------------------------------------------------------- content
def record(seq: int, blob: bytes) -> tuple[bytes, int, bytes, bytes]:
    return b"d" * 8, seq, hashlib.sha256(blob).digest(), blob


def test_records_are_kept_once_and_found_by_digest(local: Local) -> None:
    row = record(2, b"bytes")
    local.add_records([row, record(1, b"older"), row])
    local.add_records([record(2, b"fork")])
    assert [found[1] for found in local.records()] == [1, 2, 2]
    assert local.blob(*row[:3]) == b"bytes"
    with pytest.raises(KeyError):
        local.blob(b"d" * 8, 3, row[2])


@pytest.mark.parametrize("damage", [b"bytez", b"", "text", 7, None])
def test_a_record_that_has_rotted_is_forgotten_and_can_be_kept_anew(local: Local, damage: object) -> None:
    row, other = record(2, b"bytes"), record(1, b"older")
    local.add_records([row, other])
    with local.db.transaction() as tx:
        tx.execute("UPDATE records SET blob=? WHERE seq=2", (damage,))
    assert local.records() == [other]
    with pytest.raises(KeyError):
        local.blob(*row[:3])
    local.add_records([row])
    assert local.records() == [other, row]


def test_what_a_disk_served_is_never_lowered(local: Local) -> None:
    disk, device = b"k" * 8, b"d" * 8
    local.set_served({disk: {device: 5}})
    local.set_served({disk: {device: 3, b"e" * 8: 1}})
    assert local.served() == {disk: {device: 5, b"e" * 8: 1}}
    local.set_served({disk: {device: 6}})
    assert local.served()[disk][device] == 6


def test_files_seen_come_back_whole_and_are_replaced(local: Local) -> None:
    assert local.seen(b"/a") is None
    local.set_seen([FILE, Seen(b"/b\xff", 0, 0, 0, 0, 0, 0, b"", b"")])
    assert local.seen(b"/a") == FILE
    assert local.seen(b"/b\xff") is not None
    changed = Seen(b"/a", 6, 1, 1, 1, 1, 1, b"", b"")
    local.set_seen([changed])
    assert local.seen(b"/a") == changed
