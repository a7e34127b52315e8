"""Snapshots that try to reach outside of the target: whatever they say, nothing out there changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webraid.files.entry import Entry, EntryType, sort_key
from webraid.files.restore import Action, Problem, Restorer

Fetch = Callable[..., Any]
Kept = list[tuple[Entry, bytes]]
F, D, L, P = EntryType.FILE, EntryType.DIR, EntryType.SYMLINK, EntryType.FIFO


def picture(top: Path, but: Path) -> dict[str, object]:
    """All there is to see of a tree except what is below ``but``."""
    seen: dict[str, object] = {}
    for folder, folders, names in os.walk(top):
        if Path(folder) == but:
            folders.clear()
            continue
        for path in [Path(folder), *(Path(folder) / name for name in (*folders, *names))]:
            now = path.lstat()
            if path in (but, but.parent):  # the target itself may get new times
                continue
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            seen[str(path)] = (now.st_mode, now.st_uid, now.st_gid, now.st_nlink, now.st_mtime_ns, now.st_ino, content)
    return seen


class World:
    """A target with precious things around it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.target = top / "x" / "target"
        self.target.mkdir(parents=True)
        self.outside = top / "outside"
        (self.outside / "folder").mkdir(parents=True)
        (self.outside / "secret").write_bytes(b"precious")
        (self.outside / "folder" / "file").write_bytes(b"precious too")
        (top / "evil").write_bytes(b"")
        (top / "x" / "evil").write_bytes(b"")
        self.before = picture(top, self.target)

    def untouched(self) -> bool:
        return picture(self.top, self.target) == self.before


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def entry(path: bytes, kind: EntryType = F, **more: Any) -> Entry:
    fields: dict[str, Any] = {"mode": 0o777, "uid": os.geteuid(), "gid": os.getegid(), "mtime_ns": 1}
    if kind is F:
        fields |= {"size": 4, "chunks": b"chunk of content"}
    return Entry(path=path, type=kind, **(fields | more))


def content_of(kept: list[Entry]) -> Kept:
    return [(item, b"evil" if item.type is F else b"") for item in kept]


# ------------------------------------------------------------------------------------------------------------- names
HOSTILE_PATHS = [
    b"../evil", b"..", b".", b"", b"a/../../evil", b"a/../../../evil", b"/tmp/webraid-evil", b"//evil", b"a//evil",
    b"a/./evil", b"a/", b"./evil", b"a\0b", b"../../outside/secret", b"\0", b"x" * 256, b"a/" + b"y" * 300,
]  # fmt: skip


@pytest.mark.parametrize("kind", [F, D, L, P])
@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_a_path_that_is_no_plain_path_below_is_refused(
    world: World, fetch: Fetch, path: bytes, kind: EntryType
) -> None:
    for policy in ("never", "always"):
        done = fetch(content_of([entry(path, kind, target=b"t")]), world.target, overwrite=policy)
        assert list(done.actions.values()) == [Action.REFUSED]
        assert len(done.problems) == 1
        assert done.problems[0].path.isprintable() or path == b""
    assert world.untouched()
    assert os.listdir(world.target) == []
    assert not os.path.lexists("/tmp/webraid-evil")


BAD_FIELDS: dict[str, dict[str, Any]] = {
    "owner that chown ignores": {"uid": (1 << 32) - 1, "mode": 0o4755},
    "group that chown ignores": {"gid": (1 << 32) - 1, "mode": 0o2755},
    "negative owner": {"uid": -1},
    "huge owner": {"uid": 1 << 64},
    "mode with a type": {"mode": 0o120777},
    "negative mode": {"mode": -1},
    "huge time": {"mtime_ns": 1 << 80},
    "huge access time": {"atime_ns": -(1 << 80)},
    "negative size": {"size": -4},
    "huge size": {"size": 1 << 63},
    "overlapping extents": {"size": 8, "sparse": ((0, 4), (2, 4))},
    "extents out of order": {"size": 8, "sparse": ((4, 2), (0, 2))},
    "extent outside": {"size": 8, "sparse": ((4, 8),)},
    "negative extent": {"size": 8, "sparse": ((4, -2), (0, 8))},
    "attribute with a NUL": {"xattrs": ((b"user.a\0b", b"x"),)},
    "attribute without a name": {"xattrs": ((b"", b"x"),)},
    "empty symlink": {"type": L, "target": b""},
    "symlink with a NUL": {"type": L, "target": b"a\0b"},
    "endless symlink": {"type": L, "target": b"a" * 5000},
    "huge device": {"type": EntryType.CHAR, "rdev_major": 1 << 40},
    "negative device": {"type": EntryType.BLOCK, "rdev_minor": -1},
}


