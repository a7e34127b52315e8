"""How much a put has before it: counted beside it, corrected on the way, and gone when the put is."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from tests.pool.machine import Home
from tests.pool.watching import plant, sources
from webraid.entry import EntryType
from webraid.env import Env
from webraid.files.roots import root_for
from webraid.files.scan import scan
from webraid.files.select import Rules, lines
from webraid.files.sizes import STEP, STEP_BYTES
from webraid.jobs.base.events import FileTrouble, Progress
from webraid.jobs.storing.put import PutOptions, PutResult
from webraid.jobs.storing.total import MARKS, Total
from webraid.pool import open_pool

NAME = "put-total"
PATIENCE = 20.0  # seconds, never spent where all is well
_listing: list[str] = []


def _on_listing(event: str, arguments: tuple[object, ...]) -> None:
    if event == "os.listdir" and threading.current_thread().name == NAME:
        _listing.append(event)


sys.addaudithook(_on_listing)


@pytest.fixture
def counted() -> list[str]:
    """One item for each folder that was listed to be counted."""
    _listing.clear()
    return _listing


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return plant(tmp_path / "photos", 30)


class Watch:
    """Keeps the progress of a job, and holds it until the total is known: what comes then is sure to tell it."""

    def __init__(self) -> None:
        self.seen: list[Progress] = []
        self.by_packs: list[Progress] = []
        self.troubles: list[FileTrouble] = []
        self.known = threading.Event()

    def __call__(self, event: object) -> None:
        if isinstance(event, FileTrouble):
            self.troubles.append(event)
        if isinstance(event, Progress):
            self.seen.append(event)
            if threading.current_thread().name == "packer":
                self.by_packs.append(event)
            if event.total_files is not None:
                self.known.set()
            assert self.known.wait(PATIENCE)


def watched(machine: Home, watch: Watch, *paths: Path, **options: object) -> PutResult:
    """A put with its total."""
    with open_pool(machine.settings, on_event=watch) as pool:
        return pool.put([str(path) for path in paths], options=PutOptions(scan=True, **options))  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------------------------- of the put
@pytest.mark.parametrize("dry_run", [False, True])
def test_progress_tells_the_total_of_what_is_selected(machine: Home, photos: Path, dry_run: bool) -> None:
    watch = Watch()
    rules = Rules(lines(["00*.jpg"]), larger_than=1_000_000)
    (photos / "large").write_bytes(b"x" * 2_000_000)
    result = watched(machine, watch, photos, rules=rules, dry_run=dry_run)
    assert (result.files, result.bytes) == (20, 40_000)
    told = {(event.total_files, event.total_bytes) for event in watch.seen}
    assert (20, 40_000) in told and told <= {(None, None), (20, 40_000)}
    assert all(event.files <= 20 and event.bytes <= 40_000 for event in watch.seen)


def test_what_is_still_on_its_way_is_not_done(machine: Home, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(random.Random(1).randbytes(20 << 20))
    watch = Watch()
    result = watched(machine, watch, tmp_path / "big")
    settled = [event.bytes for event in watch.by_packs]  # a pack is on its disks
    assert len(settled) > 1
    assert 0 < settled[0] < settled[-1] == result.bytes == 20 << 20
    told = [event.bytes for event in watch.seen]
    assert {count for count in told if count < settled[0]} <= {0} and told == sorted(told)
    assert all(event.bytes <= (event.total_bytes or result.bytes) for event in watch.seen)


def test_a_file_that_cannot_be_read_is_told_once_and_is_not_in_the_total(machine: Home, photos: Path) -> None:
    watch = Watch()
    result = watched(machine, watch, photos, photos.parent / "nowhere", allow_empty=True)
    assert len(watch.troubles) == len(result.problems) == 1
    assert watch.seen[-1].total_files in (None, 30)


def test_each_source_has_a_total_of_its_own(machine: Home, photos: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    for name in "abc":  # content of its own: where a pack settles, progress is told
        (more / name).write_text(f"only here: {name}")
    sources(machine, one=f'paths = ["{photos}"]', two=f'paths = ["{more}"]')
    watch: list[object] = []
    with open_pool(machine.settings, on_event=watch.append) as pool:
        pool.put_sources(options=PutOptions(scan=True))
    totals = [event.total_files for event in watch if isinstance(event, Progress) and event.total_files is not None]
    assert set(totals) == {30, 3} and totals == sorted(totals, reverse=True)


@pytest.mark.parametrize("scans", [True, False])
def test_nothing_is_counted_unless_it_is_asked_for(
    machine: Home, photos: Path, counted: list[str], scans: bool
) -> None:
    watch: list[object] = []
    with open_pool(machine.settings, on_event=watch.append) as pool:
        pool.put([str(photos)], options=PutOptions(scan=scans))
    assert bool(counted) is scans
    assert scans or not any(isinstance(event, Progress) and event.total_files is not None for event in watch)


def test_a_stream_has_no_total(machine: Home, counted: list[str]) -> None:
    watch: list[object] = []
    with open_pool(machine.settings, on_event=watch.append) as pool:
        pool.put_stream("dump", ["echo", "data"], options=PutOptions(scan=True))
    assert not counted
    assert not any(isinstance(event, Progress) and event.total_files is not None for event in watch)


def test_no_thread_outlives_a_put_that_is_stopped(machine: Home, photos: Path) -> None:
    def stop(event: object) -> None:
        if isinstance(event, Progress) and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt

    with open_pool(machine.settings, on_event=stop) as pool, pytest.raises(KeyboardInterrupt):
        pool.put([str(photos)], options=PutOptions(scan=True))
    assert NAME not in {thread.name for thread in threading.enumerate()}


# --------------------------------------------------------------------------------------------------------- of itself
class Counting:
    """A total with all of the tree counted before the put begins, in steps without rest."""

    def __init__(self, top: Path) -> None:
        self.roots = [root_for(top)]
        self.known = threading.Event()
        self.total = Total(replace(Env(), monotonic=lambda: 0.0), self.roots, Rules(), self.known.set)

    def then(self, change: Callable[[], None]) -> list[tuple[int, int]]:
        """(bytes done, total bytes) after each file of a put that begins after ``change``."""
        told: list[tuple[int, int]] = []
        files = size = 0
        with self.total as total:
            assert self.known.wait(PATIENCE)
            change()
            for scanned in scan(self.roots, on_problem=pytest.fail):
                total.passes(scanned.entry.path, files, size)
                files += scanned.entry.type is EntryType.FILE
                size += scanned.entry.size
                assert total.known is not None
                told.append((size, total.known[1]))
            total.is_over(files, size)
            assert total.known == (files, size)
        return told


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Ten large files (that take no room) in two folders."""
    for number in range(10):
        path = tmp_path / "films" / str(number % 2) / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(STEP_BYTES)
    return tmp_path / "films"


