"""What lies in a folder is found without reading what lies below the things in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webraid.entry import Entry, EntryType, sort_key
from webraid.errors import SealBroken
from webraid.table import tree
from webraid.table.tree import Root, TreeBuilder, children

NAME = st.sampled_from([b"a", b"b", b"ab", b"a!", b"a0", b"\xff", b"c" * 40, b"-"])
PATHS = st.lists(st.lists(NAME, min_size=1, max_size=4).map(b"/".join), max_size=60)


class Store:
    """Pages in memory; notes which were asked for."""

    def __init__(self) -> None:
        self.pages: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []

    def keep(self, page: bytes) -> bytes:
        name = hashlib.blake2b(page, digest_size=16).digest()
        self.pages[name] = page
        return name

    def fetch(self, ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        self.asked += ids
        return {page: self.pages[page] for page in ids}


def build(store: Store, kinds: Mapping[bytes, EntryType]) -> Root:
    builder = TreeBuilder(store.keep)
    for path in sorted(kinds, key=sort_key):
        builder.add(Entry(path=path, type=kinds[path], mode=0o640, chunks=b"c" * 16))
    return builder.finish()


def folders_of(path: bytes) -> Iterator[bytes]:
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def direct(paths: set[bytes], folder: bytes) -> list[bytes]:
    """The same, found the slow way."""
    inside = folder + b"/" if folder else b""
    found = {path for path in paths if path.startswith(inside) and b"/" not in path[len(inside) :]}
    return sorted(found, key=sort_key)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of a few entries, inner pages of a few children: many levels of little."""
    for name, value in {
        "PAGE_MIN": 150, "PAGE_MAX": 700, "CUT_MASK": 3, "INNER_MIN": 2, "INNER_MAX": 5, "INNER_MASK": 1, "BATCH": 3,
    }.items():  # fmt: skip
        monkeypatch.setattr(tree, name, value)


@pytest.mark.usefixtures("small_pages")
def test_every_folder_lists_what_is_directly_in_it() -> None:
    @given(PATHS, st.booleans())
    def check(paths: list[bytes], with_folders: bool) -> None:
        kinds = dict.fromkeys(paths, EntryType.FILE)
        above = {folder for path in paths for folder in folders_of(path)}
        if with_folders:
            kinds |= dict.fromkeys(above, EntryType.DIR)
        store, there = Store(), set(paths) | above
        root = build(store, kinds)
        for folder in [b"", b"nowhere", *there]:
            found = list(children(root.id, store.fetch, folder))
            assert [entry.path for entry in found] == direct(there, folder)
            assert all(entry.type is kinds.get(entry.path, EntryType.DIR) for entry in found)
            assert all(entry.mode == 0o640 for entry in found if entry.path in kinds)

    check()


def test_the_pages_below_one_folder_are_not_read_to_list_its_parent() -> None:
    store, kinds = Store(), {b"photos": EntryType.DIR}
    random = Random(5)
    for album in range(20):
        folder = b"photos/album-%02d" % album
        kinds[folder] = EntryType.DIR
        kinds |= {b"%s/%08x.jpg" % (folder, random.getrandbits(32)): EntryType.FILE for _ in range(2500)}
    root = build(store, kinds)
    assert len(store.pages) > 40
    for folder, most in ((b"", 3), (b"photos", 23), (b"photos/album-07", 6)):
        store.asked.clear()
        found = [entry.path for entry in children(root.id, store.fetch, folder)]
        assert found == direct(set(kinds), folder)
        assert len(store.asked) <= most, folder
        assert len(store.asked) == len(set(store.asked))


def test_a_page_that_is_none_is_no_empty_folder() -> None:
    store = Store()
    with pytest.raises(SealBroken):
        list(children(store.keep(b"\xc1 nothing of ours"), store.fetch))
