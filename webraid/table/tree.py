"""A snapshot's files as pages: content-cut leaves of entries, inner pages above them.  Pure bytes.

Where a page is cut depends only on the paths near the cut, so a change touches the pages it lies in and those above;
all other pages keep their id and are not stored again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from webraid.entry import CHUNK_ID, Entry, EntryType, sort_key
from webraid.errors import SealBroken

PAGE_MIN = 64 << 10  # estimated bytes before a leaf may be cut
PAGE_MAX = 512 << 10  # ... and where it is cut in any case
CUT_MASK = 0x1FF  # one path in 512 is a cut
INNER_MIN, INNER_MAX, INNER_MASK = 1024, 8192, 0xFF  # the same for children of an inner page
BATCH = 32  # pages fetched at a time

Fetch = Callable[[Sequence[bytes]], Mapping[bytes, bytes]]


class _Leaf(msgspec.Struct, array_like=True, tag=0):
    names: list[str]  # users and groups, by number below
    paths: list[bytes]
    types: str
    modes: list[int]
    uids: list[int]
    gids: list[int]
    users: list[int]
    groups: list[int]
    mtimes: list[int]
    ctimes: list[int]
    atimes: list[int]
    sizes: list[int]
    inodes: list[int]
    devices: list[int]
    nlinks: list[int]
    chunks: list[bytes]
    extra: dict[int, _Extra]


class _Extra(msgspec.Struct, omit_defaults=True):
    """What few entries have."""

    target: bytes = b""
    hardlink: bytes = b""
    rdev: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    sparse: tuple[tuple[int, int], ...] = ()


class _Child(msgspec.Struct, array_like=True):
    first: bytes
    id: bytes
    entries: int
    size: int


class _Inner(msgspec.Struct, array_like=True, tag=1):
    children: list[_Child]


@dataclass(frozen=True, slots=True)
class Root:
    """A finished tree: the root page's id, how many entries and how many bytes of files it has."""

    id: bytes
    entries: int
    size: int


class TreeBuilder:
    """Takes entries in path order, hands finished pages to ``store(plain) -> page id``."""

    def __init__(self, store: Callable[[bytes], bytes]) -> None:
        self._store = store
        self._entries: list[Entry] = []
        self._estimate = 0
        self._levels: list[list[_Child]] = [[]]
        self._last = b""

    def add(self, entry: Entry) -> None:
        """Entries must come in the order of ``sort_key``; raises ValueError otherwise."""
        key = sort_key(entry.path)
        if key <= self._last:
            raise ValueError("entries out of order")
        self._last = key
        cut = self._estimate >= PAGE_MIN and zlib.crc32(entry.path) & CUT_MASK == 0
        if cut or self._estimate >= PAGE_MAX:
            self._leaf()
        self._entries.append(entry)
        self._estimate += 60 + len(entry.path) + len(entry.chunks) + len(entry.target)
        self._estimate += sum(len(name) + len(value) for name, value in entry.xattrs)

    def finish(self) -> Root:
        """Store what is left and return the root."""
        if self._entries or not self._levels[0]:
            self._leaf()
        level = 0
        while len(self._levels) > level + 1 or len(self._levels[level]) > 1:
            if self._levels[level]:
                self._inner(level)
            level += 1
        top = self._levels[level][0]
        return Root(top.id, top.entries, top.size)

    def so_far(self, *more: Entry) -> Root:
        """The root of a tree of what was added up to now, and of ``more`` behind it; the building goes on as before."""
        other = TreeBuilder(self._store)
        other._entries, other._estimate, other._last = list(self._entries), self._estimate, self._last
        other._levels = [list(children) for children in self._levels]
        for entry in more:
            other.add(entry)
        return other.finish()

    def _leaf(self) -> None:
        entries, self._entries, self._estimate = self._entries, [], 0
        page = self._store(_encode_leaf(entries))
        first = entries[0].path if entries else b""
        self._child(0, _Child(first, page, len(entries), sum(entry.size for entry in entries)))

    def _child(self, level: int, child: _Child) -> None:
        children = self._levels[level]
        cut = len(children) >= INNER_MIN and zlib.crc32(child.first) & INNER_MASK == 0
        if cut or len(children) >= INNER_MAX:
            self._inner(level)
        self._levels[level].append(child)

    def _inner(self, level: int) -> None:
        children = self._levels[level]
        self._levels[level] = []
        if len(self._levels) == level + 1:
            self._levels.append([])
        page = self._store(msgspec.msgpack.encode(_Inner(children)))
        size, count = sum(child.size for child in children), sum(child.entries for child in children)
        self._child(level + 1, _Child(children[0].first, page, count, size))


