"""All snapshots as WebDAV resources: folders and regular files, nothing that can be written."""

from __future__ import annotations

import hashlib
import io
import re
from typing import Any

from webraid.entry import EntryType
from webraid.errors import WebRAIDError
from webraid.jobs.browsing.browse import Browser, Node
from webraid.jobs.browsing.browse_content import Reader
from webraid.serve.library import DAVCollection, DAVError, DAVNonCollection, DAVProvider, guess_mime_type

SHOWN = (EntryType.DIR, EntryType.FILE)  # what WebDAV has
FORBIDDEN, UNAVAILABLE = 403, 503
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")  # no XML may hold these


class Tree(DAVProvider):  # type: ignore[misc]  # the library has no types
    """The tree of a Browser.  Requests come on several threads at once."""

    def __init__(self, browser: Browser) -> None:
        super().__init__()
        self.browser = browser

    def is_readonly(self) -> bool:
        """Always."""
        return True

    def get_resource_inst(self, path: str, environ: dict[str, Any]) -> Folder | File | None:
        """What is at a path, None for nothing."""
        try:
            found = self._find(path)
        except WebRAIDError as error:
            raise _unavailable(self.browser, None, error) from error
        if found is None:
            return None
        node, raw = found
        kind = Folder if node.entry.type is EntryType.DIR else File
        return kind(path, environ, self.browser, node, raw)

    def custom_request_handler(self, environ: dict[str, Any], start_response: Any, default_handler: Any) -> Any:
        """One request must not walk through everything there is."""
        if environ["REQUEST_METHOD"] == "PROPFIND" and environ.get("HTTP_DEPTH", "infinity") == "infinity":
            raise DAVError(FORBIDDEN, "Ask for Depth 0 or 1.")
        return default_handler(environ, start_response)

    def _find(self, path: str) -> tuple[Node, bytes] | None:
        """A node with its path in the tree.  Names are compared as they are, then as they are shown."""
        raw = b""
        node = self.browser.node(raw)
        for part in path.strip("/").split("/") if path.strip("/") else ():
            there = part.encode("utf-8", "surrogateescape")
            within = raw + b"/" + there if raw else there
            child = self.browser.node(within, follow=True)
            if child is None and node is not None and node.entry.type is EntryType.DIR:
                shown_as = (name for name, _ in self.browser.listing(raw) if shown(name) == part)
                name = next(shown_as, None)
                within = within if name is None else raw + b"/" + name
                child = None if name is None else self.browser.node(within, follow=True)
            if child is None or child.entry.type not in SHOWN:
                return None
            node, raw = child, within
        return None if node is None else (node, raw)


def shown(name: bytes) -> str:
    """A name as URLs and XML can carry it: what they cannot is spelled out."""
    text = name.decode("utf-8", "backslashreplace")
    return _UNSHOWABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _unavailable(browser: Browser, node: Node | None, error: WebRAIDError) -> Exception:
    """Why something cannot be read, for the user here; the client hears no more than the sentence."""
    if node is None:
        browser.complain_of_table(error)
    else:
        browser.complain(node, error)
    refused: Exception = DAVError(UNAVAILABLE, str(error))
    return refused


class _Timed:
    _node: Node

    def get_creation_date(self) -> float:
        """Seconds since the epoch; WebDAV has no other time but the next."""
        return self._node.entry.ctime_ns / 1e9

    def get_last_modified(self) -> float:
        """Seconds since the epoch."""
        return self._node.entry.mtime_ns / 1e9


class Folder(_Timed, DAVCollection):  # type: ignore[misc]
    """A folder, made up or in a snapshot."""

    def __init__(self, path: str, environ: dict[str, Any], browser: Browser, node: Node, raw: bytes) -> None:
        super().__init__(path, environ)
        self._browser, self._node, self._raw = browser, node, raw

    def get_member_names(self) -> list[str]:
        """Names as they are shown."""
        return [member.name for member in self.get_member_list()]

    def get_member_list(self) -> list[Folder | File]:
        """Everything in it that WebDAV can show; links to snapshots are shown as what they lead to."""
        try:
            listing = self._browser.listing(self._raw)
        except WebRAIDError as error:
            raise _unavailable(self._browser, self._node, error) from error
        members: list[Folder | File] = []
        for name, node in listing:
            raw = self._raw + b"/" + name if self._raw else name
            real = node
            if node.shot is None and node.entry.type is EntryType.SYMLINK:
                real = self._browser.node(raw, follow=True) or node
            if real.entry.type in SHOWN:
                kind = Folder if real.entry.type is EntryType.DIR else File
                path = f"{self.path.rstrip('/')}/{shown(name)}"
                members.append(kind(path, self.environ, self._browser, real, raw))
        return members


class File(_Timed, DAVNonCollection):  # type: ignore[misc]
    """A regular file of a snapshot."""

    def __init__(self, path: str, environ: dict[str, Any], browser: Browser, node: Node, raw: bytes) -> None:
        super().__init__(path, environ)
        self._browser, self._node = browser, node

    def get_content_length(self) -> int:
        """Bytes."""
        return self._node.entry.size

    def get_content_type(self) -> str:
        """Guessed by the name."""
        return str(guess_mime_type(self.path))

    def get_etag(self) -> str:
        """The same for the same content."""
        entry = self._node.entry
        text = b"%d %d " % (entry.size, entry.mtime_ns) + entry.chunks + repr(entry.sparse).encode()
        return hashlib.blake2b(text, digest_size=16).hexdigest()

    def support_etag(self) -> bool:
        """Yes."""
        return True

    def support_ranges(self) -> bool:
        """Yes."""
        return True

    def get_content(self) -> io.RawIOBase:
        """The content as a stream."""
        try:
            return Stream(self._browser, self._node, self._browser.open(self._node))
        except WebRAIDError as error:
            raise _unavailable(self._browser, self._node, error) from error


class Stream(io.RawIOBase):
    """A file's content with a position.  A read that fails breaks the answer off: nobody takes a part for the whole."""

    def __init__(self, browser: Browser, node: Node, reader: Reader) -> None:
        super().__init__()
        self._browser, self._node, self._reader = browser, node, reader
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._reader.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes."""
        wanted = self._reader.size - self._at if size < 0 else size
        try:
            data = self._reader.read(self._at, wanted)
        except WebRAIDError as error:
            raise _unavailable(self._browser, self._node, error) from error
        self._at += len(data)
        return data

    def close(self) -> None:
        """End."""
        if not self.closed:
            self._reader.close()
        super().close()
