"""prune with wrong clocks, several levels, disks that refuse, and objects or caches that come again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, Home
from tests.pool.test_prune import Later, Make, drilled, forget, home, prune, prune_now, put, restores, two, write
from tests.pool.test_prune_attacks import _size, index_of, left_on
from tests.pool.test_two_machines import second
from webraid.backend.base import Backend
from webraid.errors import PermissionDenied
from webraid.pool import open_pool

__all__ = ["home", "two"]  # fixtures


# ---------------------------------------------------------------------------------------------------- clocks and levels
def test_what_was_condemned_by_a_clock_that_was_ahead_goes_a_week_later(two: tuple[Home, Path, str, str]) -> None:
    home, *_ = two
    assert isinstance(home, Later)
    drilled(home)
    home.day = 5000
    assert prune(home, secret=PASSPHRASE).condemned[0] >= 1
    home.day = 40
    result = prune(home)
    assert result.swept[0] == 0 and result.waiting[0] >= 1 and result.until_ms < (1_800_000_000 + 48 * 86_400) * 1000
    home.day = 46
    assert prune(home).swept[0] == 0
    home.day = 47.5
    assert prune(home).swept[0] >= 1


def test_the_owner_need_not_wait_for_a_clock_that_was_ahead(two: tuple[Home, Path, str, str]) -> None:
    home, *_ = two
    assert isinstance(home, Later)
    home.day = 5000
    assert prune(home, secret=PASSPHRASE).condemned[0] >= 1
    home.day = 1
    assert prune_now(home).swept[0] >= 1


def test_a_pack_is_not_packed_anew_again_and_again_for_what_lies_less_safely_elsewhere(
    home: Make, tmp_path: Path
) -> None:
    made = home("raid6", 4)
    source, small = write(tmp_path / "source", 10), tmp_path / "small"
    small.mkdir()
    for name in ("f0", "f1"):
        (small / name).write_bytes((source / name).read_bytes())
    with made.open() as pool:
        first = pool.put([str(small), str(write(tmp_path / "more", 3))], level="raid5").snapshot
    gone = put(made, source)
    kept = put(made, small)
    forget(made, gone)
    result = prune_now(made)
    assert result.repacked[0] >= 1 and result.freed > 8 * 20_000
    assert prune(made, dry_run=True, now=True).repacked[0] == 0
    for shot in (first, kept):
        restores(made, shot, small, tmp_path / shot)


def test_a_dry_run_tells_of_shards_that_moved_away(home: Make, tmp_path: Path) -> None:
    made = home("raid5:3", 3)
    assert isinstance(made, Later)
    for number in range(4):
        put(made, write(tmp_path / f"source{number}", 3))
    with made.open() as pool:
        pool.add_backend("local", "d4", {"path": str(made.disk(4))})
        assert pool.rebalance().dropped
    drilled(made)
    made.day = 8
    told, done = prune(made, dry_run=True), prune(made)
    assert done.freed and [disk.freed for disk in told.disks] == [disk.freed for disk in done.disks]


# ----------------------------------------------------------------------------------------------------- what comes again
class _Refusing:
    """A disk that keeps everything (object lock, a read-only folder)."""

    def __init__(self, disk: str) -> None:
        self.disk = disk

    def wrap(self, name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        def opened() -> Backend:
            backend = opener()

            def refused(gone: str, *, locator: str = "") -> None:
                raise PermissionDenied("this object is locked")

            if name == self.disk:
                backend.delete = refused  # type: ignore[method-assign]
            return backend

        return opened


@pytest.mark.parametrize("which", [min, max])
def test_a_disk_that_refuses_to_delete_is_named_and_the_others_are_freed(
    two: tuple[Home, Path, str, str], tmp_path: Path, which: Callable[[list[str]], str]
) -> None:
    home, kept, shot, _ = two
    told = {disk.name: disk.freed for disk in prune(home, dry_run=True, now=True).disks}
    name = which([name for name, freed in told.items() if freed > 100_000])
    settings = home.settings
    settings.wrap = _Refusing(name).wrap
    with open_pool(settings) as pool:
        result = pool.prune(now=True, secret=PASSPHRASE)
    assert {disk.name: disk.freed for disk in result.disks} == {**told, name: 0}
    assert result.exit_code == 20 and result.swept[1] == result.freed > 0
    assert [disk.later for disk in result.disks] == [0] * 4, "nothing waits in the trash"
    assert ["locked" in disk.problem for disk in result.disks] == [disk.name == name for disk in result.disks]
    later = {disk.name: disk.freed for disk in prune_now(home).disks}
    assert later[name] >= told[name], "the next prune finds it"
    restores(home, shot, kept, tmp_path / "out")


def test_a_shard_that_arrives_late_goes_with_the_next_prune(two: tuple[Home, Path, str, str]) -> None:
    home, *_ = two
    before = {path: path.read_bytes() for number in range(1, 5) for path in left_on(home, number)}
    prune_now(home)
    late = next(path for path in before if not path.exists())
    late.parent.mkdir(exist_ok=True)
    late.write_bytes(before[late])
    told, done = prune(home, dry_run=True, now=True), prune_now(home)
    assert done.freed >= len(before[late]) and not late.exists()
    assert told.swept == (1, len(before[late])), "what was left of a pack is told with it"
    assert done.swept[0] >= 1
    for result in (told, done):
        assert result.swept[1] + result.moved[1] == result.freed


def test_a_cache_of_older_days_names_nothing_that_was_deleted_since(home: Make, tmp_path: Path) -> None:
    made = home("raid6", 4)
    source = write(tmp_path / "source", 6)
    old = put(made, source)
    with index_of(made) as database:
        older = database.serialize()
    write(source, 4)
    forget(made, old)
    kept = put(made, write(tmp_path / "other", 3))
    prune_now(made)
    cache = made.folder / "state" / "table.sqlite"
    for part in cache.parent.glob("table.sqlite*"):
        part.unlink()
    cache.write_bytes(older)
    assert prune_now(made).exit_code == 0
    restores(made, put(made, source), source, tmp_path / "out")
    restores(made, kept, tmp_path / "other", tmp_path / "out2")


def test_a_pool_of_which_everything_was_forgotten_goes_on(home: Make, tmp_path: Path) -> None:
    made = home("raid6", 4)
    source = write(tmp_path / "source", 6)
    forget(made, put(made, source), put(made, write(source, 1)))
    result = prune_now(made)
    assert result.snapshots == 0 and result.freed > 6 * 20_000
    with made.open() as pool:
        _, space = pool.stats()
    lying = {f"d{number}": sum(map(_size, left_on(made, number))) for number in range(1, 5)}
    assert space.disks == lying and sum(lying.values()) < 40_000
    shot = put(made, source)
    restores(second(made, tmp_path / "other"), shot, source, tmp_path / "out")