def test_the_total_is_right_again_behind_what_has_grown(films: Path) -> None:
    def grow() -> None:
        with (films / "0" / "2").open("ab") as file:
            file.truncate(3 * STEP_BYTES)

    told = Counting(films).then(grow)
    whole = 12 * STEP_BYTES
    assert [total for _, total in told if total != whole] == [10 * STEP_BYTES] * 4  # both folders, 0/0 and 0/2 itself
    assert told[-1] == (whole, whole)


def test_the_total_is_right_again_behind_what_has_vanished(films: Path) -> None:
    told = Counting(films).then(lambda: [(films / "0" / name).unlink() for name in "24"] and None)
    assert told[-1] == (8 * STEP_BYTES, 8 * STEP_BYTES)
    assert all(done < total for done, total in told[:-1])


def test_what_came_last_and_vanished_is_no_longer_in_the_total_when_the_put_has_found_all(films: Path) -> None:
    told = Counting(films).then((films / "1" / "9").unlink)
    assert told[-1] == (9 * STEP_BYTES, 10 * STEP_BYTES)  # less than 100 %, and then it is over


def test_a_put_that_ends_first_ends_the_count_at_once(films: Path) -> None:
    days = count(step=86_400)
    with Total(replace(Env(), monotonic=lambda: float(next(days))), [root_for(films)], Rules(), pytest.fail) as total:
        assert total.known is None  # it rests for a day between two steps
        total.is_over(1, 2)
    assert total.known == (1, 2)
    assert NAME not in {thread.name for thread in threading.enumerate()}


def test_what_a_listener_raises_reaches_whoever_puts(films: Path) -> None:
    def fail() -> None:
        raise BrokenPipeError

    with (
        pytest.raises(BrokenPipeError),
        Total(replace(Env(), monotonic=lambda: 0.0), [root_for(films)], Rules(), fail) as total,
    ):
        total._thread.join(PATIENCE)
        total.passes(b"films", 0, 0)


def test_many_marks_are_thinned_out(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    for number in range(5 * STEP):
        (top / f"{number:05}").touch()
    counting = Counting(top)
    counting.total._marks = {str(number).encode(): None for number in range(MARKS - 2)}  # type: ignore[misc]
    counting.then(lambda: None)
    assert MARKS // 2 < len(counting.total._marks) < MARKS // 2 + 20
