"""The folder that is the disk: finding and making it, and searching in it.

All files lie flat in one folder of Drive, with the whole object name as their name.  Real subfolders would have to be
made first, and two machines that make one at the same time make two of them; and they would make nothing faster,
because what a listing wants narrowed down is said by two properties of each file, ``top`` ('shards') and ``part``
('shards/ab').  The price is Drive's limit of 500 000 files in a folder: 2 TB in objects of 4 MiB.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webraid.errors import AlreadyExists, Misconfigured, ObjectNotFound, Unavailable
from webraid_gdrive.drive import FOLDER, Drive, File
from webraid_gdrive.names import Shared

_ROOM = 100  # characters of a property: Drive takes 124 bytes, its key included
_GONE_HINT = "Take it out of Drive's trash, or remove this disk from the pool: its objects are gone."


class Folder:
    """Where a disk's files lie."""

    def __init__(self, drive: Drive, shared: Shared, name: str) -> None:
        self._drive, self._shared, self._name = drive, shared, name

    def id(self) -> str:
        """Drive's id of it.  Raises Misconfigured where it was never made."""
        if not self._shared.folder_id:
            self._shared.folder_id = self._find()
        if not self._shared.folder_id:
            raise Misconfigured(
                "there is no such folder in My Drive that this OAuth client may see",
                hint="Add the disk anew; or use the OAuth client that made the folder.",
            )
        return self._shared.folder_id

    def prepare(self) -> None:
        """Make it if it is missing."""
        if self._shared.folder_id:
            self.check()
            return
        found = self._find()
        if not found:
            # Chosen before, so that a second attempt makes no second folder.
            found = self._shared.choose("", self._drive.ids)
            try:
                self._drive.make_folder(self._name, found)
            except AlreadyExists:
                self._drive.about(found)
        self._shared.folder_id = found

    def check(self) -> None:
        """Whether it is still there: in a folder that is gone, or lies in the trash, every search finds nothing, and
        that would look like an empty disk.  Raises Misconfigured."""
        try:
            gone = self._drive.about(self.id()).get("trashed")
        except ObjectNotFound:
            gone = True
        if gone:
            raise Misconfigured("the disk's folder is gone, or in Drive's trash", hint=_GONE_HINT)

    def named(self, name: str) -> list[File]:
        """Every file of exactly this name, the newest first.  Drive compares names without regard to case."""
        found = self._search(f"{self._inside()} and name = '{quoted(name)}'", name)
        return newest_first([file for file in found if file.get("name") == name and file.get("size") is not None])

    def names(self, prefix: str) -> dict[str, list[File]]:
        """Every name under ``prefix``, and its files, the newest first; one, unless machines met at it."""
        query = self._inside()
        parts = prefix.split("/")
        if len(parts) > 2:
            query += _has("part", f"{parts[0]}/{parts[1]}")
        elif len(parts) > 1:
            query += _has("top", parts[0])
        files = self._search(query, prefix)
        groups: dict[str, list[File]] = {}
        for file in files:
            name = str(file.get("name") or "")
            if name.startswith(prefix) and file.get("size") is not None:
                groups.setdefault(name, []).append(file)
        if not files:
            self.check()
        return {name: newest_first(files) for name, files in groups.items()}

    def _search(self, query: str, name: str) -> list[File]:
        try:
            return list(self._drive.find(query, name))
        except ObjectNotFound:  # it is the folder that Drive does not find
            self.check()
            raise Unavailable("Drive lost sight of the folder for a moment", key=name) from None

    def _inside(self) -> str:
        return f"'{quoted(self.id())}' in parents and trashed = false"

    def _find(self) -> str:
        """The oldest such folder, should there be several: everybody then takes the same."""
        query = f"name = '{quoted(self._name)}' and mimeType = '{FOLDER}' and 'root' in parents and trashed = false"
        found = [file for file in self._drive.find(query) if file.get("name") == self._name]
        oldest = min(found, key=lambda file: (str(file.get("createdTime")), str(file.get("id"))), default=None)
        return str(oldest["id"]) if oldest else ""


def properties(name: str) -> Mapping[str, Any]:
    """What ``names`` narrows its searches down by."""
    parts = name.split("/")
    told = {"top": parts[0][:_ROOM]} if len(parts) > 1 else {}
    return told | ({"part": f"{parts[0]}/{parts[1]}"[:_ROOM]} if len(parts) > 2 else {})


def newest_first(files: list[File]) -> list[File]:
    """By the time of the last change, then by id: the same order for everybody."""
    return sorted(files, key=lambda file: (str(file.get("modifiedTime")), str(file.get("id"))), reverse=True)


def quoted(text: str) -> str:
    """For use between apostrophes in a query."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _has(key: str, value: str) -> str:
    return f" and appProperties has {{ key='{key}' and value='{quoted(value[:_ROOM])}' }}"
