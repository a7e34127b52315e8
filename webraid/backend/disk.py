"""Disk: the seat of one backend in the pool - daemon threads behind a queue, each with an instance of its own."""

from __future__ import annotations

import builtins
import copy
import heapq
import itertools
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from webraid.backend.base import Backend, Bytes, Caps, Digest
from webraid.backend.budget import Budget
from webraid.backend.budgeted import Budgeted, overdrawing
from webraid.backend.guarded import Guarded
from webraid.backend.health import Health
from webraid.backend.metered import Meter, Metered
from webraid.backend.retrying import Retries, Retrying, RetryPolicy
from webraid.backend.throttled import Limits, Lines, Throttle, Throttled
from webraid.backend.wrapper import Op
from webraid.env import Env
from webraid.errors import AuthExpired, BackendError, ConfigError, Misconfigured, ProtocolError, Unavailable
from webraid.model import DiskState, Stored, Usage

T = TypeVar("T")
Listing = builtins.list[Stored]
Work = Callable[[Backend], Any]


@dataclass(slots=True)
class _Job:
    op: Op
    name: str
    work: Work
    future: Future[Any]


class Disk:
    """Everything the pool does with one place goes through here.

    Every call returns a Future at once.  Its error is a BackendError naming the disk (except what the function given
    to ``call`` raises itself).  A future that is cancelled while it waits is never sent.  Threads start only when jobs
    wait, at most ``threads`` (else what caps say); each opens its backend with its first job.  ``transfers``: so many
    jobs at once instead, and so many shards are given to it.

    The stack on each thread, from the caller's side: Retrying - Budgeted - Throttled - Guarded - Metered - the plug-in;
    so every single try is limited and counted.  ``lines`` are shared with other disks.  While the breaker of ``health``
    is open, jobs fail at once: with what opened it where only the user can mend it (a login), else with Unavailable.

    ``caps``: what was given (a probe of this account found it), else those of the first instance opened; until then
    ``guess``, what the kind says, or the ``caps`` of ``open_backend`` where it is a Backend class, or Caps' defaults.
    """

    def __init__(
        self,
        name: str,
        open_backend: Callable[[], Backend],
        *,
        env: Env,
        id: bytes = b"",
        domain: str = "",
        caps: Caps | None = None,
        guess: Caps | None = None,
        threads: int | None = None,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        lines: Lines | None = None,
        budget: Budget | None = None,
        transfers: int | None = None,
    ) -> None:
        self.name = name
        self.id = id
        self.domain = domain or name
        self.budget = budget
        self.transfers = transfers
        self.health = Health(env, allows=lambda op: budget is None or budget.spent(op) is None)
        self.meter = Meter()
        self._open_backend = open_backend
        self._env = env
        self._caps = caps
        self._guess: Caps = guess or getattr(open_backend, "caps", None) or Caps()
        self._threads = threads
        self._policy = retry or RetryPolicy()
        self._throttle = Throttle(limits or Limits(), env, lines)
        self._wake = threading.Condition()
        self._queue: list[tuple[bool, int, _Job]] = []
        self._numbers = itertools.count()
        self._alive = 0
        self._ready = 0  # threads that wait, or are about to
        self._running: dict[int, float] = {}  # thread -> when its job began
        self._closed = False

    @property
    def caps(self) -> Caps:
        return self._caps or self._guess

    @property
    def outstanding(self) -> int:
        """Jobs that are queued or running."""
        with self._wake:
            return len(self._queue) + len(self._running)

    @property
    def oldest_started(self) -> float:
        """For how many seconds the longest running job has been running; 0.0 when none is."""
        with self._wake:
            return max((self._env.monotonic() - began for began in self._running.values()), default=0.0)

    # ------------------------------------------------------------------------------------------------------- requests
    def put(self, name: str, data: Bytes, *, digest: Digest, urgent: bool = False) -> Future[Stored]:
        return self._submit(Op.PUT, name, lambda backend: backend.put(name, data, digest=digest), urgent)

    def get(
        self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None, urgent: bool = False,
        overdraw: bool = False,
    ) -> Future[bytes]:  # fmt: skip
        """``overdraw``: even if the disk's budget for reading is spent, as there is no other way to these bytes."""

        def work(backend: Backend) -> bytes:
            with overdrawing(backend) if overdraw else nullcontext():
                return backend.get(name, locator=locator, offset=offset, size=size)

        return self._submit(Op.GET, name, work, urgent)

    def stat(self, name: str, *, locator: str = "", urgent: bool = False) -> Future[Stored]:
        return self._submit(Op.STAT, name, lambda backend: backend.stat(name, locator=locator), urgent)

    def list(self, prefix: str, *, urgent: bool = False) -> Future[Listing]:
        return self._submit(Op.LIST, prefix, lambda backend: list(backend.list(prefix)), urgent)

    def delete(self, name: str, *, locator: str = "", urgent: bool = False) -> Future[None]:
        return self._submit(Op.DELETE, name, lambda backend: backend.delete(name, locator=locator), urgent)

    def usage(self, *, urgent: bool = False) -> Future[Usage]:
        return self._submit(Op.USAGE, "", lambda backend: backend.usage(), urgent)

    def prepare(self, *, urgent: bool = False) -> Future[None]:
        return self._submit(Op.PREPARE, "", lambda backend: backend.prepare(), urgent)

    def call(self, fn: Callable[[Backend], T], urgent: bool = True) -> Future[T]:
        """Any other work on a thread of this disk; ``fn`` gets the wrapped backend and must not keep it."""
        return self._submit(Op.CALL, "", fn, urgent)

    def close(self, timeout: float = 0.0) -> bool:
        """No more jobs: queued ones end in Unavailable, waits between retries are cut short, each thread closes its own
        backend.  Waits at most ``timeout`` real seconds for running calls; True when all threads have ended."""
        with self._wake:
            self._closed = True
            queued, self._queue = self._queue, []
            self._wake.notify_all()
        for _, _, job in queued:
            if job.future.set_running_or_notify_cancel():
                self._refuse(job)
        with self._wake:
            return self._wake.wait_for(lambda: self._alive == 0, timeout)

    # ------------------------------------------------------------------------------------------------------ the queue
    def _submit(self, op: Op, name: str, work: Callable[[Backend], T], urgent: bool) -> Future[T]:
        future: Future[T] = Future()
        job = _Job(op, name, work, future)
        if not self.health.admits or not self._enqueue(job, urgent):
            future.set_running_or_notify_cancel()
            self._refuse(job)
        return future

    def _enqueue(self, job: _Job, urgent: bool) -> bool:
        with self._wake:
            if self._closed:
                return False
            limit = max(1, self.transfers or self._threads or self.caps.connections)
            if len(self._queue) >= self._ready and self._alive < limit:
                threading.Thread(target=self._serve, name=f"disk-{self.name}-{self._alive}", daemon=True).start()
                self._alive += 1
                self._ready += 1
            heapq.heappush(self._queue, (not urgent, next(self._numbers), job))
            self._wake.notify()
            return True

    def _take(self) -> _Job | None:
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._closed)
            if self._closed:
                return None
            self._ready -= 1
            self._running[threading.get_ident()] = self._env.monotonic()
            return heapq.heappop(self._queue)[2]

    def _finished(self) -> None:
        with self._wake:
            self._ready += 1
            del self._running[threading.get_ident()]

    def _refuse(self, job: _Job) -> None:
        cause = self.health.opened_by
        if self._closed:
            error: BackendError = Unavailable("it is closed")
        elif self.health.state is DiskState.OFFLINE:
            error = Unavailable("it was taken offline", hint="Bring it online again to use it.")
        elif cause is not None and cause.needs_you:
            error = copy.copy(cause)
        else:
            error = Unavailable(f"it does not answer; it is asked again in {self.health.wait:.0f} s")
        error.disk, error.key, error.__cause__ = self.name, job.name, cause
        _settle(job.future, None, error)

    # -------------------------------------------------------------------------------------------- on the disk's threads
    def _serve(self) -> None:
        backend: Backend | None = None
        while (job := self._take()) is not None:
            if not job.future.set_running_or_notify_cancel():
                self._finished()
            elif not self.health.admit():
                self._finished()
                self._refuse(job)
            else:
                backend = self._do(job, backend)
            del job  # it holds the bytes of a put, and the next wait may be long
        if backend is not None:
            self._let_go(backend)
        with self._wake:
            self._alive -= 1
            self._wake.notify_all()

    def _do(self, job: _Job, backend: Backend | None) -> Backend | None:
        """Does one job; the backend for the next one, None when a new one should be opened for it."""
        answer: Any = None
        error: BaseException | None = None
        op = Op.CONNECT
        try:
            backend = backend or self._opened()
            op = job.op
            answer = job.work(backend)
        except BaseException as caught:  # noqa: BLE001  whatever happened belongs to whoever waits for the future
            error = caught
            if isinstance(caught, BackendError):
                caught.disk = caught.disk or self.name
                caught.key = caught.key or job.name
        try:
            if error is None or isinstance(error, BackendError):
                self.health.saw(op, error)
        except BaseException:  # noqa: BLE001  on_change is somebody else's: reported, and the thread lives on
            _report()
        self._finished()
        _settle(job.future, answer, error)
        stale = isinstance(error, AuthExpired | Misconfigured)
        del job, answer, error  # the error's traceback knows this frame: no cycle may keep the bytes of a put
        if backend is not None and stale:
            self._let_go(backend)  # the next one may be opened with a renewed login
            return None
        return backend

    def _opened(self) -> Backend:
        retries = Retries(self._policy, self._env, self.meter, self._hopeless)
        plain = retries.run(Op.CONNECT, self._connected)
        self._caps = self._caps or plain.caps
        guarded = Guarded(Metered(plain, self.meter), self.name)
        throttled = Throttled(guarded, self._throttle, env=self._env, meter=self.meter, stop=lambda: self._closed)
        budgeted = Budgeted(throttled, self.budget) if self.budget else throttled
        return Retrying(
            budgeted, self._policy, env=self._env, meter=self.meter, stop=self._hopeless,
            waited=lambda: throttled.waited,
        )  # fmt: skip

    def _connected(self) -> Backend:
        try:
            return self._open_backend()
        except BackendError:
            raise
        except ConfigError as error:
            raise Misconfigured(str(error), hint=error.hint) from error
        except Exception as error:  # there is no instance yet whose error table could be asked
            raise ProtocolError(f"opening it let out a {type(error).__name__}") from error

    def _hopeless(self) -> bool:
        """Whether another try is in vain: the disk is being closed, or its breaker is open (so a probe is one try)."""
        return self._closed or self.health.opened_by is not None

    def _let_go(self, backend: Backend) -> None:
        try:
            backend.close()
        except BackendError as error:  # nothing depends on it: counted, that is all
            self.meter.failed(Op.CLOSE, error)


def _settle(future: Future[Any], answer: Any, error: BaseException | None) -> None:
    """Ends a future; a callback of it that raises is reported and goes no further."""
    try:
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)
    except BaseException:  # noqa: BLE001  callbacks are somebody else's
        _report()


def _report() -> None:
    """The current exception, as the threading module reports one that nobody caught."""
    threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
