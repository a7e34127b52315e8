"""put: up under a temporary name, then moved to its own; and what a put that broke off left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import NoReturn

from webraid.backend.base import Digest
from webraid.env import Env
from webraid.errors import BackendError, Misconfigured, ObjectNotFound, ObjectTooLarge, QuotaExceeded, Unavailable
from webraid_webdav.chunks import CHUNK, put_in_chunks, uploads_of
from webraid_webdav.client import MULTISTATUS, Answer, Client
from webraid_webdav.codes import age
from webraid_webdav.folders import FOLDER, Folders, is_made, refuse
from webraid_webdav.multistatus import first_failure
from webraid_webdav.options import WebdavOptions
from webraid_webdav.place import Place

TEMPORARY = ".tmp-webraid_"  # the underscore: no object can be called so, and no listing goes there
DAMAGED = "checksum"  # the code of bytes that came otherwise than they were sent
OLD = 86400.0  # seconds after which a temporary file belongs to nobody any more
SWEPT = 100  # files at once
_ACCEPTED = 202
_NO_FOLDER = (403, 404, 409)  # RFC 4918 wants 409; Go's servers say 403

Hashes = tuple[tuple[str, str], ...]


class Upload:
    """How a put goes.

    The file is moved with 'Overwrite: F', which every server honours (412), and which none has to delete anything for.
    The same bytes under the name already, as when a put is repeated whose answer was lost, are left alone.  Only other
    bytes are overwritten: by a put straight over them where the server does that in one step (Nextcloud, ownCloud),
    else by a move with 'Overwrite: T', for which many servers take the old file away before the new one is there.
    """

    def __init__(self, options: WebdavOptions, client: Client, folders: Folders, place: Place, env: Env) -> None:
        self._client = client
        self._folders = folders
        self._place = place
        self._env = env
        self._preset = options.preset
        self._uploads = uploads_of(options)

    def put(self, name: str, view: memoryview, digest: Digest) -> Hashes:
        """The hash that the server told and that is ours; none where it told none."""
        if self._folders.ensure(TEMPORARY):
            with contextlib.suppress(BackendError):  # what is left over costs room only; the next run tries again
                self.sweep()
        folder = name.rpartition("/")[0]
        self._folders.ensure(folder)
        temporary = f"{TEMPORARY}/{self._env.random(8).hex()}"
        try:
            hashes = self._up(temporary, name, view, digest)
        except BackendError as error:
            if error.provider_code == DAMAGED or isinstance(error, QuotaExceeded | ObjectTooLarge):
                self._discard(temporary)  # some servers keep what fitted
            raise
        self._into_place(temporary, name, view, digest)
        return hashes

    # --------------------------------------------------------------------------------------------------------- upload
    def _up(self, temporary: str, name: str, view: memoryview, digest: Digest) -> Hashes:
        headers = self._checks(digest)
        if self._in_chunks(view):
            answer = put_in_chunks(self._client, self._uploads, temporary, view, headers, self._env, name)
        else:
            answer = self._put(temporary, name, view, headers)
            if answer.status in (404, 409):  # somebody took the folder away
                self._place.forget()
                self._folders.ensure(TEMPORARY)
                answer = self._put(temporary, name, view, headers)
            if answer.status == 413 and self._uploads and view.nbytes > CHUNK:
                self._place.largest = view.nbytes
                answer = put_in_chunks(self._client, self._uploads, temporary, view, headers, self._env, name)
        if not _is_done(answer):
            if answer.status == 500:  # what nginx says where the folder is not there: the next put makes it again
                self._place.forget()
            raise self._refused(answer, name)
        return self._verified(answer, temporary, name, digest)

    def _in_chunks(self, view: memoryview) -> bool:
        return bool(self._uploads and self._place.largest and view.nbytes >= self._place.largest)

    def _put(self, temporary: str, name: str, view: memoryview, headers: Mapping[str, str]) -> Answer:
        more = {"Content-Type": "application/octet-stream", **headers}
        return self._client.call("PUT", temporary, headers=more, body=view, name=name)

    def _refused(self, answer: Answer, name: str) -> BackendError:
        if answer.status == 400 and self._preset.checks and b"checksum" in answer.body.lower():
            return Unavailable("the bytes were damaged on the way", key=name, provider_code=DAMAGED)
        if answer.status in (404, 410):
            return Misconfigured("there is no folder for the uploads", key=name, provider_code=str(answer.status))
        return refuse(answer, name)

    # ----------------------------------------------------------------------------------------------------- checksums
    def _checks(self, digest: Digest) -> dict[str, str]:
        """ownCloud compares what OC-Checksum says with what it got.  Nextcloud only keeps it, but tells in the answer
        what it computed while the bytes came, if X-Hash asks for that (apps/dav/lib/Connector/Sabre/File.php)."""
        if self._preset.hash == "sha256":
            return {"OC-Checksum": f"SHA256:{digest.sha256}", "X-Hash": "sha256"}
        if self._preset.hash == "md5" and digest.md5:
            return {"OC-Checksum": f"MD5:{digest.md5}"}
        return {}

    def _verified(self, answer: Answer, path: str, name: str, digest: Digest) -> Hashes:
        if self._preset.hash == "sha256":
            told, ours = answer.headers.get("x-hash-sha256", "").lower(), digest.sha256
        elif self._preset.hash == "md5":
            told, ours = dict(self._folders.look(path).hashes).get("md5", ""), digest.md5
        else:
            return ()
        if not told or not ours:
            return ()
        if told != ours:
            raise Unavailable("the server stored other bytes than it was sent", key=name, provider_code=DAMAGED)
        return ((self._preset.hash, told),)

    # --------------------------------------------------------------------------------------------------------- moving
    def _into_place(self, temporary: str, name: str, view: memoryview, digest: Digest) -> None:
        answer = self._move(temporary, name, overwrite=False)
        if answer.status in _NO_FOLDER:  # somebody took the folder away
            self._place.forget()
            self._folders.ensure(name.rpartition("/")[0])
            answer = self._move(temporary, name, overwrite=False)
        if answer.status == 412:
            if self._same(name, view) or self._replaced(name, view, digest):
                self._discard(temporary)
                return
            answer = self._move(temporary, name, overwrite=True)
        if not _is_done(answer):
            self._not_moved(answer, name)

    def _move(self, temporary: str, name: str, *, overwrite: bool) -> Answer:
        headers = {"Destination": self._client.url(name), "Overwrite": "T" if overwrite else "F"}
        return self._client.call("MOVE", temporary, headers=headers, name=name)

    def _same(self, name: str, view: memoryview) -> bool:
        """Whether the object of that name has these bytes."""
        try:
            if self._folders.look(name).size != view.nbytes:
                return False
        except ObjectNotFound as error:
            if error.provider_code != FOLDER:
                return False
            raise Misconfigured("a folder has the object's name", key=name, provider_code=FOLDER) from error
        if not view.nbytes:
            return True
        _, data = self._client.fetch(name, 0, None)
        return data is not None and data == view

    def _replaced(self, name: str, view: memoryview, digest: Digest) -> bool:
        """Put straight over what is there, where the server does that without a gap.  False also where the bytes were
        damaged on the way: the upload, which was not, must take their place."""
        if not self._preset.replaces or self._in_chunks(view):
            return False
        answer = self._put(name, name, view, self._checks(digest))
        if not is_made(answer):
            raise self._refused(answer, name)
        try:
            self._verified(answer, name, name, digest)
        except Unavailable as error:
            if error.provider_code != DAMAGED or self._preset.checks:  # it had compared them: others were put meanwhile
                raise
            return False
        return True

    def _not_moved(self, answer: Answer, name: str) -> NoReturn:
        status = _status(answer)
        if status in (404, 410, 412):  # another put of the same name was quicker
            raise Unavailable("the object was put by somebody else meanwhile", key=name, provider_code=str(status))
        raise refuse(answer, name, status=status)

    def _discard(self, temporary: str) -> None:
        """A file of our own, so nothing else can go with it."""
        with contextlib.suppress(BackendError):  # then the sweep takes it
            self._client.call("DELETE", temporary)

    # --------------------------------------------------------------------------------------------------------- sweep
    def sweep(self) -> None:
        """Take away what puts that broke off left behind, by the server's own clock."""
        found = self._folders.children(TEMPORARY)
        left = 0
        for part, entry in found.entries.items() if found else ():
            seconds = age(entry.modified, found.date) if found else None
            if not entry.folder and seconds is not None and seconds > OLD and left < SWEPT:
                left += 1
                self._discard(f"{TEMPORARY}/{part}")


def _is_done(answer: Answer) -> bool:
    return is_made(answer) or answer.status == _ACCEPTED


def _status(answer: Answer) -> int:
    return first_failure(answer.body) if answer.status == MULTISTATUS else answer.status
