"""NasBackend: a folder on a NAS as a disk, over FTP."""

from __future__ import annotations

import contextlib
import ftplib
from collections.abc import Iterator, Mapping
from typing import ClassVar

from webraid.backend.base import Backend, Bytes, Caps, Digest, ErrorTable
from webraid.backend.login import Dialogue, Login, Secrets
from webraid.env import Env
from webraid.errors import Misconfigured, ObjectNotFound, ProtocolError, Unavailable
from webraid.model import Stored, Usage
from webraid_nas.connection import Connection, receive, send
from webraid_nas.errors import ERRORS, reply
from webraid_nas.options import NasOptions

REFUSED = (ftplib.error_perm, ftplib.error_temp)
MISSING = ("450", "501", "550", "551", "553")  # what servers say of what is not there, but not only of that


class NasBackend(Backend):
    """One object, one file.  A put writes a file with another name and renames it: nobody ever sees half of one.  But
    a server may remove the old file before it renames the new one, so what is replaced can be missing for a moment.

    FTP says 'no' without saying why, and absence must be certain: whether something is missing is read from the list
    of its folder, never from a refusal.
    """

    kind: ClassVar[str] = "nas"
    summary: ClassVar[str] = "a folder on a NAS, over FTP"
    ERRORS: ClassVar[ErrorTable] = ERRORS
    caps = Caps(atomic_put=False, connections=2)

    def __init__(self, options: NasOptions, env: Env) -> None:
        self._root = f"/{options.folder}"
        self._env = env
        self._line = Connection(options)

    @classmethod
    def options_type(cls) -> type[NasOptions]:
        return NasOptions

    @classmethod
    def connect(cls, options: NasOptions, secrets: Mapping[str, str], env: Env | None = None) -> NasBackend:
        return cls(options.with_secrets(secrets), env or Env())

    @classmethod
    def login(cls, options: NasOptions, secrets: Secrets, dialogue: Dialogue) -> Login:
        """The password, where it was not given."""
        if secrets.get("password"):
            return Login()
        return Login(secrets={"password": dialogue.ask("Password", instead="--password", hidden=True)})

    @classmethod
    def identity(cls, options: NasOptions) -> str:
        return f"nas|{options.host.lower()}:{options.port}|{options.folder}"

    @classmethod
    def default_domain(cls, options: NasOptions, name: str) -> str:
        return options.host.lower()

    # ---------------------------------------------------------------------------------------------------- operations
    def prepare(self) -> None:
        self._make_folders(self._root)
        with self._line.open() as ftp:
            ftp.cwd(self._root)
            ftp.cwd("/")

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        path, size = self._path(name), memoryview(data).nbytes
        folder = path.rpartition("/")[0]
        beside = f"{folder}/~{self._env.random(8).hex()}"
        if not self._kind_of(folder):
            self._make_folders(folder)
        with self._line.open(name) as ftp:
            try:
                send(ftp, beside, data)
                if ftp.size(beside) != size:
                    raise Unavailable("the server stored another number of bytes than it was sent", key=name)
                self._rename(ftp, beside, path)
            except (*REFUSED, Unavailable):
                with contextlib.suppress(*REFUSED):
                    ftp.delete(beside)
                raise
        return Stored(name, size)

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        if offset < 0 or (size is not None and size < 0):
            raise ProtocolError("a range cannot be negative", key=name)
        if offset or size is not None:
            there = self.stat(name).size
            size = there - offset if size is None else size
            if size < 0 or offset + size > there:
                raise ProtocolError(f"the range begins at {offset}, the object has {there} bytes", key=name)
            if size == 0:
                return b""
        data = self._received(name, offset, size)
        if size is not None and len(data) != size:
            raise Unavailable(f"{len(data)} of {size} bytes came", key=name)
        return data

    def stat(self, name: str, *, locator: str = "") -> Stored:
        folder, _, own = self._path(name).rpartition("/")
        facts = self._entries(folder).get(own, {})
        if facts.get("type") != "file":
            raise ObjectNotFound("no such object", key=name)
        return Stored(name, _size(facts, name))

    def list(self, prefix: str) -> Iterator[Stored]:
        within = prefix.rpartition("/")[0]
        for stored in self._walk(within):
            if stored.name.startswith(prefix):
                yield stored

    def delete(self, name: str, *, locator: str = "") -> None:
        with self._line.open(name) as ftp:
            try:
                ftp.delete(self._path(name))
            except REFUSED:
                if self._kind_of(self._path(name)) == "file":
                    raise

    def usage(self) -> Usage:
        """FTP tells none: the pool counts what it stored."""
        return Usage()

    def close(self) -> None:
        self._line.drop()

    # -------------------------------------------------------------------------------------------------------- inside
    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _make_folders(self, path: str) -> None:
        """Every folder of ``path`` that is missing.  That one is there already is no error, and no news."""
        parts = path.strip("/").split("/")
        with self._line.open() as ftp:
            for count in range(1, len(parts) + 1):
                with contextlib.suppress(ftplib.error_perm):
                    ftp.mkd("/" + "/".join(parts[:count]))

    def _walk(self, folder: str) -> Iterator[Stored]:
        """Every object below ``folder`` ('' is the disk's own)."""
        for own, facts in self._entries(self._path(folder).rstrip("/")).items():
            name = f"{folder}/{own}".lstrip("/")
            if facts.get("type") == "dir":
                yield from self._walk(name)
            elif facts.get("type") == "file" and not own.startswith("~"):
                yield Stored(name, _size(facts, name))

    def _rename(self, ftp: ftplib.FTP, source: str, target: str) -> None:
        try:
            ftp.rename(source, target)
        except REFUSED as error:
            if self._kind_of(target) == "dir":
                raise
            # Some servers remove the old file first, and stumble over another writer who just did the same.
            raise Unavailable("it could not be put in its place", provider_code=reply(error)) from error

    def _received(self, name: str, offset: int, size: int | None) -> bytes:
        path = self._path(name)
        with self._line.open(name) as ftp:
            try:
                return receive(ftp, path, offset, size)
            except REFUSED as error:
                if reply(error) not in MISSING:
                    raise
                if self._kind_of(path) != "file":
                    raise ObjectNotFound("no such object", key=name) from error
            # It was made between the two answers.  If it was not, this says again why it cannot be read.
            return receive(ftp, path, offset, size)

    def _entries(self, path: str) -> dict[str, dict[str, str]]:
        """Name -> facts of what lies in a folder; empty where there is no such folder, but the disk's own must be."""
        with self._line.open() as ftp:
            try:
                return _listed(ftp, path)
            except REFUSED as error:
                if reply(error) not in MISSING:
                    raise
            if path == self._root:
                hint = "Is this the right NAS, and its disk mounted?"
                raise Misconfigured("the disk's folder is not there", hint=hint)
            return _listed(ftp, path) if self._kind_of(path) == "dir" else {}  # made between the two answers, perhaps

    def _kind_of(self, path: str) -> str:
        """'file', 'dir', or '' for what is not there."""
        if path == self._root:
            return "dir"  # else whatever is asked of it says so
        folder, _, own = path.rpartition("/")
        return self._entries(folder).get(own, {}).get("type", "")


def _listed(ftp: ftplib.FTP, path: str) -> dict[str, dict[str, str]]:
    return {name: facts for name, facts in ftp.mlsd(path) if facts.get("type") in ("file", "dir")}


def _size(facts: Mapping[str, str], name: str) -> int:
    if not facts.get("size", "").isdigit():
        raise ProtocolError("the server tells no size", key=name)
    return int(facts["size"])
