"""What one simulated cloud keeps: objects as plain files below <cloud>/<bucket>/, their headers in an index beside.

The files are the truth: damage, truncate, delete or bring back any of them (or the whole folder, with its index) while
the lab runs, and the cloud serves what is there.  Only an object's ETag stays what it was when it was put, as with a
provider whose disk rots.  Nothing is fsynced: a simulated cloud does not outlive a power cut.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webraid.env import Env

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MAX_KEY = 1024  # bytes of UTF-8
_SEGMENT = 200  # characters of a quoted key that make one path component; file systems take 255
_SETTLED = 0.1  # seconds after which a folder's time stamp tells reliably whether it changed


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: size in bytes, hex ETag, seconds since the epoch, the headers it is served with."""

    size: int
    etag: str
    time: float
    headers: dict[str, str]


def object_path(bucket: Path, key: str) -> Path:
    """Where ``key`` lies: its percent-quoted form; a very long one continues in folders whose names end in '%'."""
    text = urllib.parse.quote(key, safe="")
    *folders, last = (text[at : at + _SEGMENT] for at in range(0, len(text), _SEGMENT))
    last = last if last.strip(".") else last.replace(".", "%2E")  # '.' and '..' are places, not names
    return bucket.joinpath(*(piece + "%" for piece in folders), last)


class Store:
    """The objects of one cloud below ``root``."""

    def __init__(self, root: Path, env: Env) -> None:
        self.root = root
        self._env = env
        self._index_path = root / ".index.jsonl"
        self._staging = root / ".incoming"
        self._entries: dict[str, dict[str, dict[str, Any]]] = {}
        self._listed: dict[str, tuple[int, list[str]]] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._serial = 0
        self.used = 0  # bytes, by the index
        shutil.rmtree(self._staging, ignore_errors=True)  # uploads that a stopped lab left behind
        self._load()
        self._compact()

    # ------------------------------------------------------------------------------------------------------ buckets
    def buckets(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir() if path.is_dir() and BUCKET.fullmatch(path.name))

    def has_bucket(self, bucket: str) -> bool:
        return bool(BUCKET.fullmatch(bucket)) and (self.root / bucket).is_dir()

    def make_bucket(self, bucket: str) -> None:
        (self.root / bucket).mkdir(parents=True, exist_ok=True)

    def drop_bucket(self, bucket: str) -> bool:
        """False when there are objects in it."""
        if self.keys(bucket):
            return False
        shutil.rmtree(self.root / bucket)
        return True

    def wipe(self) -> None:
        """As if the account had been closed and opened again: the buckets are there, empty."""
        buckets = self.buckets()
        shutil.rmtree(self.root)
        for bucket in buckets:
            self.make_bucket(bucket)
        self._load()

    # ------------------------------------------------------------------------------------------------------ objects
    def new_file(self) -> Path:
        """A path nobody uses yet, on the same file system as the objects."""
        self._staging.mkdir(parents=True, exist_ok=True)
        self._serial += 1
        return self._staging / str(self._serial)

    def path(self, bucket: str, key: str) -> Path:
        return object_path(self.root / bucket, key)

    def find(self, bucket: str, key: str) -> Entry | None:
        """What is stored under ``key``, as the file is now."""
        path = self.path(bucket, key)
        try:
            stat = path.stat()
        except OSError:  # missing, or a component is no folder: nothing of that name either way
            return None
        self._refresh()
        known = self._entries.get(bucket, {}).get(key)
        if known is None:  # somebody put the file there by hand
            etag = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            known = {"b": bucket, "k": key, "size": 0, "etag": etag, "t": stat.st_mtime, "h": {}}
            self._entries.setdefault(bucket, {})[key] = known
        return Entry(stat.st_size, known["etag"], known["t"], known["h"])

    def add(self, bucket: str, key: str, file: Path, etag: str, headers: dict[str, str]) -> Entry:
        """Make ``file`` (from new_file) the object ``key``, at once and whole."""
        self._refresh()
        path = self.path(bucket, key)
        if path.parent.name.endswith("%"):
            path.parent.mkdir(parents=True, exist_ok=True)
        size = file.stat().st_size
        file.replace(path)
        now = self._env.now()
        self._note({"b": bucket, "k": key, "size": size, "etag": etag, "t": now, "h": headers})
        return Entry(size, etag, now, headers)

    def delete(self, bucket: str, key: str) -> None:
        self._refresh()
        self.path(bucket, key).unlink(missing_ok=True)
        if key in self._entries.get(bucket, {}):
            self._note({"b": bucket, "k": key})

    def keys(self, bucket: str) -> list[str]:
        """Every key, in the order of its UTF-8 bytes."""
        folder = self.root / bucket
        stamp = folder.stat().st_mtime_ns
        known = self._listed.get(bucket)
        if known and known[0] == stamp:
            return known[1]
        names, flat = [], True
        for text in _walk(folder, ""):
            flat = flat and len(text) <= _SEGMENT
            names.append(urllib.parse.unquote(text))
        names.sort()
        if flat and self._env.now() - stamp / 1e9 > _SETTLED:
            self._listed[bucket] = (stamp, names)
        return names

    # -------------------------------------------------------------------------------------------------------- index
    def _refresh(self) -> None:
        """Read the index again when somebody else (a test that rolls a whole cloud back) has changed it."""
        if self._stat_index() != self._stamp:
            self._load()

    def _stat_index(self) -> tuple[int, int, int] | None:
        try:
            stat = self._index_path.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def _load(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self._entries, self._listed, self.used = {}, {}, 0
        self._stamp = self._stat_index()
        lines = self._index_path.read_bytes().splitlines() if self._stamp else []
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue  # torn by a kill: the object keeps its bytes and gets its ETag from them
            self._apply(record)

    def _apply(self, record: dict[str, Any]) -> None:
        entries = self._entries.setdefault(record["b"], {})
        old = entries.pop(record["k"], None)
        self.used -= old["size"] if old else 0
        if "size" in record:
            entries[record["k"]] = record
            self.used += record["size"]

    def _note(self, record: dict[str, Any]) -> None:
        self._apply(record)
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._index_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(record).encode() + b"\n")
        finally:
            os.close(descriptor)
        self._stamp = self._stat_index()

    def _compact(self) -> None:
        """One line an object, dropping what was overwritten and deleted."""
        records = [record for entries in self._entries.values() for record in entries.values()]
        fresh = self._index_path.with_suffix(".new")
        fresh.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
        fresh.replace(self._index_path)
        self._stamp = self._stat_index()


def _walk(folder: Path, before: str) -> Iterator[str]:
    """The quoted keys in ``folder``."""
    with os.scandir(folder) as found:
        for item in found:
            if item.name.endswith("%") and item.is_dir(follow_symlinks=False):
                yield from _walk(Path(item.path), before + item.name[:-1])
            elif item.is_file(follow_symlinks=False):
                yield before + item.name
