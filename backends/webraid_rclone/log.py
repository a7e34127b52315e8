"""What rclone writes on standard error: read as it comes, and the words that belong to a request found again."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import IO

# The data plane answers a bare 404 or 500; the reason is in its log, under the object's name.  rclone 1.75:
# cmd/serve/restic/restic.go, lib/http/serve/serve.go.
_REASONS = ("GET request error: ", "Get request open error: ", "Post request rcat error: ")
_MARK = b"equest "  # in all of them; most lines are something else and need no decoding
_KEPT = 256
_PATIENCE = 2.0  # seconds; the line was written before the answer was sent


class Log:
    """Reads until the stream ends, on a thread of its own.  ``notice`` gets what is not for debugging, as it comes."""

    def __init__(self, stream: IO[bytes], notice: Callable[[str], None] | None = None) -> None:
        self._stream = stream
        self._notice = notice
        self._heard = threading.Condition()
        self._reasons: OrderedDict[str, deque[str]] = OrderedDict()  # one for each request that failed
        self._flying: dict[str, list[str]] = {}
        self._over = False
        self._thread = threading.Thread(target=self._read, name="rclone-log", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def request(self, name: str, remote: str) -> Iterator[Callable[[], str]]:
        """A request about an object is under way.  The function gives the reason of its failure, '' when none was told
        or it may be that of another remote's request about an object of the same name."""
        with self._heard:
            flying = self._flying.setdefault(name, [])
            if not flying:  # else one of these may still be waiting for its own
                self._reasons.pop(name, None)
            flying.append(remote)
        try:
            yield lambda: self._reason(name, remote)
        finally:
            with self._heard:
                flying.remove(remote)
                if not flying:
                    self._flying.pop(name, None)

    def _reason(self, name: str, remote: str) -> str:
        with self._heard:
            if any(other != remote for other in self._flying.get(name, ())):
                return ""
            self._heard.wait_for(lambda: self._reasons.get(name) or self._over, _PATIENCE)
            told = self._reasons.get(name)
            return told.popleft() if told else ""

    def join(self) -> None:
        """The stream is about to end: wait for the thread; not for ever, as a program that rclone started (ssh, a web
        browser) may hold the stream open."""
        self._thread.join(_PATIENCE)

    def _read(self) -> None:
        with self._stream:
            for line in self._stream:
                if line.startswith(b"{") and (_MARK in line or b'"level":"debug"' not in line):
                    with contextlib.suppress(ValueError):  # a line cut short: rclone was killed
                        self._take(json.loads(line))
        with self._heard:
            self._over = True
            self._heard.notify_all()

    def _take(self, entry: dict[str, object]) -> None:
        message, name = str(entry.get("msg", "")), str(entry.get("object", ""))
        reason = next((message.removeprefix(start) for start in _REASONS if message.startswith(start)), None)
        if reason is not None:
            with self._heard:
                self._reasons.setdefault(name, deque()).append(reason)
                while len(self._reasons) > _KEPT:
                    self._reasons.popitem(last=False)
                self._heard.notify_all()
        elif self._notice is not None and entry.get("level") != "debug":
            self._notice(message)
