"""Checks of what a backend makes of a failing server; each needs a subject that can bring the failure about."""

from __future__ import annotations

from webraid.backend.base import Backend
from webraid.backend.conformance.subject import Check, Subject, expect, expect_error, needs, put
from webraid.errors import (
    AuthExpired,
    BackendError,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)
from webraid.model import MIB


def _fails_then_works(subject: Subject, fault: str, *classes: type[BackendError]) -> list[BackendError]:
    """put, get, stat, list and delete each raise one of ``classes`` during the fault, and work after it."""
    name = subject.at(f"{fault}/a".replace("_", "-"))
    errors = []
    with subject.opened() as backend:
        put(backend, name, b"0123456789")
        with subject.faults[fault]():
            for action, what in (
                (lambda: put(backend, f"{name}2", b"1"), "put"),
                (lambda: backend.get(name), "get"),
                (lambda: backend.get(name, offset=2, size=3), "ranged get"),
                (lambda: backend.stat(name), "stat"),
                (lambda: list(backend.list(name)), "list"),
                (lambda: backend.delete(f"{name}2"), "delete"),
            ):
                errors.append(expect_error(action, f"{what} under the fault {fault!r}", *classes))
        expect(backend.get(name) == b"0123456789", f"after the fault {fault!r} the same instance gives other bytes")
        put(backend, f"{name}2", b"1")
    return errors


