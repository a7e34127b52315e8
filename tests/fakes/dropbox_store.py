"""The state of the fake Dropbox: one account's app folder with its files, folders, cursors and quota.

"SDK" names a type or a docstring of the Dropbox SDK 12.2.4, where the behaviour is written down.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.fakes.dropbox_words import (
    DISALLOWED,
    Refusal,
    Told,
    conflict,
    content_hash,
    is_malformed,
    limited,
    union,
)

STAMP = "2026-01-02T03:04:05Z"  # SDK, common.DropboxTimestamp_validator: %Y-%m-%dT%H:%M:%SZ


@dataclass
class Node:
    """A file, or a folder where ``data`` is None.  ``path``: with the case it was given (path_display)."""

    id: str
    path: str
    rev: str = ""
    data: bytes | None = None
    hash: str = ""

    def plain(self) -> Told:
        """SDK, FileMetadata or FolderMetadata."""
        about: Told = {"name": self.path.rpartition("/")[2], "path_lower": self.path.lower(), "path_display": self.path}
        if self.data is None:
            return {**about, "id": self.id}
        return {
            **about, "id": self.id, "client_modified": STAMP, "server_modified": STAMP, "rev": self.rev,
            "size": len(self.data), "is_downloadable": True, "content_hash": self.hash,
        }  # fmt: skip

    def told(self) -> Told:
        """SDK, Metadata: where it may be either, a tag says which."""
        return {".tag": "folder" if self.data is None else "file", **self.plain()}


class WriteFailed(Exception):
    """Tags of a WriteError; each route wraps it in its own union."""

    def __init__(self, tags: str) -> None:
        super().__init__(tags)
        self.tags = tags


@dataclass
class _Cursor:
    """Where a listing stands: what of its first picture is still to be told, and from where on changes are."""

    folder: str
    recursive: bool
    limit: int
    deleted: bool
    picture: list[Told]
    seen: int


@dataclass
class Store:
    """``quota``: bytes; ``page``: entries an answer holds at most; ``busy``: seconds a write holds the account's lock;
    ``restricted``: ids whose content may not be downloaded."""

    quota: int = 2 << 30
    page: int = 500
    busy: float = 0.001
    restricted: set[str] = field(default_factory=set)
    nodes: dict[str, Node] = field(default_factory=dict)
    changes: list[tuple[str, Told]] = field(default_factory=list)
    cursors: dict[str, _Cursor] = field(default_factory=dict)
    jobs: dict[str, list[Told]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    writes: threading.Lock = field(default_factory=threading.Lock)
    collisions: int = 0
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # -------------------------------------------------------------------------------------------------------- writing
    @contextmanager
    def writing(self) -> Iterator[None]:
        """The lock of the namespace: SDK, RateLimitReason.too_many_write_operations; Performance guide, 'Lock
        contention': what becomes visible takes it, one request at a time."""
        if not self.writes.acquire(blocking=False):
            self.collisions += 1
            raise limited("too_many_write_operations", 1)
        try:
            time.sleep(self.busy)
            with self.lock:
                yield
        finally:
            self.writes.release()

    def write(self, commit: Told, data: bytes) -> Node:
        """SDK, CommitInfo and WriteMode.  Raises WriteFailed."""
        path, mode = str(commit["path"]), commit.get("mode") or "add"
        self._check_name(path)
        there = self.nodes.get(path.lower())
        strict = bool(commit.get("strict_conflict"))
        tag, rev = (mode[".tag"], mode.get("update", "")) if isinstance(mode, dict) else (mode, "")
        in_the_way = _conflict(there, tag, rev, data, strict=strict)
        if in_the_way:
            if not commit.get("autorename"):
                raise WriteFailed(f"conflict/{in_the_way}")
            path, there = self._another(path, copy=tag == "update"), None
        elif there is not None and there.data == data:
            return there  # SDK, WriteMode: identical contents, nothing gets written
        self._make_parents(path)
        used = self.used() - (len(there.data) if there is not None and there.data is not None else 0)
        if used + len(data) > self.quota:
            raise WriteFailed("insufficient_space")
        node = Node(
            there.id if there else self._id(), there.path if there else path, self._rev(), data, content_hash(data)
        )
        self._put(node)
        return node

    def make_folder(self, path: str, *, autorename: bool) -> Node:
        """SDK, create_folder_v2.  Raises WriteFailed."""
        self._check_name(path)
        there = self.nodes.get(path.lower())
        if there is not None:
            if not autorename:
                raise WriteFailed("conflict/file" if there.data is not None else "conflict/folder")
            path = self._another(path, copy=False)
        self._make_parents(path)
        node = Node(self._id(), path)
        self._put(node)
        return node

    def delete(self, path: str, rev: str | None) -> Node:
        """SDK, delete_v2: 'If the path is a folder, all its contents will be deleted too'.  Raises a DeleteError."""
        node = self.find(path, "path_lookup")
        if rev is not None and (node.data is None or node.rev != rev):
            raise conflict("path_write/conflict/" + ("folder" if node.data is None else "file"))
        below = node.path.lower() + "/"
        for known in [name for name in self.nodes if name.startswith(below)] + [node.path.lower()]:
            gone = self.nodes.pop(known)
            deleted = {".tag": "deleted", **{key: gone.told()[key] for key in ("name", "path_lower", "path_display")}}
            self.changes.append((known, deleted))
        return node

    def _check_name(self, path: str) -> None:
        if is_malformed(path):
            raise WriteFailed("malformed_path")
        if path.lower().rpartition("/")[2] in DISALLOWED:
            raise WriteFailed("disallowed_name")

    def _make_parents(self, path: str) -> None:
        """'If the required parent folders don't exist yet, create them'; SDK, WriteConflictError.file_ancestor."""
        parts = path.split("/")[1:-1]
        for count in range(1, len(parts) + 1):
            folder = "/" + "/".join(parts[:count])
            there = self.nodes.get(folder.lower())
            if there is None:
                self._put(Node(self._id(), folder))
            elif there.data is not None:
                raise WriteFailed("conflict/file_ancestor")

    def _another(self, path: str, *, copy: bool) -> str:
        """SDK, WriteMode: 'document (2).txt', or 'document (conflicted copy).txt'."""
        folder, _, name = path.rpartition("/")
        stem, dot, ending = name.rpartition(".")
        stem, ending = (stem, dot + ending) if stem else (name, "")
        words = ["conflicted copy"] if copy else []
        for word in itertools.chain(words, map(str, itertools.count(2))):
            other = f"{folder}/{stem} ({word}){ending}"
            if other.lower() not in self.nodes:
                return other
        raise AssertionError("there are numbers enough")

    def _put(self, node: Node) -> None:
        self.nodes[node.path.lower()] = node
        self.changes.append((node.path.lower(), node.told()))

    def _id(self) -> str:
        return f"id:{next(self.numbers):022d}"

    def _rev(self) -> str:
        return f"{next(self.numbers):019x}"

    # -------------------------------------------------------------------------------------------------------- reading
    def find(self, path: str, wrapped: str = "path") -> Node:
        """By path (any case), 'id:...' or 'rev:...'.  SDK, LookupError inside ``wrapped``."""
        for kind in ("id", "rev"):
            if path.startswith(f"{kind}:"):
                wanted = path if kind == "id" else path.removeprefix("rev:")
                for node in self.nodes.values():
                    if getattr(node, kind) == wanted:
                        return node
                raise conflict(f"{wrapped}/not_found")
        if is_malformed(path):
            raise conflict(f"{wrapped}/malformed_path")
        found = self.nodes.get(path.lower())
        if found is None:
            raise conflict(f"{wrapped}/not_found")
        return found

    def used(self) -> int:
        """What was deleted does not count (Help center, 'deleted files and storage quota')."""
        return sum(len(node.data) for node in self.nodes.values() if node.data is not None)

    def begin_listing(self, told: Told, *, empty: bool = False) -> str:
        """A cursor at the beginning, or (``empty``) at the end: SDK, list_folder and get_latest_cursor."""
        path = str(told["path"])
        folder = ""
        if path:
            node = self.find(path)
            if node.data is not None:
                raise conflict("path/not_folder")
            folder = node.path.lower()
        recursive, deleted = bool(told.get("recursive")), bool(told.get("include_deleted"))
        picture = [] if empty else [
            node.told() for name, node in sorted(self.nodes.items()) if _lies_in(name, folder, recursive=recursive)
        ]  # fmt: skip
        limit = min(int(told.get("limit") or self.page), self.page)
        cursor = f"AAE{next(self.numbers):08d}"
        self.cursors[cursor] = _Cursor(folder, recursive, limit, deleted, picture, len(self.changes))
        return cursor

    def page_of(self, cursor: str) -> Told:
        """SDK, ListFolderResult: the picture of the beginning first, then what changed meanwhile."""
        at = self.cursors.pop(cursor, None)
        if at is None:
            raise conflict("reset")  # SDK, ListFolderContinueError.reset
        entries, at.picture = at.picture[: at.limit], at.picture[at.limit :]
        while len(entries) < at.limit and not at.picture and at.seen < len(self.changes):
            name, change = self.changes[at.seen]
            at.seen += 1
            if _lies_in(name, at.folder, recursive=at.recursive):
                entries.append(change)
        after = f"AAE{next(self.numbers):08d}"
        self.cursors[after] = at
        return {"entries": entries, "cursor": after, "has_more": bool(at.picture or at.seen < len(self.changes))}

    def launch(self, results: list[Told]) -> str:
        """SDK, DeleteBatchLaunch.async_job_id."""
        job = f"dbjid:{next(self.numbers):08d}"
        self.jobs[job] = [union("in_progress"), {".tag": "complete", "entries": results}]
        return job

    def job(self, job: str) -> Told:
        """SDK, DeleteBatchJobStatus: in progress when first asked, then complete."""
        states = self.jobs.get(job)
        if states is None:
            raise conflict("invalid_async_job_id")
        return states.pop(0) if len(states) > 1 else states[0]


def _lies_in(name: str, folder: str, *, recursive: bool) -> bool:
    below = name.startswith(f"{folder}/")
    return below and (recursive or "/" not in name[len(folder) + 1 :])


def _conflict(there: Node | None, mode: str, rev: str, data: bytes, *, strict: bool) -> str:
    """SDK, WriteMode (a), (b), (c), and CommitInfo.strict_conflict; '' where there is none."""
    if there is None:
        return "file" if mode == "update" and strict else ""
    if there.data is None:
        return "folder"
    if mode == "overwrite" or (mode == "update" and rev == there.rev):
        return ""
    return "" if there.data == data and not strict else "file"


def as_failure(failed: Refusal | WriteFailed, wrapped: str) -> Told:
    """What a batch says of one of its entries: the union that would have been an answer of its own."""
    if isinstance(failed, WriteFailed):
        return {".tag": "failure", "failure": union(f"{wrapped}/{failed.tags}")}
    return {".tag": "failure", "failure": json.loads(failed.body)["error"]}
