"""Running checks: one after the other, each with a result, nothing left out in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from webraid.backend.base import Backend
from webraid.backend.conformance.subject import Check, Subject, all_together, missing
from webraid.backend.conformance.suite import CHECKS
from webraid.errors import BackendError

Outcome = Literal["ok", "failed", "not applicable"]
_SWEEPERS = 4


@dataclass(frozen=True, slots=True)
class Result:
    """``detail``: what failed, or why it does not apply; '' when ok."""

    name: str
    outcome: Outcome
    seconds: float
    detail: str = ""


def run_check(subject: Subject, check: Check) -> Result:
    """Never raises but what ends a program."""
    reason = missing(subject, check)
    if reason:
        return Result(_name(check), "not applicable", 0.0, reason)
    begin = subject.env.monotonic()
    detail = _attempt(lambda: check(subject))
    return Result(_name(check), "failed" if detail else "ok", subject.env.monotonic() - begin, detail)


def run_checks(
    subject: Subject, on_result: Callable[[Result], None] = lambda _: None, *, checks: Iterable[Check] = CHECKS
) -> list[Result]:
    """All ``checks`` and, last, 'cleanup': everything below the scratch prefix is deleted."""
    results = []
    for check in (*checks, cleanup):
        results.append(run_check(subject, check))
        on_result(results[-1])
    return results


def cleanup(subject: Subject) -> None:
    """Delete everything below the scratch prefix."""
    with subject.opened() as backend:
        left = [(stored.name, stored.locator) for stored in backend.list(subject.prefix)]

    def work(backend: Backend, thread: int) -> None:
        for name, locator in left[thread::_SWEEPERS]:
            backend.delete(name, locator=locator)

    all_together(subject, _SWEEPERS, work)


def _attempt(action: Callable[[], None]) -> str:
    """What went wrong; '' when nothing did."""
    try:
        action()
    except AssertionError as error:
        return str(error) or "a check failed without a sentence"
    except BackendError as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001  anything may come out of a stranger's plug-in, and is a finding
        return f"a {type(error).__name__} came out, which is no BackendError"
    return ""


def _name(check: Check) -> str:
    return getattr(check, "__name__", repr(check))
