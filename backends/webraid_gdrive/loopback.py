"""The port of this machine to which Google's page sends the browser back: it takes one answer and is closed again."""

from __future__ import annotations

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from webraid.env import Env

_PAGE = b"""<!doctype html><meta charset=utf-8><title>WebRAID</title>
<p>WebRAID has got its answer. You can close this page and go on in the terminal."""


class _Asked(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5  # seconds; whoever connects and says nothing shall not hold the login up

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        answer = {name: values[-1] for name, values in asked.items()}
        # Only who knows the state may answer: other pages in the browser can reach this port, too.
        ours = answer.get("state") == self.server.state and ("code" in answer or "error" in answer)
        if ours:
            self.server.answer = answer
        self.send_response(200 if ours else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_PAGE) if ours else 0))
        self.end_headers()
        self.wfile.write(_PAGE if ours else b"")

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the address holds a code."""


class _Server(HTTPServer):
    allow_reuse_address = False
    timeout = 0.5
    state = ""
    answer: Mapping[str, str] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle."""


class Redirect:
    """Listens while it is entered; ``address``: what to give as redirect_uri."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Asked)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Redirect:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()

    def wait(self, state: str, patience: float, env: Env) -> Mapping[str, str]:
        """What the page answered; empty when nothing came within ``patience`` seconds."""
        self._server.state = state
        begin = env.monotonic()
        while not self._server.answer and env.monotonic() - begin < patience:
            self._server.handle_request()
        return self._server.answer
