"""What becomes of an entry where something stands already: the one place that decides it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from enum import StrEnum

from webraid.entry import Entry, EntryType
from webraid.errors import ConfigError
from webraid.files.place import is_same
from webraid.files.safepath import open_quietly, split

SameContent = Callable[[Entry, int], bool]


class Overwrite(StrEnum):
    """What may be replaced.  Folders never are, and what is the same already is left alone."""

    NEVER = "never"
    IF_NEWER = "if-newer"  # what is older here than in the snapshot
    IF_CHANGED = "if-changed"  # what differs in type, size or time of change
    ALWAYS = "always"  # the same, and files that differ in mode or content only


class Fate(StrEnum):
    """What becomes of it."""

    SAME = "same"  # nothing is to be done
    NEWER = "newer"  # it is newer here, and stays
    KEPT = "kept"  # it differs, and stays
    FOLDER = "folder"  # a folder stands there, and stays
    REPLACE = "replace"


def policy_of(value: str | bool) -> Overwrite:
    """From its word; True and False for 'always' and 'never'.  Raises ConfigError."""
    if isinstance(value, bool):
        return Overwrite.ALWAYS if value else Overwrite.NEVER
    if value not in list(Overwrite):
        raise ConfigError(f"{value!r} is no way to overwrite", hint=f"Say one of: {', '.join(Overwrite)}.")
    return Overwrite(value)


def fate(
    entry: Entry, was: os.stat_result, folder: int, policy: Overwrite, same_content: SameContent | None = None
) -> Fate:
    """``was``: what stands there, in the folder of descriptor ``folder``.  ``same_content(entry, descriptor)`` is asked
    about files that look the same where the policy is 'always'; without it size and time decide.  Raises OSError."""
    if is_same(entry, was, folder) and (
        policy is not Overwrite.ALWAYS or _same_to_the_byte(entry, was, folder, same_content)
    ):
        return Fate.SAME
    if policy is Overwrite.NEVER:
        return Fate.KEPT
    if stat.S_ISDIR(was.st_mode):
        return Fate.FOLDER
    if policy is Overwrite.IF_NEWER and was.st_mtime_ns >= entry.mtime_ns:
        return Fate.NEWER
    return Fate.REPLACE


def _same_to_the_byte(entry: Entry, was: os.stat_result, folder: int, same_content: SameContent | None) -> bool:
    if entry.type is not EntryType.FILE or same_content is None:
        return True
    if stat.S_IMODE(was.st_mode) != entry.mode:
        return False
    try:
        fd = open_quietly(split(entry.path)[1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except PermissionError:
        return False
    try:
        now = os.fstat(fd)
        if (now.st_dev, now.st_ino) != (was.st_dev, was.st_ino):
            raise OSError(errno.ESTALE, "replaced meanwhile")
        return same_content(entry, fd)
    finally:
        os.close(fd)