@pytest.mark.parametrize("what", BAD_FIELDS)
def test_values_no_system_call_should_see_are_refused(world: World, fetch: Fetch, what: str) -> None:
    fields = dict(BAD_FIELDS[what])
    kind = fields.pop("type", F)
    done = fetch(content_of([entry(b"a", kind, **fields)]), world.target)
    assert done.actions == {b"a": Action.REFUSED}
    assert len(done.problems) == 1
    assert os.listdir(world.target) == []


def test_names_of_users_that_cannot_be_are_no_names(world: World, fetch: Fetch) -> None:
    done = fetch(content_of([entry(b"a", user="ro\0ot", group="\udcff")]), world.target)
    assert done.reasons == []


def test_a_file_larger_than_the_file_system_takes_is_a_problem(world: World, fetch: Fetch) -> None:
    size = (1 << 63) - 1
    done = fetch(content_of([entry(b"a", size=size, sparse=((0, 4),))]), world.target)
    there = [path.lstat().st_size for path in world.target.iterdir()]
    assert (len(done.problems), there) in [(1, []), (0, [size])]  # tmpfs takes it


# ---------------------------------------------------------------------------------------------------------- symlinks
@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("policy", ["never", "always"])
def test_a_symlink_planted_by_the_snapshot_is_no_way_out(
    world: World, fetch: Fetch, policy: str, absolute: bool
) -> None:
    way = os.fsencode(world.outside) if absolute else b"../../outside"
    kept = [
        entry(b"a", L, target=way),
        entry(b"a/evil"),
        entry(b"a/folder", D, mode=0o0),
        entry(b"a/folder/file"),
        entry(b"a/newlink", L, target=b"t"),
        entry(b"a/pipe", P),
        entry(b"a/secret"),
        entry(b"b"),
    ]
    done = fetch(content_of(kept), world.target, overwrite=policy)
    assert world.untouched()
    assert {path for path, action in done.actions.items() if action is not Action.REFUSED} == {b"a", b"b"}
    assert done.reasons == ["a: a symlink stands in the way; nothing below it was restored"]
    assert os.readlink(os.fsencode(world.target) + b"/a") == way


@pytest.mark.parametrize("policy", ["never", "always"])
def test_a_symlink_that_was_there_before_is_no_way_out(world: World, fetch: Fetch, policy: str) -> None:
    (world.target / "a").symlink_to(world.outside)
    (world.target / "d").mkdir()
    (world.target / "d" / "e").symlink_to("../../../outside/folder")
    kept = [
        entry(b"a", D, mode=0), entry(b"a/secret"), entry(b"d", D), entry(b"d/e", D, mode=0), entry(b"d/e/file"),
        entry(b"d/e/more/deep", D), entry(b"d/z"),
    ]  # fmt: skip
    done = fetch(content_of(kept), world.target, overwrite=policy)
    assert world.untouched()
    assert [problem.path for problem in done.problems] == ["a", "d/e"]
    assert (world.target / "d" / "z").read_bytes() == b"evil"


def test_a_symlink_at_the_place_of_a_file_is_replaced_itself_when_asked(world: World, fetch: Fetch) -> None:
    (world.target / "a").symlink_to(world.outside / "secret")
    (world.target / "b").symlink_to(world.outside / "folder")
    (world.target / "c").symlink_to(world.outside / "not yet")
    kept = content_of([entry(b"a"), entry(b"b"), entry(b"c")])
    assert len(fetch(kept, world.target).problems) == 3
    assert world.untouched()
    assert fetch(kept, world.target, overwrite="always").reasons == []
    assert world.untouched()
    assert {path.read_bytes() for path in world.target.iterdir()} == {b"evil"}
    assert not any(path.is_symlink() for path in world.target.iterdir())


