"""WebdavBackend: a folder on a WebDAV server as a disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urlsplit

from webraid.backend import ranges
from webraid.backend.base import Backend, Bytes, Caps, Digest, ErrorTable
from webraid.backend.login import Dialogue, Login, Secrets
from webraid.backend.mapping import mapped
from webraid.env import Env
from webraid.errors import BackendError, ObjectNotFound
from webraid.model import Stored, Usage
from webraid_webdav.client import MULTISTATUS, Answer, Client
from webraid_webdav.errors import ERRORS
from webraid_webdav.folders import PAGE, Folders, is_made, refuse
from webraid_webdav.login import log_in
from webraid_webdav.multistatus import Entry, first_failure
from webraid_webdav.options import WebdavOptions
from webraid_webdav.place import place
from webraid_webdav.upload import Upload

_GONE = (404, 410)


class WebdavBackend(Backend):
    """One object, one file.  A put uploads under a temporary name in a folder of its own and then moves the file to its
    name, which no reader sees half done: upload.py.

    What is deleted is looked at before: a DELETE takes a folder with all that is in it.
    """

    kind: ClassVar[str] = "webdav"
    summary: ClassVar[str] = "a folder on a WebDAV server: Nextcloud, ownCloud, Koofr, pCloud, a NAS..."
    extra: ClassVar[str] = "webdav"
    free_tier: ClassVar[str] = "what your server gives; at Koofr and pCloud about 10 GB (not confirmed)"
    ERRORS: ClassVar[ErrorTable] = ERRORS
    caps = Caps(usage=True, connections=4)

    def __init__(self, options: WebdavOptions, client: Client, env: Env) -> None:
        preset = options.preset
        told = (preset.hash,) if preset.hash else ()
        self.caps = replace(
            type(self).caps, hashes=told, hashes_in_list=bool(told), server_checks_digest=preset.checks,
            trash=preset.trash,
        )  # fmt: skip
        self._client = client
        shared = place(self.identity(options))
        self._folders = Folders(options, client, shared)
        self._upload = Upload(options, client, self._folders, shared, env)

    @classmethod
    def options_type(cls) -> type[WebdavOptions]:
        return WebdavOptions

    @classmethod
    def connect(cls, options: WebdavOptions, secrets: Mapping[str, str]) -> WebdavBackend:
        """Raises BackendError, and PluginMissing where urllib3 is not installed."""
        with mapped(ERRORS):
            return cls(options, Client(options, secrets.get("password", "")), Env())

    @classmethod
    def login(cls, options: WebdavOptions, secrets: Secrets, dialogue: Dialogue) -> Login:
        """Asks for the password if it can, and finds out what server it is."""
        return log_in(options, secrets, dialogue)

    @classmethod
    def identity(cls, options: WebdavOptions) -> str:
        url = urlsplit(options.url)
        return f"webdav|{url.netloc}{url.path}|{options.user}"

    @classmethod
    def default_domain(cls, options: WebdavOptions, name: str) -> str:
        """The company; for a server of one's own the host, without the port: its disks fail together."""
        if options.preset.company:
            return options.known_provider
        return urlsplit(options.url).hostname or name

    # ---------------------------------------------------------------------------------------------------- operations
    def prepare(self) -> None:
        try:
            self._folders.require_root()
        except BackendError as error:
            if error.provider_code != "404":
                raise
            self._folders.make_root()
            self._folders.require_root()
        self._upload.sweep()

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        view = memoryview(data).cast("B")
        hashes = self._upload.put(name, view, digest)
        return Stored(name, view.nbytes, hashes=hashes, verified=bool(hashes))

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        size = ranges.settled(name, offset, size, lambda: self.stat(name).size)
        if size == 0:
            return b""
        answer, data = self._client.fetch(name, offset, size)
        if data is None:
            raise self._refused(answer, name)
        if answer.headers.get("content-type", "").lower().startswith(PAGE):
            self._require_no_page(answer, name, len(data) if size is None else None)
        return data

    def stat(self, name: str, *, locator: str = "") -> Stored:
        return _stored(name, self._folders.look(name))

    def list(self, prefix: str) -> Iterator[Stored]:
        for name, entry in self._folders.walk(prefix):
            yield _stored(name, entry)

    def delete(self, name: str, *, locator: str = "") -> None:
        with contextlib.suppress(ObjectNotFound):
            self._folders.look(name)
            answer = self._client.call("DELETE", name, name=name)
            status = first_failure(answer.body) if answer.status == MULTISTATUS else answer.status
            if not is_made(answer) and status not in (202, MULTISTATUS, *_GONE):
                raise refuse(answer, name, status=status)

    def usage(self) -> Usage:
        entry = self._folders.require_root()
        both = entry.free is not None and entry.used is not None
        return Usage(entry.used, entry.free, (entry.free or 0) + (entry.used or 0) if both else None)

    def close(self) -> None:
        self._client.close()

    # -------------------------------------------------------------------------------------------------------- inside
    def _require_no_page(self, answer: Answer, name: str, length: int | None) -> None:
        """Some servers show a folder, or a login, as a page.  ``length``: bytes that came, if all were asked for."""
        there = self._folders.look(name).size
        told = answer.headers.get("content-length", "") if answer.status == 200 else ""
        if length not in (None, there) or told not in ("", str(there)):
            raise refuse(answer, name)

    def _refused(self, answer: Answer, name: str) -> BackendError:
        """Why there was nothing to get."""
        if answer.status in _GONE:  # it may mean the whole folder: what is lost then is the disk, not an object
            self._folders.require_root()
        elif answer.status == 405:  # what Go's servers say for a folder
            self._folders.look(name)
        return self._folders.object_refused(answer, name)


def _stored(name: str, entry: Entry) -> Stored:
    return Stored(name, entry.size or 0, hashes=entry.hashes)
