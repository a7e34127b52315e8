"""The states of a disk as one table, and Health: one disk's state with its circuit breaker."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from enum import StrEnum

from webraid.backend.wrapper import Op
from webraid.env import Env
from webraid.errors import (
    AuthExpired,
    BackendError,
    Misconfigured,
    PermissionDenied,
    PoolError,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)
from webraid.model import DiskState

FAILURES = 3  # in a row, each after its retries
COOL_OFF = 5.0  # seconds, doubling with every probe that fails
COOL_OFF_MAX = 300.0
FULL_FOR = 300.0  # seconds until a full disk is tried for writing again, and one that let nothing out for reading


class Event(StrEnum):
    """What moves a disk from state to state: the first six are seen, the others are somebody's decision."""

    OK = "ok"
    UNAVAILABLE = "unavailable"  # FAILURES jobs in a row failed
    AUTH = "auth"  # the login or the configuration is wrong: at once, without counting
    QUOTA = "quota"  # no room: it answers, and stays readable
    SPENT = "spent"  # nothing comes out for now: it answers, and stays writable
    ALARM = "alarm"  # served wrong bytes or an older state
    OFFLINE = "offline"
    ONLINE = "online"
    DRAIN = "drain"
    REBUILD = "rebuild"
    REBUILT = "rebuilt"
    SPARE = "spare"


SEEN = frozenset(
    {Event.OK, Event.UNAVAILABLE, Event.AUTH, Event.QUOTA, Event.SPENT}
)  # only by the ends of jobs, never decided
S, E = DiskState, Event

# (state, event) -> state; what is not here is refused.  A disk that is rebuilt, drained or kept as a spare keeps that
# state while it does not answer: only the breaker knows.  A faulted disk heals by nobody's success, only by decision.
TABLE: Mapping[tuple[DiskState, Event], DiskState] = {
    (S.ONLINE, E.OK): S.ONLINE,
    (S.ONLINE, E.UNAVAILABLE): S.UNREACHABLE,
    (S.ONLINE, E.AUTH): S.UNREACHABLE,
    (S.ONLINE, E.QUOTA): S.ONLINE,
    (S.ONLINE, E.SPENT): S.ONLINE,
    (S.ONLINE, E.ALARM): S.FAULTED,
    (S.ONLINE, E.OFFLINE): S.OFFLINE,
    (S.ONLINE, E.ONLINE): S.ONLINE,
    (S.ONLINE, E.DRAIN): S.DRAINING,
    (S.ONLINE, E.REBUILD): S.REBUILDING,
    (S.ONLINE, E.SPARE): S.SPARE,
    (S.UNREACHABLE, E.OK): S.ONLINE,
    (S.UNREACHABLE, E.UNAVAILABLE): S.UNREACHABLE,
    (S.UNREACHABLE, E.AUTH): S.UNREACHABLE,
    (S.UNREACHABLE, E.QUOTA): S.ONLINE,
    (S.UNREACHABLE, E.SPENT): S.ONLINE,
    (S.UNREACHABLE, E.ALARM): S.FAULTED,
    (S.UNREACHABLE, E.OFFLINE): S.OFFLINE,
    (S.UNREACHABLE, E.ONLINE): S.ONLINE,
    (S.UNREACHABLE, E.DRAIN): S.DRAINING,
    (S.UNREACHABLE, E.REBUILD): S.REBUILDING,
    (S.FAULTED, E.OK): S.FAULTED,
    (S.FAULTED, E.UNAVAILABLE): S.FAULTED,
    (S.FAULTED, E.AUTH): S.FAULTED,
    (S.FAULTED, E.QUOTA): S.FAULTED,
    (S.FAULTED, E.SPENT): S.FAULTED,
    (S.FAULTED, E.ALARM): S.FAULTED,
    (S.FAULTED, E.OFFLINE): S.OFFLINE,
    (S.FAULTED, E.ONLINE): S.ONLINE,
    (S.FAULTED, E.DRAIN): S.DRAINING,
    (S.FAULTED, E.REBUILD): S.REBUILDING,
    (S.OFFLINE, E.OK): S.OFFLINE,
    (S.OFFLINE, E.UNAVAILABLE): S.OFFLINE,
    (S.OFFLINE, E.AUTH): S.OFFLINE,
    (S.OFFLINE, E.QUOTA): S.OFFLINE,
    (S.OFFLINE, E.SPENT): S.OFFLINE,
    (S.OFFLINE, E.ALARM): S.OFFLINE,
    (S.OFFLINE, E.OFFLINE): S.OFFLINE,
    (S.OFFLINE, E.ONLINE): S.ONLINE,
    (S.OFFLINE, E.REBUILD): S.REBUILDING,
    (S.REBUILDING, E.OK): S.REBUILDING,
    (S.REBUILDING, E.UNAVAILABLE): S.REBUILDING,
    (S.REBUILDING, E.AUTH): S.REBUILDING,
    (S.REBUILDING, E.QUOTA): S.REBUILDING,
    (S.REBUILDING, E.SPENT): S.REBUILDING,
    (S.REBUILDING, E.ALARM): S.FAULTED,
    (S.REBUILDING, E.OFFLINE): S.OFFLINE,
    (S.REBUILDING, E.REBUILD): S.REBUILDING,
    (S.REBUILDING, E.REBUILT): S.ONLINE,
    (S.DRAINING, E.OK): S.DRAINING,
    (S.DRAINING, E.UNAVAILABLE): S.DRAINING,
    (S.DRAINING, E.AUTH): S.DRAINING,
    (S.DRAINING, E.QUOTA): S.DRAINING,
    (S.DRAINING, E.SPENT): S.DRAINING,
    (S.DRAINING, E.ALARM): S.FAULTED,
    (S.DRAINING, E.OFFLINE): S.OFFLINE,
    (S.DRAINING, E.ONLINE): S.ONLINE,
    (S.DRAINING, E.DRAIN): S.DRAINING,
    (S.DRAINING, E.SPARE): S.SPARE,
    (S.SPARE, E.OK): S.SPARE,
    (S.SPARE, E.UNAVAILABLE): S.SPARE,
    (S.SPARE, E.AUTH): S.SPARE,
    (S.SPARE, E.QUOTA): S.SPARE,
    (S.SPARE, E.SPENT): S.SPARE,
    (S.SPARE, E.ALARM): S.FAULTED,
    (S.SPARE, E.OFFLINE): S.OFFLINE,
    (S.SPARE, E.ONLINE): S.ONLINE,
    (S.SPARE, E.REBUILD): S.REBUILDING,
    (S.SPARE, E.SPARE): S.SPARE,
}


