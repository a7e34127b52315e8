"""The API as this plug-in uses it: one method here, one request there.  Knows files and ids, nothing of objects."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from webraid.backend.base import Bytes
from webraid.backend.mapping import mapped
from webraid.errors import AuthExpired, ContentBlocked, Misconfigured, PluginMissing, ProtocolError, Unavailable
from webraid_gdrive.errors import ERRORS
from webraid_gdrive.tokens import Tokens

File = Mapping[str, Any]  # a File resource, cut down to FIELDS

FOLDER = "application/vnd.google-apps.folder"
FIELDS = "id,name,size,md5Checksum,sha256Checksum,headRevisionId,createdTime,modifiedTime,trashed,mimeType"
SMALL = 5_000_000  # bytes: 'Upload file data' has larger files sent in a resumable upload, one request more
PAGE = 1000
IDS = 100  # ids fetched at once


class Drive:
    """One connection of one thread.  Every method raises BackendError; ``disk``: the name in what to do about it."""

    def __init__(self, endpoint: str, tokens: Tokens, timeout: float, disk: str = "") -> None:
        try:
            from webraid_gdrive import transport  # noqa: PLC0415  the SDK: half a second that only open disks shall cost
        except ImportError as error:
            raise PluginMissing("gdrive needs Google's SDK: pipx install --force '.[all]' in the checkout") from error
        self._sdk = transport
        self._http = transport.authorised(tokens, timeout)
        self._service = transport.service(endpoint)
        self._files = self._service.files()
        self._fix = f"webraid backend login {disk or 'NAME'}"

    def close(self) -> None:
        self._http.close()

    # ----------------------------------------------------------------------------------------------------------- asking
    def user(self) -> tuple[str, str]:
        """(permission id, email address) of the account."""
        told = self._json(self._service.about().get(fields="user(permissionId,emailAddress)")).get("user") or {}
        return str(told.get("permissionId") or ""), str(told.get("emailAddress") or "")

    def quota(self) -> dict[str, int]:
        """Bytes: limit (missing where there is none), usage, usageInDrive, usageInDriveTrash."""
        told = self._json(self._service.about().get(fields="storageQuota")).get("storageQuota") or {}
        with mapped(ERRORS):
            return {str(name): int(value) for name, value in told.items()}

    def ids(self) -> list[str]:
        """Fresh ids for files to come: a create that is repeated with its id makes no second file."""
        told = self._json(self._files.generateIds(count=IDS, space="drive", type="files", fields="ids"))
        found = [str(one) for one in told.get("ids") or ()]
        if not found:
            raise ProtocolError("Drive was asked for ids and gave none")
        return found

    def about(self, file_id: str, name: str = "") -> File:
        """The file as it is now: by id Drive is strongly consistent."""
        return self._json(self._files.get(fileId=file_id, fields=FIELDS), name)

    def find(self, query: str, name: str = "") -> Iterator[File]:
        """Every file that ``query`` finds, page by page.  What was written in the last minutes may be missing."""
        token = ""
        while True:
            wanted = f"nextPageToken,incompleteSearch,files({FIELDS})"
            more = {"pageToken": token} if token else {}
            page = self._json(self._files.list(q=query, pageSize=PAGE, spaces="drive", fields=wanted, **more), name)
            files = page.get("files")
            if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
                raise ProtocolError("the answer is no listing of Drive's", key=name)
            if page.get("incompleteSearch"):
                raise Unavailable("Drive's search was not complete", key=name, provider_code="incompleteSearch")
            yield from files
            before, token = token, str(page.get("nextPageToken") or "")
            if not token:
                return
            if token == before:
                raise ProtocolError("Drive's listing does not get on", key=name)

    def read(self, file_id: str, name: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and content of a download.

        Content that Drive takes for harmful it gives only to an owner who says that he knows.  Ours is encrypted and
        checked by its hash: so we know, and that is one request more.
        """
        try:
            return self._media(self._files.get_media(fileId=file_id), name, headers)
        except ContentBlocked as error:
            if error.provider_code != "cannotDownloadAbusiveFile":
                raise
        return self._media(self._files.get_media(fileId=file_id, acknowledgeAbuse=True), name, headers)

    # --------------------------------------------------------------------------------------------------------- changing
    def create(self, about: Mapping[str, Any], data: Bytes, *, name: str, sha256: str) -> File:
        """A file with this metadata (its id among it).  AlreadyExists: the id was used before."""
        return self._upload(self._files.create, dict(about), data, name, sha256)

    def update(self, file_id: str, about: Mapping[str, Any], data: Bytes, *, name: str, sha256: str) -> File:
        """New content under the same id: whoever reads gets the old or the new, whole."""
        return self._upload(self._files.update, dict(about), data, name, sha256, fileId=file_id)

    def make_folder(self, name: str, file_id: str) -> File:
        """A folder in My Drive."""
        about = {"id": file_id, "name": name, "mimeType": FOLDER, "parents": ["root"]}
        return self._json(self._files.create(body=about, fields=FIELDS))

    def delete(self, file_id: str, name: str = "") -> None:
        """For good, past the trash, which would go on counting."""
        self._execute(self._files.delete(fileId=file_id), name)

    # ----------------------------------------------------------------------------------------------------------- inside
    def _upload(
        self, method: Callable[..., Any], about: dict[str, Any], data: Bytes, name: str, sha256: str, **more: str
    ) -> File:
        if memoryview(data).nbytes > SMALL:
            request = method(body=about, media_body=self._sdk.Whole(data), fields=FIELDS, **more)
            try:
                with self._mapped(name):
                    _, told = request.next_chunk(http=self._http, num_retries=0)
            except Misconfigured as error:
                if request.resumable_uri is None or error.provider_code != "404":
                    raise
                raise Unavailable("Drive has forgotten the upload", key=name, provider_code="404") from error
            if told is None:
                raise Unavailable("Drive did not take the whole upload", key=name)
            return _file(told, name)
        request = method(body=about, media_body=self._sdk.nothing(), fields=FIELDS, **more)
        # No data can hold the hash of all of it.
        self._sdk.multipart(request, about, data, boundary=f"webraid-{sha256[:48]}")
        return _file(self._execute(request, name), name)

    def _media(self, request: Any, name: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        request.headers.update(headers)
        answers: list[Any] = []
        request.add_response_callback(answers.append)
        content = self._execute(request, name)
        if not isinstance(content, bytes):
            raise ProtocolError("a download came that is no content", key=name)
        if not {"content-length", "transfer-encoding"} & answers[-1].keys():  # it ended where the connection did
            raise ProtocolError("a download does not tell its length", key=name)
        return int(answers[-1].status), answers[-1], content

    def _json(self, request: Any, name: str = "") -> File:
        return _file(self._execute(request, name), name)

    def _execute(self, request: Any, name: str) -> Any:
        with self._mapped(name):
            return request.execute(http=self._http, num_retries=0)

    @contextlib.contextmanager
    def _mapped(self, name: str) -> Iterator[None]:
        try:
            with mapped(ERRORS, name):
                yield
        except AuthExpired as error:
            error.fix = self._fix
            error.hint = error.hint.replace("webraid backend login NAME", self._fix)
            raise


def _file(told: Any, name: str) -> File:
    if not isinstance(told, dict):
        raise ProtocolError("the answer is not Drive's", key=name)
    return told
