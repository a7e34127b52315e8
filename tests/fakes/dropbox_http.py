"""The HTTP side of the fake Dropbox: three styles of request (HTTP documentation, "Request and response formats")."""

from __future__ import annotations

import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.fakes.dropbox_faults import REFUSALS, Seen
from tests.fakes.dropbox_routes import Asked, Reply, Routes
from tests.fakes.dropbox_words import ROUTES, Refusal, bad_input, check_arguments, unauthorised
from tests.fakes.service import OF_BODIES

if TYPE_CHECKING:
    from tests.fakes.dropbox import FakeDropbox


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    dropbox: FakeDropbox

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.dropbox.open.add(self.connection)

    def finish(self) -> None:
        self.dropbox.open.discard(self.connection)
        super().finish()

    def answer(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path in ("/oauth2/token", "/oauth2/authorize"):
            self._sign_in(url.path, url.query, body)
            return
        fault, over = self.dropbox.faults.take(), self.dropbox.faults.over
        route = url.path.removeprefix("/2/")
        if fault == "reset_before":
            self._note(Asked(route, None), Reply(0))
            self._reset()
            return
        asked = Asked(route, None)
        reply = self._reply(asked, body, fault)
        self._note(asked, reply)
        if fault == "lost":
            self._reset()
            return
        bends = fault in OF_BODIES and len(reply.body) > 1 and route == "files/download"
        self._send(reply, fault if bends else "", over)

    do_GET = do_POST = answer  # noqa: N815  http.server's names

    def _reply(self, asked: Asked, body: bytes, fault: str) -> Reply:
        try:
            if asked.route not in ROUTES or self.command != "POST":
                raise Refusal(404, b"", "text/plain")
            if fault in REFUSALS:
                raise REFUSALS[fault]
            self._admit(asked.route)
            self._take_apart(asked, body)
            if fault == "flipped_up" and asked.body:
                asked.body = asked.body[:-1] + bytes([asked.body[-1] ^ 1])
            step = self.dropbox.faults.step(asked.route)
            if step and not step.after:
                raise step.refusal
            reply = Routes(self.dropbox).run(asked)
            if step:
                raise step.refusal
            return reply
        except Refusal as refusal:
            return Reply(refusal.status, refusal.body, dict(refusal.headers))

    def _admit(self, route: str) -> None:
        """SDK, auth.AuthError; TokenScopeError for a scope that was not granted."""
        header = self.headers.get("Authorization", "")
        grant = self.dropbox.oauth.who(header)
        if grant is None:
            ours = header.startswith(f"Bearer {self.dropbox.oauth.prefix}-access-") and not self.dropbox.unlinked
            raise unauthorised("expired_access_token" if ours else "invalid_access_token")
        scope = ROUTES[route][1]
        if scope not in grant.scope.split():
            raise unauthorised("missing_scope", required_scope=scope)

    def _take_apart(self, asked: Asked, body: bytes) -> None:
        """rpc: the argument is the body; upload and download: it is in a header, an upload's body are the bytes."""
        style = ROUTES[asked.route][2]
        text = body.decode() if style == "rpc" else self.headers.get("Dropbox-API-Arg", "")
        wanted = {"rpc": "application/json", "upload": "application/octet-stream"}.get(style, "")
        kind = self.headers.get("Content-Type") or ""
        if kind.partition(";")[0] != wanted and (style != "download" or body):
            raise bad_input(asked.route, f'Bad HTTP "Content-Type" header: "{kind}".')
        try:
            asked.arg = json.loads(text) if text else None
        except ValueError:
            raise bad_input(asked.route, "could not decode input as JSON") from None
        check_arguments(asked.route, asked.arg)
        asked.range = self.headers.get("Range", "")
        asked.body = body if style == "upload" else b""

    # ------------------------------------------------------------------------------------------------------ answering
    def _sign_in(self, path: str, query: str, body: bytes) -> None:
        oauth = self.dropbox.oauth
        told = oauth.authorise(query) if path.endswith("authorize") else oauth.token(body)
        status = 400 if told.status == 401 else told.status  # OAuth guide: every error of the token endpoint is a 400
        self._note(Asked(path.strip("/"), None), Reply(status))
        self._send(Reply(status, told.body, dict(told.headers)), "", self.dropbox.faults.over)

    def _note(self, asked: Asked, reply: Reply) -> None:
        kind = reply.headers.get("Content-Type", "")
        told: Any = None
        if "Dropbox-API-Result" in reply.headers:
            told = json.loads(reply.headers["Dropbox-API-Result"])
        elif kind == "application/json":
            told = json.loads(reply.body)
        seen = Seen(asked.route, asked.arg, reply.status, told, len(asked.body), kind)
        self.dropbox.faults.journal.append(seen)

    def _send(self, reply: Reply, fault: str, over: threading.Event) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("X-Dropbox-Request-Id", f"{len(self.dropbox.faults.journal):032x}")
        self.end_headers()
        body = reply.body
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
