"""What the fake Drive keeps: files by id, the lagging index that searches see, quota, rates, changes, upload sessions.

No HTTP here.  'Guides' in the comments are the Drive API guides (developers.google.com/workspace/drive/api/guides).
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

FOLDER = "application/vnd.google-apps.folder"
ROOT = "0AFakeRootFolderPVA"
ITEMS_PER_FOLDER = 500_000  # Guides, 'File and folder limits'

# Guides, 'Usage limits', quota units a request (projects made since May 2026).
COSTS = {"get": 5, "list": 100, "download": 200, "edit": 50, "ids": 5}


class Refusal(Exception):
    """An error answer.  ``reason``: errors[0].reason of the body (Guides, 'Resolve errors')."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str = "",
        *,
        location: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason)
        self.status, self.reason, self.message, self.location = status, reason, message or reason, location
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class File:
    """One file or folder; replaced, never changed, so that the index can keep what it was."""

    id: str
    name: str
    app: str  # the client id that made it: who is let in with the scope drive.file
    parents: tuple[str, ...]
    mime: str
    created: str
    modified: str
    version: int
    properties: Mapping[str, str] = field(default_factory=dict)
    data: bytes | None = None
    revision: str = ""
    trashed: bool = False
    md5: str = ""
    sha256: str = ""

    def told(self) -> dict[str, Any]:
        """As a File resource: int64 fields are strings (discovery document), blobs alone have size and checksums."""
        told: dict[str, Any] = {
            "kind": "drive#file", "id": self.id, "name": self.name, "mimeType": self.mime, "createdTime": self.created,
            "modifiedTime": self.modified, "trashed": self.trashed, "explicitlyTrashed": self.trashed,
            "version": str(self.version), "parents": list(self.parents), "spaces": ["drive"], "ownedByMe": True,
        }  # fmt: skip
        if self.properties:
            told["appProperties"] = dict(self.properties)
        if self.data is not None:
            size = str(len(self.data))
            told |= {"size": size, "quotaBytesUsed": size, "headRevisionId": self.revision}
            told |= {"md5Checksum": self.md5, "sha256Checksum": self.sha256}
        return told


