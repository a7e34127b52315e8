"""What is put to the test, and the small words the checks are written in."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field

from webraid.backend.base import Backend, Bytes, Caps, Digest
from webraid.env import Env
from webraid.errors import BackendError, ObjectNotFound
from webraid.model import Stored

Check = Callable[["Subject"], None]
Inject = Callable[[], AbstractContextManager[None]]

# Every fault a subject may be able to bring about, while its context manager is open.
FAULTS: Mapping[str, str] = {
    "refuse": "nobody listens",
    "busy": "every request is answered 503",
    "limited": "every request is answered 429, without Retry-After",
    "limited_for_7": "every request is answered 429, with Retry-After: 7",
    "expired": "every request is answered: these keys are not valid",
    "expired_once": "the next request alone is answered so",
    "full": "every put is answered: no space left",
    "reset_before": "the connection is reset when the request has come",
    "reset_within": "the connection is reset in the middle of an answer's body",
    "lost": "the request takes effect, then the connection is reset instead of the answer",
    "truncated": "an answer's body ends before its announced length",
    "slow": "an answer's body stops coming, for longer than the timeout",
    "flipped_down": "one bit of a get's body is wrong",
    "flipped_up": "one bit of a put's body is wrong when it arrives",
}

_PATIENCE = 300.0  # seconds a thread of a check may take


@dataclass(frozen=True)
class Subject:
    """A backend under test.

    ``open``: a fresh instance, as each thread needs one.  ``caps``: what it is held to.  ``prefix``: scratch folder,
    'name/'; everything the checks write lies below it.  ``secrets``: must turn up in no log, repr or message;
    ``shown``: more things whose repr is looked at (options).  ``faults``: name (see FAULTS) -> what brings it about.
    ``requests``: how many requests its server has seen so far.  ``page``: how many names one answer to a list holds.
    ``lag``: seconds after which even an eventually consistent list must tell everything.
    """

    open: Callable[[], Backend]
    caps: Caps
    prefix: str
    env: Env = field(default_factory=Env)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    shown: tuple[object, ...] = ()
    faults: Mapping[str, Inject] = field(default_factory=dict)
    requests: Callable[[], int] | None = None
    page: int = 1000
    lag: float = 60.0

    def __post_init__(self) -> None:
        unknown = set(self.faults) - set(FAULTS)
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")

    @contextmanager
    def opened(self) -> Iterator[Backend]:
        """A fresh instance, closed at the end."""
        with closing(self.open()) as backend:
            yield backend

    def at(self, name: str) -> str:
        """The full name of a scratch object."""
        return self.prefix + name

    def between_writes(self) -> None:
        """Wait as long as this kind wants between two writes of one name."""
        if self.caps.min_interval_same_key:
            self.env.sleep(self.caps.min_interval_same_key)

    def names(self, backend: Backend, prefix: str, expected: set[str]) -> list[str]:
        """What list tells, sorted; where it may lag, as soon as it tells ``expected`` or the time is over."""
        begin = self.env.monotonic()
        while True:
            found = sorted(stored.name for stored in backend.list(prefix))
            late = self.env.monotonic() - begin > self.lag
            if self.caps.list_consistency == "strong" or set(found) == expected or late:
                return found
            self.env.sleep(min(1.0, self.lag / 10))


def scratch_prefix(env: Env) -> str:
    """A folder of its own for one run on a live account."""
    return f"scratch-{env.random(6).hex()}/"


def needs(*what: str) -> Callable[[Check], Check]:
    """What a check cannot do without: a fault, 'requests', 'secrets', or 'caps.X' for a capability."""

    def mark(check: Check) -> Check:
        check.needs = what  # type: ignore[attr-defined]  # functions take attributes; Callable does not tell
        return check

    return mark


def missing(subject: Subject, check: Check) -> str:
    """Why ``check`` does not apply to ``subject``; '' when it does."""
    wanted: tuple[str, ...] = getattr(check, "needs", ())
    for need in wanted:
        if need.startswith("caps."):
            if not getattr(subject.caps, need.removeprefix("caps.")):
                return f"its caps say no {need.removeprefix('caps.')}"
        elif need in FAULTS:
            if need not in subject.faults:
                return f"nobody here can bring it about that {FAULTS[need]}"
        elif not getattr(subject, need):
            return f"no {need} are given"
    return ""


# ----------------------------------------------------------------------------------------------------------- words
def expect(holds: bool, sentence: str) -> None:
    """An assertion that python -O keeps."""
    if not holds:
        raise AssertionError(sentence)


def digest_of(data: Bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest())


def put(backend: Backend, name: str, data: Bytes) -> Stored:
    """Put with the right digest; the answer must be about this object."""
    stored = backend.put(name, data, digest=digest_of(data))
    expect((stored.name, stored.size) == (name, memoryview(data).nbytes), "put answered with another name or size")
    return stored


def expect_missing(action: Callable[[], object], what: str) -> None:
    """``action`` raises ObjectNotFound and nothing else."""
    try:
        action()
    except ObjectNotFound:
        return
    except Exception as error:  # whatever comes instead is what was found
        raise AssertionError(f"{what} gave {type(error).__name__}, not ObjectNotFound") from error
    raise AssertionError(f"{what} gave an answer, not ObjectNotFound")


def expect_error(action: Callable[[], object], what: str, *classes: type[BackendError]) -> BackendError:
    """``action`` raises one of ``classes``; the error."""
    wanted = " or ".join(cls.__name__ for cls in classes)
    try:
        action()
    except classes as error:
        return error
    except Exception as error:  # whatever comes instead is what was found
        raise AssertionError(f"{what}: {type(error).__name__} came out, not {wanted}") from error
    raise AssertionError(f"{what}: no error came out, where {wanted} must")


def together(subject: Subject, count: int, work: Callable[[Backend, int], None]) -> list[Exception]:
    """``work`` by ``count`` threads at once, each with its own instance and number; what they raised."""
    gate = threading.Barrier(count)
    raised: list[Exception] = []

    def one(number: int) -> None:
        try:
            with subject.opened() as backend:
                gate.wait()
                work(backend, number)
        except Exception as error:  # noqa: BLE001  handed on to the check, which must hear of all
            gate.abort()
            raised.append(error)

    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE)
    expect(not any(thread.is_alive() for thread in threads), f"a thread has not ended after {_PATIENCE:.0f} s")
    return sorted(raised, key=lambda error: isinstance(error, threading.BrokenBarrierError))


def all_together(subject: Subject, count: int, work: Callable[[Backend, int], None]) -> None:
    """The same; nothing may be raised."""
    for error in together(subject, count, work):
        raise error