def _encode_leaf(entries: Sequence[Entry]) -> bytes:
    names: dict[str, int] = {}
    users = [names.setdefault(entry.user, len(names)) for entry in entries]
    groups = [names.setdefault(entry.group, len(names)) for entry in entries]
    extra = {}
    for i, entry in enumerate(entries):
        more = _Extra(
            entry.target, entry.hardlink, (entry.rdev_major, entry.rdev_minor), entry.xattrs, entry.sparse
        )  # fmt: skip
        if more != _Extra():
            extra[i] = more
    return msgspec.msgpack.encode(
        _Leaf(
            list(names),
            [entry.path for entry in entries],
            "".join(entry.type.value for entry in entries),
            [entry.mode for entry in entries],
            [entry.uid for entry in entries],
            [entry.gid for entry in entries],
            users,
            groups,
            [entry.mtime_ns for entry in entries],
            [entry.ctime_ns for entry in entries],
            [entry.atime_ns for entry in entries],
            [entry.size for entry in entries],
            [entry.inode for entry in entries],
            [entry.device_id for entry in entries],
            [entry.nlink for entry in entries],
            [entry.chunks for entry in entries],
            extra,
        )
    )


_decoder: msgspec.msgpack.Decoder[_Leaf | _Inner] = msgspec.msgpack.Decoder(_Leaf | _Inner)
_TYPES = {item.value: item for item in EntryType}
_NOTHING = _Extra()


def _decode(data: bytes) -> _Leaf | _Inner:
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SealBroken(f"a tree page does not follow the format: {error}") from error


def _entries(leaf: _Leaf, rows: Container[int] | None = None) -> Iterator[Entry]:
    columns = zip(
        leaf.paths, leaf.types, leaf.modes, leaf.uids, leaf.gids, leaf.users, leaf.groups, leaf.mtimes, leaf.ctimes,
        leaf.atimes, leaf.sizes, leaf.inodes, leaf.devices, leaf.nlinks, leaf.chunks, strict=True,
    )  # fmt: skip
    names, extras = leaf.names, leaf.extra
    for i, (path, kind, mode, uid, gid, user, group, mtime, ctime, atime, size, inode, dev, nlink, ids) in enumerate(
        columns
    ):
        if rows is not None and i not in rows:
            continue
        more = extras.get(i, _NOTHING)
        yield Entry(
            path=path, type=_TYPES[kind], mode=mode, uid=uid, gid=gid, user=names[user], group=names[group],
            mtime_ns=mtime, ctime_ns=ctime, atime_ns=atime, size=size, target=more.target, inode=inode,
            device_id=dev, nlink=nlink, hardlink=more.hardlink, rdev_major=more.rdev[0], rdev_minor=more.rdev[1],
            xattrs=more.xattrs, sparse=more.sparse, chunks=ids,
        )  # fmt: skip


def open_page(plain: bytes) -> tuple[list[Entry], list[bytes]]:
    """What a page holds: a leaf's entries, or the ids of the pages below an inner one.  All leaves lie equally deep.

    Raises SealBroken when it is no page.
    """
    node = _decode(plain)
    if isinstance(node, _Inner):
        return [], [child.id for child in node.children]
    try:
        return list(_entries(node)), []
    except (ValueError, KeyError, IndexError) as error:
        raise SealBroken(f"a tree page does not follow the format: {error}") from error


def walk(root: bytes, fetch: Fetch, *, under: Sequence[bytes] = ()) -> Iterator[Entry]:
    """The entries of a tree in path order.  ``under``: only these paths and what lies below them (b'' or none: all).

    ``fetch`` gives plain pages by id and raises when it can't.  Raises SealBroken when a page is not one.
    """
    ranges = [(key, key + b"\1") for key in (sort_key(path) for path in under if path)]
    if any(not path for path in under):
        ranges = []
    for leaf in _leaves([root], fetch, ranges):
        try:
            for entry in _entries(leaf):
                if not ranges or any(low <= sort_key(entry.path) < high for low, high in ranges):
                    yield entry
        except (ValueError, KeyError, IndexError) as error:
            raise SealBroken(f"a tree page does not follow the format: {error}") from error


def _leaves(ids: Sequence[bytes], fetch: Fetch, ranges: Sequence[tuple[bytes, bytes]]) -> Iterator[_Leaf]:
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        pages = fetch(batch)
        for page in batch:
            node = _decode(pages[page])
            if isinstance(node, _Leaf):
                yield node
            else:
                yield from _leaves(_wanted(node.children, ranges), fetch, ranges)


