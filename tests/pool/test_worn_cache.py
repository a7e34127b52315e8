"""A local cache that rots: nothing of it is believed, none of it reaches a disk, and it mends by itself."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pool.machine import Home
from webraid.errors import QuorumLost

Make = Callable[[str, int], Home]


def _rot(home: Home, share: int) -> int:
    """Flip a bit in every ``share``-th record of the cache; how many these were."""
    database = sqlite3.connect(home.folder / "state" / "table.sqlite")
    rows = database.execute("SELECT device, seq, digest, blob FROM records").fetchall()[::share]
    for device, seq, digest, blob in rows:
        spoiled = bytearray(blob)
        spoiled[len(spoiled) // 2] ^= 1
        database.execute(
            "UPDATE records SET blob=? WHERE device=? AND seq=? AND digest=?", (bytes(spoiled), device, seq, digest)
        )
    database.commit()
    database.close()
    return len(rows)


def _rotten(home: Home) -> int:
    database = sqlite3.connect(home.folder / "state" / "table.sqlite")
    found = database.execute("SELECT digest, blob FROM records").fetchall()
    database.close()
    return sum(hashlib.sha256(blob).digest() != digest for digest, blob in found)


def _damaged(home: Home, count: int) -> list[Path]:
    """Log records on the disks that do not have the hash of their name."""
    records = [path for number in range(1, count + 1) for path in (home.disk(number) / "log").rglob("*-*")]
    assert records
    return [path for path in records if not path.name.endswith(hashlib.sha256(path.read_bytes()).hexdigest()[:16])]


@pytest.mark.parametrize("share", [1, 3])
def test_rotten_records_of_the_cache_reach_no_disk(home: Make, tmp_path: Path, share: int) -> None:
    made = home("raid5", 3)
    (tmp_path / "file").write_bytes(b"content")
    with made.open() as pool:
        kept = pool.put([str(tmp_path / "file")]).snapshot
    assert _rot(made, share) == _rotten(made) > 3
    with made.open() as pool:  # a new disk is sent every record
        pool.add_backend("local", "d4", {"path": str(made.disk(4))})
    assert _damaged(made, 4) == []
    made.disk(2).rename(tmp_path / "away")
    (tmp_path / "file").write_bytes(b"more content")
    with made.open() as pool:
        pool.put([str(tmp_path / "file")])
    _rot(made, share)
    (tmp_path / "away").rename(made.disk(2))  # and so is one that was away
    with made.open() as pool:
        assert pool.put([str(tmp_path / "file")]).alarms == []
    assert (_damaged(made, 4), _rotten(made)) == ([], 0)
    with made.open() as pool:
        assert kept in {shot.name for shot in pool.snapshots()}
        assert pool.status().alarms == []


def test_records_of_this_machine_that_rot_before_a_disk_has_them_are_sent_whole(home: Make, tmp_path: Path) -> None:
    made = home("raid1", 3)
    (tmp_path / "file").write_bytes(b"content")
    made.disk(3).rename(tmp_path / "away")
    with made.open() as pool:
        pool.put([str(tmp_path / "file")])
    assert _rot(made, 1)
    for number in (1, 2):  # nobody can be asked for them: this machine's own log has them
        made.disk(number).rename(tmp_path / f"away{number}")
    (tmp_path / "away").rename(made.disk(3))
    with made.open() as pool:
        assert len(pool.snapshots()) == 1
    assert _rotten(made) == 0
    for number in (1, 2):
        (tmp_path / f"away{number}").rename(made.disk(number))
    with made.open() as pool:
        assert pool.put([str(tmp_path / "file")]).exit_code == 0
    assert _damaged(made, 3) == []


def test_status_without_a_cache_and_without_a_disk_says_that_nobody_answered(home: Make) -> None:
    made = home("raid5", 3)
    with made.open() as pool:
        pool.status()  # every disk has every record, so this machine's own log keeps none
    for number in (1, 2, 3):
        made.disk(number).rename(made.folder / f"away{number}")
    for part in (made.folder / "state").glob("table.sqlite*"):
        part.unlink()
    with made.open() as pool, pytest.raises(QuorumLost, match="no disk of this pool answered"):
        pool.status()
