"""A small Nextcloud, or ownCloud, in this process: files in memory, WebDAV as their documentation and source say.

What is simulated, and where it is from:

- PUT, X-Hash, OC-Checksum: nextcloud/server, apps/dav/lib/Connector/Sabre/File.php.  Nextcloud keeps an OC-Checksum
  without looking at it; ownCloud compares it (owncloud/core, tests/acceptance: 'The computed checksum does not match
  the one received from the client', 400) and tells hashes of its own.  Both write a part file and rename it.
- DAV: nextcloud-checksum-update: ChecksumUpdatePlugin.php.  oc:checksums, oc:id: FilesPlugin.php.
- A MOVE that overwrites deletes first: sabre-io/dav, lib/DAV/CorePlugin.php, httpMove.  A locked file: 423.
- Chunked upload: docs.nextcloud.com, developer manual, 'Chunked file upload', version 2.
- Quota: RFC 4331; -3 is 'no limit' (lib/public/Files/FileInfo.php).  What is deleted goes to the trash, which counts.
- Maintenance: 503 with X-Nextcloud-Maintenance-Mode: 1.  Wrong passwords: 429 after ten (brute force protection).
- ``limit``: a proxy in front of it, which answers 413 for a larger body.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
import zlib
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit
from xml.sax.saxutils import escape

GAP = 0.001  # seconds between the delete and the move of an overwriting MOVE
LEAST = 5_000_000  # bytes of a chunk that is not the last
TRIES = 10  # wrong passwords


@dataclass
class File:
    data: bytes
    checksum: str = ""
    modified: float = field(default_factory=time.time)


@dataclass
class Nextcloud:
    """``quota``: bytes, None: no limit.  ``locked``: paths somebody else holds.  ``seen``: 'METHOD path' of all
    requests; ``statuses``: what they were answered.  Paths are decoded and begin with '/remote.php/'."""

    user: str = "ada lovelace"
    password: str = "sEcReT-app-password"
    owncloud: bool = False
    quota: int | None = 1 << 30
    limit: int | None = None
    maintenance: bool = False
    port: int = 0
    files: dict[str, File] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    trash: int = 0
    locked: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    failures: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def __post_init__(self) -> None:
        self.folders |= {"/remote.php/dav", "/remote.php/dav/files", self.home}

    @property
    def home(self) -> str:
        return f"/remote.php/dav/files/{self.user}"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def used(self) -> int:
        return self.trash + sum(len(file.data) for file in self.files.values())

    @property
    def free(self) -> int:
        return -3 if self.quota is None else max(0, self.quota - self.used)


class Refuse(Exception):
    def __init__(self, status: int, text: str = "", **headers: str) -> None:
        super().__init__(status)
        self.status, self.text = status, text
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    cloud: Nextcloud

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path).rstrip("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.cloud.seen.append(f"{self.command} {path}")
        try:
            if path == "/status.php":
                status, headers, reply = 200, {}, json.dumps({"installed": True, "productname": self.product}).encode()
            else:
                self.admit(body)
                status, headers, reply = getattr(self, f"on_{self.command.lower()}")(path, body)
        except Refuse as refused:
            status, headers, reply = refused.status, refused.headers, _error(refused.text)
        self.cloud.statuses.append(status)
        self.send_response_only(status)
        for name, value in {"Date": formatdate(usegmt=True), "Content-Length": str(len(reply)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_PUT = do_DELETE = do_OPTIONS = do_PROPFIND = do_MKCOL = do_MOVE = answer  # noqa: N815

    @property
    def product(self) -> str:
        return "ownCloud" if self.cloud.owncloud else "Nextcloud"

    def admit(self, body: bytes) -> None:
        cloud = self.cloud
        if cloud.limit is not None and len(body) > cloud.limit:
            raise Refuse(413)
        if cloud.maintenance:
            raise Refuse(503, "System is in maintenance mode.", X_Nextcloud_Maintenance_Mode="1", Retry_After="120")
        if cloud.failures >= TRIES:
            raise Refuse(429, "Too Many Requests")
        login = b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if login != f"{cloud.user}:{cloud.password}":
            cloud.failures += 1
            raise Refuse(401, "Cannot authenticate over basic auth", WWW_Authenticate='Basic realm="Nextcloud"')
        cloud.failures = 0

    # ------------------------------------------------------------------------------------------------------- methods
    def on_options(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        features = "1, 3, extended-mkcol, access-control, oc-resource-sharing"
        return 200, {"DAV": features if self.cloud.owncloud else f"{features}, nextcloud-checksum-update"}, b""

    def on_propfind(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with self.cloud.lock:
            if path not in self.cloud.folders and path not in self.cloud.files:
                raise Refuse(404, "File with name could not be located")
            shown = [path]
            if self.headers.get("Depth") == "1" and path in self.cloud.folders:
                shown += [one for one in (*self.cloud.folders, *self.cloud.files) if one.rpartition("/")[0] == path]
            text = "".join(self.described(one) for one in shown)
        head = '<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns">'
        return 207, {"Content-Type": "application/xml; charset=utf-8"}, f"{head}{text}</d:multistatus>".encode()

    def described(self, path: str) -> str:
        file = self.cloud.files.get(path)
        told = f"<oc:id>{zlib.crc32(path.encode()):08}oc123</oc:id>"
        if file is None:
            told += "<d:resourcetype><d:collection/></d:resourcetype>"
            told += f"<d:quota-used-bytes>{self.cloud.used}</d:quota-used-bytes>"
            told += f"<d:quota-available-bytes>{self.cloud.free}</d:quota-available-bytes>"
        else:
            told += f"<d:resourcetype/><d:getcontentlength>{len(file.data)}</d:getcontentlength>"
            told += f"<d:getlastmodified>{formatdate(file.modified, usegmt=True)}</d:getlastmodified>"
            if file.checksum:
                told += f"<oc:checksums><oc:checksum>{escape(file.checksum)}</oc:checksum></oc:checksums>"
        href = quote(path) + ("/" if file is None else "")
        missing = "<d:propstat><d:prop><d:x/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat>"
        return (
            f"<d:response><d:href>{href}</d:href><d:propstat><d:prop>{told}</d:prop>"
            f"<d:status>HTTP/1.1 200 OK</d:status></d:propstat>{missing}</d:response>"
        )

    def on_get(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with self.cloud.lock:
            self.require_unlocked(path)
            if path in self.cloud.folders:
                raise Refuse(405, "Method not allowed")
            if path not in self.cloud.files:
                raise Refuse(404, "File with name could not be located")
            file = self.cloud.files[path]
        headers = {"Content-Type": "application/octet-stream"}
        if file.checksum:
            headers["OC-Checksum"] = file.checksum
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        if not wanted:
            return 200, headers, file.data
        first, last = (int(number) for number in wanted.split("-"))
        if first >= len(file.data):
            raise Refuse(416, "The start of the range is behind the end")
        last = min(last, len(file.data) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(file.data)}"
        return 206, headers, file.data[first : last + 1]

    def on_put(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/remote.php/dav/uploads/"):
            return self.on_chunk(path, body)
        with self.cloud.lock:
            self.require_unlocked(path)
            if path.rpartition("/")[0] not in self.cloud.folders:
                raise Refuse(409, "Files cannot be created in non-existent collections")
            if path in self.cloud.folders:
                raise Refuse(409, "PUT is not allowed on non-files.")
            return self.store(path, body, tell=True)

    def store(self, path: str, data: bytes, *, tell: bool) -> tuple[int, dict[str, str], bytes]:
        cloud = self.cloud
        checksum, headers = self.headers.get("OC-Checksum", ""), {"OC-ETag": '"1"'}
        if cloud.quota is not None and cloud.used + len(data) > cloud.quota:
            raise Refuse(507, "Insufficient space")
        if cloud.owncloud:
            computed = (hashlib.sha1(data).hexdigest(), hashlib.md5(data).hexdigest(), f"{zlib.adler32(data):08x}")
            all_of_them = "SHA1:{} MD5:{} ADLER32:{}".format(*computed)
            if checksum and checksum.upper() not in all_of_them.upper().split():
                raise Refuse(400, "The computed checksum does not match the one received from the client.")
            checksum = all_of_them
        elif tell and self.headers.get("X-Hash") in ("sha256", "all"):
            headers["X-Hash-SHA256"] = hashlib.sha256(data).hexdigest()
        there = path in cloud.files
        cloud.files[path] = File(data, checksum)
        return 204 if there else 201, headers, b""

    def on_mkcol(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with self.cloud.lock:
            if path.startswith("/remote.php/dav/uploads/"):
                if not self.headers.get("Destination"):
                    raise Refuse(400, "Destination header is missing")
                self.cloud.uploads[path] = {}
                return 201, {}, b""
            if path in self.cloud.folders or path in self.cloud.files:
                raise Refuse(405, "The resource you tried to create already exists")
            if path.rpartition("/")[0] not in self.cloud.folders:
                raise Refuse(409, "Parent node does not exist")
            self.cloud.folders.add(path)
            return 201, {}, b""

    def on_delete(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        cloud = self.cloud
        with cloud.lock:
            self.require_unlocked(path)
            if path in cloud.uploads:
                del cloud.uploads[path]
            elif path in cloud.files:
                cloud.trash += len(cloud.files.pop(path).data)
            elif path in cloud.folders:
                cloud.folders = {one for one in cloud.folders if not f"{one}/".startswith(f"{path}/")}
                cloud.files = {one: file for one, file in cloud.files.items() if not one.startswith(f"{path}/")}
            else:
                raise Refuse(404, "File with name could not be located")
            return 204, {}, b""

    def on_move(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        to = unquote(urlsplit(self.headers.get("Destination", "")).path).rstrip("/")
        if path.startswith("/remote.php/dav/uploads/"):
            return self.on_assemble(path, to)
        cloud = self.cloud
        with cloud.lock:
            self.require_unlocked(path, to)
            if path not in cloud.files:
                raise Refuse(404, "File with name could not be located")
            if to.rpartition("/")[0] not in cloud.folders:
                raise Refuse(409, "The destination node is not found")
            there = to in cloud.files or to in cloud.folders
            if there and self.headers.get("Overwrite", "T").upper() == "F":
                raise Refuse(412, "The destination node already exists, and the overwrite header is set to false")
            if to in cloud.files:
                cloud.trash += len(cloud.files.pop(to).data)
        if there:
            time.sleep(GAP)
        with cloud.lock:
            if path not in cloud.files:
                raise Refuse(404, "File with name could not be located")
            cloud.files[to] = cloud.files.pop(path)
        return 204 if there else 201, {}, b""

    # ---------------------------------------------------------------------------------------------------- in chunks
    def on_chunk(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        folder, _, number = path.rpartition("/")
        with self.cloud.lock:
            if folder not in self.cloud.uploads:
                raise Refuse(404, "File with name could not be located")
            if not self.headers.get("Destination") or not self.headers.get("OC-Total-Length"):
                raise Refuse(400, "Destination header or length is missing")
            if not number.isdigit() or not 1 <= int(number) <= 10_000:
                raise Refuse(400, "Invalid chunk name, must be numeric between 1 and 10000")
            self.cloud.uploads[folder][int(number)] = body
            return 201, {}, b""

    def on_assemble(self, path: str, to: str) -> tuple[int, dict[str, str], bytes]:
        folder, _, name = path.rpartition("/")
        with self.cloud.lock:
            chunks = self.cloud.uploads.get(folder)
            if chunks is None or name != ".file":
                raise Refuse(404, "File with name could not be located")
            in_order = [chunks[number] for number in sorted(chunks)]
            if any(len(chunk) < LEAST for chunk in in_order[:-1]):
                raise Refuse(400, "Chunks must be at least 5 MB")
            data = b"".join(in_order)
            if self.headers.get("OC-Total-Length") != str(len(data)):
                raise Refuse(400, "Chunks on server do not sum up")
            if to.rpartition("/")[0] not in self.cloud.folders:
                raise Refuse(409, "The destination node is not found")
            answer = self.store(to, data, tell=False)
            del self.cloud.uploads[folder]
            return answer

    def require_unlocked(self, *paths: str) -> None:
        if self.cloud.locked & set(paths):
            raise Refuse(423, "is locked")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def _error(text: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><d:error xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns">'
        f"<s:message>{escape(text)}</s:message></d:error>"
    ).encode()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that the client broke."""


@contextlib.contextmanager
def nextcloud(cloud: Nextcloud | None = None) -> Iterator[Nextcloud]:
    """Serves while entered."""
    cloud = cloud or Nextcloud()
    server = _Listener(("127.0.0.1", 0), type("Handler", (Answering,), {"cloud": cloud}))
    cloud.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