def state_diagram() -> str:
    """TABLE as a Mermaid stateDiagram, self-loops left out."""
    arrows: dict[tuple[DiskState, DiskState], list[str]] = {}
    for (state, event), after in TABLE.items():
        if after is not state:
            arrows.setdefault((state, after), []).append(event)
    lines = [f"    {state} --> {after}: {', '.join(events)}" for (state, after), events in arrows.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {DiskState.ONLINE}", *lines]) + "\n"


def event_of(op: Op, error: BackendError | None) -> Event:
    """What the end of a job says about its disk.  A refusal (not found, too large...) is an answer: the disk is well.

    A disk that may be read but not written (a folder mounted read-only) is like a full one.  A delete that is refused
    says nothing: that is what retention locks are for.  Neither does a budget that is spent for requests of all sorts.
    """
    match error:
        case AuthExpired() | Misconfigured():
            return Event.AUTH
        case QuotaExceeded(what="space" | "upload"):
            return Event.QUOTA
        case QuotaExceeded(what="egress"):
            return Event.SPENT
        case QuotaExceeded() if op in (Op.PUT, Op.PREPARE):
            return Event.QUOTA
        case QuotaExceeded() if op in (Op.GET, Op.STAT):
            return Event.SPENT
        case PermissionDenied() if op in (Op.PUT, Op.PREPARE):
            return Event.QUOTA
        case PermissionDenied() if op is Op.DELETE:
            return Event.OK
        case Unavailable() | RateLimited() | ProtocolError() | PermissionDenied():
            return Event.UNAVAILABLE
        case _:
            return Event.OK


class Health:
    """One disk's state on this machine.  Thread-safe.

    The breaker opens after FAILURES failed jobs in a row, or at once when the login is refused.  While it is open
    nothing is sent, until a cool-off of 5 s (doubling up to 5 min) is over: then one job is let through as a probe.
    ``on_change(old, new)`` is called outside the lock, on the thread that saw the change.  ``allows(op)``: whether the
    disk's budget has anything left for more of that.
    """

    def __init__(
        self,
        env: Env,
        *,
        state: DiskState = DiskState.ONLINE,
        on_change: Callable[[DiskState, DiskState], None] | None = None,
        allows: Callable[[Op], bool] = lambda op: True,
    ) -> None:
        self.on_change = on_change
        self._env = env
        self._lock = threading.Lock()
        self._state = state
        self._failures = 0
        self._opened_by: BackendError | None = None
        self._cool_off = COOL_OFF
        self._ask_at = 0.0
        self._probing = False
        self._full_until = float("-inf")
        self._spent_until = float("-inf")
        self._allows = allows
        self._last_error: BackendError | None = None

    @property
    def state(self) -> DiskState:
        return self._state

    @property
    def last_error(self) -> BackendError | None:
        """The newest error that spoke against the disk; kept when it works again."""
        return self._last_error

    @property
    def opened_by(self) -> BackendError | None:
        """The error that opened the breaker; None while it is closed."""
        return self._opened_by

    @property
    def wait(self) -> float:
        """Seconds until a probe is let through; 0.0 when something may be sent now."""
        with self._lock:
            return max(0.0, self._ask_at - self._env.monotonic()) if self._opened_by else 0.0

    @property
    def usable(self) -> bool:
        """Whether reading from it may be planned: it is trusted, answers or is due for a probe, and lets bytes out."""
        open_now = self._env.monotonic() >= self._spent_until and self._allows(Op.GET)
        return self._state is not DiskState.FAULTED and self.admits and open_now

    @property
    def writable(self) -> bool:
        """Whether new shards may be placed on it: in full service or being rebuilt, answering, not full."""
        in_service = self._state in (DiskState.ONLINE, DiskState.UNREACHABLE, DiskState.REBUILDING)
        open_now = self._env.monotonic() >= self._full_until and self._allows(Op.PUT)
        return in_service and self.admits and open_now

    @property
    def full(self) -> bool:
        """Whether it answers and takes nothing new for now: it said that it is full, or no upload is left to it."""
        open_now = self._env.monotonic() >= self._full_until and self._allows(Op.PUT)
        return self.admits and not open_now

    @property
    def admits(self) -> bool:
        """Whether ``admit`` would say yes just now."""
        return self._state is not DiskState.OFFLINE and self.wait == 0.0

    def admit(self) -> bool:
        """Asked before every job.  True with the breaker open makes the job the probe: the next True comes with its
        end, or a cool-off later should it hang."""
        with self._lock:
            if self._state is DiskState.OFFLINE:
                return False
            if self._opened_by is None:
                return True
            now = self._env.monotonic()
            if now < self._ask_at:
                return False
            self._ask_at = now + self._cool_off
            self._probing = True
            return True

    def saw(self, op: Op, error: BackendError | None) -> None:
        """A job of this disk ended, with ``error`` or well."""
        event = event_of(op, error)
        with self._lock:
            before = self._state
            if error is not None and event is not Event.OK:
                error = copy.copy(error)  # without its traceback, whose frames hold the bytes of a put
                self._last_error = error
                if event in (Event.QUOTA, Event.SPENT) and not self._allows(op):
                    self._unsent()
                    return
            if event in (Event.OK, Event.QUOTA, Event.SPENT):
                self._answered(event, op if error is None else Op.CALL)
            elif error is None or not self._failed(event, error):
                return
            self._state = after = TABLE[before, event]
        self._tell(before, after)

    def decide(self, event: Event) -> None:
        """An alarm, or somebody's decision.  PoolError where the table has no such step."""
        with self._lock:
            before = self._state
            if (before, event) not in TABLE or event in SEEN:
                raise PoolError(f"a disk that is {before} cannot be told {event}", hint="See 'webraid status'.")
            if event in (Event.ONLINE, Event.REBUILD, Event.REBUILT):
                self._answered(event, Op.PUT)
                self._answered(event, Op.GET)
            self._state = after = TABLE[before, event]
        self._tell(before, after)

    def _answered(self, event: Event, done: Op) -> None:
        """``done``: what worked; CALL stands for nothing in particular."""
        self._failures = 0
        self._opened_by = None
        self._probing = False
        self._cool_off = COOL_OFF
        if event is Event.QUOTA:
            self._full_until = self._env.monotonic() + FULL_FOR
        elif event is Event.SPENT:
            self._spent_until = self._env.monotonic() + FULL_FOR
        elif done is Op.PUT:
            self._full_until = float("-inf")
        elif done is Op.GET:
            self._spent_until = float("-inf")

    def _unsent(self) -> None:
        """Our own budget refused it, which says nothing about the disk; were it the probe, the next one may be."""
        if self._probing:
            self._probing = False
            self._ask_at = self._env.monotonic()

    def _failed(self, event: Event, error: BackendError) -> bool:
        """Counts a failure; True when the breaker is open now."""
        self._failures += 1
        if self._opened_by is None:
            if event is not Event.AUTH and self._failures < FAILURES:
                return False
        elif self._probing:
            self._cool_off = min(COOL_OFF_MAX, self._cool_off * 2)
        else:  # sent before the breaker opened: it tells nothing new
            return True
        self._opened_by = error
        self._probing = False
        self._ask_at = self._env.monotonic() + self._cool_off
        return True

    def _tell(self, before: DiskState, after: DiskState) -> None:
        if before is not after and self.on_change is not None:
            self.on_change(before, after)