def _wanted(children: Sequence[_Child], ranges: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    if not ranges:
        return [child.id for child in children]
    firsts = [sort_key(child.first) for child in children]
    ends = [*firsts[1:], None]
    return [
        child.id
        for child, first, end in zip(children, firsts, ends, strict=True)
        if any(first < high and (end is None or low < end) for low, high in ranges)
    ]


def children(root: bytes, fetch: Fetch, folder: bytes = b"") -> Iterator[Entry]:
    """What lies directly in a folder (b'': the top), in order; nothing where there is no such folder.

    Pages that lie wholly below one of the things in it are not fetched.  A folder that has no entry of its own is made
    up.  Raises SealBroken when a page is not one.
    """
    inside = folder + b"/" if folder else b""
    last = b""
    for first, leaf in _around([_Page(b"", None, root)], fetch, sort_key(inside)):
        rows: dict[int, Entry | None] = {}
        for i, path in enumerate(leaf.paths if leaf else (first,)):
            if path.startswith(inside) and len(path) > len(inside):
                name = path[: path.find(b"/", len(inside))] if b"/" in path[len(inside) :] else path
                if name != last:
                    made_up = leaf is None or name != path
                    rows[i] = Entry(path=name, type=EntryType.DIR, mode=0o755) if made_up else None
                    last = name
        yield from _rows(leaf, rows)


def _rows(leaf: _Leaf | None, rows: Mapping[int, Entry | None]) -> Iterator[Entry]:
    try:
        told = _entries(leaf, {i for i, made_up in rows.items() if made_up is None}) if leaf else iter(())
        for made_up in rows.values():
            yield made_up or next(told)
    except (ValueError, KeyError, IndexError) as error:
        raise SealBroken(f"a tree page does not follow the format: {error}") from error


@dataclass(frozen=True, slots=True)
class _Page:
    """A page and the span of paths in it: from ``first`` on, up to but without ``end`` (None: up to its parent's)."""

    first: bytes
    end: bytes | None
    id: bytes

    def below_one(self, inside: bytes) -> bool:
        """Whether everything in it lies below one and the same thing in a folder.  ``inside``: the folder's sort key
        with what separates it from a name."""
        if self.end is None:
            return False
        first = sort_key(self.first)
        cut = first.find(b"\0", len(inside)) + 1
        return cut > 0 and first.startswith(inside) and sort_key(self.end).startswith(first[:cut])

    def reaches(self, inside: bytes) -> bool:
        """Whether something in a folder may be in it."""
        begins_before = not inside or sort_key(self.first) < inside[:-1] + b"\1"
        return begins_before and (self.end is None or sort_key(self.end) > inside)


def _around(pages: Sequence[_Page], fetch: Fetch, inside: bytes) -> Iterator[tuple[bytes, _Leaf | None]]:
    """(first path, leaf) of the pages that tell what lies in a folder; None for one that lies below a single child."""
    near = [page for page in pages if page.reaches(inside)]
    for start in range(0, len(near), BATCH):
        batch = near[start : start + BATCH]
        found = fetch([page.id for page in batch if not page.below_one(inside)])
        for page in batch:
            node = None if page.below_one(inside) else _decode(found[page.id])
            if node is None or isinstance(node, _Leaf):
                yield page.first, node
            else:
                ends = [*(child.first for child in node.children[1:]), page.end]
                below = [_Page(child.first, end, child.id) for child, end in zip(node.children, ends, strict=True)]
                yield from _around(below, fetch, inside)


@dataclass(frozen=True, slots=True)
class PageView:
    """A page without its entries' details.  ``children``: ids of the pages below it (none: it is a leaf);
    ``files``: (path, ids of the content's chunks end to end) of a leaf's files."""

    children: tuple[bytes, ...] = ()
    files: tuple[tuple[bytes, bytes], ...] = ()


def view_page(data: bytes) -> PageView:
    """What a page holds and leads to.  Raises SealBroken when it is not one."""
    node = _decode(data)
    if isinstance(node, _Inner):
        return PageView(tuple(child.id for child in node.children))
    try:
        rows = zip(node.paths, node.types, node.chunks, strict=True)
        files = tuple((path, ids) for path, kind, ids in rows if kind == EntryType.FILE.value or ids)
        if any(len(ids) % CHUNK_ID for _, ids in files):
            raise ValueError("half a chunk's id")
        return PageView((), files)
    except ValueError as error:
        raise SealBroken(f"a tree page does not follow the format: {error}") from error


def some_leaf(root: bytes, fetch: Fetch, pick: Callable[[int], int]) -> list[Entry]:
    """The entries of one leaf, chosen by chance: every entry of the tree is as likely to be among them, whatever page
    it lies in.  ``pick(n)``: a number from 0 to n - 1.  Raises SealBroken when a page is not one."""
    page = root
    while True:
        node = _decode(fetch([page])[page])
        if isinstance(node, _Leaf):
            try:
                return list(_entries(node))
            except (ValueError, KeyError, IndexError) as error:
                raise SealBroken(f"a tree page does not follow the format: {error}") from error
        number = pick(max(1, sum(child.entries for child in node.children)))
        for child in node.children:
            page = child.id
            number -= child.entries
            if number < 0:
                break
