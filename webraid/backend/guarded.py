"""Guarded holds a plug-in to the backend contract: whatever leaks is mapped, whatever it answers is checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, TypeVar

from webraid.backend.base import Backend, Bytes, Digest, ErrorTable, map_error
from webraid.backend.wrapper import Call, Op, Wrapper, innermost
from webraid.errors import BackendError, ObjectTooLarge, ProtocolError
from webraid.model import Stored, Usage

T = TypeVar("T")

MAX_NAME = 200
_PART = r"(?!\.{1,2}(?:/|\Z))[a-z0-9.-]+"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_PREFIX = re.compile(r"[a-z0-9/.-]*")
_HEX = {"sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}


def legal_name(name: str) -> bool:
    """Whether an object of ours may be called so: ``[a-z0-9/.-]``, 1 to 200 bytes, no empty part, no '.' or '..'."""
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


class Guarded(Wrapper):
    """The caller's side of the contract.  Only BackendErrors leave it, each naming the disk and the object.

    A listing keeps silent about names that cannot be ours (a stranger's file in the same folder): nothing could be
    done with them.  What breaks the contract - a short range, a name listed twice, another size than was put - is a
    ProtocolError.
    """

    kind: ClassVar[str] = "guarded"

    def __init__(self, inner: Backend, disk: str) -> None:
        super().__init__(inner)
        self.disk = disk
        self._table: ErrorTable = innermost(inner).ERRORS

    def around(self, call: Call, go: Callable[[], T]) -> T:
        try:
            return go()
        except Exception as error:  # the one place whose task is to catch whatever a plug-in lets out
            found = self._mapped(error)
            found.disk = found.disk or self.disk
            found.key = found.key or call.name
            try:
                if found is error:
                    raise
                raise found from error
            finally:
                del found  # its traceback knows this frame: no cycle may keep the bytes of a put

    def _mapped(self, error: Exception) -> BackendError:
        unmapped = ProtocolError(f"the plug-in let out a {type(error).__name__}")
        try:
            return map_error(self._table, error) or unmapped
        except Exception:  # a mapping that fails is a leak like any other
            return unmapped

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        self._named(name)
        self._digested(name, digest)
        size = memoryview(data).nbytes
        if self.caps.max_object is not None and size > self.caps.max_object:
            raise ObjectTooLarge(
                f"an object of {size} bytes is larger than the {self.caps.max_object} that are taken",
                disk=self.disk, key=name,
            )  # fmt: skip
        stored = super().put(name, data, digest=digest)
        self._expect(stored.name == name, "the answer to a put names another object", name)
        self._expect(stored.size == size, f"{size} bytes were put, {stored.size} are stored", name)
        for algorithm, ours in (("sha256", digest.sha256), ("md5", digest.md5)):
            theirs = stored.hash(algorithm)
            self._expect(
                not ours or theirs in (None, ours), f"the provider's {algorithm} is not that of our bytes", name
            )
        return stored

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        self._named(name)
        self._expect(offset >= 0 and (size is None or size >= 0), "a range cannot be negative", name)
        body = super().get(name, locator=locator, offset=offset, size=size)
        self._expect(isinstance(body, bytes), f"the body is a {type(body).__name__}, not bytes", name)
        self._expect(size is None or len(body) == size, f"{size} bytes were asked for, {len(body)} came", name)
        return body

    def stat(self, name: str, *, locator: str = "") -> Stored:
        self._named(name)
        stored = super().stat(name, locator=locator)
        self._expect(stored.name == name and stored.size >= 0, "the answer to a stat is about another object", name)
        return stored

    def list(self, prefix: str) -> Iterator[Stored]:
        self._expect(_PREFIX.fullmatch(prefix) is not None and len(prefix) <= MAX_NAME, "not a legal prefix", prefix)
        seen: dict[str, Stored] = {}
        for stored in super().list(prefix):
            if not legal_name(stored.name):
                continue
            self._expect(stored.name.startswith(prefix), "a listing names what is not under its prefix", stored.name)
            self._expect(stored.name not in seen, "a listing names an object twice", stored.name)
            self._expect(stored.size >= 0, "a listing gives a negative size", stored.name)
            seen[stored.name] = stored
        return iter(seen.values())

    def list_names(self, prefix: str) -> Iterator[str]:
        self._expect(_PREFIX.fullmatch(prefix) is not None and len(prefix) <= MAX_NAME, "not a legal prefix", prefix)
        call = Call(Op.LIST, prefix)
        found = [name for name in self.around(call, lambda: list(self.inner.list_names(prefix))) if legal_name(name)]
        for name in found:
            if not name.startswith(prefix):
                self._expect(False, "a listing names what is not under its prefix", name)
        if len(set(found)) != len(found):
            self._expect(False, "a listing names an object twice", prefix)
        return iter(found)

    def delete(self, name: str, *, locator: str = "") -> None:
        self._named(name)
        super().delete(name, locator=locator)

    def delete_many(self, objects: Mapping[str, str]) -> None:
        for name in objects:
            self._named(name)
        super().delete_many(objects)

    def usage(self) -> Usage:
        usage = super().usage()
        figures = (usage.used, usage.free, usage.total)
        self._expect(all(figure is None or figure >= 0 for figure in figures), "a usage is negative", "")
        return usage

    def close(self) -> None:
        self.around(Call(Op.CLOSE), self.inner.close)

    def _named(self, name: str) -> None:
        self._expect(legal_name(name), "not a legal object name", name)

    def _digested(self, name: str, digest: Digest) -> None:
        hashes = self.caps.hashes
        need_md5 = "md5" in hashes and "sha256" not in hashes
        self._expect(_HEX["sha256"].fullmatch(digest.sha256) is not None, "a put needs the sha256 of its bytes", name)
        md5_fits = _HEX["md5"].fullmatch(digest.md5) is not None
        self._expect(md5_fits or not (need_md5 or digest.md5), "a put needs the md5 of its bytes here", name)

    def _expect(self, holds: bool, otherwise: str, name: str) -> None:
        if not holds:
            raise ProtocolError(otherwise, disk=self.disk, key=name)
