"""DriveBackend: a folder in somebody's Google Drive as a disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from webraid.backend import ranges
from webraid.backend.base import Backend, Bytes, Caps, Digest, ErrorTable
from webraid.backend.login import Dialogue, Login, Secrets
from webraid.env import Env
from webraid.errors import AlreadyExists, Misconfigured, ObjectNotFound, ProtocolError, Unavailable
from webraid.model import Stored, Usage
from webraid_gdrive import folder, login, names
from webraid_gdrive.drive import Drive, File
from webraid_gdrive.errors import ERRORS
from webraid_gdrive.grants import OAuthClient, kept, refresh_token
from webraid_gdrive.options import ENDPOINT, DriveOptions
from webraid_gdrive.tokens import Tokens

T = TypeVar("T")

# Names below it hold a random number: nobody else ever writes them, so one listing of a folder of them tells what is
# there, and a new one needs no search of its own.  Elsewhere another machine may have been quicker.
ONCE = "shards/"


class DriveBackend(Backend):
    """One object, one file, its name the whole object name; all in one folder of Drive.

    A file of an existing name gets new content under its old id, so that there is never a second one; new files get an
    id that was chosen before.  The id is the locator, and by id Drive is strongly consistent.  Reading by name alone
    finds what this process wrote at once, what others wrote when Drive's search shows it.
    """

    kind: ClassVar[str] = "gdrive"
    summary: ClassVar[str] = "a folder in Google Drive, with an OAuth client of your own"
    extra: ClassVar[str] = "gdrive"
    free_tier: ClassVar[str] = "15 GB, shared with mail and photos"
    ERRORS: ClassVar[ErrorTable] = ERRORS
    caps = Caps(
        list_consistency="eventual",
        duplicates_possible=True,
        hashes=("sha256", "md5"),
        hashes_in_list=True,
        usage=True,
        max_object=5 << 40,
        connections=4,
    )

    def __init__(self, options: DriveOptions, drive: Drive, shared: names.Shared) -> None:
        self._folder = folder.Folder(drive, shared, options.folder)
        self._drive = drive
        self._names = shared

    @classmethod
    def options_type(cls) -> type[DriveOptions]:
        return DriveOptions

    @classmethod
    def connect(cls, options: DriveOptions, secrets: Mapping[str, str], env: Env | None = None) -> DriveBackend:
        """Raises BackendError, and PluginMissing where the SDK is not installed."""
        options, held = options.with_secrets(secrets), Secrets.of(secrets)
        env = env or Env()
        client = OAuthClient.of(options.client_secret)
        token = refresh_token(options.token, client)

        which = (options.folder_id, options.folder, options.endpoint, client.id, client.secret)

        def renewed(new: str) -> None:
            names.also((*which, token), (*which, new))  # threads to come connect with it, and share what we know
            held.renew({"token": kept(new, client)})

        shared = names.shared(lambda: Tokens(client, token, renewed, env), options.folder_id, env, (*which, token))
        return cls(options, Drive(options.endpoint, shared.tokens, options.timeout, held.disk), shared)

    @classmethod
    def login(cls, options: DriveOptions, secrets: Secrets, dialogue: Dialogue) -> Login:
        return login.login(options, secrets, dialogue)

    @classmethod
    def identity(cls, options: DriveOptions) -> str:
        where = "" if options.endpoint == ENDPOINT else urlsplit(options.endpoint).netloc
        # Drive's ids are unique among all accounts, and an account has several names.
        return f"gdrive|{where}|{options.folder_id or f'{options.account.lower()}|{options.folder}'}"

    @classmethod
    def default_domain(cls, options: DriveOptions, name: str) -> str:
        return "google"

    # ------------------------------------------------------------------------------------------------------- operations
    def prepare(self) -> None:
        self._folder.prepare()

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        file_id = self._names.known(name)
        if not self._names.maybe(name):
            file_id = self._present(name)
        told = self._overwrite(file_id, name, data, digest) if file_id else None
        stored = self._judged(told or self._create(name, data, digest), name, memoryview(data).nbytes, digest)
        self._names.wrote(stored)
        self._remove(name, self._names.twins(name) - {stored.locator})
        return stored

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        size = ranges.settled(name, offset, size, lambda: self.stat(name, locator=locator).size)
        if size == 0:
            return b""  # and Drive refuses every range of an empty file
        headers = ranges.header(offset, size)
        status, told, content = self._at(name, locator, lambda file_id: self._drive.read(file_id, name, headers))
        count = len(content) if size is None else size
        begin = ranges.begin(
            name, offset, size, status=status, content_range=told.get("content-range", ""), length=len(content)
        )
        return content[begin : begin + count]

    def stat(self, name: str, *, locator: str = "") -> Stored:
        def there(file_id: str) -> Stored:
            told = self._drive.about(file_id, name)
            if told.get("trashed") or told.get("name") != name:
                raise ObjectNotFound("no such file", key=name)
            return _stored(told, name)

        return self._at(name, locator, there)

    def list(self, prefix: str) -> Iterator[Stored]:
        found = self._folder.names(prefix)
        seen = ((name, str(files[0]["id"]), _twins(files)) for name, files in found.items())
        self._names.saw(seen, complete=prefix if prefix.endswith("/") else "")
        written, removed = self._names.lately(prefix)
        told = {stored.name: stored for stored in written}
        for name, files in found.items():
            left = [file for file in files if (name, file["id"]) not in removed]
            if name not in told and left:
                yield _stored(left[0], name)
        yield from told.values()

    def delete(self, name: str, *, locator: str = "") -> None:
        known = {*filter(None, [locator]), *self._names.maybe(name)} | self._names.twins(name)
        if not self._remove(name, known):  # nothing was there: another machine may have made it anew
            found = {str(file["id"]) for file in self._search(name)}
            self._remove(name, (found | self._names.twins(name)) - known)

    def usage(self) -> Usage:
        """All of the account's: mail and photos count, too.  No limit: nobody knows what is free."""
        told = self._drive.quota()
        used, limit = told.get("usage"), told.get("limit")
        return Usage(used=used, total=limit, free=None if limit is None else max(0, limit - (used or 0)))

    def close(self) -> None:
        self._drive.close()

    # ---------------------------------------------------------------------------------------------------------- writing
    def _present(self, name: str) -> str:
        """The id of the file that has this name already, '' where none is."""
        parts = name.split("/")
        if name.startswith(ONCE) and len(parts) > 2:
            prefix = f"{parts[0]}/{parts[1]}/"
            if self._names.listed(prefix):
                return self._names.known(name)
            return next((there.locator for there in [*self.list(prefix)] if there.name == name), "")
        found = self._search(name)
        return str(found[0]["id"]) if found else ""

    def _overwrite(self, file_id: str, name: str, data: Bytes, digest: Digest) -> File | None:
        """None: the file was removed behind our back."""
        with contextlib.suppress(ObjectNotFound):
            # Out of the trash with it, too, should the user have thrown it away.
            return self._drive.update(file_id, {"trashed": False}, data, name=name, sha256=digest.sha256)
        with contextlib.suppress(ObjectNotFound):
            self._drive.about(file_id, name)  # a new file beside one that is there would be its twin
            raise Unavailable("Drive lost sight of the upload", key=name)
        self._names.forget(name, file_id)
        return None

    def _create(self, name: str, data: Bytes, digest: Digest) -> File:
        file_id = self._names.choose(name, self._drive.ids)
        about = {"id": file_id, "name": name, "parents": [self._folder.id()], "appProperties": folder.properties(name)}
        try:
            return self._drive.create(about, data, name=name, sha256=digest.sha256)
        except AlreadyExists:  # an attempt whose answer was lost has made it, or another thread
            return self._made_before(file_id, name, data, digest)
        except ObjectNotFound:
            self._folder.check()
            raise Unavailable("Drive lost sight of the folder for a moment", key=name) from None
        except ProtocolError as error:
            if error.provider_code:  # refused, and it may well be for the id
                self._names.forget(name, file_id)
                self._names.spoil()
            raise

    def _made_before(self, file_id: str, name: str, data: Bytes, digest: Digest) -> File:
        with contextlib.suppress(ObjectNotFound):
            told = self._drive.about(file_id, name)
            if not told.get("trashed") and _verdict(told, memoryview(data).nbytes, digest):
                return told
        told_ = self._overwrite(file_id, name, data, digest)
        if told_ is None:  # made, and removed again: that id is used up
            raise Unavailable("the file was removed while it was written", key=name)
        return told_

    def _judged(self, told: File, name: str, size: int, digest: Digest) -> Stored:
        """What Drive stored, compared with what it was sent."""
        verdict = _verdict(told, size, digest)
        stored = _stored(told, name, verified=bool(verdict))
        if verdict is False:
            self._remove(name, {stored.locator})
            raise Unavailable("Drive stored other bytes than it was sent", key=name, provider_code="checksum")
        if told.get("trashed"):  # what lies there, or in a folder that does, is gone in 30 days
            self._folder.check()
            raise Unavailable("the file was thrown into the trash while it was written", key=name)
        return stored

    def _remove(self, name: str, file_ids: Iterable[str]) -> bool:
        """Whether any of them was there."""
        removed = False
        for file_id in file_ids:
            with contextlib.suppress(ObjectNotFound):
                self._drive.delete(file_id, name)
                removed = True
            self._names.forget(name, file_id)
        return removed

    # ---------------------------------------------------------------------------------------------------------- finding
    def _at(self, name: str, locator: str, do: Callable[[str], T]) -> T:
        """``do`` with the id of the file: the locator, what we know of the name, and last what a search finds."""
        tried = dict.fromkeys([*filter(None, [locator]), *self._names.maybe(name)])
        for file_id in tried:
            try:
                return do(file_id)
            except ObjectNotFound:
                self._names.forget(name, file_id)
        for file in self._search(name):
            if file["id"] in tried:
                continue
            try:
                return do(file["id"])
            except ObjectNotFound:  # searches show for a while what is gone already
                self._names.forget(name, file["id"])
        self._folder.check()
        raise ObjectNotFound("no such file", key=name)

    def _search(self, name: str) -> tuple[File, ...]:
        """All files of this name, the newest first."""
        found = tuple(self._folder.named(name))
        if found:
            self._names.saw([(name, str(found[0]["id"]), _twins(found))])
        return found


