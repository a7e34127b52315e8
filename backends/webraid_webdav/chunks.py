"""Nextcloud's chunked upload, version 2: for bodies that a proxy in front of the server refuses in one piece.

https://docs.nextcloud.com/server/latest/developer_manual/client_apis/WebDAV/chunking.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from webraid.env import Env
from webraid.errors import BackendError
from webraid_webdav.client import Answer, Client
from webraid_webdav.folders import is_made, refuse
from webraid_webdav.options import WebdavOptions, path_of

CHUNK = 10 << 20  # bytes; the documentation wants 5 MB to 5 GB for all but the last


def uploads_of(options: WebdavOptions) -> str:
    """Where a Nextcloud takes chunks, from the server's root; '' where nobody knows such a place."""
    parts = options.parts
    if options.known_provider != "nextcloud" or "remote.php" not in parts:
        return ""
    begin = parts.index("remote.php")
    if parts[begin + 1 : begin + 3] != ("dav", "files") or len(parts) <= begin + 3:
        return ""
    return path_of((*parts[: begin + 2], "uploads", parts[begin + 3]))


def put_in_chunks(
    client: Client, uploads: str, path: str, view: memoryview, headers: Mapping[str, str], env: Env, name: str
) -> Answer:
    """Upload ``view`` to ``path``; the answer of the last request, or the first one that refuses."""
    folder = f"{uploads}/webraid-{env.random(8).hex()}"
    every = {"Destination": client.url(path), "OC-Total-Length": str(view.nbytes)}
    answer = client.call("MKCOL", folder, headers=every, name=name)
    if not is_made(answer):
        raise refuse(answer, name)
    for number, begin in enumerate(range(0, view.nbytes, CHUNK), start=1):
        piece = view[begin : begin + CHUNK]
        answer = client.call("PUT", f"{folder}/{number:05}", headers=every, body=piece, name=name)
        if not is_made(answer):
            break
    else:
        answer = client.call("MOVE", f"{folder}/.file", headers={**every, **headers}, name=name)
    if not is_made(answer):
        with contextlib.suppress(BackendError):  # the server forgets it after a day
            client.call("DELETE", folder)
    return answer
