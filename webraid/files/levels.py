"""The folders along the way to the entry at hand: made when missing, and what was in them before this run."""

from __future__ import annotations

import errno
import os
import stat

from webraid.entry import EntryType
from webraid.files.folders import Folders
from webraid.files.metadata import chmod_nofollow
from webraid.files.part import found, is_part_name
from webraid.files.safepath import split

UNFINISHED = stat.S_ISVTX | stat.S_IRWXU  # mode of a folder until its restore ends; hardly anyone else's folder has it
NOTHING: frozenset[bytes] = frozenset()


def is_unfinished(was: os.stat_result) -> bool:
    """Whether a folder was made by a restore that never got to its end."""
    return was.st_mode & (UNFINISHED | stat.S_IRWXG | stat.S_IRWXO) == UNFINISHED


class Levels:
    """Follows the entries in their order.

    A name that exists without having been in the folder before was made by this very run: two names that the target's
    file system takes for one (upper and lower case, Unicode forms).  Such a thing is never taken for the user's own.
    """

    def __init__(self, folders: Folders) -> None:
        """Raises OSError."""
        self._folders = folders
        self._stack: list[tuple[bytes, frozenset[bytes]]] = [(b"", self._names(b""))]
        self.implied: list[bytes] = []  # folders made without an entry of their own

    def enter(self, folder: bytes) -> frozenset[bytes]:
        """Goes to a folder, making what is missing on the way; returns the names it held before.  Raises OSError."""
        while self._stack[-1][0] and not (folder + b"/").startswith(self._stack[-1][0] + b"/"):
            self._stack.pop()
        here = self._stack[-1][0]
        while here != folder:
            rest = folder[len(here) + 1 :] if here else folder
            part = rest.partition(b"/")[0]
            here = here + b"/" + part if here else part
            if self.make(here) is None:
                self.implied.append(here)
        return self._stack[-1][1]

    def make(self, path: bytes) -> os.stat_result | None:
        """Makes a folder in the one entered last, and enters it.  Returns what it was when it existed already.

        Raises OSError: ELOOP for a symlink, ENOTDIR for another thing, EEXIST for one this run made under another name.
        """
        parent, name = split(path)
        was: os.stat_result | None = None
        with self._folders.at(parent) as fd:
            try:
                os.mkdir(name, UNFINISHED, dir_fd=fd)
                if not is_unfinished(os.lstat(name, dir_fd=fd)):  # the umask, or a default ACL, took from its mode
                    chmod_nofollow(b"/proc/self/fd/%d/%s" % (fd, name), UNFINISHED, EntryType.DIR)
            except FileExistsError:
                was = os.lstat(name, dir_fd=fd)
        if was is not None:
            if not stat.S_ISDIR(was.st_mode):
                number = errno.ELOOP if stat.S_ISLNK(was.st_mode) else errno.ENOTDIR
                raise OSError(number, os.strerror(number))
            if name not in self._stack[-1][1]:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        self._stack.append((path, NOTHING if was is None else self._names(path)))
        return was

    def _names(self, folder: bytes) -> frozenset[bytes]:
        """The names in an existing folder, after what a dead run left unfinished is taken away."""
        with self._folders.at(folder) as passage:
            fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=passage)
        try:
            names = frozenset(map(os.fsencode, os.listdir(fd)))
            for name in [name for name in names if is_part_name(name)]:
                was = found(fd, name)
                if was is not None and was.st_uid == os.geteuid() and not stat.S_ISDIR(was.st_mode):
                    os.unlink(name, dir_fd=fd)
        finally:
            os.close(fd)
        return names