def _twins(files: Sequence[File]) -> frozenset[str]:
    """The ids of several files of one name; empty where there is but one."""
    return frozenset(str(file["id"]) for file in files) if len(files) > 1 else frozenset()


def _stored(told: File, name: str, *, verified: bool = False) -> Stored:
    try:
        size, file_id = int(told["size"]), str(told["id"])
    except (KeyError, TypeError, ValueError):
        raise Misconfigured("where an object should be there is something of Google's own", key=name) from None
    hashes = {"sha256": told.get("sha256Checksum"), "md5": told.get("md5Checksum")}
    told_hashes = tuple((algorithm, str(value)) for algorithm, value in hashes.items() if value)
    version = str(told.get("headRevisionId") or "")
    return Stored(name, size, locator=file_id, version=version, hashes=told_hashes, verified=verified)


def _verdict(told: Mapping[str, Any], size: int, digest: Digest) -> bool | None:
    """True: the hashes are those of our bytes; False: something differs; None: Drive told none to compare."""
    pairs = [(told.get("sha256Checksum"), digest.sha256), (told.get("md5Checksum"), digest.md5)]
    same = [theirs == ours for theirs, ours in pairs if theirs and ours]
    if str(told.get("size")) != str(size) or False in same:
        return False
    return True if same else None
