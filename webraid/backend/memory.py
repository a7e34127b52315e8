"""Memory: a backend that keeps its objects in this process; a place is shared by all instances opened on it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from webraid.backend.base import Backend, Bytes, Caps, Digest, ErrorTable
from webraid.errors import ObjectNotFound, ObjectTooLarge, ProtocolError, Unsupported
from webraid.model import Stored, Usage

CAPS = Caps(hashes=("sha256",), hashes_in_list=True, server_checks_digest=True, usage=True, local=True)


class Store:
    """A place: name -> bytes.  Thread-safe; whoever holds it sees what others put."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[str, bytes] = {}
        self._versions: dict[str, int] = {}

    def put(self, name: str, data: bytes) -> int:
        """Keeps ``data``; the number of its version."""
        with self._lock:
            self._objects[name] = data
            self._versions[name] = self._versions.get(name, 0) + 1
            return self._versions[name]

    def get(self, name: str) -> tuple[bytes, int]:
        """Bytes and version.  KeyError."""
        with self._lock:
            return self._objects[name], self._versions[name]

    def names(self, prefix: str = "") -> list[str]:
        with self._lock:
            return [name for name in self._objects if name.startswith(prefix)]

    def discard(self, name: str) -> None:
        with self._lock:
            self._objects.pop(name, None)

    def used(self) -> int:
        """Bytes of all objects."""
        with self._lock:
            return sum(map(len, self._objects.values()))

    def flip(self, name: str, position: int = 0, mask: int = 1) -> None:
        """Rots a byte at rest.  KeyError, IndexError."""
        with self._lock:
            data = bytearray(self._objects[name])
            data[position] ^= mask
            self._objects[name] = bytes(data)

    def snapshot(self) -> dict[str, bytes]:
        """All objects as they are now."""
        with self._lock:
            return dict(self._objects)

    def restore(self, snapshot: Mapping[str, bytes]) -> None:
        """All objects as they were then: the whole place rolled back."""
        with self._lock:
            self._objects = dict(snapshot)
            self._versions = {name: self._versions.get(name, 0) + 1 for name in snapshot}


_places: dict[str, Store] = {}
_places_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """Options of a memory disk."""

    place: str = field(default="default", metadata={"help": "disks with the same place see the same objects"})


class Memory(Backend):
    """Keeps its promises to the letter; the other doubles break them on purpose, around it."""

    kind: ClassVar[str] = "memory"
    summary: ClassVar[str] = "objects in the memory of this process, gone when it ends (for tests)"
    ERRORS: ClassVar[ErrorTable] = {}
    caps: Caps = CAPS

    def __init__(self, store: Store | None = None, caps: Caps = CAPS) -> None:
        self.store = store or Store()
        self.caps = caps
        self.closed = False

    @classmethod
    def options_type(cls) -> type[Any]:
        return MemoryOptions

    @classmethod
    def connect(cls, options: Any, secrets: Mapping[str, str]) -> Memory:
        with _places_lock:
            return cls(_places.setdefault(options.place, Store()))

    @classmethod
    def identity(cls, options: Any) -> str:
        return f"memory:{options.place}"

    @classmethod
    def default_domain(cls, options: Any, name: str) -> str:
        return name

    def prepare(self) -> None:
        """A Store is always there."""

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        body = bytes(data)
        if self.caps.max_object is not None and len(body) > self.caps.max_object:
            raise ObjectTooLarge(f"an object of {len(body)} bytes is too large", key=name)
        checked = self.caps.server_checks_digest
        if checked and hashlib.sha256(body).hexdigest() != digest.sha256:
            raise ProtocolError("the bytes that arrived are not those of the digest", key=name)
        return self._stored(name, body, self.store.put(name, body), verified=checked)

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        if not self.caps.range_get and (offset or size is not None):
            raise Unsupported("this place gives no ranges", key=name)
        body, _ = self._found(name)
        end = len(body) if size is None else offset + size
        if offset > len(body) or end > len(body):
            raise ProtocolError(f"range {offset}-{end} is past the end of {len(body)} bytes", key=name)
        return body[offset:end]

    def stat(self, name: str, *, locator: str = "") -> Stored:
        return self._stored(name, *self._found(name))

    def list(self, prefix: str) -> Iterator[Stored]:
        for name in self.store.names(prefix):
            try:
                found = self._found(name)
            except ObjectNotFound:  # deleted while we list
                continue
            yield self._stored(name, *found, hashed=self.caps.hashes_in_list)

    def delete(self, name: str, *, locator: str = "") -> None:
        self.store.discard(name)

    def usage(self) -> Usage:
        return Usage(used=self.store.used())

    def close(self) -> None:
        self.closed = True

    def _found(self, name: str) -> tuple[bytes, int]:
        try:
            return self.store.get(name)
        except KeyError:
            raise ObjectNotFound("no such object", key=name) from None

    def _stored(self, name: str, body: bytes, version: int, *, hashed: bool = True, verified: bool = False) -> Stored:
        # Of the bytes as they are now, so that rot shows as it does where a provider scrubs.
        algorithms = self.caps.hashes if hashed else ()
        hashes = tuple((algorithm, hashlib.new(algorithm, body).hexdigest()) for algorithm in algorithms)
        return Stored(name, len(body), version=str(version), hashes=hashes, verified=verified)
