"""All snapshots as one tree: by time, id, host and tag; new ones appear; events are told once."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tests.mount.conftest import Clock, World
from tests.pool.machine import Home
from webraid.entry import EntryType
from webraid.errors import NotEnoughShards, NotInTable
from webraid.jobs.base.events import DiskNotice
from webraid.jobs.base.snapshots import Which
from webraid.jobs.browsing.browse import Browser
from webraid.jobs.browsing.browse_names import Link, Sub, arrange, part, time_name
from webraid.pool import Pool
from webraid.table.fold import Shot
from webraid.table.records import RootDir, Snapshot

NOON = 1_795_262_400_000  # 2026-11-21 12:00 UTC, in ms


def shot(number: int, *, host: str = "ann", tags: tuple[str, ...] = (), later: int = 0, partial: bool = False) -> Shot:
    info = Snapshot(
        root=b"", time_ms=NOON + later * 1000, host=host, level="raid6", tags=tags, partial=partial,
        roots=(RootDir(name=b"photos", origin=b"/home/ann/photos"),),
    )  # fmt: skip
    return Shot(bytes([number]) * 16, b"device", number, (number, b"", number, b""), {}, info)


def test_every_snapshot_is_in_each_folder_that_it_belongs_to() -> None:
    first, second = shot(1, tags=("x", "a/b")), shot(2, host="bob", later=60)
    layout = arrange([first, second])
    assert set(layout[b""]) == {b"hosts", b"ids", b"snapshots", b"tags"}
    assert layout[b"ids"] == {b"01010101": first, b"02020202": second}
    assert layout[b"snapshots"] == {
        b"2026-11-21T120000Z-01010101": first,
        b"2026-11-21T120100Z-02020202": second,
        b"latest": Link(b"2026-11-21T120100Z-02020202"),
    }
    assert layout[b"hosts"] == {b"ann": Sub(), b"bob": Sub()}
    assert layout[b"hosts/ann"] == {b"2026-11-21T120000Z": first, b"latest": Link(b"2026-11-21T120000Z")}
    assert set(layout[b"tags"]) == {b"x", b"a_b"}
    assert layout[b"tags/a_b"][b"2026-11-21T120000Z"] is first


def test_snapshots_of_one_second_get_names_of_their_own() -> None:
    layout = arrange([shot(1), shot(2), shot(3)])
    names = sorted(layout[b"hosts/ann"])
    assert names == [
        b"2026-11-21T120000Z", b"2026-11-21T120000Z-02020202", b"2026-11-21T120000Z-03030303", b"latest",
    ]  # fmt: skip
    assert layout[b"hosts/ann"][b"latest"] == Link(b"2026-11-21T120000Z-03030303")


def test_latest_is_the_newest_that_is_whole() -> None:
    layout = arrange([shot(1), shot(2, later=60, partial=True)])
    assert layout[b"snapshots"][b"latest"] == Link(b"2026-11-21T120000Z-01010101")
    layout = arrange([shot(1, partial=True), shot(2, later=60, partial=True)])
    assert layout[b"snapshots"][b"latest"] == Link(b"2026-11-21T120100Z-02020202-partial")
    assert set(layout[b"hosts/ann"]) == {b"2026-11-21T120000Z-partial", b"2026-11-21T120100Z-partial", b"latest"}


@pytest.mark.parametrize("text", ["a/b", "/", ".", "..", "", "a\0b"])
def test_any_name_is_one_part_of_a_path(text: str) -> None:
    assert re.fullmatch(rb"[^/\0]+", part(text))
    assert part(text) not in (b".", b"..")


def test_texts_longer_than_a_name_may_be_are_cut_and_told_apart() -> None:
    texts = ["é" * 200 + end for end in ("", "a", "b")]
    names = [part(text) for text in texts]
    assert len(set(names)) == 3 and max(map(len, names)) <= 255
    assert all(name.decode() for name in names)


def test_times_are_names_that_sort_as_they_pass() -> None:
    times = [time_name(NOON + step) for step in (0, 1_000, 86_400_000, 40 * 86_400_000)]
    assert times == sorted(times)
    assert all(re.fullmatch(r"[0-9TZ-]+", name) for name in times)


def test_only_the_snapshots_that_were_asked_for_are_shown(pool: Pool, world: World) -> None:
    for which, count in {
        Which.of(tags=["first"]): 1, Which.of(tags=["second"]): 0, Which.of(paths=[bytes(world.source)]): 1,
        Which.of(hosts=["elsewhere"]): 0,
    }.items():  # fmt: skip
        with pool.browse(which=which) as browser:
            assert len(browser.shots) == len(browser.listing(b"ids")) == count


def test_the_tree_of_a_real_pool(browser: Browser, world: World) -> None:
    (name, _), (latest, link) = browser.listing(b"snapshots")
    assert (latest, link.entry.type, link.entry.target) == (b"latest", EntryType.SYMLINK, name)
    assert [name for name, _ in browser.listing(b"tags")] == [b"a_b", b"first"]
    assert [child for child, _ in browser.listing(b"tags/first/latest")] == [b"photos"]
    inside = {child for child, _ in browser.listing(b"snapshots/latest/photos")}
    assert inside == {path.name.encode("utf-8", "surrogateescape") for path in world.source.iterdir()}
    for missing in (b"nothing", b"snapshots/nothing", b"tags/first/latest/photos/no", b"ids/00000000", b"hosts/x/y"):
        assert browser.node(missing) is None
    with pytest.raises(NotInTable):
        browser.listing(b"nothing")


def test_hard_links_share_their_number_and_nothing_else_does(browser: Browser) -> None:
    photos = {name: node.inode for name, node in browser.listing(b"snapshots/latest/photos")}
    album = {name: node.inode for name, node in browser.listing(b"snapshots/latest/photos/album")}
    assert photos[b"zz-same"] == album[b"001.txt"]
    numbers = [*photos.values(), *album.values()]
    assert len(set(numbers)) == len(numbers) - 1


def test_a_snapshot_made_meanwhile_appears_after_a_minute(own: World, tmp_path: Path) -> None:
    clock = Clock()
    with clock.open(own.home) as pool, pool.browse() as browser:
        before = browser.listing(b"ids")
        with own.home.open() as other:
            other.put([str(own.source / "album")])
        assert browser.listing(b"ids") == before
        clock.later += 61
        after = browser.listing(b"ids")
        assert len(after) == len(before) + 1
        assert browser.node(b"snapshots/latest/album/000.txt") is not None


def test_the_disks_are_not_asked_with_every_listing(own: World) -> None:
    clock = Clock()
    with clock.open(own.home) as pool, pool.browse() as browser:
        asked = []
        table_open = pool._ctx.table.open
        pool._ctx.table.open = lambda **more: asked.append(1) or table_open(**more)  # type: ignore[method-assign,func-returns-value]
        for _ in range(5):
            browser.listing(b"")
        assert asked == []
        clock.later += 61
        browser.listing(b"snapshots")
        browser.listing(b"snapshots")
        assert asked == [1]


def test_a_disk_that_is_gone_is_told_of_once_an_hour(own: World) -> None:
    own.home.disk(2).rename(own.home.folder / "gone")
    told: list[object] = []
    clock = Clock()
    with clock.open(own.home) as pool:
        pool._ctx.settings.on_event = told.append
        with pool.browse() as browser:
            for _ in range(3):
                clock.later += 120
                browser.refresh()
            assert len([event for event in told if isinstance(event, DiskNotice)]) == 1
            clock.later += 3600
            browser.refresh()
            assert len([event for event in told if isinstance(event, DiskNotice)]) == 2


def test_a_view_lets_go_of_what_it_took(pool: Pool) -> None:
    before = pool._ctx.settings.on_event, pool._ctx.table.on_member
    with pool.browse():
        assert (pool._ctx.settings.on_event, pool._ctx.table.on_member) != before
    assert (pool._ctx.settings.on_event, pool._ctx.table.on_member) == before


def test_a_disk_that_joins_meanwhile_is_read_from(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").make("raid1", 2)
    (tmp_path / "file").write_bytes(b"content" * 1000)
    clock = Clock()
    with clock.open(home) as pool, pool.browse() as browser:
        with home.open() as other:
            other.add_backend("local", "d3", {"path": str(home.disk(3))})
            other.put([str(tmp_path / "file")])
        with browser._newcomers.reading():
            browser.refresh()
            assert len(pool._ctx.disks) == 2  # somebody reads
        assert len(pool._ctx.disks) == 3
        node = browser.node(b"snapshots/latest/file")
        assert node is not None
        for number in (1, 2):
            home.disk(number).rename(tmp_path / f"gone{number}")
        with browser.open(node) as reader:
            with pytest.raises(NotEnoughShards):
                reader.read(0, 10_000)  # it was not asked yet whether it answers
            clock.later += 11
            assert reader.read(0, 10_000) == b"content" * 1000
            assert browser.node(b"snapshots/latest/other/file") is None


def test_a_folder_is_looked_up_again_when_a_disk_is_back(own: World) -> None:
    for number in range(1, 6):
        own.home.disk(number).rename(own.home.folder / f"gone{number}")
    clock = Clock()
    with clock.open(own.home) as pool, pool.browse() as browser:
        own.home.disk(6).rename(own.home.folder / "gone6")
        (own.home.folder / "gone1").rename(own.home.disk(1))
        with pytest.raises(NotEnoughShards):
            browser.listing(b"snapshots/latest")
        clock.later += 700
        assert [name for name, _ in browser.listing(b"snapshots/latest")] == [b"photos"]


def test_an_entry_of_a_hard_link_without_content_finds_it(browser: Browser, world: World) -> None:
    node = browser.node(b"snapshots/latest/photos/zz-same")
    assert node is not None
    assert node.entry.hardlink
    bare = type(node)(msgspec.structs.replace(node.entry, chunks=b""), node.shot)
    with browser.open(bare) as reader:
        assert reader.read(0, 1 << 20) == world.content("zz-same")
