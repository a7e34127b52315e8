"""Tree pages: what goes in comes out, a change touches few pages, damage is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webraid.entry import Entry, EntryType, sort_key
from webraid.errors import SealBroken
from webraid.table import tree
from webraid.table.tree import Root, TreeBuilder, walk

NAMES = st.binary(min_size=1, max_size=6).map(lambda raw: raw.replace(b"/", b"-").replace(b"\0", b"~"))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)
SMALL = st.integers(0, 2**32 - 1)
TIMES = st.integers(-(2**62), 2**62)
PAIRS = st.lists(st.tuples(SMALL, SMALL), max_size=2).map(tuple)
ENTRIES = st.builds(
    Entry,
    path=PATHS, type=st.sampled_from(EntryType), mode=st.integers(0, 0o7777), uid=SMALL, gid=SMALL,
    user=st.sampled_from(["", "root", "jörg"]), group=st.text(max_size=3), mtime_ns=TIMES, ctime_ns=TIMES,
    atime_ns=TIMES, size=st.integers(0, 2**62), target=st.binary(max_size=9), inode=st.integers(0, 2**64 - 1),
    device_id=st.integers(0, 2**64 - 1), nlink=SMALL, hardlink=st.one_of(st.just(b""), PATHS), rdev_major=SMALL,
    rdev_minor=SMALL, xattrs=st.lists(st.tuples(st.binary(max_size=5), st.binary(max_size=9)), max_size=2).map(tuple),
    sparse=PAIRS, chunks=st.binary(max_size=3).map(lambda seed: seed * 16),
)  # fmt: skip
TREES = st.lists(ENTRIES, max_size=60, unique_by=lambda entry: sort_key(entry.path)).map(
    lambda entries: sorted(entries, key=lambda entry: sort_key(entry.path))
)


class Pages(dict[bytes, bytes]):
    """Pages by id; ``asked``: which were fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []

    def store(self, plain: bytes) -> bytes:
        page = hashlib.sha256(plain).digest()[:16]
        self[page] = plain
        return page

    def fetch(self, ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        self.asked += ids
        return {page: self[page] for page in ids}


def build(entries: Iterable[Entry]) -> tuple[Root, Pages]:
    pages = Pages()
    builder = TreeBuilder(pages.store)
    for entry in entries:
        builder.add(entry)
    return builder.finish(), pages


@contextmanager
def tiny_pages() -> Iterator[None]:
    """So that few entries make many pages on several levels."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "PAGE_MIN": 200, "PAGE_MAX": 4000, "CUT_MASK": 3, "INNER_MIN": 2, "INNER_MAX": 24, "INNER_MASK": 1,
            "BATCH": 3,
        }.items():  # fmt: skip
            patch.setattr(tree, name, value)
        yield


def files(count: int, folder: bytes = b"f%02d/%05d") -> list[Entry]:
    found = [Entry(path=folder % (i // 100, i), type=EntryType.FILE, size=i, chunks=bytes(16)) for i in range(count)]
    return sorted(found, key=lambda entry: sort_key(entry.path))


# ----------------------------------------------------------------------------------------------------------- round trip
@settings(max_examples=60)
@given(TREES, st.booleans())
def test_what_goes_in_comes_out(entries: list[Entry], tiny: bool) -> None:
    if tiny:
        with tiny_pages():
            root, pages = build(entries)
            assert list(walk(root.id, pages.fetch)) == entries
    else:
        root, pages = build(entries)
        assert list(walk(root.id, pages.fetch)) == entries
    assert (root.entries, root.size) == (len(entries), sum(entry.size for entry in entries))


def test_an_empty_tree_has_a_root() -> None:
    root, pages = build([])
    assert (root.entries, root.size, len(pages)) == (0, 0, 1)
    assert list(walk(root.id, pages.fetch)) == []


def test_the_same_files_make_the_same_pages() -> None:
    assert build(files(3000))[0] == build(files(3000))[0]


def test_many_files_make_pages_of_bounded_size_on_several_levels() -> None:
    with tiny_pages():
        root, pages = build(files(2000))
        assert [entry.size for entry in walk(root.id, pages.fetch)] == list(range(2000))
        assert len(pages) > 200 and max(map(len, pages.values())) < 5000
    kinds = [msgspec.msgpack.decode(plain)[0] for plain in pages.values()]
    assert kinds.count(1) > 20, "inner pages on several levels"


def test_names_that_are_no_utf8_are_kept() -> None:
    odd = Entry(path=b"caf\xe9/\xff\xfe", type=EntryType.SYMLINK, target=b"\xff", xattrs=((b"user.\xff", b"\0"),))
    root, pages = build([odd])
    assert list(walk(root.id, pages.fetch)) == [odd]


# ---------------------------------------------------------------------------------------------------------------- order
@pytest.mark.parametrize("pair", [(b"b", b"a"), (b"a", b"a"), (b"a/b", b"a"), (b"a.b", b"a/b"), (b"a", b"")])
def test_entries_out_of_order_are_refused(pair: tuple[bytes, bytes]) -> None:
    builder = TreeBuilder(Pages().store)
    builder.add(Entry(path=pair[0], type=EntryType.FILE))
    with pytest.raises(ValueError, match="order"):
        builder.add(Entry(path=pair[1], type=EntryType.FILE))


def test_what_is_in_a_folder_follows_it_directly() -> None:
    paths = [b"a", b"a/b", b"a/b/c", b"a/z", b"a b", b"a.b", b"ab"]
    assert sorted(paths, key=sort_key) == paths


# ---------------------------------------------------------------------------------------------------------------- edits
def changed_pages(before: list[Entry], after: list[Entry]) -> tuple[int, int]:
    """(pages that are new, pages in all)."""
    old, new = build(before)[1], build(after)[1]
    return len(new.keys() - old.keys()), len(new)


@pytest.mark.parametrize("at", [0, 1, 7_777, 15_000, 19_999])
def test_a_changed_file_touches_its_leaf_and_the_root(at: int) -> None:
    before = files(20_000)
    after = list(before)
    after[at] = msgspec.structs.replace(before[at], size=1 << 40, chunks=bytes(range(16)))
    new, total = changed_pages(before, after)
    assert total > 10
    assert new == 2


@pytest.mark.parametrize("at", [0, 9_999, 19_999])
def test_a_file_that_comes_or_goes_touches_few_pages(at: int) -> None:
    before = files(20_000)
    new, total = changed_pages(before, before[:at] + before[at + 1 :])
    assert total > 10 and new <= 4
    new, total = changed_pages(before[:at] + before[at + 1 :], before)
    assert total > 10 and new <= 4


def test_edits_stay_local_on_every_level() -> None:
    rng = Random(1)
    paths = {b"d%03d/%s" % (i // 50, rng.randbytes(6).hex().encode()) for i in range(12_000)}
    before = [Entry(path=path, type=EntryType.FILE) for path in sorted(paths, key=sort_key)]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "PAGE_MIN": 2000,
            "PAGE_MAX": 32_000,
            "CUT_MASK": 31,
            "INNER_MIN": 4,
            "INNER_MASK": 7,
        }.items():
            patch.setattr(tree, name, value)
        edits = [changed_pages(before, before[:at] + before[at + 1 :]) for at in range(5, 12_000, 1500)]
    assert all(total > 150 and new <= 10 for new, total in edits)


# ---------------------------------------------------------------------------------------------------------------- under
def brute(entries: list[Entry], under: Sequence[bytes]) -> list[Entry]:
    if not under or b"" in under:
        return entries
    return [entry for entry in entries if any(entry.path == p or entry.path.startswith(p + b"/") for p in under)]


@settings(max_examples=60)
@given(TREES, st.data())
def test_under_gives_exactly_what_lies_there(entries: list[Entry], data: st.DataObject) -> None:
    known = [entry.path for entry in entries] or [b"a"]
    candidates = st.one_of(st.sampled_from(known), st.sampled_from(known).map(lambda p: p.split(b"/")[0]), PATHS,
                           st.sampled_from(known).map(lambda p: p[:-1]), st.just(b""))  # fmt: skip
    under = data.draw(st.lists(candidates, max_size=3))
    with tiny_pages():
        root, pages = build(entries)
        assert list(walk(root.id, pages.fetch, under=under)) == brute(entries, under)


def test_a_name_that_only_begins_alike_is_not_under_it() -> None:
    paths = [b"a", b"a/x", b"a b", b"a.b", b"a\x01", b"ab"]
    root, pages = build([Entry(path=path, type=EntryType.FILE) for path in sorted(paths, key=sort_key)])
    assert [entry.path for entry in walk(root.id, pages.fetch, under=[b"a"])] == [b"a", b"a/x"]


def test_a_folder_is_found_without_reading_the_rest() -> None:
    with tiny_pages():
        root, pages = build(files(2000))
        found = list(walk(root.id, pages.fetch, under=[b"f07"]))
    assert len(found) == 100
    assert len(pages.asked) < len(pages) / 5


def test_what_is_not_there_costs_one_way_down() -> None:
    with tiny_pages():
        root, pages = build(files(2000))
        assert not list(walk(root.id, pages.fetch, under=[b"f07x"]))
    assert len(pages.asked) < 12


# --------------------------------------------------------------------------------------------------------------- damage
LEAF = build(files(5, b"%d%d"))[1].popitem()[1]


def read(plain: bytes) -> list[Entry]:
    return list(walk(b"x", lambda ids: dict.fromkeys(ids, plain)))


def test_no_beginning_of_a_page_is_a_page() -> None:
    for size in range(len(LEAF)):
        with pytest.raises(SealBroken):
            read(LEAF[:size])
    with pytest.raises(SealBroken):
        read(LEAF + b"\0")


@pytest.mark.parametrize("column", range(2, 17))
def test_columns_of_unequal_length_are_no_page(column: int) -> None:
    fields = msgspec.msgpack.decode(LEAF)
    fields[column] = fields[column][:-1]
    with pytest.raises(SealBroken):
        read(msgspec.msgpack.encode(fields))


@pytest.mark.parametrize(
    ("column", "value"), [(3, "x" * 5), (7, [9] * 5), (8, [9] * 5), (4, ["1"] * 5), (0, 7), (17, {0: {"rdev": [1]}})]
)
def test_values_that_mean_nothing_are_no_page(column: int, value: object) -> None:
    fields = msgspec.msgpack.decode(LEAF)
    fields[column] = value
    with pytest.raises(SealBroken):
        read(msgspec.msgpack.encode(fields))


@given(st.binary(max_size=64))
def test_garbage_is_no_page(garbage: bytes) -> None:
    with pytest.raises(SealBroken):
        read(garbage)
