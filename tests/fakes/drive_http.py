"""The HTTP side of the fake Drive: requests to methods of the API, methods to answers."""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.drive_faults import REFUSALS, Seen, told
from tests.fakes.drive_store import ROOT, File, Refusal
from tests.fakes.drive_uploads import Session, multipart, parsed
from tests.fakes.drive_words import EVERYWHERE, PARAMETERS, BadWords, masked, query
from tests.fakes.service import OF_BODIES

if TYPE_CHECKING:
    from tests.fakes.drive import FakeDrive

JSON = "application/json; charset=UTF-8"

# HTTP method and path -> method of the discovery document.  /upload/: its mediaUpload.protocols.simple.path.
ROUTES = (
    ("GET", r"/drive/v3/about", "drive.about.get"),
    ("GET", r"/drive/v3/changes/startPageToken", "drive.changes.getStartPageToken"),
    ("GET", r"/drive/v3/changes", "drive.changes.list"),
    ("GET", r"/drive/v3/files/generateIds", "drive.files.generateIds"),
    ("GET", r"/drive/v3/files", "drive.files.list"),
    ("POST", r"(?:/upload)?/drive/v3/files", "drive.files.create"),
    ("DELETE", r"/drive/v3/files/trash", "drive.files.emptyTrash"),
    ("GET", r"/drive/v3/files/([^/]+)", "drive.files.get"),
    ("PATCH", r"(?:/upload)?/drive/v3/files/([^/]+)", "drive.files.update"),
    ("DELETE", r"/drive/v3/files/([^/]+)", "drive.files.delete"),
    # 'Use PUT for all subsequent requests of a resumable upload'
    ("PUT", r"/upload/drive/v3/files(?:/([^/]+))?", "drive.files.upload"),
)


@dataclass
class Asked:
    """A request, taken apart."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    id: str = ""
    target: str = ""
    app: str = ""
    flip: bool = False  # one bit of what is uploaded arrives wrong
    strange: tuple[str, ...] = ()


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    drive: FakeDrive

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.drive.open.add(self.connection)

    def finish(self) -> None:
        self.drive.open.discard(self.connection)
        super().finish()

    def answer(self) -> None:
        url = urlsplit(self.path)
        fields = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        asked = Asked(self.command, url.path, fields, headers, body)
        if url.path in ("/o/oauth2/auth", "/token"):
            self._sign_in(asked, url.query)
            return
        fault, over = self.drive.faults.take(), self.drive.faults.over
        if fault == "reset_before":
            self._note(asked, 0)
            self._reset()
            return
        asked.flip = fault == "flipped_up"
        reply = self._reply(asked, fault)
        self._note(asked, reply.status)
        if fault == "lost" and asked.method != "GET":  # one that changes something
            self._reset()
            return
        self._send(reply, fault if fault in OF_BODIES and len(reply.body) > 1 else "", over)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815  http.server's names

    def _reply(self, asked: Asked, fault: str) -> Reply:
        try:
            self._find(asked)
            refusal = REFUSALS.get(fault)
            writes = asked.id in ("drive.files.create", "drive.files.update", "drive.files.upload")
            if refusal and (fault != "full" or writes):
                raise refusal
            self._admit(asked)
            step = self.drive.faults.step(asked.id)
            if step and not step.after:
                raise step.refusal
            reply = Methods(self.drive).run(asked)
            if step:
                raise step.refusal
            return reply
        except BadWords as bad:
            return _refused(Refusal(400, bad.reason, bad.message, location=bad.location))
        except Refusal as refusal:
            return _refused(refusal)

    def _find(self, asked: Asked) -> None:
        for method, pattern, name in ROUTES:
            found = re.fullmatch(pattern, asked.path)
            if found and method == asked.method:
                asked.id, asked.target = name, (found[1] or "") if found.groups() else ""
                break
        else:
            raise Refusal(404, "notFound", "Not Found")
        known = EVERYWHERE | PARAMETERS.get(asked.id, frozenset({"upload_id"}))
        asked.strange = tuple(sorted(set(asked.query) - known - {"upload_id"}))
        if asked.strange:
            raise Refusal(400, "invalidParameter", "the fake does not simulate this", location=asked.strange[0])

    def _admit(self, asked: Asked) -> None:
        grant = self.drive.oauth.who(asked.headers.get("authorization", ""))
        if grant is None:
            raise REFUSALS["expired"]
        if not {"https://www.googleapis.com/auth/drive.file", "https://www.googleapis.com/auth/drive"} & set(
            grant.scope.split()
        ):
            raise Refusal(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
        asked.app = grant.client

    # -------------------------------------------------------------------------------------------------------- answering
    def _sign_in(self, asked: Asked, query_text: str) -> None:
        oauth = self.drive.oauth
        if asked.path == "/token":
            told_ = oauth.token(asked.body, asked.headers.get("authorization", ""))
        else:
            told_ = oauth.authorise(query_text)
        asked.id = "oauth"
        self._note(asked, told_.status)
        self._send(Reply(told_.status, told_.body, dict(told_.headers)), "", self.drive.faults.over)

    def _note(self, asked: Asked, status: int) -> None:
        seen = Seen(asked.id, asked.method, asked.path, asked.query, status, len(asked.body), asked.strange)
        self.drive.faults.journal.append(seen)

    def _send(self, reply: Reply, fault: str, over: Any) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        body = reply.body
        if reply.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "flipped_down":
            body = bytes([body[0] ^ 1]) + body[1:]
        if fault not in ("reset_within", "truncated", "slow"):
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.close_connection = True
        if fault == "reset_within":
            self._reset()
        elif fault == "slow":
            over.wait(60)

    def _reset(self) -> None:
        """RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def _refused(refusal: Refusal) -> Reply:
    headers = {"Content-Type": JSON, **refusal.headers}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'
    return Reply(refusal.status, told(refusal), headers)


