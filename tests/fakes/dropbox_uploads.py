"""Upload sessions of the fake Dropbox: SDK, upload_session/start, append_v2, finish."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes.dropbox_words import BLOCK, Refusal, Told, conflict, content_hash, union

WEEK = 7 * 24 * 3600.0  # "An upload session can be used for a maximum of 7 days"
PAYLOAD = 150 << 20  # "The request payload must be at most 150 MiB"
MAX_FILE = (1 << 41) - (1 << 22)  # "2^41 - 2^22 (2,199,019,061,248) bytes"


@dataclass
class Session:
    """``parts``: offset -> bytes; a sequential one has them without a gap."""

    began: float
    concurrent: bool = False
    parts: dict[int, bytes] = field(default_factory=dict)
    closed: bool = False
    committed: bool = False

    @property
    def size(self) -> int:
        return sum(map(len, self.parts.values()))

    def whole(self) -> bytes | None:
        """All bytes; None where a part is missing."""
        data = b"".join(self.parts[offset] for offset in sorted(self.parts))
        return data if all(offset == 0 or self._ends_at(offset) for offset in self.parts) else None

    def _ends_at(self, offset: int) -> bool:
        return any(start + len(part) == offset for start, part in self.parts.items())


@dataclass
class Sessions:
    """``payload``: bytes of a request's body at most; ``now`` may be moved for the seven days."""

    payload: int = PAYLOAD
    now: Callable[[], float] = time.monotonic
    known: dict[str, Session] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def begin(self, told: Told, data: bytes) -> str:
        """SDK, UploadSessionStartError."""
        self.check_body(told, data)
        concurrent = _tag(told.get("session_type")) == "concurrent"
        if concurrent and data:
            raise conflict("concurrent_session_data_not_allowed")
        if concurrent and told.get("close"):
            raise conflict("concurrent_session_close_not_allowed")
        return self._add(Session(self.now(), concurrent, {0: data} if data else {}, bool(told.get("close"))))

    def begin_many(self, told: Told) -> list[str]:
        """SDK, upload_session/start_batch."""
        concurrent = _tag(told.get("session_type")) == "concurrent"
        return [self._add(Session(self.now(), concurrent)) for _ in range(int(told["num_sessions"]))]

    def append(self, told: Told, data: bytes) -> None:
        """SDK, UploadSessionAppendError."""
        self.check_body(told, data)
        cursor = told["cursor"]
        with self.lock:
            session = self._alive(cursor["session_id"])
            if session is None:
                raise conflict("not_found")
            if session.closed:
                raise conflict("closed")
            offset = int(cursor["offset"])
            if session.concurrent:
                self._check_concurrent(offset, data, last=bool(told.get("close")))
            elif offset != session.size:
                raise conflict("incorrect_offset", correct_offset=session.size)
            if session.size + len(data) > MAX_FILE:
                raise conflict("too_large")
            if data:
                session.parts[offset] = data
            session.closed = bool(told.get("close"))

    def finish(self, told: Told, data: bytes, *, batch: bool) -> tuple[Session, bytes]:
        """SDK, UploadSessionFinishError.lookup_failed: the session, which is not committed yet, and its bytes.

        A batch wants closed sessions (UploadSessionLookupError.not_closed); a single finish may bring the last bytes.
        """
        self.check_body(told, data)
        cursor = told["cursor"]
        with self.lock:
            session = self._alive(cursor["session_id"])
            if session is None:
                raise conflict("lookup_failed/not_found")
            if session.committed:  # "a session that has already been closed (i.e. committed)"
                raise conflict("lookup_failed/closed")
            if session.concurrent and data:
                raise conflict("concurrent_session_data_not_allowed")
            if session.concurrent and not session.closed:
                raise conflict("concurrent_session_not_closed")
            if batch and not session.closed:
                raise conflict("lookup_failed/not_closed")
            if not session.concurrent and int(cursor["offset"]) != session.size:
                raise conflict("lookup_failed/incorrect_offset", correct_offset=session.size)
            if data:
                session.parts[session.size] = data
            whole = session.whole()
            if whole is None:
                raise conflict("concurrent_session_missing_data")
            return session, whole

    def check_body(self, told: Told, data: bytes) -> None:
        """SDK, payload_too_large and content_hash_mismatch, "the content received in this call"."""
        if len(data) > self.payload:
            raise conflict("payload_too_large")
        if told.get("content_hash") not in (None, content_hash(data)):
            raise conflict("content_hash_mismatch")

    def _check_concurrent(self, offset: int, data: bytes, *, last: bool) -> None:
        if offset % BLOCK:
            raise conflict("concurrent_session_invalid_offset")
        if len(data) % BLOCK and not last:
            raise conflict("concurrent_session_invalid_data_size")

    def _alive(self, session_id: str) -> Session | None:
        session = self.known.get(session_id)
        return session if session and self.now() - session.began < WEEK else None

    def _add(self, session: Session) -> str:
        with self.lock:
            name = f"pid_upload_session:{next(self.numbers):08d}"
            self.known[name] = session
            return name


def _tag(value: object) -> str:
    return str(value.get(".tag")) if isinstance(value, dict) else str(value)


__all__ = ["MAX_FILE", "PAYLOAD", "WEEK", "Refusal", "Session", "Sessions", "union"]
