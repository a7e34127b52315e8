"""Folders: making them, looking at them, looking into them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from webraid.backend.guarded import legal_name
from webraid.errors import BackendError, Misconfigured, ObjectNotFound, ProtocolError
from webraid_webdav.client import MULTISTATUS, Answer, Client
from webraid_webdav.codes import PLACE_HINT, leads_to, refusal
from webraid_webdav.multistatus import MAX_LISTING, OBJECTS, OBJECTS_WITH_HASHES, QUOTA, Entry, entries
from webraid_webdav.options import Parts, WebdavOptions, path_of
from webraid_webdav.place import Place

XML = 'application/xml; charset="utf-8"'
FOLDER = "folder"  # the code of an object that is not there because a folder has its name
MADE = (200, 201, 204)
PAGE = "text/html"
THERE = 405  # what RFC 4918 says to MKCOL where something is


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in a folder by name, and when the server says it was."""

    date: str
    entries: Mapping[str, Entry]


class Folders:
    """Everything about folders at one place.  Paths are below the disk's folder, '' is that folder itself."""

    def __init__(self, options: WebdavOptions, client: Client, place: Place) -> None:
        self._client = client
        self._place = place
        self._root = options.parts
        self._ask = OBJECTS_WITH_HASHES if options.preset.hash else OBJECTS

    # ---------------------------------------------------------------------------------------------------------- looking
    def look(self, name: str) -> Entry:
        """The object of that name.  ObjectNotFound, also where a folder has it; Misconfigured where all is gone."""
        answer = self._propfind(name, 0, self._ask, name)
        if answer.status in (404, 410):
            self.require_root()
        if answer.status != MULTISTATUS:
            raise self.object_refused(answer, name)
        entry = next(iter(entries(answer.body)), None)
        if entry is None or entry.folder:
            raise a_folder(name)
        if entry.size is None:
            raise ProtocolError("an object without a size", key=name)
        return entry

    def object_refused(self, answer: Answer, name: str) -> BackendError:
        """The error for a refused GET or PROPFIND of an object; some servers redirect to 'folder/'."""
        if leads_to(answer.headers, f"{path_of(self._root)}/{name}/") and 300 <= answer.status < 400:
            return a_folder(name)
        return refuse(answer, name)

    def require_root(self) -> Entry:
        """The disk's folder, with its quota.  Misconfigured where it is not there: the disk is lost, not an object."""
        answer = self._propfind("", 0, QUOTA, "")
        if answer.status in (404, 410):
            raise no_root()
        if answer.status != MULTISTATUS:
            raise refuse(answer, "")
        entry = next(iter(entries(answer.body)), None)
        if entry is None or not entry.folder:
            raise Misconfigured("the url leads to a file, not to a folder", hint=PLACE_HINT)
        return entry

    def children(self, folder: str) -> Listing | None:
        """Everything in a folder; None where there is no such folder.  ProtocolError for what does not lie in it."""
        answer = self._propfind(f"{folder}/" if folder else "", 1, self._ask, folder)
        if answer.status in (404, 410):
            return None
        if answer.status != MULTISTATUS:
            raise refuse(answer, folder)
        here, found = self._parts(folder), dict[str, Entry]()
        for entry in entries(answer.body):
            if entry.parts != here:
                if entry.parts[:-1] != here:
                    raise ProtocolError("a listing names what is not in its folder", key=folder, hint=PLACE_HINT)
                found[entry.parts[-1]] = entry
        return Listing(answer.headers.get("date", ""), found)

    def _parts(self, folder: str) -> Parts:
        return (*self._root, *(unicodedata.normalize("NFC", part) for part in folder.split("/") if part))

    def _propfind(self, path: str, depth: int, ask: bytes, name: str) -> Answer:
        headers = {"Depth": str(depth), "Content-Type": XML}
        return self._client.call("PROPFIND", path, headers=headers, body=ask, limit=MAX_LISTING, name=name)

    # ----------------------------------------------------------------------------------------------------------- making
    def ensure(self, folder: str) -> bool:
        """Make it, and those above it, unless this process knows that it is there.  True where it asked the server."""
        return bool(folder) and self._place.ensure(folder, self._make)

    def _make(self, folder: str) -> None:
        """One request where the folder above is there."""
        answer = self._mkcol(f"{folder}/", folder)
        if answer.status in (404, 409):
            parts = folder.split("/")
            for end in range(1, len(parts)):
                self._made(self._mkcol("/".join(parts[:end]) + "/", folder), folder)
            answer = self._mkcol(f"{folder}/", folder)
        self._made(answer, folder)

    def _made(self, answer: Answer, folder: str) -> None:
        if answer.status in (404, 409):
            self.require_root()
        if not is_made(answer) and answer.status != THERE:
            raise refuse(answer, folder, status=409 if answer.status == 404 else None)

    def make_root(self) -> None:
        """Make the disk's folder, and what is missing above it."""
        level = len(self._root)
        while level:
            answer = self._mkcol(f"{path_of(self._root[:level])}/", "")
            if is_made(answer) or answer.status == THERE:
                break
            if answer.status not in (404, 409):
                raise refuse(answer, "")
            level -= 1
        if not level:
            raise no_root()
        for deeper in range(level + 1, len(self._root) + 1):
            answer = self._mkcol(f"{path_of(self._root[:deeper])}/", "")
            if not is_made(answer) and answer.status != THERE:
                raise refuse(answer, "")

    def _mkcol(self, path: str, name: str) -> Answer:
        return self._client.call("MKCOL", path, name=name)

    # ---------------------------------------------------------------------------------------------------------- walking
    def walk(self, prefix: str) -> Iterator[tuple[str, Entry]]:
        """Every file below whose path begins with ``prefix`` and could be an object's name.  A folder that goes
        meanwhile is passed over."""
        start = prefix.rpartition("/")[0]
        todo = [start]
        while todo:
            folder = todo.pop()
            found = self.children(folder)
            if found is None:
                self.require_root()  # else all is gone, and what was found so far is no listing
                continue
            for part, entry in found.entries.items():
                path = f"{folder}/{part}" if folder else part
                if "/" in part or not legal_name(path):
                    continue
                if not entry.folder:
                    if path.startswith(prefix):
                        yield path, entry
                elif f"{path}/".startswith(prefix) or prefix.startswith(f"{path}/"):
                    self._place.known(path)
                    todo.append(path)


def is_made(answer: Answer) -> bool:
    """Whether it was done.  Not where a page came with 200: that is what a host says of a suspended account, or a proxy
    that wants a login, whatever it was asked for."""
    page = answer.status == 200 and answer.body and answer.headers.get("content-type", "").lower().startswith(PAGE)
    return answer.status in MADE and not page


def refuse(answer: Answer, name: str, *, status: int | None = None) -> BackendError:
    """The error for an answer that nobody wanted."""
    return refusal(status or answer.status, answer.headers, name, asked=answer.asked)


def a_folder(name: str) -> ObjectNotFound:
    return ObjectNotFound("a folder, no object", key=name, provider_code=FOLDER)


def no_root() -> Misconfigured:
    return Misconfigured("there is no such folder on the server", provider_code="404", hint=PLACE_HINT)
