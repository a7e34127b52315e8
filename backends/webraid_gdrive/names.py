"""What all threads of a disk know in common: which file has which name, ids for new files, the login.

Drive finds a file by its id at once, by its name only after a while (up to minutes).  So what this process has written,
listed or found stays here by name; what it wrote and deleted lately is put right in listings; and an id is chosen for a
name before the file is made: whoever repeats a put whose answer was lost, in any thread, repeats it with the same id,
and Drive answers 409 instead of making a twin.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from weakref import WeakValueDictionary

from webraid.env import Env
from webraid.model import Stored
from webraid_gdrive.tokens import Tokens

MOST = 50_000  # names kept, about 10 MB
LATELY = 600.0  # seconds; Drive's searches were seen to lag by five minutes

_LOCK = threading.Lock()
_SHARED: WeakValueDictionary[tuple[object, ...], Shared] = WeakValueDictionary()
_LATELY: deque[Shared] = deque(maxlen=8)  # they outlive their instances: what was written is found again by name


class Shared:
    """One disk's common knowledge.  Each method holds the lock only for as long as it looks something up."""

    def __init__(self, tokens: Tokens, folder_id: str, env: Env) -> None:
        self.tokens = tokens
        self.folder_id = folder_id
        self._env = env
        self._lock = threading.Lock()
        self._fetching = threading.Lock()
        self._ids: dict[str, str] = {}
        self._chosen: dict[str, str] = {}
        self._twins: dict[str, frozenset[str]] = {}
        self._complete: set[str] = set()
        self._written: dict[str, tuple[float, Stored]] = {}
        self._removed: dict[tuple[str, str], float] = {}
        self._fresh: list[str] = []

    def known(self, name: str) -> str:
        """The id of the file that has this name, as far as we know; ''."""
        with self._lock:
            return self._ids.get(name, "")

    def maybe(self, name: str) -> list[str]:
        """Ids worth a try, the best first: the known one, and the one chosen for a put that was not answered."""
        with self._lock:
            return [found for found in (self._ids.get(name), self._chosen.get(name)) if found]

    def wrote(self, stored: Stored) -> None:
        """This file has the name now."""
        with self._lock:
            self._chosen.pop(stored.name, None)
            self._remember(stored.name, stored.locator)
            self._removed.pop((stored.name, stored.locator), None)
            self._written.pop(stored.name, None)
            self._written[stored.name] = (self._env.monotonic(), stored)
            self._prune()

    def saw(self, found: Iterable[tuple[str, str, frozenset[str]]], *, complete: str = "") -> None:
        """Name, id, and all ids where it has several files, as a search gave them.  It may lag: what we know ourselves
        stays.

        ``complete``: a prefix ('shards/') below which these are all the names there are.
        """
        with self._lock:
            for name, file_id, twins in found:
                if twins:
                    self._twins[name] = twins
                if name not in self._ids:
                    self._remember(name, file_id)
            if complete and len(self._ids) < MOST:
                self._complete.add(complete)

    def forget(self, name: str, file_id: str) -> None:
        """This file is no more, or no more of this name."""
        with self._lock:
            for known in (self._ids, self._chosen):
                if known.get(name) == file_id:
                    del known[name]
            if name in self._written and self._written[name][1].locator == file_id:
                del self._written[name]
            self._removed.pop((name, file_id), None)
            self._removed[name, file_id] = self._env.monotonic()
            self._prune()

    def lately(self, prefix: str) -> tuple[list[Stored], set[tuple[str, str]]]:
        """What this process wrote below ``prefix`` in the last minutes, and names and ids of files that are no
        more."""
        with self._lock:
            self._prune()
            written = [stored for _, stored in self._written.values() if stored.name.startswith(prefix)]
            return written, set(self._removed)

    def twins(self, name: str) -> frozenset[str]:
        """All ids of this name, where a search has shown several; forgotten by this call."""
        with self._lock:
            return self._twins.pop(name, frozenset())

    def listed(self, prefix: str) -> bool:
        """Whether all names below ``prefix`` are known, but for what others wrote meanwhile."""
        with self._lock:
            return any(prefix.startswith(complete) for complete in self._complete)

    def choose(self, name: str, fetch: Callable[[], list[str]]) -> str:
        """The id that a new file of this name gets, whichever thread makes it; that of its file, if one was made while
        this thread was searching.  ``fetch`` is called for more ids."""
        with self._fetching:
            with self._lock:
                if name in self._ids or name in self._chosen:
                    return self._ids.get(name) or self._chosen[name]
                empty = not self._fresh
            fetched = fetch() if empty else []
            with self._lock:
                self._fresh += fetched
                self._chosen[name] = self._fresh.pop()
                return self._chosen[name]

    def spoil(self) -> None:
        """Drive does not take the ids that we have in store."""
        with self._lock:
            self._fresh.clear()

    def _prune(self) -> None:
        """The oldest come first."""
        since = self._env.monotonic() - LATELY
        while self._written and next(iter(self._written.values()))[0] < since:
            del self._written[next(iter(self._written))]
        while self._removed and next(iter(self._removed.values())) < since:
            del self._removed[next(iter(self._removed))]

    def _remember(self, name: str, file_id: str) -> None:
        self._ids.pop(name, None)
        self._ids[name] = file_id
        if len(self._ids) > MOST:
            del self._ids[next(iter(self._ids))]
            self._complete.clear()


def _key(which: Iterable[str]) -> tuple[object, ...]:
    return os.getpid(), hashlib.sha256("\0".join(which).encode()).digest()


def also(which: Iterable[str], new: Iterable[str]) -> None:
    """The disk that ``which`` stands for is found under ``new``, too."""
    with _LOCK:
        found = _SHARED.get(_key(which))
        if found is not None:
            _SHARED[_key(new)] = found


def shared(tokens: Callable[[], Tokens], folder_id: str, env: Env, which: Iterable[str]) -> Shared:
    """The one of this process for a disk, made by the first thread.  ``which``: what tells disks apart; may be secret,
    only a hash is kept."""
    key = _key(which)
    with _LOCK:
        found = _SHARED.get(key)
        if found is None:
            found = _SHARED[key] = Shared(tokens(), folder_id, env)
            _LATELY.append(found)
        return found
