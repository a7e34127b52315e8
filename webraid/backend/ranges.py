"""Ranges over HTTP: what to ask for, and where the wanted bytes begin in what comes.  No I/O here."""

from __future__ import annotations

import re
from collections.abc import Callable

from webraid.errors import ProtocolError

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
PARTIAL = 206


def settled(name: str, offset: int, size: int | None, total: Callable[[], int]) -> int | None:
    """How many bytes to ask for; None: the whole object.  HTTP knows no empty range and none that may be empty, so
    ``total`` (the object's size) is asked where one is wanted, and 0 means that there is nothing to fetch.

    Raises ProtocolError for a range past the end.
    """
    if offset < 0 or (size is not None and size < 0):
        raise ProtocolError("a range cannot be negative", key=name)
    if size == 0 or (size is None and offset):
        there = total()
        size = there - offset if size is None else size
        if offset + size > there or size < 0:
            raise ProtocolError(f"the range begins at {offset}, the object has {there} bytes", key=name)
    return size


def header(offset: int, size: int | None) -> dict[str, str]:
    """The request header for ``size`` bytes from ``offset``; none for the whole."""
    return {} if size is None else {"Range": f"bytes={offset}-{offset + size - 1}"}


def begin(name: str, offset: int, size: int | None, *, status: int, content_range: str, length: int) -> int:
    """Where the wanted bytes begin in a body of ``length`` that is about to come.  Raises ProtocolError.

    Some servers answer a range with 200: with the range in Content-Range, or with the whole object.
    """
    told = _CONTENT_RANGE.fullmatch(content_range)
    if size is None:
        if told:
            raise ProtocolError("a part came where the whole was asked for", key=name)
        return 0
    if told:
        if (int(told[1]), int(told[2])) == (offset, offset + size - 1) and length == size:
            return 0
        raise ProtocolError(f"{size} bytes from {offset} were asked for, the server has other ones", key=name)
    if status == PARTIAL:
        if length == size:
            return 0
    elif length >= offset + size:
        return offset
    raise ProtocolError(f"{size} bytes from {offset} were asked for, {length} came", key=name)
