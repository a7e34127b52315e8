"""SftpBackend: a folder on a server that one logs in to by SSH, as a disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import ClassVar

from webraid.backend.base import Backend, Bytes, Caps, Digest, ErrorTable
from webraid.backend.login import Dialogue, Login, Secrets
from webraid.backend.mapping import mapped
from webraid.env import Env
from webraid.errors import BackendError, ObjectNotFound, QuotaExceeded
from webraid.model import Stored, Usage
from webraid_sftp import logging_in
from webraid_sftp.errors import ERRORS
from webraid_sftp.library import load
from webraid_sftp.options import SftpOptions
from webraid_sftp.remote import Remote
from webraid_sftp.session import Session
from webraid_sftp.status import FAILURE
from webraid_sftp.tree import Tree

_SPARE = 64 << 10  # bytes that a file costs beyond its own, roughly


class SftpBackend(Backend):
    """Objects are files below one folder, named as the objects are; that folder itself is made by ``prepare`` alone.

    A put writes a file below .tmp_, has the server sync it where it can, compares its size, and renames it.  Where the
    folder itself is missing, everything is Unavailable: a drive that is not mounted must not look like an empty disk.
    """

    kind: ClassVar[str] = "sftp"
    summary: ClassVar[str] = "a folder on a server with SSH: your own, a friend's, a storage box"
    extra: ClassVar[str] = "sftp"
    ERRORS: ClassVar[ErrorTable] = ERRORS
    caps = Caps(usage=True, connections=4)

    def __init__(self, options: SftpOptions, *, env: Env) -> None:
        self._options = options
        self._env = env
        self._session: Session | None = None
        self._tree: Tree | None = None

    @classmethod
    def options_type(cls) -> type[SftpOptions]:
        return SftpOptions

    @classmethod
    def connect(cls, options: SftpOptions, secrets: Mapping[str, str], *, env: Env | None = None) -> SftpBackend:
        """Raises PluginMissing where paramiko is not installed.  Nothing is sent yet."""
        load()
        return cls(options.with_secrets(secrets), env=env or Env())

    @classmethod
    def login(cls, options: SftpOptions, secrets: Secrets, dialogue: Dialogue) -> Login:
        """Pin the server's key, find what to log in with, and write the path from / on."""
        return logging_in.login(options, secrets, dialogue)

    @classmethod
    def identity(cls, options: SftpOptions) -> str:
        """With the user: many servers show each one a root of his own."""
        return f"sftp|{options.host}:{options.port}|{options.user}|{options.path}"

    @classmethod
    def default_domain(cls, options: SftpOptions, name: str) -> str:
        """The host: its disks fail together."""
        return options.host

    # ---------------------------------------------------------------------------------------------------- operations
    def prepare(self) -> None:
        """Make the folder if it is missing, try to write there, and sweep what runs left that died over a day ago."""
        with self._opened() as tree:
            tree.prepare(self._fresh())

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        body = memoryview(data).cast("B")
        with self._opened(name) as tree:
            try:
                unfinished = tree.write(body, self._fresh())
                try:
                    tree.publish(unfinished, name)
                except BackendError:
                    tree.remote.remove_unheard(unfinished)
                    raise
            except BackendError as error:
                self._explain(tree, error, body.nbytes)
                raise
            self._tidy(tree, name)
        return Stored(name, body.nbytes)

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        with self._opened(name) as tree:
            return tree.remote.read(tree.path(name), offset, size, name)

    def stat(self, name: str, *, locator: str = "") -> Stored:
        with self._opened(name) as tree:
            return Stored(name, tree.size(name))

    def list(self, prefix: str) -> Iterator[Stored]:
        with self._opened(prefix) as tree:
            for name, size in tree.walk(prefix):
                yield Stored(name, size)

    def delete(self, name: str, *, locator: str = "") -> None:
        with self._opened(name) as tree:
            tree.remove(name)

    def usage(self) -> Usage:
        """Of the file system there, or of this login's part of it; nothing where the server does not tell."""
        with self._opened() as tree:
            return tree.remote.room(tree.path())

    def close(self) -> None:
        session, self._session, self._tree = self._session, None, None
        if session is not None:
            session.close()

    # -------------------------------------------------------------------------------------------------------- inside
    @contextlib.contextmanager
    def _opened(self, name: str = "") -> Iterator[Tree]:
        """The folder behind a session that lives.  A session that breaks meanwhile is let go."""
        try:
            with mapped(ERRORS, name):
                tree = self._living()
                try:
                    yield tree
                except ObjectNotFound:
                    tree.check()
                    raise
        except BackendError as error:
            error.key = error.key or name
            raise
        finally:
            if self._session is not None and not self._session.alive:
                self.close()

    def _living(self) -> Tree:
        if self._session is not None and not self._session.alive:  # the server ended it while nothing was asked
            self.close()
        if self._session is None or self._tree is None:
            session = Session(self._options)
            try:
                self._tree = Tree(Remote(session.wire), self._options.path)
            except BaseException:
                session.close()
                raise
            self._session = session
        return self._tree

    def _fresh(self) -> str:
        """A file name that nobody else takes: other machines write to the same folder."""
        return self._env.random(12).hex()

    def _tidy(self, tree: Tree, name: str) -> None:
        """After the first put to a place, sweep what runs left that died over a day ago."""
        if self._session is not None and self._session.first_put(self._options.path):
            with contextlib.suppress(BackendError):  # it costs room only; the next run tries again
                tree.sweep(name)

    def _explain(self, tree: Tree, error: BackendError, size: int) -> None:
        """A full disk hides behind a mere FAILURE at most servers: raises QuotaExceeded where it is full."""
        if error.provider_code != FAILURE or tree.remote.wire.broken:
            return
        free = None
        with contextlib.suppress(BackendError):  # then it is not known why
            free = tree.remote.room(tree.path()).free
        if free is not None and free < size + _SPARE:
            raise QuotaExceeded("no space is left in the folder", provider_code=FAILURE) from error
