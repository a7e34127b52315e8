"""The disk's folder on the server: where objects lie in it, how they get there whole, and how they are found."""

from __future__ import annotations

import contextlib
import posixpath
import re
import stat
from collections.abc import Callable, Iterator

from webraid.errors import (
    AlreadyExists,
    BackendError,
    Misconfigured,
    ObjectNotFound,
    PermissionDenied,
    ProtocolError,
    Unavailable,
)
from webraid_sftp.remote import Entry, Remote
from webraid_sftp.status import FAILURE
from webraid_sftp.wire import Attributes

_PART = re.compile(r"[a-z0-9.-]+")
# '_' is outside our alphabet, so no object can ever lie there.
UNFINISHED = ".tmp_"
_DAY = 86_400
_TRIES = 4  # of a rename; between two of them what stood in its way is mended
_CLASH = "a folder lies where an object belongs, or the other way round"


class Tree:
    """Objects are files below ``root``, named as the objects are.  Only ``prepare`` makes the root itself.

    Raises BackendErrors; nothing counts as missing while the root is.
    """

    def __init__(self, remote: Remote, root: str) -> None:
        self.remote = remote
        self._root = root

    def path(self, name: str = "") -> bytes:
        """The file of an object.  Guarded checks names; here only that none leads out of the root."""
        parts = name.split("/") if name else []
        if not all(_PART.fullmatch(part) and part.strip(".") for part in parts):
            raise ProtocolError("not the name of an object", key=name)
        return posixpath.join(self._root, *parts).encode()

    def check(self) -> None:
        """The root is there.  Raises Unavailable, Misconfigured."""
        told = _or_none(lambda: self.remote.stat(self.path()))
        if told is None:
            raise Unavailable(
                "its folder is missing on the server",
                hint="Is the drive that holds it plugged in and mounted there? Else compare the disk's path.",
            )
        if not _is_folder(told):
            raise Misconfigured("the path of the disk is a file, not a folder")

    # --------------------------------------------------------------------------------------------------------- write
    def prepare(self, unfinished: str) -> None:
        """Make the root if it is missing, try to write there, and sweep what runs left that died over a day ago."""
        if _or_none(lambda: self.remote.stat(self.path())) is None:
            self._make_root(self._root)
        self.check()
        trial = self.write(memoryview(b""), unfinished)
        now = self.remote.lstat(trial).mtime  # by the clock that stamps the files there
        self.remote.remove(trial)
        self._sweep(now)

    def write(self, data: memoryview, unfinished: str) -> bytes:
        """A file of its own, named ``unfinished``, that is no object yet; its path."""
        path = self._unfinished(unfinished)
        try:
            self.remote.write(path, data)
        except ObjectNotFound:
            self._make(self._unfinished())
            self.remote.write(path, data)
        return path

    def _unfinished(self, name: str = "") -> bytes:
        return posixpath.join(self._root, UNFINISHED, name).rstrip("/").encode()

    def publish(self, path: bytes, name: str) -> None:
        """The file becomes the object ``name``, in the place of what that was before."""
        target = self.path(name)
        for _ in range(_TRIES - 1):
            try:
                return self.remote.rename(path, target)
            except ObjectNotFound:
                # Not missing, and not there: some servers answer so where a folder has that very name.
                if not self._make(posixpath.dirname(target)) and _is_folder(self._asked(target)):
                    raise Misconfigured(_CLASH) from None
            except (AlreadyExists, Unavailable) as error:
                if self.remote.wire.broken or not self._mend(target, error):
                    raise
        # What was mended is always followed by a try: else the last one who makes way would leave nothing.
        try:
            return self.remote.rename(path, target)
        except (ObjectNotFound, AlreadyExists) as error:
            raise Unavailable("somebody else writes there, too", provider_code=error.provider_code) from error

    def _mend(self, target: bytes, error: BackendError) -> bool:
        """Whether what may have stood in the way of a rename onto ``target`` is out of it.

        Servers without posix-rename refuse to replace; then there is nothing under the name for a moment.
        """
        if not isinstance(error, AlreadyExists) and error.provider_code != FAILURE:
            return False
        there = _or_none(lambda: self.remote.lstat(target))
        if there is None:  # some servers say FAILURE where a folder is missing; or another one has just removed it
            return self._make(posixpath.dirname(target)) or not self.remote.replaces
        if _is_folder(there):
            raise Misconfigured(_CLASH)
        if self.remote.replaces:
            return False
        with contextlib.suppress(ObjectNotFound):
            self.remote.remove(target)
        return True

    def _make(self, folder: bytes) -> bool:
        """Make a folder below the root, never the root itself; whether it was missing."""
        if folder == self.path():
            self.check()
            return False
        try:
            self.remote.make_folder(folder)
        except ObjectNotFound:
            self._make(posixpath.dirname(folder))
            return self._make_last(folder)
        except (AlreadyExists, Unavailable, PermissionDenied) as error:
            return self._is_there(folder, error)
        return True

    def _make_last(self, folder: bytes) -> bool:
        try:
            self.remote.make_folder(folder)
        except (AlreadyExists, Unavailable, PermissionDenied) as error:
            return self._is_there(folder, error)
        return True

    def _is_there(self, folder: bytes, error: BackendError) -> bool:
        """False where the folder is there, which may be why it could not be made; else raises."""
        there = None if self.remote.wire.broken else _or_none(lambda: self.remote.lstat(folder))
        if there is None:
            raise error
        if not _is_folder(there):
            raise Misconfigured(_CLASH) from error
        return False

    def _make_root(self, path: str) -> None:
        above = posixpath.dirname(path)
        if above not in ("", "/") and _or_none(lambda: self.remote.stat(above.encode())) is None:
            self._make_root(above)
        try:
            self.remote.make_folder(path.encode())
        except (AlreadyExists, Unavailable, PermissionDenied) as error:
            if self.remote.wire.broken or _or_none(lambda: self.remote.stat(path.encode())) is None:
                raise error

    def sweep(self, name: str) -> None:
        """The same where nothing is to be made; ``name``: an object that was just written."""
        self._sweep(self.remote.lstat(self.path(name)).mtime)

    def _sweep(self, now: int | None) -> None:
        """``now``: by the clock that stamps the files there."""
        folder = self._unfinished()
        for _, entries in self.remote.folders([folder]):
            for entry in entries or ():
                written = entry.attributes.mtime
                if _is_file(entry.attributes) and now is not None and written is not None and written < now - _DAY:
                    with contextlib.suppress(ObjectNotFound):  # another machine sweeps, too
                        self.remote.remove(folder + b"/" + entry.name.encode())

    # ---------------------------------------------------------------------------------------------- find, take away
    def size(self, name: str) -> int:
        """Of an object."""
        told = self.remote.lstat(self.path(name))
        if not _is_file(told) or told.size is None:
            raise ObjectNotFound("no such object", key=name)
        return told.size

    def walk(self, prefix: str) -> Iterator[tuple[str, int]]:
        """(name, size) of the objects under ``prefix``.  Links are not followed."""
        folders = [prefix.rpartition("/")[0]]
        while folders:
            names = {self.path(folder): folder for folder in folders}
            folders = []
            for path, entries in self.remote.folders([*names]):
                if entries is None:  # not there; or gone since it was listed, which the root may be, too
                    self.check()
                    continue
                for name, told in self._ours(names[path], entries):
                    if not name.startswith(prefix):
                        continue
                    if _is_folder(told):
                        folders.append(name)
                    elif _is_file(told) and told.size is not None:
                        yield name, told.size

    def _ours(self, folder: str, entries: list[Entry]) -> Iterator[tuple[str, Attributes]]:
        """What may be ours of a folder's entries; unfinished files and what people leave lying about is not."""
        # By name: some file systems show a file that is replaced meanwhile a second time.
        for part, told in {entry.name: entry.attributes for entry in entries}.items():
            if _PART.fullmatch(part) and part.strip("."):
                name = f"{folder}/{part}" if folder else part
                yield name, told if told.mode is not None else self._asked(self.path(name))

    def _asked(self, path: bytes) -> Attributes:
        """Nothing of what is not there."""
        return _or_none(lambda: self.remote.lstat(path)) or Attributes()

    def remove(self, name: str) -> None:
        """Remove an object if it is there, and the folders that this empties."""
        path = self.path(name)
        try:
            self.remote.remove(path)
        except ObjectNotFound:
            self.check()
            return
        with contextlib.suppress(BackendError):  # not empty: the usual end of the climb
            while (path := posixpath.dirname(path)) != self.path():
                self.remote.remove_folder(path)


def _or_none(ask: Callable[[], Attributes]) -> Attributes | None:
    try:
        return ask()
    except ObjectNotFound:
        return None


def _is_folder(told: Attributes) -> bool:
    return told.mode is not None and stat.S_ISDIR(told.mode)


def _is_file(told: Attributes) -> bool:
    """A regular file; where a server tells of no kinds at all, whatever has a size."""
    return told.mode is None or stat.S_ISREG(told.mode)
