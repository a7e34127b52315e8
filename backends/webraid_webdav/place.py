"""What all threads of a process know of one folder on one server: which folders are there, what it takes at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache


class Place:
    """``largest``: a body of that many bytes was too large for one request; 0: none was so far."""

    def __init__(self) -> None:
        self.largest = 0
        self._lock = threading.Lock()
        self._folders: set[str] = set()

    def known(self, folder: str) -> None:
        """It is there: somebody has seen it."""
        if folder not in self._folders:
            with self._lock:
                self._folders.add(folder)

    def ensure(self, folder: str, make: Callable[[str], None]) -> bool:
        """``make`` it unless it is there.  One at a time: two requests for one folder confuse some servers.  True
        where it was made now."""
        if folder in self._folders:
            return False
        with self._lock:
            if folder in self._folders:
                return False
            make(folder)
            self._folders.add(folder)
            return True

    def forget(self) -> None:
        """Somebody took folders away."""
        with self._lock:
            self._folders.clear()


@cache
def place(identity: str) -> Place:
    """The one of this process."""
    return Place()
