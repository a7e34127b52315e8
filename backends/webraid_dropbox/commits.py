"""The one thread of an account that commits uploads, many in one call.  No SDK here.

Dropbox takes a lock on the whole account for every write that becomes visible, and refuses a second one that comes
meanwhile (too_many_write_operations).  So all of them go through here, one at a time: batches of commits by the thread,
everything else (a small put when nothing else runs, deletes, folders) by its caller, who holds the lock meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from webraid.env import Env
from webraid.errors import BackendError, ProtocolError
from webraid_dropbox.errors import own

E = TypeVar("E")  # what is to be committed
R = TypeVar("R")  # what became of it

MAX_BATCH = 1000  # entries that finish_batch_v2 takes
ENOUGH = 100  # so many are not kept waiting for more
PATIENCE = 0.5  # seconds the first of a batch waits for uploads that are still on their way

Send = Callable[[Sequence[E]], Sequence[R | BackendError]]


@dataclass(frozen=True)
class _Waiting(Generic[E, R]):
    path: str
    entry: E
    since: float
    future: Future[R]


class Committer(Generic[E, R]):
    """``send``: commits some entries, in one call on the thread, and says what became of each; raises what befell all.
    ``stopped``: called on the thread when it ends.

    A commit goes out at once when no other upload is on its way; else it waits for those, PATIENCE seconds at most.
    Two commits of one path never share a batch.  The thread starts with the first commit and ends after ``close``.
    """

    def __init__(
        self, send: Send[E, R], stopped: Callable[[], None] = lambda: None, *, env: Env | None = None,
        patience: float = PATIENCE,
    ) -> None:  # fmt: skip
        self._send, self._stopped = send, stopped
        self._now = (env or Env()).monotonic
        self._patience = patience
        self._writes = threading.Lock()  # the account's lock, as far as this process is concerned
        self._changed = threading.Condition()
        self._waiting: list[_Waiting[E, R]] = []
        self._uploads = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    # --------------------------------------------------------------------------------------------------- for callers
    @contextlib.contextmanager
    def uploading(self) -> Iterator[None]:
        """While an upload is on its way: commits wait a moment for it."""
        with self._changed:
            self._uploads += 1
        try:
            yield
        finally:
            with self._changed:
                self._uploads -= 1
                self._changed.notify_all()

    def hand_in(self, path: str, entry: E) -> Future[R]:
        """Have ``entry`` committed to ``path``; what comes of it: an answer, or a BackendError.  Raises RuntimeError
        where the system gives no thread."""
        waiting: _Waiting[E, R] = _Waiting(path, entry, self._now(), Future())
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="dropbox-commits", daemon=True)
                thread.start()  # first of all: where no thread can be had, nothing may be left that waits for one
                self._thread = thread
            self._waiting.append(waiting)
            self._changed.notify_all()
        return waiting.future

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """While the caller itself writes what becomes visible at once."""
        with self._writes:
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """The same without waiting: True where nothing else is being written or uploaded."""
        with self._changed:
            idle = not self._waiting and not self._uploads
        got = idle and self._writes.acquire(blocking=False)
        try:
            yield got
        finally:
            if got:
                self._writes.release()

    def close(self) -> None:
        """Let the thread end when nobody waits any more.  Does not wait for it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # ----------------------------------------------------------------------------------------------------- the thread
    def _run(self) -> None:
        while self._gathered():
            with self._writes:
                batch = self._take()
                answers = self._answers(batch)
            for waiting, answer in zip(batch, answers, strict=True):
                if isinstance(answer, BaseException):
                    waiting.future.set_exception(answer)
                else:
                    waiting.future.set_result(answer)
        self._stopped()

    def _gathered(self) -> bool:
        """Waits until there is something to commit, and it is time; False when there never will be."""
        with self._changed:
            while True:
                if self._waiting:
                    left = self._waiting[0].since + self._patience - self._now()
                    if not self._uploads or left <= 0 or len(self._waiting) >= ENOUGH:
                        return True
                    self._changed.wait(left)
                elif self._closed:
                    self._thread = None
                    return False
                else:
                    self._changed.wait()

    def _take(self) -> list[_Waiting[E, R]]:
        """The next batch: whoever came first, each path once."""
        with self._changed:
            batch: dict[str, _Waiting[E, R]] = {}
            rest: list[_Waiting[E, R]] = []
            for waiting in self._waiting:
                if waiting.path in batch or len(batch) == MAX_BATCH:
                    rest.append(waiting)
                else:
                    batch[waiting.path] = waiting
            self._waiting = rest
            return list(batch.values())

    def _answers(self, batch: list[_Waiting[E, R]]) -> Sequence[R | BaseException]:
        try:
            answers = self._send([waiting.entry for waiting in batch])
        except BaseException as error:  # noqa: BLE001  handed on to those who wait: else they would wait for ever
            return [own(error) if isinstance(error, BackendError) else error for _ in batch]
        if len(answers) != len(batch):
            return [ProtocolError(f"{len(batch)} commits got {len(answers)} answers") for _ in batch]
        return answers