def test_a_path_that_comes_twice_is_refused_the_second_time(world: World, fetch: Fetch) -> None:
    kept = [entry(b"a", L, target=os.fsencode(world.outside / "secret")), entry(b"a"), entry(b"b", D), entry(b"a", D)]
    done = fetch(content_of(kept), world.target, overwrite="always")
    assert world.untouched()
    assert done.reasons == [
        "a: it comes twice, or out of order",
        "a: it comes twice, or out of order; nothing below it was restored",
    ]


@pytest.mark.parametrize("cached", [True, False])
def test_a_folder_swapped_for_a_symlink_while_restoring_is_no_way_out(world: World, cached: bool) -> None:
    problems: list[Problem] = []
    first, second, folder = entry(b"d/a"), entry(b"d/secret"), entry(b"d", D, mode=0o700)
    with Restorer(world.target, on_problem=problems.append) as restorer:
        for item in (folder, first, second):
            restorer.prepare(item)
        file = restorer.open_file(first)
        (world.target / "d").rename(world.target / "moved")
        (world.target / "d").symlink_to(world.outside)
        if not cached:
            restorer._site.folders.close()
            restorer._site.files.close()
        for item in (file, restorer.open_file(second)):
            item.pwrite(b"evil", 0)
            assert item.finish() == cached
        restorer.prepare(entry(b"d/x", P))
        restorer.prepare(entry(b"e"))
        restorer.finish()
    assert world.untouched()
    assert os.listdir(world.outside / "folder") == ["file"]
    assert bool(problems) == (not cached)


def test_metadata_of_a_folder_is_not_set_through_a_symlink(world: World) -> None:
    problems: list[Problem] = []
    for cached in (True, False):
        name = b"d%d" % cached
        with Restorer(world.target, on_problem=problems.append) as restorer:
            restorer.prepare(entry(name, D, mode=0o751))
            path = world.target / os.fsdecode(name)
            path.rmdir()
            path.symlink_to(world.outside)
            if not cached:
                restorer._site.folders.close()
            restorer.finish()
    assert world.untouched()
    assert problems


def test_metadata_of_a_folder_is_not_given_to_another_folder(world: World) -> None:
    problems: list[Problem] = []
    (world.target / "mine").mkdir(mode=0o755)
    with Restorer(world.target, on_problem=problems.append) as restorer:
        restorer.prepare(entry(b"d", D, mode=0o711))
        (world.target / "d").rmdir()
        (world.target / "mine").rename(world.target / "d")
        restorer._site.folders.close()
        restorer.finish()
    assert (world.target / "d").stat().st_mtime_ns != 1
    assert [problem.path for problem in problems] == ["d"]


# -------------------------------------------------------------------------------------------------------- hard links
@pytest.mark.parametrize(
    "first", [b"../../outside/secret", b"/etc/passwd", b"mine", b"gate", b"gate/secret", b"..", b""]
)
def test_a_hard_link_reaches_only_what_this_restore_made(world: World, fetch: Fetch, first: bytes) -> None:
    (world.target / "mine").write_bytes(b"the user's")
    (world.target / "gate").symlink_to(world.outside)
    for policy in ("never", "always"):
        name = policy.encode()
        kept = [entry(name, nlink=2, hardlink=first), entry(name + b"2", nlink=2, hardlink=first)]
        done = fetch(content_of(kept), world.target, overwrite=policy)
        assert done.reasons == []
        assert (world.target / policy).read_bytes() == b"evil"
    assert world.untouched()
    assert (world.target / "mine").stat().st_nlink == 1


def test_a_hard_link_of_another_kind_is_not_made(world: World, fetch: Fetch) -> None:
    kept = [
        entry(b"a", L, target=os.fsencode(world.outside / "secret"), nlink=2),
        entry(b"b", nlink=2, hardlink=b"a"),
        entry(b"c", D, nlink=2, hardlink=b"a"),
        entry(b"d", L, target=b"unused", nlink=2, hardlink=b"a"),
        entry(b"d/evil"),
    ]
    done = fetch(content_of(kept), world.target)
    assert world.untouched()
    assert (world.target / "b").read_bytes() == b"evil"
    assert not (world.target / "b").is_symlink()
    assert (world.target / "c").is_dir()
    assert [problem.path for problem in done.problems] == ["d"]
    assert (world.target / "d" / "evil").read_bytes() == b"evil"


