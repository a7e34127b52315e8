"""What went wrong with one path, in words that are safe to show on a terminal."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE, errno.ENXIO, errno.ENODEV})
_WORDS = {
    errno.ELOOP: "a symlink stands in the way",
    errno.ENOTDIR: "something that is no folder stands in the way",
    errno.ESTALE: "it was replaced by something else meanwhile",
    errno.EEXIST: "a thing of that name (or one the file system takes for the same) appeared meanwhile",
    errno.EISDIR: "a folder stands there",
}


def display(path: bytes) -> str:
    """A path for people: what is not printable (newlines, escapes, bytes that are no UTF-8) is shown as \\x.. codes."""
    text = path.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def words(error: OSError) -> str:
    """The reason of a failed system call in plain words, without any path."""
    number = error.errno or 0
    return _WORDS.get(number) or os.strerror(number).lower()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that could not be read or written as asked; the run goes on and ends with exit code 3.

    ``path``: safe to display.  ``vanished``: it was there when its folder was listed and is gone or replaced now.
    """

    path: str = field(repr=False)
    reason: str
    vanished: bool = False

    @classmethod
    def of(cls, path: bytes, error: OSError) -> Problem:
        """From a failed system call on ``path`` (an absolute source path or an entry's path)."""
        gone = error.errno in _GONE
        return cls(display(path), "it vanished" if error.errno == errno.ENOENT else words(error), gone)