class Methods:
    """The methods of the API."""

    def __init__(self, drive: FakeDrive) -> None:
        self.drive = drive
        self.store = drive.store

    def run(self, asked: Asked) -> Reply:
        name = asked.id.removeprefix("drive.").replace(".", "_")
        reply: Reply = getattr(self, name)(asked)
        return reply

    def about_get(self, asked: Asked) -> Reply:
        if not asked.query.get("fields"):
            raise Refusal(400, "required", "The 'fields' parameter is required for this method.", location="fields")
        self.store.spend("get")
        user = {
            "kind": "drive#user", "displayName": "A User", "me": True, "permissionId": self.drive.permission_id,
            "emailAddress": self.drive.email,
        }  # fmt: skip
        whole = {"kind": "drive#about", "user": user, "storageQuota": self.store.usage(), "maxUploadSize": str(5 << 40)}
        return _json(whole, "About", asked)

    def files_generateIds(self, asked: Asked) -> Reply:  # noqa: N802  the API's name
        count = int(asked.query.get("count", "10"))
        if not 1 <= count <= 1000:
            raise Refusal(400, "invalidParameter", "Invalid value", location="count")
        self.store.spend("ids")
        ids = {"kind": "drive#generatedIds", "space": "drive", "ids": self.store.ids(count)}
        return _json(ids, "GeneratedIds", asked)

    def files_list(self, asked: Asked) -> Reply:
        self.store.spend("list")
        text, size = asked.query.get("q", ""), int(asked.query.get("pageSize", "100"))
        if size < 1:
            raise Refusal(400, "invalidParameter", "Invalid value", location="pageSize")
        parent = re.search(r"'([^']*)' in parents", text)
        if parent and parent[1] not in ("root", ROOT):
            try:
                self.store.get(asked.app, parent[1])
            except Refusal:  # of a folder that is not there: 404, without the id
                raise Refusal(404, "notFound", "File not found: .", location="fileId") from None
        files, more = self.store.find(
            asked.app, query(text, root=ROOT), f"{asked.app} {text}", size=min(size, 1000),
            token=asked.query.get("pageToken", ""), order=asked.query.get("orderBy", ""),
        )  # fmt: skip
        page: dict[str, Any] = {"kind": "drive#fileList", "incompleteSearch": self.store.incomplete}
        page |= {"nextPageToken": more} if more else {}
        return _json({**page, "files": [file.told() for file in files]}, "FileList", asked)

    def files_get(self, asked: Asked) -> Reply:
        media = asked.query.get("alt") == "media"
        self.store.spend("download" if media else "get")
        file = self.store.get(asked.app, asked.target)
        return self._media(file, asked) if media else _json(file.told(), "File", asked)

    def _media(self, file: File, asked: Asked) -> Reply:
        if file.data is None:
            raise Refusal(403, "fileNotDownloadable", "Only files with binary content can be downloaded.")
        if file.id in self.store.abusive and asked.query.get("acknowledgeAbuse") != "true":
            message = "This file has been identified as malware or spam and cannot be downloaded."
            raise Refusal(403, "cannotDownloadAbusiveFile", message)
        headers = {"Content-Type": file.mime}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("range", ""))
        if not wanted:
            return Reply(200, file.data, headers)
        size, begin = len(file.data), int(wanted[1])
        end = min(int(wanted[2] or size - 1), size - 1)
        if begin >= size or begin > end:  # so it is for every range of an empty file (rclone strips it, providers.md)
            return Reply(416, told(Refusal(416, "requestedRangeNotSatisfiable")), {"Content-Range": f"bytes */{size}"})
        return Reply(206, file.data[begin : end + 1], {**headers, "Content-Range": f"bytes {begin}-{end}/{size}"})

    def files_create(self, asked: Asked) -> Reply:
        self.store.spend("edit")
        return self._write(asked, lambda about, data: self.store.create(asked.app, about, data))

    def files_update(self, asked: Asked) -> Reply:
        self.store.spend("edit")
        add, remove = asked.query.get("addParents", ""), asked.query.get("removeParents", "")
        self.store.get(asked.app, asked.target)
        return self._write(
            asked,
            lambda about, data: self.store.update(asked.app, asked.target, about, data, add=add, remove=remove),
        )

    def _write(self, asked: Asked, do: Any) -> Reply:
        if not asked.path.startswith("/upload/"):
            return _json(do(parsed(asked.body), None).told(), "File", asked)
        kind = asked.query.get("uploadType")
        if kind == "media":
            return _json(do({}, _flipped(asked, asked.body)).told(), "File", asked)
        if kind == "multipart":
            about, data = multipart(asked.headers.get("content-type", ""), asked.body)
            return _json(do(about, _flipped(asked, data)).told(), "File", asked)
        if kind == "resumable":
            about = parsed(asked.body)
            if asked.id == "drive.files.create":
                self.store.allow(asked.app, about)
            session = Session(asked.app, lambda data: do(about, _flipped(asked, data)), asked.query.get("fields", ""))
            number = self.drive.begin(session)
            where = f"{self.drive.url}/upload/drive/v3/files?uploadType=resumable&upload_id={number}"
            return Reply(200, b"", {"Location": where, "X-GUploader-UploadID": number})
        raise Refusal(400, "invalidParameter", "Invalid upload type", location="uploadType")

    def files_upload(self, asked: Asked) -> Reply:
        session = self.drive.sessions.get(asked.query.get("upload_id", ""))
        if session is None or session.app != asked.app:  # 'Resume an interrupted upload': 404, start again
            raise Refusal(404, "notFound", "Upload session not found.")
        file = session.take(asked.headers, asked.body)
        if file is None:
            return Reply(308, b"", session.range)
        return _json(file.told(), "File", asked, session.fields)

    def files_delete(self, asked: Asked) -> Reply:
        self.store.spend("edit")
        self.store.delete(asked.app, asked.target)
        return Reply(204)

    def files_emptyTrash(self, asked: Asked) -> Reply:  # noqa: N802
        self.store.spend("edit")
        self.store.empty_trash(asked.app)
        return Reply(204)

    def changes_getStartPageToken(self, asked: Asked) -> Reply:  # noqa: N802
        self.store.spend("list")
        start = {"kind": "drive#startPageToken", "startPageToken": self.store.start_token()}
        return _json(start, "StartPageToken", asked)

    def changes_list(self, asked: Asked) -> Reply:
        self.store.spend("list")
        size, token = int(asked.query.get("pageSize", "100")), asked.query.get("pageToken", "")
        found, after = self.store.changed(asked.app, token, size)
        changes = [
            {"kind": "drive#change", "changeType": "file", "time": at, "fileId": file_id, "removed": file is None}
            | ({"file": file.told()} if file else {})
            for at, file_id, file in found
        ]
        last = after > len(self.store.changes)
        told_ = {
            "kind": "drive#changeList",
            "changes": changes,
            ("newStartPageToken" if last else "nextPageToken"): str(after),
        }
        return _json(told_, "ChangeList", asked)


def _flipped(asked: Asked, data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1]) if asked.flip and data else data


def _json(whole: Mapping[str, Any], schema: str, asked: Asked, fields: str | None = None) -> Reply:
    mask = asked.query.get("fields", "") if fields is None else fields
    return Reply(200, json.dumps(masked(whole, schema, mask)).encode(), {"Content-Type": JSON})