def test_a_first_swapped_before_its_links_are_made_is_not_linked(world: World) -> None:
    problems: list[Problem] = []
    first, second = entry(b"a", nlink=2), entry(b"b", nlink=2, hardlink=b"a")
    with Restorer(world.target, on_problem=problems.append) as restorer:
        restorer.prepare(first)
        restorer.prepare(second)
        file = restorer.open_file(first)
        file.pwrite(b"evil", 0)
        file.finish()
        (world.target / "a").unlink()
        os.link(world.outside / "secret", world.target / "a")
        restorer.finish()
        (world.target / "a").unlink()
    assert world.untouched()
    assert [problem.path for problem in problems] == ["b"]


# ------------------------------------------------------------------------------------------------------------- parts
def test_taking_away_old_parts_follows_no_symlink_and_no_folder(world: World, fetch: Fetch) -> None:
    parts = [world.target / f".webraid-part-{number:016x}" for number in range(3)]
    parts[0].symlink_to(world.outside / "secret")
    parts[1].mkdir()
    (parts[1] / "file").touch()
    os.link(world.outside / "secret", parts[2])
    (world.target / ".webraid-part-no").touch()
    fetch(content_of([entry(b"a")]), world.target)
    assert world.untouched()
    assert sorted(os.listdir(world.target)) == [".webraid-part-0000000000000001", ".webraid-part-no", "a"]


def test_an_open_part_that_was_swapped_is_not_written_to(world: World) -> None:
    problems: list[Problem] = []
    item = entry(b"a")
    with Restorer(world.target, on_problem=problems.append) as restorer:
        restorer.prepare(item)
        file = restorer.open_file(item)
        part = next(world.target.iterdir())
        part.unlink()
        os.link(world.outside / "secret", part)
        restorer._site.files.close()
        file.pwrite(b"evil", 0)
        assert file.failed
        assert not file.finish()
        part.unlink()
    assert world.untouched()
    assert len(problems) == 1


def test_a_fifo_in_the_way_does_not_hold_the_restore_up(world: World, fetch: Fetch) -> None:
    os.mkfifo(world.target / "a")
    os.mkfifo(world.target / "d")
    kept = content_of([entry(b"a"), entry(b"d", D), entry(b"d/e")])
    assert [problem.path for problem in fetch(kept, world.target).problems] == ["a", "d"]
    assert [problem.path for problem in fetch(kept, world.target, overwrite="always").problems] == ["d"]
    assert (world.target / "a").read_bytes() == b"evil"


# -------------------------------------------------------------------------------------------------------------- fuzz
PARTS = st.sampled_from([b"a", b"b", b"c", b"..", b".", b"", b"A", b"x\0", b"z" * 256])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map(b"/".join)
PLAIN = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=3).map(b"/".join)
TARGETS = st.sampled_from(
    [b"..", b"../..", b"../../outside", b"../../outside/secret", b"a", b".", b"/", b"b/c", b"a/../.."]
)


@st.composite
def hostile_trees(draw: st.DrawFn) -> Kept:
    kept = []
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from([F, F, D, D, L, L, P]))
        path = draw(st.one_of(PLAIN, PLAIN, PLAIN, PATHS))
        nlink = draw(st.integers(1, 2))
        link = draw(st.one_of(st.just(b""), PATHS, TARGETS)) if nlink > 1 else b""
        time = draw(st.integers(0, 1))
        kept.append(entry(path, kind, target=draw(TARGETS), nlink=nlink, hardlink=link, mtime_ns=time))
    if draw(st.booleans()):
        kept.sort(key=lambda item: sort_key(item.path))
    return content_of(kept)


@given(runs=st.lists(st.tuples(hostile_trees(), st.sampled_from(["never", "always"])), min_size=1, max_size=3))
def test_no_hostile_tree_reaches_outside(
    tmp_path_factory: pytest.TempPathFactory, fetch: Fetch, runs: list[tuple[Kept, str]]
) -> None:
    top = tmp_path_factory.mktemp("world")
    world = World(top)
    for number, (kept, policy) in enumerate(runs):
        done = fetch(kept, world.target, overwrite=policy, seed=number)
        assert all(action is not Action.REFUSED for action in done.actions.values()) or done.problems
    assert world.untouched()
    shutil.rmtree(top)