class Store:
    """One user's Drive.  ``quota``: bytes, None: unlimited.  ``lag``: seconds until searches show a change.
    ``units_per_minute``: quota units a user may spend in 60 s, None: no limit.  ``page``: most files in one answer
    (Guides: 'the service may return fewer').  ``token_seconds``: how long a page token is good."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.lock = threading.RLock()
        self.now = now
        self.quota: int | None = None
        self.elsewhere = 0  # bytes of mail and photos: they count, too
        self.lag = 0.0
        self.units_per_minute: int | None = None
        self.page = 1000
        self.token_seconds = 3600.0
        self.incomplete = False
        self.abusive: set[str] = set()
        self.folder_limit = ITEMS_PER_FOLDER
        self.files: dict[str, File] = {}
        self.issued: set[str] = set()
        self.changes: list[tuple[str, str]] = []  # time, id
        self._index: dict[str, File] = {}
        self._due: deque[tuple[float, str, File | None]] = deque()
        self._spent: deque[tuple[float, int]] = deque()
        self._tokens: dict[str, tuple[float, str, str]] = {}
        self._numbers = itertools.count(1)
        self._children: dict[str, int] = {}

    # ---------------------------------------------------------------------------------------------------------- reading
    def get(self, app: str, file_id: str) -> File:
        """Strongly consistent.  What another app made is not there (Guides, 'Choose scopes': drive.file)."""
        with self.lock:
            file = self.files.get(file_id)
            if file is None or file.app != app:
                raise Refusal(404, "notFound", f"File not found: {file_id}.", location="fileId")
            trashed = file.trashed or any(
                parent in self.files and self.files[parent].trashed for parent in file.parents
            )  # discovery document, File.trashed: 'explicitly or from a trashed parent folder'
            return replace(file, trashed=trashed)

    def find(
        self,
        app: str,
        matches: Callable[[Mapping[str, Any]], bool],
        key: str,
        *,
        size: int,
        token: str,
        order: str = "",
    ) -> tuple[list[File], str]:
        """A page of what the index shows, and the token of the next one.  ``key``: the query, to which a token is
        bound."""
        with self.lock:
            self._settle()
            after = self._redeem(token, key) if token else ""
            shown = [file for file in self._index.values() if file.app == app]
            found = sorted(
                (file for file in shown if file.id > after and matches(self._seen(file))), key=lambda file: file.id
            )
            page = found[: min(size, self.page)]
            more = self._ticket(page[-1].id, key) if len(found) > len(page) else ""
            if order:
                page.sort(key=lambda file: (file.modified, file.id), reverse=order.endswith("desc"))
            return page, more

    def usage(self) -> dict[str, str]:
        """About.storageQuota; the trash counts until it is emptied (Guides; providers.md section 4)."""
        with self.lock:
            sizes = [(len(file.data or b""), file.trashed) for file in self.files.values()]
        drive, trash = sum(size for size, _ in sizes), sum(size for size, trashed in sizes if trashed)
        told = {"usage": drive + self.elsewhere, "usageInDrive": drive, "usageInDriveTrash": trash}
        # 'This will not be present if the user has unlimited storage.'
        told |= {} if self.quota is None else {"limit": self.quota}
        return {name: str(value) for name, value in told.items()}

    # ---------------------------------------------------------------------------------------------------------- writing
    def ids(self, count: int) -> list[str]:
        """files.generateIds."""
        with self.lock:
            made = [self._new_id() for _ in range(count)]
            self.issued.update(made)
            return made

    def create(self, app: str, about: Mapping[str, Any], data: bytes | None) -> File:
        """Names may repeat.  A pre-generated id can be used once: 409 for the second (Guides, 'Create and manage
        files': 'subsequent retries return 409 Conflict and don't create a duplicate file')."""
        with self.lock:
            file_id = str(about.get("id") or "")
            self.allow(app, about)
            if not file_id:
                file_id = self._new_id()
            parents = tuple(about.get("parents") or (ROOT,))
            self._room(len(data or b""))
            for parent in parents:
                if parent not in (ROOT, "root"):
                    self.get(app, parent)
                if self._children.get(parent, 0) >= self.folder_limit:
                    raise Refusal(403, "numChildrenInNonRootLimitExceeded", "The limit for this folder is reached.")
                self._children[parent] = self._children.get(parent, 0) + 1
            stamp = _stamp()
            mime = str(about.get("mimeType") or "application/octet-stream")
            body = None if mime == FOLDER else data or b""
            file = File(
                file_id, str(about.get("name") or "Untitled"), app, tuple(ROOT if p == "root" else p for p in parents),
                mime, stamp, stamp, 1, dict(about.get("appProperties") or {}),
            )  # fmt: skip
            self._keep(_filled(file, body, self._revision()))
            return self.get(app, file_id)  # 'trashed' of a file made in a folder that lies in the trash is true

    def allow(self, app: str, about: Mapping[str, Any]) -> None:
        """Whether a create with this metadata may begin; a resumable one is judged before its bytes come, too."""
        file_id = str(about.get("id") or "")
        if file_id in self.files:
            raise Refusal(409, "fileIdInUse", "A file already exists with the provided ID.", location="file.id")
        if file_id and file_id not in self.issued:
            raise Refusal(400, "invalid", "The provided file ID is not usable.", location="file.id")

    def update(
        self, app: str, file_id: str, about: Mapping[str, Any], data: bytes | None, *, add: str = "", remove: str = ""
    ) -> File:
        """New content is a new revision under the same id; the reader of a moment sees one of them whole."""
        with self.lock:
            file = self.get(app, file_id)
            file = replace(file, trashed=self.files[file_id].trashed)
            if data is not None:
                self._room(len(data) - len(file.data or b""))
                file = _filled(file, data, self._revision())
            properties = {**file.properties, **(about.get("appProperties") or {})}
            parents = tuple(p for p in file.parents if p not in remove.split(",")) + tuple(filter(None, add.split(",")))
            file = replace(
                file, name=str(about.get("name", file.name)), trashed=bool(about.get("trashed", file.trashed)),
                properties={key: value for key, value in properties.items() if value is not None}, parents=parents,
                modified=_stamp(), version=file.version + 1,
            )  # fmt: skip
            self._keep(file)
            return self.get(app, file_id)

    def delete(self, app: str, file_id: str) -> None:
        """files.delete: for good, past the trash; a folder takes what is in it along (files.delete's description)."""
        with self.lock:
            self.get(app, file_id)
            for child in [file.id for file in self.files.values() if file_id in file.parents]:
                self._drop(child)
            self._drop(file_id)

    def empty_trash(self, app: str) -> None:
        """At once; the real one takes its time."""
        with self.lock:
            for file in [file for file in self.files.values() if file.trashed and file.app == app]:
                self._drop(file.id)

    def spend(self, what: str) -> None:
        """Count quota units (Guides, 'Usage limits'); the window is the last 60 seconds."""
        with self.lock:
            now = self.now()
            while self._spent and self._spent[0][0] <= now - 60:
                self._spent.popleft()
            limit = self.units_per_minute
            if limit is not None and sum(units for _, units in self._spent) + COSTS[what] > limit:
                raise Refusal(403, "userRateLimitExceeded", "User Rate Limit Exceeded")
            self._spent.append((now, COSTS[what]))

    def changed(self, app: str, token: str, size: int) -> tuple[list[tuple[str, str, File | None]], int]:
        """Time, id and file (None: gone) of changes from a token on; the number of the next one."""
        with self.lock:
            if not token.isdigit() or not 1 <= int(token) <= len(self.changes) + 1:
                raise Refusal(400, "invalid", "Invalid Value", location="pageToken")
            begin = int(token) - 1
            page = self.changes[begin : begin + min(size, self.page)]
            told = [(at, file_id, self.files.get(file_id)) for at, file_id in page]
            ours = [(at, file_id, file) for at, file_id, file in told if file is None or file.app == app]
            return ours, begin + len(page) + 1

    def start_token(self) -> str:
        with self.lock:
            return str(len(self.changes) + 1)

    def catch_up(self) -> None:
        """The index knows everything now."""
        with self.lock:
            self._due = deque((0.0, file_id, file) for _, file_id, file in self._due)

    # ----------------------------------------------------------------------------------------------------------- inside
    def _keep(self, file: File) -> None:
        self.files[file.id] = file
        self._note(file.id, file)

    def _drop(self, file_id: str) -> None:
        gone = self.files.pop(file_id)
        for parent in gone.parents:
            self._children[parent] = self._children.get(parent, 1) - 1
        self._note(file_id, None)

    def _note(self, file_id: str, file: File | None) -> None:
        self.changes.append((_stamp(), file_id))
        self._due.append((self.now() + self.lag, file_id, file))

    def _settle(self) -> None:
        """What is due comes into the index: what it tells is as old as ``lag`` (kopia #90, rclone)."""
        while self._due and self._due[0][0] <= self.now():
            _, file_id, file = self._due.popleft()
            if file is None:
                self._index.pop(file_id, None)
            else:
                self._index[file_id] = file

    def _seen(self, file: File) -> dict[str, Any]:
        told = file.told()
        told["trashed"] = file.trashed or any(p in self._index and self._index[p].trashed for p in file.parents)
        return told

    def _room(self, size: int) -> None:
        if self.quota is not None and size > 0 and self._used() + size > self.quota:
            raise Refusal(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.")

    def _used(self) -> int:
        return int(self.usage()["usage"])

    def _ticket(self, after: str, key: str) -> str:
        token = f"~!!~page-{next(self._numbers)}"
        self._tokens[token] = (self.now() + self.token_seconds, after, key)
        return token

    def _redeem(self, token: str, key: str) -> str:
        until, after, bound = self._tokens.get(token, (0.0, "", ""))
        if until <= self.now() or bound != key:  # FileList.nextPageToken: 'if the token is rejected for any reason'
            raise Refusal(400, "invalid", "Invalid Value", location="pageToken")
        return after

    def _new_id(self) -> str:
        """Random-looking, so that an order by id is none by age."""
        number = next(self._numbers)
        return f"1{hashlib.sha256(f'id {number}'.encode()).hexdigest()[:32]}"

    def _revision(self) -> str:
        return f"0B{next(self._numbers)}"


def _filled(file: File, data: bytes | None, revision: str) -> File:
    if data is None:
        return file
    return replace(
        file, data=data, revision=revision, sha256=hashlib.sha256(data).hexdigest(),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
    )  # fmt: skip


def _stamp() -> str:
    """RFC 3339 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
