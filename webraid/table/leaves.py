"""Trees page by page: the leaves of one, and what two do not share.  A page that was seen once is not read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from webraid.entry import Entry
from webraid.table.tree import BATCH, Fetch, open_page


def leaf_ids(root: bytes, fetch: Fetch) -> list[bytes]:
    """The ids of a tree's leaves in path order; of the leaves only the first is read.  Raises SealBroken."""
    ids = [root]
    for _ in range(_height(root, fetch)):
        ids = _below(ids, fetch)
    return ids


def leaf_entries(ids: Sequence[bytes], fetch: Fetch) -> Iterator[tuple[bytes, list[Entry]]]:
    """(page id, entries) of leaves.  Raises SealBroken."""
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        pages = fetch(batch)
        for page in batch:
            yield page, open_page(pages[page])[0]


def not_shared(one: bytes, other: bytes, fetch: Fetch) -> tuple[list[bytes], list[bytes]]:
    """The leaves that only the first tree has, and those that only the second has, in path order.

    What both have below one page is the same in both, so shared pages are never read.  Raises SealBroken.
    """
    if one == other:
        return [], []
    heights = [_height(one, fetch), _height(other, fetch)]
    levels = [[one], [other]]
    for side in (0, 1):
        while heights[side] > heights[1 - side]:
            levels[side] = _below(levels[side], fetch)
            heights[side] -= 1
    for height in range(heights[0], -1, -1):
        shared = set(levels[0]) & set(levels[1])
        levels = [[page for page in level if page not in shared] for level in levels]
        if height:
            levels = [_below(level, fetch) for level in levels]
    return levels[0], levels[1]


def _height(root: bytes, fetch: Fetch) -> int:
    """How many pages lie above a leaf."""
    height, page = 0, root
    while below := open_page(fetch([page])[page])[1]:
        height, page = height + 1, below[0]
    return height


def _below(ids: Sequence[bytes], fetch: Fetch) -> list[bytes]:
    found: list[bytes] = []
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        pages = fetch(batch)
        for page in batch:
            found += open_page(pages[page])[1]
    return found
