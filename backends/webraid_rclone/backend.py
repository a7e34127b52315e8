"""RcloneBackend: a folder at any of the places that rclone knows, as a disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import ClassVar

from webraid.backend import ranges
from webraid.backend.base import Backend, Bytes, Caps, Digest, ErrorTable
from webraid.backend.login import Dialogue, Login, Secrets
from webraid.backend.mapping import mapped
from webraid.env import Env
from webraid.errors import BackendError, Misconfigured, ObjectNotFound, Unavailable
from webraid.model import Stored, Usage
from webraid_rclone import hashes, wizard
from webraid_rclone.errors import ERRORS
from webraid_rclone.opening import Access, open_access
from webraid_rclone.options import RcloneOptions
from webraid_rclone.texts import FOLDER, FOLDER_HINT
from webraid_rclone.transport import Item
from webraid_rclone.types import TYPES

_PARTS = "_part"  # no name of ours has an underscore
_OLD = "24h"
# Where half an upload can be seen, whether this release of rclone says so ('PartialUploads') or not.
_PARTIAL = frozenset({"local", "sftp", "ftp", "smb", "azurefiles", "pcloud", "quatrix", "webdav"})


class RcloneBackend(Backend):
    """Where a remote shows half-written files under their names (a folder, SFTP, FTP, SMB, WebDAV...), an object is
    put under another name first, compared, and then moved to its own.  What was left behind by a crash is swept away a
    day later.

    A put is compared with what the remote says is there afterwards: size and, where it has one that we can compute
    (SHA-256, MD5, SHA-1, OneDrive's QuickXorHash), hash.  Where it has none, nothing is called verified.
    """

    kind: ClassVar[str] = "rclone"
    summary: ClassVar[str] = "what rclone knows: OneDrive, Box, pCloud, Koofr, MEGA, Jottacloud, Proton Drive, SMB..."
    extra: ClassVar[str] = "rclone"
    ERRORS: ClassVar[ErrorTable] = ERRORS
    caps = Caps(hashes=hashes.KNOWN, hashes_in_list=True, usage=True, connections=4)

    def __init__(self, access: Access) -> None:
        self._access = access
        self._transport = access.transport
        remote = self._transport.about_remote()
        self._algorithm = hashes.chosen(remote.hashes)
        partial = remote.can("PartialUploads") or access.kind in _PARTIAL
        self._staged = partial and remote.can("Move")
        # A drive that may be not mounted; a bucket or an account is there, or says why not.
        self._mounted = partial
        self._seen_root = self._swept = False
        self.caps = Caps(
            atomic_put=self._staged or not partial,
            case_sensitive=not remote.can("CaseInsensitive"),
            duplicates_possible=remote.can("DuplicateFiles"),
            hashes=(self._algorithm,) if self._algorithm else (),
            # A slow hash is one that is computed when asked for: a listing would read the whole disk.
            hashes_in_list=bool(self._algorithm) and not remote.can("SlowHash"),
            usage=remote.can("About"),
            connections=type(self).caps.connections,
            egress_free=remote.can("IsLocal"),
        )

    @classmethod
    def options_type(cls) -> type[RcloneOptions]:
        return RcloneOptions

    @classmethod
    def connect(cls, options: RcloneOptions, secrets: Mapping[str, str]) -> RcloneBackend:
        """Asks rclone what the remote can do, which may ask the provider.  BackendError, PluginMissing."""
        with mapped(ERRORS), contextlib.ExitStack() as stack:
            access = open_access(options, Secrets.of(secrets))
            stack.callback(access.close)
            made = cls(access)
            stack.pop_all()
            return made

    @classmethod
    def login(cls, options: RcloneOptions, secrets: Secrets, dialogue: Dialogue) -> Login:
        """rclone's own questions, asked by us; see wizard.py."""
        with mapped(ERRORS):
            return wizard.login(options, secrets, dialogue)

    @classmethod
    def also_called(cls) -> Mapping[str, str]:
        return {name.replace(" ", "-"): f"{text}, through rclone" for name, text in TYPES.items()}

    @classmethod
    def called(cls, alias: str) -> Mapping[str, object]:
        return {"type": next((name for name in TYPES if name.replace(" ", "-") == alias), alias)}

    @classmethod
    def identity(cls, options: RcloneOptions) -> str:
        return options.identity()

    @classmethod
    def default_domain(cls, options: RcloneOptions, name: str) -> str:
        return options.domain(name)

    # ---------------------------------------------------------------------------------------------------- operations
    def prepare(self) -> None:
        with self._asking():
            self._transport.make_root()

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        with self._asking(name):
            if self._mounted and not self._seen_root:
                self._expect_root()
                self._seen_root = True
            if not self._staged:
                self._transport.upload(name, data)
                return self._compared(name, name, data, digest)
            part = f"{_PARTS}/{Env().random(16).hex()}"
            try:
                self._transport.upload(part, data)
                stored = self._compared(part, name, data, digest)
                self._transport.move(part, name)
            except BaseException:
                self._forget(part)
                raise
            self._sweep()
            return stored

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        with self._asking(name):
            size = ranges.settled(name, offset, size, lambda: self._there(name, "").size)
            if size == 0:
                return b""
            try:
                data = self._transport.download(name, offset, size)
            except ObjectNotFound:
                self._expect_root()
                raise
        if size is not None and len(data) != size:
            raise Unavailable(f"{len(data)} of {size} bytes came", key=name)
        return data

    def stat(self, name: str, *, locator: str = "") -> Stored:
        with self._asking(name):
            item = self._there(name, self._algorithm)
        return Stored(name, item.size, hashes=self._hashes(item))

    def list(self, prefix: str) -> Iterator[Stored]:
        folder = prefix.rpartition("/")[0]
        with self._asking(prefix):
            try:
                items = self._transport.list(folder, self._algorithm if self.caps.hashes_in_list else "")
            except Misconfigured as error:
                if error.provider_code != FOLDER:
                    raise
                self._expect_root()
                return
            seen: set[str] = set()
            for item in items:
                # Twice: some providers have several files of one name.
                if item.name.startswith(prefix) and not item.name.startswith(f"{_PARTS}/") and item.name not in seen:
                    seen.add(item.name)
                    yield Stored(item.name, item.size, hashes=self._hashes(item))

    def delete(self, name: str, *, locator: str = "") -> None:
        with self._asking(name), contextlib.suppress(ObjectNotFound):
            self._transport.delete(name)

    def usage(self) -> Usage:
        if not self.caps.usage:
            return Usage()
        with self._asking():
            told = self._transport.usage()
        used, free, total = (_count(told.get(name)) for name in ("used", "free", "total"))
        return Usage(used=used, free=free, total=total)

    def close(self) -> None:
        with mapped(ERRORS):
            self._access.close()

    # -------------------------------------------------------------------------------------------------------- inside
    @contextlib.contextmanager
    def _asking(self, name: str = "") -> Iterator[None]:
        """Errors become ours, and a token that rclone renewed meanwhile is kept."""
        try:
            with mapped(ERRORS, name):
                yield
        finally:
            self._access.keep_renewed()

    def _there(self, name: str, algorithm: str) -> Item:
        item = self._transport.stat(name, algorithm)
        if item is None:
            self._expect_root()
            raise ObjectNotFound("not there", key=name)
        return item

    def _expect_root(self) -> None:
        """A folder that is not there is a lost disk, not an empty one: nothing in it is 'not found', and it must not be
        made anew where a drive is not mounted."""
        if not self._transport.root_is_there():
            raise Misconfigured("the folder of the disk is not there", provider_code=FOLDER, hint=FOLDER_HINT)

    def _compared(self, at: str, name: str, data: Bytes, digest: Digest) -> Stored:
        """What lies at ``at`` is ``data``, as far as the remote can tell."""
        size = memoryview(data).nbytes
        item = self._transport.stat(at, self._algorithm)
        if item is None:
            raise Unavailable("what was just put is not there", key=name)
        wanted = hashes.expected(self._algorithm, data, digest) if self._algorithm and item.hash else ""
        if item.size != size or (self._algorithm and item.hash and item.hash != wanted):
            raise Unavailable("the provider stored other bytes than it was sent", key=name)
        return Stored(name, size, hashes=self._hashes(item), verified=bool(wanted))

    def _hashes(self, item: Item) -> tuple[tuple[str, str], ...]:
        return ((self._algorithm, item.hash),) if item.hash else ()

    def _forget(self, part: str) -> None:
        with contextlib.suppress(BackendError, *ERRORS):  # the error that led here is the one to tell
            self._transport.delete(part)

    def _sweep(self) -> None:
        """Once an instance: what crashes left behind.  A failure is of no account: there are more puts to come."""
        if not self._swept:
            self._swept = True
            with contextlib.suppress(BackendError, *ERRORS):
                self._transport.sweep(_PARTS, _OLD)


def _count(told: object) -> int | None:
    return int(told) if isinstance(told, int | float) and told >= 0 else None
