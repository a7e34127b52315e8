"""Retrying: which errors are worth another try, when, and when to give up.  Nothing else in WebRAID retries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from webraid.backend.base import Backend
from webraid.backend.metered import Meter
from webraid.backend.wrapper import Call, Op, Wrapper, never, pause
from webraid.env import Env
from webraid.errors import BackendError, ProtocolError, RateLimited, Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``attempts`` in all, the first included; waits from ``base`` to ``cap`` seconds, growing and jittered; nothing
    is begun ``deadline`` seconds or more after the first attempt began, not counting what our own limits held up."""

    attempts: int = 5
    base: float = 0.2
    cap: float = 20.0
    deadline: float = 60.0


def trying_again(retries: int) -> RetryPolicy:
    """``retries`` further tries after the first; who wants more than usual gives them the time that they take."""
    usual = RetryPolicy()
    return RetryPolicy(attempts=retries + 1, deadline=max(usual.deadline, retries * usual.cap / 2))


@dataclass(frozen=True, slots=True)
class Rule:
    """How often one error is worth another try: ``times`` (None: as often as the policy allows), for ``ops`` only."""

    times: int | None = None
    ops: frozenset[Op] = frozenset(Op)


# What is not in the table is never tried again: asking twice renews no login and makes no room.  A strange answer is
# asked for once more where asking changes nothing.
RULES: Mapping[type[BackendError], Rule] = {
    Unavailable: Rule(),
    RateLimited: Rule(),
    ProtocolError: Rule(1, frozenset({Op.GET, Op.STAT, Op.LIST})),
}


def nothing() -> float:
    """The ``waited`` where there are no limits."""
    return 0.0


class Retries:
    """Runs calls under a policy.  ``stop`` is asked before and during every wait: True gives up at once.  ``waited``:
    seconds that this thread's requests waited for our own limits so far."""

    def __init__(
        self, policy: RetryPolicy, env: Env, meter: Meter, stop: Callable[[], bool] = never,
        waited: Callable[[], float] = nothing,
    ) -> None:  # fmt: skip
        self._policy = policy
        self._env = env
        self._meter = meter
        self._stop = stop
        self._waited = waited

    def run(self, op: Op, go: Callable[[], T]) -> T:
        """The answer of ``go``, or the error of its last attempt."""
        began = self._env.monotonic() - self._waited()
        failures: Counter[type[BackendError]] = Counter()
        delay = self._policy.base
        while True:
            try:
                return go()
            except BackendError as error:
                failures[type(error)] += 1
                if not self._worth(op, error, failures):
                    raise
                # Decorrelated jitter: threads that failed together do not come back together.
                delay = min(self._policy.cap, self._env.rng.uniform(self._policy.base, delay * 3))
                told = error.retry_after if isinstance(error, RateLimited) else None
                wait = max(delay, told or 0.0)
                passed = self._env.monotonic() - self._waited() - began
                too_late = passed + wait >= self._policy.deadline
                if too_late or not pause(self._env, wait, self._stop):
                    raise
                self._meter.retried(op)

    def _worth(self, op: Op, error: BackendError, failures: Counter[type[BackendError]]) -> bool:
        rule = RULES.get(type(error))
        if rule is None or op not in rule.ops or failures.total() >= self._policy.attempts:
            return False
        return rule.times is None or failures[type(error)] <= rule.times


class Retrying(Wrapper):
    """Tries again what may work later.  Repeating is safe: promise 2 of every backend."""

    kind: ClassVar[str] = "retrying"

    def __init__(
        self, inner: Backend, policy: RetryPolicy, *, env: Env, meter: Meter, stop: Callable[[], bool] = never,
        waited: Callable[[], float] = nothing,
    ) -> None:  # fmt: skip
        super().__init__(inner)
        self._retries = Retries(policy, env, meter, stop, waited)

    def around(self, call: Call, go: Callable[[], T]) -> T:
        return self._retries.run(call.op, go)
