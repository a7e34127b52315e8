"""A tree that is not finished yet can be looked at as if it were."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webraid.entry import Entry, EntryType, sort_key
from webraid.table import tree
from webraid.table.tree import Root, TreeBuilder, walk

names = st.binary(min_size=1, max_size=3).filter(lambda name: b"\0" not in name and b"/" not in name)


def entries(paths: list[bytes]) -> list[Entry]:
    return [Entry(path=path, type=EntryType.FILE, size=len(path)) for path in sorted(paths, key=sort_key)]


@pytest.fixture(scope="module", autouse=True)
def tiny_pages() -> object:
    """Pages of a few entries, several levels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "PAGE_MIN", 100)
        patch.setattr(tree, "PAGE_MAX", 300)
        patch.setattr(tree, "INNER_MIN", 2)
        patch.setattr(tree, "INNER_MAX", 3)
        patch.setattr(tree, "CUT_MASK", 1)
        patch.setattr(tree, "INNER_MASK", 1)
        yield


def built(found: list[Entry], stops: set[int]) -> tuple[Root, dict[int, Root], dict[bytes, bytes]]:
    pages: dict[bytes, bytes] = {}

    def store(plain: bytes) -> bytes:
        page = hashlib.sha256(plain).digest()[:16]
        pages[page] = plain
        return page

    builder, looks = TreeBuilder(store), {}
    for number, entry in enumerate(found):
        if number in stops:
            looks[number] = builder.so_far(entry)
        builder.add(entry)
    root = builder.finish()
    return root, looks, pages


@settings(max_examples=60)
@given(st.lists(names, unique=True, max_size=60), st.sets(st.integers(0, 59), max_size=6))
def test_a_look_at_it_is_the_tree_of_what_was_added_and_changes_nothing(paths: list[bytes], stops: set[int]) -> None:
    found = entries(paths)
    root, looks, pages = built(found, stops)
    assert list(walk(root.id, lambda ids: {page: pages[page] for page in ids})) == found
    assert root == Root(root.id, len(found), sum(entry.size for entry in found))
    for number, look in looks.items():
        begun = list(walk(look.id, lambda ids: {page: pages[page] for page in ids}))
        assert begun == found[: number + 1]
        assert (look.entries, look.size) == (number + 1, sum(entry.size for entry in begun))
    assert built(found, set())[0] == root