def _get_fails_then_works(subject: Subject, fault: str, *classes: type[BackendError]) -> None:
    """A large get raises one of ``classes``, ranged or not, and comes whole afterwards."""
    name, data = subject.at(f"{fault}/a".replace("_", "-")), subject.env.random(MIB)
    with subject.opened() as backend:
        put(backend, name, data)
        with subject.faults[fault]():
            expect_error(lambda: backend.get(name), f"get under the fault {fault!r}", *classes)
            expect_error(
                lambda: backend.get(name, offset=1000, size=MIB // 2), f"ranged get under the fault {fault!r}", *classes
            )
        expect(backend.get(name) == data, f"after the fault {fault!r} the same instance gives other bytes")


@needs("refuse")
def a_server_that_is_gone_is_unavailable(subject: Subject) -> None:
    """And comes back."""
    _fails_then_works(subject, "refuse", Unavailable)


@needs("busy")
def a_busy_server_is_worth_another_try(subject: Subject) -> None:
    """503 is Unavailable or RateLimited, both retryable."""
    _fails_then_works(subject, "busy", Unavailable, RateLimited)


@needs("limited")
def too_many_requests_is_rate_limited(subject: Subject) -> None:
    """429 without Retry-After tells no time."""
    for error in _fails_then_works(subject, "limited", RateLimited):
        expect(isinstance(error, RateLimited) and error.retry_after is None, "a time to wait that nobody told")


@needs("limited_for_7")
def retry_after_is_handed_on(subject: Subject) -> None:
    """429 with Retry-After: 7."""
    for error in _fails_then_works(subject, "limited_for_7", RateLimited):
        told = error.retry_after if isinstance(error, RateLimited) else None
        expect(told == 7, f"Retry-After: 7 came out as {told}")


@needs("expired")
def keys_that_are_not_valid_need_the_user(subject: Subject) -> None:
    """AuthExpired or PermissionDenied, never missing, never retried."""
    _fails_then_works(subject, "expired", AuthExpired, PermissionDenied)


@needs("expired_once")
def one_refusal_does_not_stick(subject: Subject) -> None:
    """The next request works."""
    name = subject.at("once/a")
    with subject.opened() as backend:
        put(backend, name, b"1")
        with subject.faults["expired_once"]():
            expect_error(lambda: backend.get(name), "get with keys refused once", AuthExpired, PermissionDenied)
            expect(backend.get(name) == b"1", "after one refusal get gives other bytes")


@needs("full")
def a_full_disk_can_still_be_read(subject: Subject) -> None:
    """put raises QuotaExceeded and leaves what was there; everything else works."""
    name = subject.at("full/a")
    with subject.opened() as backend:
        put(backend, name, b"before")
        with subject.faults["full"]():
            error = expect_error(lambda: put(backend, name, bytes(MIB)), "put on a full disk", QuotaExceeded)
            expect(isinstance(error, QuotaExceeded) and error.what == "space", "what is used up is space")
            expect(backend.get(name) == b"before", "a put that found no room changed the object")
            expect([stored.name for stored in backend.list(name)] == [name], "a full disk cannot be listed")
            backend.delete(name)
        put(backend, name, b"after")


@needs("reset_before")
def a_reset_is_unavailable(subject: Subject) -> None:
    """The connection breaks before anything comes."""
    _fails_then_works(subject, "reset_before", Unavailable)


@needs("reset_within")
def a_reset_within_a_body_is_unavailable(subject: Subject) -> None:
    """Never the part that came."""
    _get_fails_then_works(subject, "reset_within", Unavailable)


@needs("truncated")
def a_truncated_body_is_an_error(subject: Subject) -> None:
    """Never the part that came."""
    _get_fails_then_works(subject, "truncated", Unavailable, ProtocolError)


@needs("slow")
def a_body_that_stops_is_given_up(subject: Subject) -> None:
    """After the timeout; never the part that came."""
    _get_fails_then_works(subject, "slow", Unavailable)


@needs("lost")
def a_lost_answer_may_be_repeated(subject: Subject) -> None:
    """put and delete took effect, the answer did not come: the same call again leaves things as they should be."""
    name = subject.at("lost/a")
    with subject.opened() as backend:
        with subject.faults["lost"]():
            expect_error(lambda: put(backend, name, b"1"), "put whose answer is lost", Unavailable)
        expect(backend.get(name) == b"1", "the put whose answer was lost did not take effect: the fault is no good")
        put(backend, name, b"1")
        _expect_one(subject, backend, name)
        with subject.faults["lost"]():
            expect_error(lambda: backend.delete(name), "delete whose answer is lost", Unavailable)
        backend.delete(name)
        expect(not subject.names(backend, name, set()), "after a repeated delete it is still listed")


def _expect_one(subject: Subject, backend: Backend, name: str) -> None:
    expect(backend.get(name) == b"1", "after a repeated put get gives other bytes")
    expect(subject.names(backend, name, {name}) == [name], "a repeated put left more than one object")


@needs("flipped_down")
def damaged_bytes_keep_their_length(subject: Subject) -> None:
    """A flipped bit is found above, by hash; here only that nothing is lost or added by it."""
    name, data = subject.at("flipped/down"), subject.env.random(50_000)
    with subject.opened() as backend:
        put(backend, name, data)
        with subject.faults["flipped_down"]():
            try:
                expect(len(backend.get(name)) == len(data), "a flipped bit changed the length")
            except BackendError:
                return


@needs("flipped_up")
def bytes_damaged_on_the_way_up_are_not_verified(subject: Subject) -> None:
    """An error worth another try, or verified=False; and that other try stores the right bytes."""
    name, data = subject.at("flipped/up"), subject.env.random(50_000)
    with subject.opened() as backend:
        put(backend, subject.at("flipped/first"), data)  # where ETags must be learnt, they are now
        with subject.faults["flipped_up"]():
            try:
                expect(not put(backend, name, data).verified, "damaged bytes were called verified")
            except BackendError as error:
                expect(error.retryable, f"bytes damaged on the way are not worth another try: {type(error).__name__}")
        put(backend, name, data)
        expect(backend.get(name) == data, "another try after damaged bytes stored other ones")


FAULT_CHECKS: tuple[Check, ...] = (
    a_server_that_is_gone_is_unavailable,
    a_busy_server_is_worth_another_try,
    too_many_requests_is_rate_limited,
    retry_after_is_handed_on,
    keys_that_are_not_valid_need_the_user,
    one_refusal_does_not_stick,
    a_full_disk_can_still_be_read,
    a_reset_is_unavailable,
    a_reset_within_a_body_is_unavailable,
    a_truncated_body_is_an_error,
    a_body_that_stops_is_given_up,
    a_lost_answer_may_be_repeated,
    damaged_bytes_keep_their_length,
    bytes_damaged_on_the_way_up_are_not_verified,
)
