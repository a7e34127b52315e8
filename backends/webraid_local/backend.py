"""LocalBackend: a folder as a disk.  Writing is temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
from collections.abc import Iterator, Mapping
from typing import ClassVar

from webraid.backend.base import Backend, Bytes, Caps, Digest, ErrorTable, map_error
from webraid.errors import BackendError, Misconfigured, ObjectNotFound, ProtocolError, Unavailable
from webraid.model import Stored, Usage
from webraid_local.errors import ERRORS
from webraid_local.files import (
    become,
    create_temporary,
    open_object,
    read_range,
    sweep,
    sync_folder,
)
from webraid_local.options import LocalOptions

_NAME = re.compile(r"[a-z0-9.-]+(/[a-z0-9.-]+)*")
_DAY = 86400.0
# By root (a disk that hangs must not hold up another).  Held while a folder is made durable, which no other thread may
# rely on before; until a file is in it; and while a delete takes empty folders away.
_FOLDER_LOCKS: dict[str, threading.Lock] = {}


class LocalBackend(Backend):
    """Objects are files below one folder, named as the objects are.

    The folder itself is made by ``prepare`` alone.  Where it is missing, or another file system lies there than when
    this instance first looked (a stick was pulled out and its mount point is left), every operation is Unavailable.
    """

    kind: ClassVar[str] = "local"
    summary: ClassVar[str] = "a folder: another internal disk, a USB stick, a mounted NAS"
    ERRORS: ClassVar[ErrorTable] = ERRORS
    caps = Caps(create_if_absent="atomic", usage=True, connections=2, egress_free=True, local=True)

    def __init__(self, options: LocalOptions) -> None:
        self._root = options.path
        self._sync_each = options.durability == "object"
        self._device: int | None = None
        self._folders: set[str] = {self._root}
        self._folder_lock = _FOLDER_LOCKS.setdefault(self._root, threading.Lock())

    @classmethod
    def options_type(cls) -> type[LocalOptions]:
        return LocalOptions

    @classmethod
    def connect(cls, options: LocalOptions, secrets: Mapping[str, str]) -> LocalBackend:
        return cls(options)

    @classmethod
    def identity(cls, options: LocalOptions) -> str:
        """The real path: the same before the folder is made and while its drive is away."""
        return f"local|{os.path.realpath(options.path)}"

    @classmethod
    def default_domain(cls, options: LocalOptions, name: str) -> str:
        return name

    # ---------------------------------------------------------------------------------------------------- operations
    def prepare(self) -> None:
        """Make the folder if it is missing, try to write there, and sweep what runs left that died over a day ago."""
        with self._errors():
            if not os.path.isdir(self._root):
                try:
                    os.makedirs(self._root, mode=0o700)
                except (FileExistsError, NotADirectoryError) as error:
                    raise Misconfigured("the path of the disk is a file, not a folder") from error
                sync_folder(os.path.dirname(self._root))
            self._check_root()
            sweep(self._root, _DAY)

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        path = self._path(name)
        view = memoryview(data).cast("B")
        # In a batch only the shards wait: a record that names them must not become durable before they are.
        durable = self._sync_each or not name.startswith("shards/")
        with self._errors():
            self._check_root()
            if not self._sync_each and durable:
                os.sync()
            try:
                self._write(path, view, durable)
            except FileNotFoundError:  # the folder went: with the root, or a delete emptied it
                self._check_root()
                self._folders = {self._root}
                self._write_again(path, view, durable)
        return Stored(name, len(view))

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        path = self._path(name)
        with self._errors():
            self._check_root()
            fd, total = open_object(path)
            try:
                count = total - offset if size is None else size
                if offset < 0 or count < 0 or offset + count > total:
                    raise ProtocolError(f"{count} bytes from {offset} lie outside an object of {total}", key=name)
                data = read_range(fd, offset, count)
            finally:
                os.close(fd)
        if len(data) != count:
            raise Unavailable("the file got shorter while it was read", key=name)
        return data

    def stat(self, name: str, *, locator: str = "") -> Stored:
        path = self._path(name)
        with self._errors():
            self._check_root()
            status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise ObjectNotFound("no such object", key=name)
        return Stored(name, status.st_size)

    def list(self, prefix: str) -> Iterator[Stored]:
        with self._errors():
            for name, entry in self._entries(prefix):
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield Stored(name, status.st_size)

    def list_names(self, prefix: str) -> Iterator[str]:
        """With a look at one file of each folder, not at all of them: most file systems tell in the folder what is one,
        even where nobody may enter it."""
        seen = None
        with self._errors():
            for name, entry in self._entries(prefix):
                folder = name.rpartition("/")[0]
                if folder != seen:
                    try:
                        entry.stat()
                    except FileNotFoundError:
                        continue
                    seen = folder
                if entry.is_file():
                    yield name

    def delete(self, name: str, *, locator: str = "") -> None:
        """Remove the object, and the folders that this empties."""
        path = self._path(name)
        with self._errors():
            self._check_root()
            try:
                if stat.S_ISDIR(os.lstat(path).st_mode):
                    return
                os.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                self._check_root()
                return
            # Not synced: a deleted object that a power cut brings back does no harm.
            with self._folder_lock, contextlib.suppress(OSError):  # not empty: the usual end of the climb
                while (path := os.path.dirname(path)) != self._root:
                    os.rmdir(path)

    def usage(self) -> Usage:
        with self._errors():
            self._check_root()
            room = os.statvfs(self._root)
        total = room.f_blocks * room.f_frsize
        return Usage(used=total - room.f_bfree * room.f_frsize, free=room.f_bavail * room.f_frsize, total=total)

    def close(self) -> None:
        """Nothing is held between operations."""

    # ------------------------------------------------------------------------------------------------------- inside
    def _path(self, name: str) -> str:
        """The file of an object.  Guarded checks names; here only that none leads out of the folder."""
        if not _NAME.fullmatch(name) or any(not part.strip(".") for part in name.split("/")):
            raise ProtocolError("not the name of an object", key=name)
        return os.path.join(self._root, name)

    def _check_root(self) -> None:
        """The folder is there, and on the file system where it was.  Raises Unavailable, or OSError."""
        try:
            status = os.stat(self._root)
        except (FileNotFoundError, NotADirectoryError):
            raise Unavailable("its folder is missing: is it plugged in and mounted?") from None
        if not stat.S_ISDIR(status.st_mode):
            raise Misconfigured("the path of the disk is a file, not a folder")
        if self._device is None:
            self._device = status.st_dev
        elif self._device != status.st_dev:
            raise Unavailable("another file system lies at its folder than before: was it unplugged?")

    def _write(self, path: str, data: memoryview, durable: bool) -> None:
        folder = os.path.dirname(path)
        try:
            with self._folder_lock:
                self._make(folder)
                fd, temporary = create_temporary(folder)
            become(fd, temporary, path, data, durable=durable)
        except (NotADirectoryError, IsADirectoryError) as error:
            raise Misconfigured("a folder lies where an object belongs, or the other way round") from error

    def _write_again(self, path: str, data: memoryview, durable: bool) -> None:
        try:
            self._write(path, data, durable)
        except FileNotFoundError as error:
            self._check_root()
            raise Unavailable("somebody removes its folders while we write") from error

    def _make(self, folder: str) -> None:
        """Make ``folder`` below the root, durably; never the root itself."""
        if folder in self._folders:
            return
        parent = os.path.dirname(folder)
        self._make(parent)
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        else:
            try:
                sync_folder(parent)
            except OSError:
                with contextlib.suppress(OSError):  # the next put must not take it for a durable one
                    os.rmdir(folder)
                raise
        self._folders.add(folder)

    def _entries(self, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """(name, entry) of whatever can be an object whose name begins so."""
        self._check_root()
        folder = prefix.rpartition("/")[0]
        whole = f"{folder}/" if folder else ""
        found = self._walk(self._path(folder) if folder else self._root, whole)
        return found if prefix == whole else (one for one in found if one[0].startswith(prefix))

    def _walk(self, folder: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """(name, entry) of what is below ``folder``; what a delete takes away meanwhile may or may not be told."""
        try:
            with os.scandir(folder) as entries:
                # At once and by name: some file systems show a file that is replaced meanwhile a second time.
                found = {entry.name: entry for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            self._check_root()
            return
        for part in sorted(filter(_NAME.fullmatch, found)):  # not temporary files, nor what people leave lying about
            entry = found[part]
            if entry.is_dir():
                yield from self._walk(entry.path, f"{prefix}{part}/")
            else:
                yield prefix + part, entry

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """OSErrors come out as BackendErrors; nothing counts as missing while the folder itself is."""
        try:
            yield
        except BackendError:
            raise
        except (OSError, NotImplementedError) as error:
            if isinstance(error, (FileNotFoundError, NotADirectoryError)):
                self._explain_missing()
            mapped = map_error(ERRORS, error)
            assert mapped is not None
            raise mapped from error

    def _explain_missing(self) -> None:
        try:
            self._check_root()
        except OSError as error:
            raise ERRORS[OSError](error) from error
