"""What the fakes have in common: a server that can go away and come back, faults on command, a script, a journal."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, TypeVar

R = TypeVar("R")
Seen = TypeVar("Seen")

# Names are those of webraid.backend.conformance.FAULTS.
OF_BODIES = ("reset_within", "truncated", "slow", "flipped_down")
ELSEWHERE = ("refuse", "full", "reset_before", "lost", "flipped_up")


@dataclass
class Step(Generic[R]):
    """What the next ``times`` requests of a route (its name, or a part of it) are answered.

    ``after``: the request takes effect first: what was stored is stored, the answer says otherwise.
    """

    route: str
    refusal: R
    times: int = 1
    after: bool = False


@dataclass
class Faults(Generic[R, Seen]):
    """``refusals``: what the service answers to each fault that is an answer.  ``name``: the fault of the moment, ''
    for none.  ``over``: set when it ends.  ``journal``: every request that came."""

    refusals: Mapping[str, R]
    name: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    script: list[Step[R]] = field(default_factory=list)
    journal: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def names(self) -> tuple[str, ...]:
        """Every fault that can be brought about."""
        return (*self.refusals, *OF_BODIES, *ELSEWHERE)

    def become(self, name: str) -> None:
        """Another fault from now on; '' for none."""
        with self.lock:
            if name and name not in self.names:
                raise ValueError(f"no such fault: {name}")
            self.name = name
            self.over.set()
            self.over = threading.Event()

    def take(self) -> str:
        """The fault that befalls a request of the API."""
        with self.lock:
            name = self.name
            if name == "expired_once":
                self.name = ""
            return name

    def step(self, route: str) -> Step[R] | None:
        """What the script has for this request."""
        with self.lock:
            found = next((step for step in self.script if step.route in route), None)
            if found is not None:
                found.times -= 1
                if not found.times:
                    self.script.remove(found)
            return found


class Service:
    """A fake at ``url``.  ``open``: connections that are open now (the handler keeps them); ``now_failing``: the fault
    that was commanded last.  A child says which handler serves it, and under which name the handler knows it."""

    handler: type[BaseHTTPRequestHandler]
    known_as: str
    faults: Faults[Any, Any]

    def __init__(self) -> None:
        self.open: set[socket.socket] = set()
        self.port = 0
        self.now_failing = ""
        self._server: _Listener | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, port: int = 0) -> None:
        """Listen, on the same port as before where it was stopped."""
        serving = type("Handler", (self.handler,), {self.known_as: self})
        self._server = _Listener(("127.0.0.1", port or self.port), serving)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.005},
            name=f"fake-{self.known_as}",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Nobody listens any more; every connection is cut."""
        assert self._server is not None and self._thread is not None
        self.faults.become("")
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    @contextlib.contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """One of webraid.backend.conformance.FAULTS while it is entered."""
        self.begin_fault(name)
        try:
            yield
        finally:
            self.end_fault(name)

    def begin_fault(self, name: str) -> None:
        if name == "refuse":
            self.stop()
        else:
            self.faults.become(name)

    def end_fault(self, name: str) -> None:
        if name == "refuse":
            self.start()
        else:
            self.faults.become("")

    def command(self, word: str) -> str:
        """A fault's name, or 'none', as a line on standard input; the answer."""
        if word not in (*self.faults.names, "none"):
            return f"error: no such word: {word}"
        if self.now_failing:
            self.end_fault(self.now_failing)
        self.now_failing = "" if word == "none" else word
        if self.now_failing:
            self.begin_fault(self.now_failing)
        return "ok"


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that we or the client broke."""
