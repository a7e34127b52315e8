"""A sound double that can suffer every fault: what the broken ones are made of."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import ClassVar

from webraid.backend.base import Bytes, Digest
from webraid.backend.conformance import FAULTS, Subject
from webraid.backend.memory import CAPS, Memory, Store
from webraid.errors import (
    AuthExpired,
    BackendError,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)
from webraid.model import Stored

SECRET = "correct-horse-battery"
OF_BODIES = ("reset_within", "truncated", "slow")
ERRORS: dict[str, Callable[[], BackendError]] = {
    **dict.fromkeys(("refuse", "busy", "reset_before", *OF_BODIES), lambda: Unavailable("no answer")),
    "limited": lambda: RateLimited("slow down"),
    "limited_for_7": lambda: RateLimited("slow down", retry_after=7.0),
    "expired": lambda: AuthExpired("keys"),
    "expired_once": lambda: AuthExpired("keys"),
}


class Server:
    """What a place has beside its objects: the fault of the moment and a count."""

    def __init__(self) -> None:
        self.store = Store()
        self.fault = ""
        self.requests = 0
        self.left: list[subprocess.Popen[bytes]] = []
        self.end = threading.Event()

    @contextlib.contextmanager
    def suffering(self, fault: str) -> Iterator[None]:
        self.fault = fault
        try:
            yield
        finally:
            self.fault = ""

    def close(self) -> None:
        self.end.set()
        for process in self.left:
            process.kill()
            process.wait()


class Sound(Memory):
    """Keeps every promise, whatever befalls it."""

    errors: ClassVar[dict[str, Callable[[], BackendError]]] = ERRORS

    def __init__(self, server: Server) -> None:
        super().__init__(server.store, CAPS)
        self.server = server

    def request(self, *, of_body: bool = False) -> None:
        self.server.requests += 1
        fault = self.server.fault
        if fault == "expired_once":
            self.recover()
        if fault in self.errors and (of_body or fault not in OF_BODIES):
            raise self.errors[fault]()

    def recover(self) -> None:
        self.server.fault = ""

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        self.request()
        if self.server.fault == "full":
            raise QuotaExceeded("full")
        if self.server.fault == "flipped_up":
            raise Unavailable("the bytes were damaged on the way")
        stored = super().put(name, data, digest=digest)
        self.lose()
        return stored

    def lose(self) -> None:
        if self.server.fault == "lost":
            raise Unavailable("no answer")

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        self.request(of_body=True)
        return super().get(name, locator=locator, offset=offset, size=size)

    def stat(self, name: str, *, locator: str = "") -> Stored:
        self.request()
        return super().stat(name, locator=locator)

    def list(self, prefix: str) -> Iterator[Stored]:
        self.request()
        yield from super().list(prefix)

    def delete(self, name: str, *, locator: str = "") -> None:
        self.request()
        super().delete(name, locator=locator)
        self.lose()

    def prepare(self) -> None:
        self.request()

    def stored(self, name: str, data: Bytes) -> Stored:
        return Stored(name, memoryview(data).nbytes)


def subject_of(broken: type[Sound], server: Server) -> Subject:
    return Subject(
        open=lambda: broken(server),
        caps=broken.caps,
        prefix="s/",
        secrets=(SECRET,),
        faults={fault: _injector(server, fault) for fault in FAULTS},
        requests=lambda: server.requests,
        page=100,
    )


def _injector(server: Server, fault: str) -> Callable[[], contextlib.AbstractContextManager[None]]:
    return lambda: server.suffering(fault)


class Lags(Sound):
    """A list tells nothing new until it has been asked three times; no ranges; a write a second."""

    weak = dataclasses.replace(CAPS, list_consistency="eventual", range_get=False, min_interval_same_key=1.0)
    asked: ClassVar[dict[str, int]] = {}
    told: ClassVar[dict[str, list[Stored]]] = {}

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.caps = self.weak

    def list(self, prefix: str) -> Iterator[Stored]:
        self.asked[prefix] = self.asked.get(prefix, 0) + 1
        if self.asked[prefix] % 3 == 0:
            self.told[prefix] = list(super().list(prefix))
        return iter(self.told.get(prefix, []))
