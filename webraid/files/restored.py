"""The handle through which a file's content arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from webraid.entry import Entry, EntryType
from webraid.files.part import Part, Site
from webraid.files.problem import words
from webraid.files.safepath import why_unsafe


class Ledger(Protocol):
    """Who wants to know what becomes of a file."""

    def report(self, path: bytes, reason: str) -> None:
        """Something went wrong with it."""

    def landed(self, entry: Entry, identity: tuple[int, int]) -> None:
        """It is in place; (st_dev, st_ino)."""

    def closed(self, entry: Entry) -> None:
        """Nothing more will be done about it."""


class RestoredFile:
    """A file being filled, in any order, from many threads, every byte once.

    The first thing that goes wrong is reported as a Problem; then ``failed`` is true, further writes do nothing and
    ``finish`` returns False.
    """

    def __init__(self, entry: Entry, site: Site, ledger: Ledger, *, replace: bool) -> None:
        self.entry = entry
        self.failed = False
        self._ledger = ledger
        self._part: Part | None = None
        reason = why_unsafe(entry) or ("" if entry.type is EntryType.FILE else "it is no file")
        if reason:
            self._fail(reason)
            return
        try:
            self._part = Part(entry, site, replace=replace)
        except OSError as error:
            self._fail(words(error))

    def pwrite(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Writes at an offset of the file (``stream_to_file`` tells which; without holes it is the stream's)."""
        self._write(Part.pwrite, data, offset)

    def write_stream(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Writes at an offset of the content stream; holes are stepped over."""
        self._write(Part.write_stream, data, offset)

    def finish(self) -> bool:
        """Length, metadata and final name.  False when the file could not be restored; nothing is left of it then."""
        part = self._part
        if part is None or self.failed:
            self.abandon()
            return False
        if not part.whole():
            self.abandon("its content is not complete")
            return False
        try:
            self._ledger.landed(self.entry, part.land())
        except OSError as error:
            self.abandon(words(error))
            return False
        self._part = None
        self._ledger.closed(self.entry)
        return True

    def abandon(self, reason: str = "") -> None:
        """Takes the unfinished file away; ``reason`` is reported unless something was already."""
        if reason:
            self._fail(reason)
        self.failed = True
        part, self._part = self._part, None
        self._ledger.closed(self.entry)
        if part is not None:
            try:
                part.drop()
            except OSError as error:
                self._ledger.report(self.entry.path, f"its unfinished part is still there: {words(error)}")

    def _write(
        self, write: Callable[[Part, bytes | bytearray | memoryview, int], None],
        data: bytes | bytearray | memoryview, offset: int,
    ) -> None:  # fmt: skip
        part = self._part
        if part is None or self.failed:
            return
        try:
            write(part, data, offset)
        except OSError as error:
            self._fail(words(error))

    def _fail(self, reason: str) -> None:
        if not self.failed:
            self.failed = True
            self._ledger.report(self.entry.path, reason)
