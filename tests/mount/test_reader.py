"""Any bytes of any file, from whichever disks are there; in parallel, once, and ahead when it pays."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from tests.mount.conftest import BIG, HOLES, Clock, World
from tests.pool.machine import Home
from webraid.backend.base import Backend
from webraid.backend.wrapper import Call, Op, Wrapper
from webraid.errors import NotEnoughShards, NotInTable
from webraid.jobs.browsing.browse import Browser, Node
from webraid.model import MIB
from webraid.pool import Pool, open_pool

T = TypeVar("T")
PATIENCE = 30
LATEST = b"snapshots/latest/photos/"


def node_of(browser: Browser, path: bytes) -> Node:
    node = browser.node(LATEST + path)
    assert node is not None
    return node


@pytest.mark.parametrize("cache", [64 * MIB, 0])
def test_random_ranges_are_the_sources_bytes_with_two_of_six_disks_gone(own: World, cache: int) -> None:
    for number in (2, 5):
        own.home.disk(number).rename(own.home.folder / f"gone{number}")
    random, wanted = Random(11), own.content("big.bin")
    with own.home.open() as pool, pool.browse(cache=cache) as browser:
        with browser.open(node_of(browser, b"big.bin")) as reader:
            for _ in range(60):
                offset, size = random.randrange(-5, BIG + 5), random.choice([0, 1, 4096, 131072, 3_000_000])
                right = wanted[offset : offset + size] if offset >= 0 else b""
                assert reader.read(offset, size) == right
        assert browser.contents.kept.used <= cache


def test_holes_are_zeros_and_cost_nothing(world: World, browser: Browser) -> None:
    wanted, random = world.content("holes.img"), Random(3)
    with browser.open(node_of(browser, b"holes.img")) as reader:
        assert reader.read(1_000_000, 2_000_000) == bytes(2_000_000)
        assert browser.contents.kept.counts.misses == 0
        for _ in range(60):
            offset, size = random.randrange(HOLES), random.randrange(1_200_000)
            assert reader.read(offset, size) == wanted[offset : offset + size]
        assert reader.read(0, 2 * HOLES) == wanted
    with browser.open(node_of(browser, b"void.img")) as reader:
        assert reader.read(0, 2_000_000) == bytes(1_000_000)
    with browser.open(node_of(browser, b"empty")) as reader:
        assert reader.read(0, 10) == b""


def test_a_cold_read_fetches_the_chunk_it_needs_and_no_more(own: World) -> None:
    seen = Watch()
    with seen.open(own.home) as pool, pool.open_file("latest:photos/big.bin") as reader:
        seen.bytes = 0
        assert reader.read(BIG // 2, 10) == own.content("big.bin")[BIG // 2 : BIG // 2 + 10]
        assert 0 < seen.bytes < 9 * MIB  # a chunk has 4 MiB at most; pieces of what redundancy asks for come along


def test_who_reads_on_and_on_finds_the_next_chunks_there(browser: Browser, world: World) -> None:
    kept, wanted, read = browser.contents.kept, world.content("big.bin"), b""
    with browser.open(node_of(browser, b"big.bin")) as reader:
        while part := reader.read(len(read), 128 << 10):
            read += part
        assert read == wanted
        ahead = kept.counts.misses
        assert kept.missing(reader_ids(browser)) == []
    assert kept.counts.hits + kept.counts.shared > 0
    assert ahead == len(set(reader_ids(browser)))  # nothing was fetched twice


def reader_ids(browser: Browser) -> list[bytes]:
    return node_of(browser, b"big.bin").entry.chunk_ids()


def test_who_jumps_about_fetches_nothing_ahead(browser: Browser) -> None:
    kept = browser.contents.kept
    with browser.open(node_of(browser, b"big.bin")) as reader:
        for offset in (BIG - 10, BIG // 2, 0, BIG * 3 // 4):
            reader.read(offset, 10)
        browser.contents.ahead.close()  # whatever was asked for is done
        assert kept.counts.misses == 4
        for offset in range(0, 8 * MIB, MIB):
            reader.read(offset, MIB)
        assert reader._window > 0
        reader.read(BIG - 10, 10)
        assert reader._window == 0


def test_files_that_are_read_one_after_the_other_come_together(browser: Browser, world: World) -> None:
    names = [f"album/{number:03}.txt" for number in range(40)]
    cold = 0
    for name in names:
        node = node_of(browser, name.encode())
        with browser.open(node) as reader:
            cold += bool(browser.contents.kept.missing(node.entry.chunk_ids()))
            assert reader.read(0, 1 << 20) == world.content(name)
    assert cold <= 10


class Watch:
    """Around every disk: counts what is asked for, and holds back what a test wants held back."""

    def __init__(self, held: Callable[[str], bool] = lambda name: False) -> None:
        self.held = held
        self.go = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.asked: Counter[str] = Counter()
        self.bytes = 0
        self._lock = threading.Lock()

    def open(self, home: Home) -> Pool:
        where = home.settings
        where.wrap = lambda name, opener: lambda: Watched(opener(), self)
        return open_pool(where)

    def saw(self, name: str, size: int) -> None:
        with self._lock:
            self.asked[name] += 1
            self.bytes += size
        if self.held(name):
            self.waiting.release()
            assert self.go.wait(PATIENCE)


class Watched(Wrapper):
    def __init__(self, inner: Backend, watch: Watch) -> None:
        super().__init__(inner)
        self.watch = watch

    def around(self, call: Call, go: Callable[[], T]) -> T:
        if call.op is Op.GET and call.name.startswith("shards/"):
            self.watch.saw(call.name, call.want or 0)
        return go()


@pytest.fixture
def two_packs(tmp_path: Path) -> tuple[Home, list[Path]]:
    """Two files that lie in different packs."""
    home, random = Home(tmp_path / "home").make("raid6", 6), Random(1)
    paths = [tmp_path / name for name in ("one", "two")]
    with home.open() as pool:
        for path in paths:
            path.write_bytes(random.randbytes(300_000))
            pool.put([str(path)], tags=[path.name])
    return home, paths


def packs_of(pool: Pool, browser: Browser) -> dict[str, str]:
    """Tag -> the pack that has its file."""
    found = {}
    for shot in browser.shots:
        (name,) = shot.info.tags
        node = browser.node(f"ids/{shot.name}/{name}".encode())
        assert node is not None
        (chunk, *_) = node.entry.chunk_ids()
        found[name] = pool._ctx.index.find([chunk])[chunk][0][0].hex()
    return found


def test_a_reader_that_waits_for_its_disks_keeps_no_other_from_reading(two_packs: tuple[Home, list[Path]]) -> None:
    home, (one, two) = two_packs
    watch = Watch()
    with watch.open(home) as pool, pool.browse() as browser:
        pack = packs_of(pool, browser)["one"]
        nodes = {
            shot.info.tags[0]: browser.node(f"ids/{shot.name}/{shot.info.tags[0]}".encode()) for shot in browser.shots
        }
        watch.held = lambda name: pack in name
        read: dict[str, bytes] = {}

        def go(name: str) -> None:
            node = nodes[name]
            assert node is not None
            with browser.open(node) as reader:
                read[name] = reader.read(0, 1 << 20)

        slow, quick = (threading.Thread(target=go, args=(name,)) for name in ("one", "two"))
        slow.start()
        assert watch.waiting.acquire(timeout=PATIENCE)
        quick.start()
        quick.join(PATIENCE)
        at_once = dict(read)
        watch.go.set()
        slow.join(PATIENCE)
    assert at_once == {"two": two.read_bytes()}
    assert read["one"] == one.read_bytes()


def test_ten_readers_of_one_chunk_fetch_it_once(two_packs: tuple[Home, list[Path]]) -> None:
    home, (one, _) = two_packs
    watch = Watch()
    with watch.open(home) as pool, pool.browse() as browser:
        node = browser.node(b"tags/one/latest/one")
        assert node is not None
        pack = packs_of(pool, browser)["one"]
        watch.held = lambda name: pack in name
        read: list[bytes] = []

        def go() -> None:
            with browser.open(node) as reader:
                read.append(reader.read(1000, 5000))

        threads = [threading.Thread(target=go) for _ in range(10)]
        for thread in threads:
            thread.start()
        assert watch.waiting.acquire(timeout=PATIENCE)
        pause = threading.Event()
        while browser.contents.kept.counts.shared < 9 and any(thread.is_alive() for thread in threads):
            pause.wait(0.001)
        watch.go.set()
        for thread in threads:
            thread.join(PATIENCE)
        assert browser.contents.kept.counts.misses == 1
    assert read == [one.read_bytes()[1000:6000]] * 10
    assert max(count for name, count in watch.asked.items() if pack in name) == 1


def test_what_too_few_disks_have_is_an_error_that_names_those_that_are_gone(own: World) -> None:
    for number in (1, 2, 3):
        own.home.disk(number).rename(own.home.folder / f"gone{number}")
    clock = Clock()
    with clock.open(own.home) as pool, pool.browse() as browser, browser.open(node_of(browser, b"big.bin")) as reader:
        with pytest.raises(NotEnoughShards) as caught:
            reader.read(0, BIG)
        assert all(f"d{number}" in str(caught.value) for number in (1, 2, 3))
        (own.home.folder / "gone1").rename(own.home.disk(1))
        clock.later += 600  # a disk that did not answer is asked again after a while
        assert reader.read(BIG - 5, 10) == own.content("big.bin")[-5:]


@pytest.mark.parametrize("what", ["latest:photos/nothing", "latest:nowhere/a", "latest:photos", "latest:photos/link"])
def test_only_regular_files_that_are_there_can_be_opened(pool: Pool, what: str) -> None:
    with pytest.raises(NotInTable):
        pool.open_file(what)
