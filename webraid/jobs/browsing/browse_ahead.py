"""Reading ahead: a few threads for it, and which small files of a folder will be wanted next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from webraid.entry import Entry, EntryType
from webraid.errors import WebRAIDError
from webraid.model import MIB

THREADS = 4
MOST_WAITING = 64  # pieces of work; what comes then is not read ahead
SMALL = MIB // 2  # bytes of a file that is read ahead as a whole
STEP, FARTHEST = 16, 512  # files ahead, at first and at most
SKIPPED = 8  # files that may be left out and still count as one after the other
FOLDERS = 256  # that are remembered
PARTING = 4.0  # seconds that threads get to end


class Ahead:
    """A few daemon threads, started when first wanted: one that hangs keeps nobody from ending."""

    def __init__(self, threads: int = THREADS) -> None:
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._most = threads
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, work: Callable[[], object]) -> None:
        """Do this soon, if there is room."""
        with self._lock:
            if self._closed or self._work.qsize() >= MOST_WAITING:
                return
            if len(self._threads) < self._most:
                self._threads.append(threading.Thread(target=self._run, name="read-ahead", daemon=True))
                self._threads[-1].start()
        self._work.put(work)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except (WebRAIDError, LookupError):  # whoever wants these bytes asks for them again, and hears why
                continue

    def close(self) -> None:
        """Nothing waiting is done any more; what is being done gets a moment to end."""
        with self._lock:
            self._closed = True
        try:
            while True:
                self._work.get_nowait()
        except Empty:
            for _ in self._threads:
                self._work.put(None)
        for thread in self._threads:
            thread.join(PARTING / len(self._threads))


@dataclass(slots=True)
class _Walk:
    last: int
    asked: int
    window: int = 0


class Neighbours:
    """Notices that the files of a folder are read one after the other, as cp, rsync and diff do."""

    def __init__(self, room: int) -> None:
        self._room = room  # bytes at a time
        self._walks: OrderedDict[Hashable, _Walk] = OrderedDict()
        self._lock = threading.Lock()

    def after(self, folder: Hashable, entries: Sequence[Entry], row: int) -> list[bytes]:
        """File ``row`` of a folder is opened: the chunks of those that will be wanted next."""
        with self._lock:
            walk = self._walks.pop(folder, None) or _Walk(row, row + 1)
            self._walks[folder] = walk
            while len(self._walks) > FOLDERS:
                self._walks.popitem(last=False)
            follows = walk.last < row <= max(walk.last + SKIPPED, walk.asked)
            walk.last, begin = row, max(walk.asked, row + 1)
            if not follows or begin - row > walk.window // 2 + 1:
                return []
            walk.window = min(FARTHEST, max(STEP, 2 * walk.window))
            return self._pick(walk, entries, begin, row + 1 + walk.window)

    def _pick(self, walk: _Walk, entries: Sequence[Entry], begin: int, stop: int) -> list[bytes]:
        ids: list[bytes] = []
        room = self._room
        for row in range(begin, min(stop, len(entries))):
            entry = entries[row]
            if entry.type is EntryType.FILE and entry.chunks and entry.size <= SMALL:
                room -= entry.size
                if room < 0:
                    break
                ids += entry.chunk_ids()
            walk.asked = row + 1
        return list(dict.fromkeys(ids))
