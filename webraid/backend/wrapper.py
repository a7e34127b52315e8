"""Wrapper: a Backend that passes every call on to another one; what wrappers add lives in their own modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, NoReturn, TypeVar

from webraid.backend.base import Backend, Bytes, Digest, ErrorTable
from webraid.env import Env
from webraid.errors import Unsupported
from webraid.model import Stored, Usage

T = TypeVar("T")
SLICE = 0.25  # seconds: how soon a sleeping wrapper notices that its disk is being closed


class Op(StrEnum):
    """The operation classes that are counted, limited and retried.  CONNECT and CLOSE are no requests;
    CALL is any other work on a disk's thread."""

    PUT = "put"
    GET = "get"
    STAT = "stat"
    LIST = "list"
    DELETE = "delete"
    USAGE = "usage"
    PREPARE = "prepare"
    CONNECT = "connect"
    CLOSE = "close"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way.  ``up``: bytes of its body.  ``want``: bytes expected back, None when not known."""

    op: Op
    name: str = ""
    up: int = 0
    want: int | None = 0


class Wrapper(Backend):
    """Passes everything on.  A child overrides ``around`` to act before and after every request alike."""

    kind: ClassVar[str] = "wrapper"
    summary: ClassVar[str] = "adds behaviour to another backend"
    ERRORS: ClassVar[ErrorTable] = {}

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.caps = inner.caps

    def around(self, call: Call, go: Callable[[], T]) -> T:
        """Runs ``go`` (the request) and gives its answer."""
        return go()

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        call = Call(Op.PUT, name, up=memoryview(data).nbytes)
        return self.around(call, lambda: self.inner.put(name, data, digest=digest))

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        call = Call(Op.GET, name, want=size)
        return self.around(call, lambda: self.inner.get(name, locator=locator, offset=offset, size=size))

    def stat(self, name: str, *, locator: str = "") -> Stored:
        return self.around(Call(Op.STAT, name), lambda: self.inner.stat(name, locator=locator))

    def list(self, prefix: str) -> Iterator[Stored]:
        # Whole, not piece by piece: a listing that breaks off half-way is no listing, and can only be asked for anew.
        return iter(self.around(Call(Op.LIST, prefix), lambda: list(self.inner.list(prefix))))

    def list_names(self, prefix: str) -> Iterator[str]:
        if type(self).list is not Wrapper.list:  # what a child makes of a listing holds for the names as well
            return super().list_names(prefix)
        return iter(self.around(Call(Op.LIST, prefix), lambda: list(self.inner.list_names(prefix))))

    def delete(self, name: str, *, locator: str = "") -> None:
        self.around(Call(Op.DELETE, name), lambda: self.inner.delete(name, locator=locator))

    def delete_many(self, objects: Mapping[str, str]) -> None:
        # A batch is one request: it is counted, limited and retried as one.
        size = self.inner.caps.batch_delete
        if not size:
            super().delete_many(objects)  # one by one, each through this wrapper
            return
        names = list(objects)
        for start in range(0, len(names), size):
            part = {name: objects[name] for name in names[start : start + size]}
            self._delete_part(part)

    def _delete_part(self, part: Mapping[str, str]) -> None:
        self.around(Call(Op.DELETE, next(iter(part))), lambda: self.inner.delete_many(part))

    def usage(self) -> Usage:
        return self.around(Call(Op.USAGE), self.inner.usage)

    def prepare(self) -> None:
        self.around(Call(Op.PREPARE), self.inner.prepare)

    def close(self) -> None:
        self.inner.close()

    @classmethod
    def options_type(cls) -> type[Any]:
        _no_kind(cls)

    @classmethod
    def connect(cls, options: Any, secrets: Mapping[str, str]) -> Backend:
        _no_kind(cls)

    @classmethod
    def identity(cls, options: Any) -> str:
        _no_kind(cls)

    @classmethod
    def default_domain(cls, options: Any, name: str) -> str:
        _no_kind(cls)


def _no_kind(cls: type[Backend]) -> NoReturn:
    raise Unsupported(f"{cls.__name__} wraps a backend that is open already; no disk can be of its kind")


def innermost(backend: Backend) -> Backend:
    """The backend under all wrappers."""
    while isinstance(backend, Wrapper):
        backend = backend.inner
    return backend


def never() -> bool:
    """The ``stop`` of a wrapper that nobody stops."""
    return False


def pause(env: Env, seconds: float, stop: Callable[[], bool]) -> bool:
    """Sleeps; False as soon as ``stop`` says so.  Counts its slices: a simulated clock need not move."""
    left = seconds
    while left > 0:
        if stop():
            return False
        env.sleep(min(left, SLICE))
        left -= SLICE
    return not stop()
