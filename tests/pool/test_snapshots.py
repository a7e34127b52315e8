"""Looking into snapshots: naming, choosing, listing, finding, comparing and measuring them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.pool.shots import NOW, Dated, add, copy
from webraid.entry import Entry, EntryType
from webraid.errors import ConfigError, NotInTable
from webraid.jobs.base.snapshots import Which
from webraid.jobs.browsing import find
from webraid.jobs.browsing.diff import Change, Difference
from webraid.jobs.browsing.find import Glob, Wanted
from webraid.jobs.storing.put import PutOptions
from webraid.jobs.storing.tag import Change as TagChange
from webraid.pool import Pool
from webraid.table.fold import Shot
from webraid.table.leaves import leaf_entries
from webraid.table.tree import Fetch

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Dated:
    """Three snapshots of a folder that changes in every way."""
    folder = tmp_path_factory.mktemp("snapshots")
    made = Dated(folder / "home")
    made.make("raid5", 3)
    photos = folder / "photos"
    plant(photos)
    with made.open() as pool:
        pool.put([str(photos)], tags=["first"])
        change(photos)
        pool.put([str(photos)], tags=["second"])
        pool.put([str(photos)], tags=["third", "same"])
    return made


def plant(photos: Path) -> None:
    (photos / "2024" / "june").mkdir(parents=True)
    (photos / "same").mkdir()
    (photos / "2024" / "june" / "Beach.JPG").write_bytes(b"b" * 5000)
    (photos / "2024" / "list.txt").write_text("one")
    (photos / "gone.txt").write_text("going")
    (photos / "turns").write_text("a file")
    (photos / "mode").write_text("mode")
    (photos / "link").symlink_to("gone.txt")
    for number in range(30):
        (photos / "same" / f"{number:02}").write_bytes(b"%d" % number)
    os.link(photos / "same" / "00", photos / "second name")


def change(photos: Path) -> None:
    (photos / "2024" / "list.txt").write_text("two")
    (photos / "gone.txt").unlink()
    (photos / "turns").unlink()
    (photos / "turns").symlink_to("mode")
    (photos / "link").unlink()
    (photos / "link").symlink_to("mode")
    (photos / "mode").chmod(0o600)
    (photos / "new").mkdir()
    (photos / "new" / "moved.JPG").write_bytes((photos / "2024" / "june" / "Beach.JPG").read_bytes())
    (photos / "new" / "big").write_bytes(os.urandom(100_000))


@pytest.fixture
def pool(model: Dated) -> Iterator[Pool]:
    with model.open() as opened:
        yield opened


@pytest.fixture
def shots(pool: Pool) -> list[Shot]:
    return pool.snapshots()


def paths(found: Iterator[Entry]) -> list[str]:
    return [entry.path.decode() for entry in found]


# --------------------------------------------------------------------------------------------------------------- naming
def test_snapshots_have_many_names(pool: Pool, shots: list[Shot]) -> None:
    first, second, third = shots
    assert pool.snapshot() == pool.snapshot("latest") == pool.snapshot("latest~0") == third
    assert (pool.snapshot("latest~1"), pool.snapshot("latest~2")) == (second, first)
    assert (
        pool.snapshot(first.name) == pool.snapshot(first.id.hex().upper()) == pool.snapshot(first.id.hex()[:5]) == first
    )
    assert pool.snapshot("latest", which=Which.of(tags=["first"])) == first
    assert pool.snapshot("latest:photos/2024") == third
    for name in ("latest~3", "latest~", "zzzz", "latest~-1", first.id.hex() + "0"):
        with pytest.raises(NotInTable):
            pool.snapshot(name)
    with pytest.raises(NotInTable, match="that machine, folder or tag"):
        pool.snapshot("latest", which=Which.of(hosts=["elsewhere"]))


def test_a_word_that_names_no_snapshot_is_a_path(pool: Pool, shots: list[Shot]) -> None:
    assert all(
        pool.is_snapshot(word) for word in ("latest", "latest~1", "latest:a", shots[0].name, shots[0].name + ":a")
    )
    assert not any(
        pool.is_snapshot(word) for word in ("photos", "latest2", "abcdef", shots[0].id.hex()[:3], "latest~x")
    )


def test_snapshots_are_chosen_by_machine_folder_and_tag(model: Dated, tmp_path: Path) -> None:
    with copy(model.folder, tmp_path / "home").open() as pool:
        add(pool, NOW + DAY, NOW + 2 * DAY, host="laptop", origin="/srv/data", tags=("a", "b"))
        assert len(pool.snapshots(which=Which.of(hosts=["laptop"]))) == 2
        assert len(pool.snapshots(which=Which.of(tags=["a,b", "first"]))) == 3
        assert len(pool.snapshots(which=Which.of(tags=["a,first"]))) == 0
        assert len(pool.snapshots(which=Which.of(paths=[b"/srv/data/"]))) == 2
        assert len(pool.snapshots(latest=1)) == 2
        (partial,) = add(pool, NOW + 3 * DAY, partial=True)
        assert pool.snapshot("latest") != partial
        assert pool.snapshot(partial.name) == partial


# -------------------------------------------------------------------------------------------------------------- listing
def test_a_path_is_listed_with_what_lies_directly_in_it(pool: Pool) -> None:
    assert paths(pool.ls("latest", ["photos/2024"], recursive=False)) == [
        "photos/2024", "photos/2024/june", "photos/2024/list.txt",
    ]  # fmt: skip
    assert "photos/2024/june/Beach.JPG" in paths(pool.ls("latest", ["photos/2024"]))
    assert paths(pool.ls("latest:photos", ["2024/june"], recursive=False))[-1] == "photos/2024/june/Beach.JPG"
    assert paths(pool.ls("latest", ["photos/2024/list.txt"], recursive=False)) == ["photos/2024/list.txt"]
    assert paths(pool.ls("latest", [""], recursive=False)) == ["photos"]


# -------------------------------------------------------------------------------------------------------------- finding
def search(
    pool: Pool, *patterns: str, ignore_case: bool = False, snapshots: tuple[str, ...] = (), **more: object
) -> list[tuple[str, str]]:
    wanted = Wanted(tuple(Glob.of(text, ignore_case=ignore_case) for text in patterns), **more)  # type: ignore[arg-type]
    return [(shot.name, entry.path.decode()) for shot, found in pool.find(wanted, snapshots) for entry in found]


def test_files_are_found_in_all_snapshots_the_newest_first(pool: Pool, shots: list[Shot]) -> None:
    first, second, third = (shot.name for shot in shots)
    assert search(pool, "gone.txt") == [(first, "photos/gone.txt")]
    assert search(pool, "*.JPG") == [
        (third, "photos/2024/june/Beach.JPG"), (third, "photos/new/moved.JPG"),
        (second, "photos/2024/june/Beach.JPG"), (second, "photos/new/moved.JPG"),
        (first, "photos/2024/june/Beach.JPG"),
    ]  # fmt: skip
    assert search(pool, "*.jpg") == []
    assert len(search(pool, "*.jpg", ignore_case=True)) == 5
    assert search(pool, "gone.txt", "new", snapshots=("latest~1", first)) == [
        (second, "photos/new"), (first, "photos/gone.txt"),
    ]  # fmt: skip
    with pytest.raises(NotInTable):
        search(pool, "*", snapshots=("zzzz",))


def test_files_are_found_by_type_size_and_time(pool: Pool, shots: list[Shot]) -> None:
    def latest(**more: object) -> list[str]:
        return [path for _, path in search(pool, "*", snapshots=("latest",), **more)]

    assert latest(type=EntryType.DIR) == ["photos", "photos/2024", "photos/2024/june", "photos/new", "photos/same"]
    assert latest(type=EntryType.SYMLINK) == ["photos/link", "photos/turns"]
    assert latest(smallest=5000, largest=5000) == ["photos/2024/june/Beach.JPG", "photos/new/moved.JPG"]
    assert latest(smallest=5001) == ["photos/new/big"]
    whole = len(latest())
    middle = next(entry.mtime_ns for entry in pool.ls() if entry.path == b"photos/new/big")
    older, newer = latest(newest=middle), latest(oldest=middle)
    assert "photos/new/big" in older
    assert "photos/new/big" in newer
    assert whole < len(older) + len(newer) <= whole + 2


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("a.jpg", "x/y/a.jpg", True),
        ("y", "x/y/a.jpg", False),
        ("*", "x/y/a.jpg", True),
        ("y/*.jpg", "x/y/a.jpg", True),
        ("x/*.jpg", "x/y/a.jpg", False),
        ("/x/*.jpg", "x/a.jpg", True),
        ("/y/a.jpg", "x/y/a.jpg", False),
        ("x/**/a.jpg", "x/y/z/a.jpg", True),
        ("x/**/a.jpg", "x/a.jpg", True),
        ("/x/**", "x/y/z", True),
        ("**/a.jpg", "a.jpg", True),
        ("[!a].jpg", "b.jpg", True),
        ("[!a].jpg", "a.jpg", False),
        ("?.jpg", "ab.jpg", False),
        ("a/**/b/**/c", "a/b/b/x/c", True),
        ("a/**/b/**/c", "a/x/c", False),
        ("*.j*g", "x/.jpg", True),
    ],
)
def test_patterns_are_a_shells(pattern: str, path: str, fits: bool) -> None:
    assert Glob.of(pattern).fits(path.split("/")) is fits


def test_an_empty_pattern_is_refused() -> None:
    for text in ("", "/", "//"):
        with pytest.raises(ConfigError, match="no pattern"):
            Glob.of(text)


def test_a_page_that_snapshots_share_is_read_once(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def noting(ids: Sequence[bytes], fetch: Fetch) -> Iterator[tuple[bytes, list[Entry]]]:
        read.extend(ids)
        return leaf_entries(ids, fetch)

    monkeypatch.setattr(find, "leaf_entries", noting)
    search(pool, "nothing like that")
    assert len(read) == len(set(read)) == 2  # the second and the third snapshot are one and the same tree


# ------------------------------------------------------------------------------------------------------------ comparing
def compare(pool: Pool, first: str, second: str, *, metadata: bool = False) -> tuple[list[str], Difference]:
    told: list[Change] = []
    result = pool.diff(first, second, metadata=metadata, on_change=told.append)
    return [f"{one.marks} {one.path.decode()}" for one in told], result


def test_every_sort_of_change_is_told(pool: Pool) -> None:
    told, result = compare(pool, "latest~2", "latest")
    assert told == [
        "M photos/2024/list.txt", "- photos/gone.txt", "M photos/link", "+ photos/new", "+ photos/new/big",
        "+ photos/new/moved.JPG", "T photos/turns",
    ]  # fmt: skip
    assert (result.changed, result.added.files, result.added.dirs, result.added.others) == (2, 2, 1, 1)
    assert (result.removed.files, result.removed.dirs, result.removed.others) == (2, 0, 0)
    assert result.added.bytes == 100_000 + len("two")  # the moved picture's content was there before
    assert result.removed.bytes == len("one") + len("going") + len("a file")
    back, _ = compare(pool, "latest", "latest~2")
    swap = {"+": "-", "-": "+"}
    assert back == [swap.get(line[0], line[0]) + line[1:] for line in told]


def test_metadata_alone_are_told_when_asked_for(pool: Pool) -> None:
    told, result = compare(pool, "latest~2", "latest", metadata=True)
    assert "U photos/mode" in told
    assert "U photos/2024/june" not in told
    assert "U photos" in told
    assert "MU photos/2024/list.txt" in told
    assert result.updated == sum("U" in line.split()[0] for line in told)


def test_equal_snapshots_hold_the_same(pool: Pool) -> None:
    told, result = compare(pool, "latest~1", "latest", metadata=True)
    assert (told, result.same) == ([], True)


def test_folders_of_snapshots_are_compared_by_what_is_in_them(pool: Pool) -> None:
    told, _ = compare(pool, "latest~2:photos/2024", "latest:photos/2024")
    assert told == ["M list.txt"]
    told, result = compare(pool, "latest:photos/new", "latest:photos/2024/june")
    assert told == ["+ Beach.JPG", "- big", "- moved.JPG"]
    assert (result.added.bytes, result.removed.bytes) == (0, 100_000)
    assert compare(pool, "latest:photos/2024/june/Beach.JPG", "latest:photos/new/moved.JPG")[1].same is False


# ------------------------------------------------------------------------------------------------------------ measuring
def test_sizes_are_those_of_the_files(pool: Pool) -> None:
    sizes = pool.du("latest~2")
    content = 5000 + len("onegoinga filemode") + sum(len(str(number)) for number in range(30))
    assert (sizes.files, sizes.dirs, sizes.others, sizes.size) == (36, 4, 1, content)
    assert [(folder.path, folder.files, folder.size) for folder in sizes.folders] == [(b"photos", 36, content)]
    assert sizes.content == sizes.size  # nothing is there twice but the file with two names
    deep = pool.du("latest~2", depth=9)
    assert [folder.path for folder in deep.folders] == [b"photos", b"photos/2024", b"photos/2024/june", b"photos/same"]
    assert [folder.size for folder in deep.folders][1:] == [5003, 5000, content - 5003 - len("goinga filemode")]
    assert pool.du("latest~2", depth=0).folders == []


def test_a_folder_is_measured_alone_and_doubles_count_once(pool: Pool) -> None:
    sizes = pool.du("latest:photos/2024")
    assert [folder.path for folder in sizes.folders] == [b"photos/2024", b"photos/2024/june"]
    whole = pool.du("latest")
    assert whole.size - whole.content == 5000  # moved.JPG is Beach.JPG once more
    assert whole.stored > 100_000
    with pytest.raises(NotInTable, match="nothing of that name"):
        pool.du("latest:photos/nowhere")


def test_what_no_other_snapshot_has_is_told_when_asked_for(pool: Pool) -> None:
    assert pool.du("latest~2").unique is None
    first = pool.du("latest~2", unique=True).unique
    assert first is not None
    gone = len("onegoinga file")  # list.txt as it was, gone.txt and turns; the rest is in the later ones, too
    assert (first.content, first.stored > gone) == (gone, True)
    for name in ("latest", "latest~1"):  # these two hold the same
        same = pool.du(name, unique=True).unique
        assert same is not None and (same.content, same.stored) == (0, 0)
    part = pool.du("latest~2:photos/2024", unique=True).unique
    assert part is not None and part.content == len("one")


def test_a_file_of_an_older_snapshot_is_written_out(pool: Pool) -> None:
    assert b"".join(pool.cat("latest~2:photos/2024/list.txt")) == b"one"
    assert b"".join(pool.cat("latest:photos/gone.txt", which=Which.of(tags=["first"]))) == b"going"


def test_bytes_that_are_no_text_are_refused_as_tags_and_names_of_machines(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no text"):
        TagChange.of(add=["a,\udcff"])
    for options in (PutOptions(tags=("\udcff",)), PutOptions(host="ann\udcff")):
        with pytest.raises(ConfigError, match="no text"):
            pool.put([str(tmp_path)], options=options)
