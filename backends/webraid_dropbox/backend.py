"""DropboxBackend: the folder of an app in somebody's Dropbox, or a folder in it, as a disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from webraid.backend import ranges
from webraid.backend.base import Backend, Bytes, Caps, Digest, ErrorTable
from webraid.backend.login import Dialogue, Login, Secrets
from webraid.backend.mapping import mapped
from webraid.errors import AlreadyExists, AuthExpired, BackendError, ConfigError, ObjectNotFound, Unavailable
from webraid.model import Stored, Usage
from webraid_dropbox import account, hashes, login
from webraid_dropbox.client import make_client
from webraid_dropbox.codes import LOGIN, is_folder_in_the_way
from webraid_dropbox.errors import ERRORS
from webraid_dropbox.listing import Listing
from webraid_dropbox.options import DropboxOptions, refresh_token
from webraid_dropbox.upload import Uploader

T = TypeVar("T")

PAGE = 2000  # names an answer to a listing holds at most


class DropboxBackend(Backend):
    """One object, one file, one path below the app's folder; the locator is the file's id, which survives renames.

    A put sends content_hash, so that Dropbox refuses damaged bytes, and compares the one that comes back.  All puts of
    a process into one account are committed by one thread (commits.py), because Dropbox refuses writes that meet.
    """

    kind: ClassVar[str] = "dropbox"
    summary: ClassVar[str] = "a folder in your Dropbox, through an app of your own"
    extra: ClassVar[str] = "dropbox"
    free_tier: ClassVar[str] = "2 GB; one account a person, to be used at least once a year"
    ERRORS: ClassVar[ErrorTable] = ERRORS
    caps = Caps(
        case_sensitive=False,
        hashes=(hashes.NAME,),
        hashes_in_list=True,
        server_checks_digest=True,
        usage=True,
        trash=True,
        max_object=(1 << 41) - (1 << 22),
        connections=8,
    )

    def __init__(self, options: DropboxOptions, refresh: str, *, disk: str = "") -> None:
        self._disk = disk
        self._root = f"/{options.folder}" if options.folder else ""
        self._account: account.Account | None = account.join(options, refresh)
        try:
            self._client = make_client(options, self._account.token)
        except BaseException:
            account.leave(self._account)
            raise
        self._uploader = Uploader(self._client, self._account.committer)
        self._committer = self._account.committer

    @classmethod
    def options_type(cls) -> type[DropboxOptions]:
        return DropboxOptions

    @classmethod
    def connect(cls, options: DropboxOptions, secrets: Mapping[str, str]) -> DropboxBackend:
        """Raises AuthExpired, and PluginMissing where the SDK is not installed."""
        disk = Secrets.of(secrets).disk
        try:
            refresh = refresh_token(options.with_secrets(secrets).token)
        except ConfigError as error:
            raise AuthExpired(str(error), fix=_fix(disk), hint=error.hint) from error
        if not refresh:
            raise AuthExpired("there is no login for this Dropbox", fix=_fix(disk))
        with mapped(ERRORS):
            return cls(options, refresh, disk=disk)

    @classmethod
    def login(cls, options: DropboxOptions, secrets: Secrets, dialogue: Dialogue) -> Login:
        """A refresh token, and the account id that it is for.  Raises ConfigError, BackendError."""
        with _naming(secrets.disk):
            return login.run(options.with_secrets(secrets), dialogue)

    @classmethod
    def identity(cls, options: DropboxOptions) -> str:
        """Each app has a folder of its own in an account."""
        return f"dropbox|{options.host}|{options.app_key}|{options.account}|{options.folder.lower()}"

    @classmethod
    def default_domain(cls, options: DropboxOptions, name: str) -> str:
        """The company, however many accounts: its terms allow a person only one."""
        return "dropbox"

    # ---------------------------------------------------------------------------------------------------- operations
    def prepare(self) -> None:
        with self._asking():
            if not self._root:
                self._client.files_list_folder("", limit=1)
                return
            try:
                with self._committer.writing(), mapped(ERRORS):
                    self._client.files_create_folder_v2(self._root)
            except AlreadyExists as error:
                if not is_folder_in_the_way(error):
                    raise

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        body = memoryview(data).cast("B")
        with self._asking(name):
            ours = hashes.hash_for(body, digest)
            stored = _stored(name, self._uploader.put(f"{self._root}/{name}", data, ours))
        if stored.size != body.nbytes or stored.hash(hashes.NAME) != ours:
            raise Unavailable("Dropbox stored other bytes than it was sent", key=name, provider_code="content_hash")
        return Stored(name, stored.size, stored.locator, stored.version, stored.hashes, verified=True)

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        size = ranges.settled(name, offset, size, lambda: self.stat(name, locator=locator).size)
        if size == 0:
            return b""
        wanted = {"Accept-Encoding": "identity", **ranges.header(offset, size)}
        return self._found(name, locator, lambda path: self._download(name, path, offset, size, wanted))

    def stat(self, name: str, *, locator: str = "") -> Stored:
        return self._found(name, locator, lambda path: _stored(name, self._client.files_get_metadata(path)))

    def list(self, prefix: str) -> Iterator[Stored]:
        """Whole, not page by page: a later page may take back what an earlier one told."""
        listing = Listing()
        try:
            with self._asking(prefix):
                page = self._client.files_list_folder(_folder_of(f"{self._root}/{prefix}"), recursive=True, limit=PAGE)
                listing.tell(page.entries)
                while page.has_more:
                    page = self._client.files_list_folder_continue(page.cursor)
                    listing.tell(page.entries)
        except ObjectNotFound:  # no such folder
            return
        root = f"{self._root.lower()}/"
        for path, entry in listing:
            if path.startswith(root + prefix):
                yield _stored(path.removeprefix(root), entry)

    def delete(self, name: str, *, locator: str = "") -> None:
        """By id alone, as what is at a path may be a folder, which would go with all that is in it."""
        with contextlib.suppress(ObjectNotFound):
            if locator and self._deleted(name, locator):
                return
            self._deleted(name, self.stat(name).locator)

    def usage(self) -> Usage:
        with self._asking():
            return _usage(self._client.users_get_space_usage())

    def close(self) -> None:
        if self._account is not None:
            account.leave(self._account)
            self._account = None
            self._client.close()

    # -------------------------------------------------------------------------------------------------------- inside
    @contextlib.contextmanager
    def _asking(self, name: str = "") -> Iterator[None]:
        with _naming(self._disk, name), mapped(ERRORS):
            yield

    def _found(self, name: str, locator: str, ask: Callable[[str], T]) -> T:
        """By id, which survives a rename; else by name, as it may have been put anew since the locator was noted."""
        if locator:
            with contextlib.suppress(ObjectNotFound), self._asking(name):
                return ask(locator)
        with self._asking(name):
            return ask(f"{self._root}/{name}")

    def _download(self, name: str, path: str, offset: int, size: int | None, headers: Mapping[str, str]) -> bytes:
        meta, answer = self._client.files_download(path, extra_headers=dict(headers))
        with contextlib.closing(answer):
            body: bytes = answer.content
        told = answer.headers.get("content-range") or ""
        begin = ranges.begin(name, offset, size, status=answer.status_code, content_range=told, length=len(body))
        count = meta.size if size is None else size
        if len(body) < begin + count:
            raise Unavailable(f"{len(body)} of {begin + count} bytes came", key=name)
        return body if len(body) == count else body[begin : begin + count]

    def _deleted(self, name: str, locator: str) -> bool:
        try:
            with self._asking(name), self._committer.writing():
                self._client.files_delete_v2(locator)
        except ObjectNotFound:
            return False
        return True


@contextlib.contextmanager
def _naming(disk: str, name: str = "") -> Iterator[None]:
    """Every error names the object; that of a login names the disk in the command that renews it."""
    try:
        yield
    except BackendError as error:
        error.key = error.key or name
        if isinstance(error, AuthExpired):
            error.fix = _fix(disk)
            error.hint = error.hint.replace(LOGIN, error.fix)
        raise


def _fix(disk: str) -> str:
    return LOGIN.replace("NAME", disk) if disk else LOGIN


def _folder_of(path: str) -> str:
    """The folder that all names beginning with ``path`` lie in; '' is the root."""
    return path.rpartition("/")[0]


def _stored(name: str, meta: Any) -> Stored:
    """A file of the SDK; ObjectNotFound where it is a folder."""
    if not hasattr(meta, "content_hash"):
        raise ObjectNotFound("a folder is there", key=name, provider_code="folder")
    told = ((hashes.NAME, str(meta.content_hash)),) if meta.content_hash else ()
    return Stored(name, int(meta.size), locator=str(meta.id), version=str(meta.rev), hashes=told)


def _usage(told: Any) -> Usage:
    """Bytes.  In a team the account's own limit, where it has one, is nearer than the team's."""
    used, space = int(told.used), told.allocation
    if space.is_individual():
        total = int(space.get_individual().allocated)
        return Usage(used, max(0, total - used), total)
    if not space.is_team():
        return Usage(used)
    team = space.get_team()
    free = max(0, int(team.allocated) - int(team.used))
    mine = int(team.user_within_team_space_allocated)  # 0: no limit of its own
    if mine and team.user_within_team_space_limit_type.is_stop_sync():
        return Usage(used, min(free, max(0, mine - used)), mine)
    return Usage(used, free, used + free)
