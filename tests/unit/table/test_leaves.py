"""Trees page by page: what two share is not read, and nothing that differs is overlooked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webraid.entry import Entry, EntryType, sort_key
from webraid.errors import SealBroken
from webraid.table import tree
from webraid.table.leaves import leaf_entries, leaf_ids, not_shared
from webraid.table.tree import TreeBuilder


class Pages(dict[bytes, bytes]):
    """Pages by id; ``asked``: which were fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []

    def store(self, plain: bytes) -> bytes:
        page = hashlib.blake2b(plain, digest_size=16).digest()
        self[page] = plain
        return page

    def fetch(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        self.asked += ids
        return {page: self[page] for page in ids}

    def build(self, found: dict[bytes, int]) -> bytes:
        builder = TreeBuilder(self.store)
        for path in sorted(found, key=sort_key):
            builder.add(Entry(path=path, type=EntryType.FILE, size=found[path]))
        return builder.finish().id


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees of a few hundred entries have three levels then."""
    monkeypatch.setattr(tree, "PAGE_MIN", 200)
    monkeypatch.setattr(tree, "PAGE_MAX", 2000)
    monkeypatch.setattr(tree, "CUT_MASK", 3)
    monkeypatch.setattr(tree, "INNER_MIN", 2)
    monkeypatch.setattr(tree, "INNER_MAX", 6)
    monkeypatch.setattr(tree, "INNER_MASK", 1)


def entries(pages: Pages, ids: Sequence[bytes]) -> dict[bytes, int]:
    return {entry.path: entry.size for _, page in leaf_entries(ids, pages.fetch) for entry in page}


def some(random: Random, count: int) -> dict[bytes, int]:
    return {b"%d/%d" % (random.randrange(40), random.randrange(400)): random.randrange(9) for _ in range(count)}


@given(st.integers(0, 10**9), st.sampled_from([0, 1, 5, 60, 400]), st.sampled_from([0, 1, 5, 60]))
def test_what_differs_lies_in_pages_that_are_not_shared(seed: int, count: int, changes: int) -> None:
    random, pages = Random(seed), Pages()
    before = some(random, count)
    after = {path: size for path, size in before.items() if random.random() > changes / 400} | some(random, changes)
    one, other = pages.build(before), pages.build(after)
    first, second = (entries(pages, ids) for ids in not_shared(one, other, pages.fetch))
    assert first.items() <= before.items()
    assert second.items() <= after.items()
    assert dict(first.items() - second.items()) == dict(before.items() - after.items())
    assert dict(second.items() - first.items()) == dict(after.items() - before.items())


def test_a_small_change_reads_few_pages() -> None:
    pages = Pages()
    before = some(Random(1), 4000)
    one = pages.build(before)
    whole = len(pages)
    changed = next(iter(before))
    other = pages.build(before | {changed: 99})
    first, second = not_shared(one, other, pages.fetch)
    assert len(first) == len(second) == 1
    assert len(set(pages.asked)) < whole / 20
    assert not set(pages.asked) & set(first[1:] + second[1:])
    assert entries(pages, second)[changed] == 99


def test_equal_trees_read_nothing_at_all() -> None:
    pages = Pages()
    root = pages.build(some(Random(2), 500))
    assert not_shared(root, root, pages.fetch) == ([], [])
    assert pages.asked == []


def test_the_leaves_of_a_tree_are_named_without_being_read() -> None:
    pages = Pages()
    found = some(Random(3), 2000)
    ids = leaf_ids(pages.build(found), pages.fetch)
    assert len(set(pages.asked) & set(ids)) == 1
    assert entries(pages, ids) == found
    assert [sort_key(path) for path in entries(pages, ids)] == sorted(map(sort_key, found))


def test_a_page_that_is_none_is_told() -> None:
    pages = Pages()
    with pytest.raises(SealBroken):
        leaf_ids(pages.store(b"nonsense"), pages.fetch)
