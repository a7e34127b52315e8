"""The backend interface: promises, capabilities, error table.  No I/O here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from webraid.backend.login import Dialogue, Login, Secrets
from webraid.errors import BackendError
from webraid.model import Stored, Usage

Bytes = bytes | bytearray | memoryview
ErrorTable = Mapping[type[BaseException], Callable[[BaseException], BackendError]]


@dataclass(frozen=True, slots=True)
class Digest:
    """Hex digests of the bytes handed to put, computed once by the caller; md5 only where the caps ask for it."""

    sha256: str
    md5: str = ""


@dataclass(frozen=True, slots=True)
class Caps:
    """What a kind (or, after a probe, this very account) can do.  Sizes in bytes, times in seconds."""

    create_if_absent: Literal["atomic", "emulated", "none"] = "none"
    atomic_put: bool = True
    range_get: bool = True
    list_consistency: Literal["strong", "eventual"] = "strong"
    case_sensitive: bool = True
    duplicates_possible: bool = False
    hashes: tuple[str, ...] = ()  # algorithms the provider tells, best first: 'sha256', 'md5'
    hashes_in_list: bool = False  # list() carries them: a scrub without download
    server_checks_digest: bool = False
    usage: bool = False
    trash: bool = False
    batch_delete: int = 0  # objects a call; 0: one by one
    max_object: int | None = None
    min_interval_same_key: float = 0.0
    connections: int = 4  # how many of our threads may talk to it at once
    egress_free: bool = False  # reading costs neither money nor quota (a folder)
    local: bool = False  # bytes do not cross a network: latency is not worth hiding


class Backend(ABC):
    """A flat, flaky store of immutable objects that somebody else runs.

    Promises, each with one check of the same name in webraid/backend/conformance.py:

    1. put is whole or not at all; after it returns, get by name (or locator) gives the same bytes.
    2. Putting again leaves one object, not two; repeating a put whose answer was lost is safe.  The last put wins.
    3. A range is exact, or an error; never short.
    4. A missing name is ObjectNotFound, from get and stat alike.
    5. delete of what is not there is no error.
    6. list gives every name under the prefix once, in any order; it may lag if caps say so.
    7. Only BackendError and its children come out.
    8. An instance is used by one thread only.
    9. No retries inside.

    Names are ``[a-z0-9/.-]``, at most 200 bytes, and no name is another's folder.
    """

    kind: ClassVar[str]
    summary: ClassVar[str]  # one line for the wizard and the docs
    extra: ClassVar[str] = ""  # the pip extra that brings the SDK, '' when none is needed
    free_tier: ClassVar[str] = ""  # what costs nothing, one line shown at add time: '15 GB, shared with mail'
    ERRORS: ClassVar[ErrorTable]
    caps: Caps

    @classmethod
    @abstractmethod
    def options_type(cls) -> type[Any]:
        """A frozen dataclass: what [[disk]] may say.  Fields have metadata help=, secret=True/False; file=True where a
        flag names a file whose content is meant (a key, a token); rare=True where the wizard need not ask for it."""

    @classmethod
    @abstractmethod
    def connect(cls, options: Any, secrets: Mapping[str, str]) -> Backend:
        """A fresh instance for one thread.  Cheap: the first real request may come later.  Raises BackendError.

        ``secrets`` are Secrets (webraid.backend.login) where the pool opens the disk; see there for what that is good
        for.  A plain mapping must do, too.
        """

    @classmethod
    def login(cls, options: Any, secrets: Secrets, dialogue: Dialogue) -> Login:
        """Get what is still missing to reach the account: called by add-backend, login and recover, also where nobody
        can be asked.  Gives what is new; raises ConfigError, BackendError.  Kinds without a login need none."""
        return Login()

    @classmethod
    def also_called(cls) -> Mapping[str, str]:
        """Kinds that this one covers besides its own: name -> summary.  Cheap: a help page asks for it."""
        return {}

    @classmethod
    def called(cls, alias: str) -> Mapping[str, object]:
        """The options that mean that kind, for a name of ``also_called``."""
        return {}

    @classmethod
    @abstractmethod
    def identity(cls, options: Any) -> str:
        """A stable string that is equal for two options that mean the same place (to refuse adding a disk twice)."""

    @classmethod
    @abstractmethod
    def default_domain(cls, options: Any, name: str) -> str:
        """The failure domain when the user gives none (provider or company; for local folders the disk's name)."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the place ready for a new disk (create the folder or bucket if it is missing).  Idempotent."""

    @abstractmethod
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        """Store ``data`` under ``name``.  Compares the provider's hash (verified=True) where it can."""

    @abstractmethod
    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        """Exactly ``size`` bytes from ``offset`` (None: to the end).  A range past the end is an error (Misconfigured
        is never used for it: raise ProtocolError), except that offset == object size with size None or 0 gives b''."""

    @abstractmethod
    def stat(self, name: str, *, locator: str = "") -> Stored: ...

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Stored]: ...

    def list_names(self, prefix: str) -> Iterator[str]:
        """The names that ``list`` would give.  A kind overrides it where sizes cost extra."""
        return (stored.name for stored in self.list(prefix))

    @abstractmethod
    def delete(self, name: str, *, locator: str = "") -> None: ...

    def delete_many(self, objects: Mapping[str, str]) -> None:
        """Delete all of ``objects`` (name -> locator, '' where there is none), in as few requests as the kind can.

        Raises the first error; then some may be gone and some not, and the call may be repeated."""
        for name, locator in objects.items():
            self.delete(name, locator=locator)

    @abstractmethod
    def usage(self) -> Usage: ...

    @abstractmethod
    def close(self) -> None: ...


def map_error(table: ErrorTable, error: BaseException) -> BackendError | None:
    """``error`` by the first class in its MRO that the table knows; None when it knows none.  BackendErrors pass."""
    if isinstance(error, BackendError):
        return error
    for cls in type(error).__mro__:
        if cls in table:
            return table[cls](error)
    return None
