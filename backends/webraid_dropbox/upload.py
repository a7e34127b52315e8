"""How bytes get up: in one call when nothing else runs, else by an upload session for the committing thread."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from webraid.backend.base import Bytes
from webraid.errors import RateLimited
from webraid_dropbox.commits import Committer
from webraid_dropbox.hashes import content_hash
from webraid_dropbox.sdk import sdk

SMALL = 256 << 10  # bytes that may go up while the account is kept from all other writes
PIECE = 96 << 20  # bytes of one request at most, a multiple of 4 MiB; Dropbox takes 150 MiB


class Uploader:
    """For one thread.  ``piece``: bytes of a request at most.

    Where Dropbox takes the bytes but is too busy to commit them, they need not go up again when the same put is tried
    anew: a session is good for 7 days.  The last one that was left so is kept in mind.
    """

    def __init__(self, client: Any, committer: Committer[Any, Any], *, piece: int = PIECE) -> None:
        self._client = client
        self._committer = committer
        self._piece = piece
        self._left: tuple[str, str, str] | None = None

    def put(self, path: str, data: Bytes, whole: str) -> Any:
        """FileMetadata of what is stored now.  ``whole``: content_hash of ``data``.  Raises the SDK's, BackendError.

        Always overwrites, so that the last put wins; where the same bytes are there already Dropbox writes nothing.
        """
        if memoryview(data).nbytes <= SMALL:
            with self._committer.alone() as alone:
                if alone:
                    return self._in_one(path, data, whole)
        try:
            found = self._in_two(path, data, whole).result()
        except BaseException as error:
            if not isinstance(error, RateLimited):
                self._left = None
            raise
        self._left = None
        return found

    def _in_one(self, path: str, data: Bytes, whole: str) -> Any:
        mode = sdk().files.WriteMode.overwrite
        return self._client.files_upload(_plain(data), path, mode=mode, mute=True, content_hash=whole)

    def _in_two(self, path: str, data: Bytes, whole: str) -> Future[Any]:
        """Handed in before the upload counts as over: so the commit of the last of a burst takes them all along."""
        files = sdk().files
        commit = files.CommitInfo(path, mode=files.WriteMode.overwrite, mute=True)
        with self._committer.uploading():
            session = self._left[2] if self._left and self._left[:2] == (path, whole) else self._start(data, whole)
            self._left = (path, whole, session)
            cursor = files.UploadSessionCursor(session, memoryview(data).nbytes)
            return self._committer.hand_in(path.lower(), files.UploadSessionFinishArg(cursor, commit))

    def _start(self, data: Bytes, whole: str) -> str:
        """The id of a closed session that holds ``data``."""
        body = memoryview(data).cast("B")
        if body.nbytes <= self._piece:
            return str(self._client.files_upload_session_start(_plain(data), close=True, content_hash=whole).session_id)
        piece = body[: self._piece]
        told = self._client.files_upload_session_start(bytes(piece), content_hash=content_hash(piece))
        session = str(told.session_id)
        for offset in range(self._piece, body.nbytes, self._piece):
            piece = body[offset : offset + self._piece]
            self._client.files_upload_session_append_v2(
                bytes(piece),
                sdk().files.UploadSessionCursor(session, offset),
                close=offset + piece.nbytes == body.nbytes,
                content_hash=content_hash(piece),
            )
        return session


def _plain(data: Bytes) -> bytes:
    """The SDK takes nothing but bytes."""
    return data if type(data) is bytes else bytes(data)
