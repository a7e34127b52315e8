"""Waiting for many disks at once: until enough answered, a little longer for the rest, never for ever."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import TypeVar

from webraid.env import Env
from webraid.errors import BackendError, Unavailable

T = TypeVar("T")
K = TypeVar("K")

GRACE = 1.0  # seconds that late answers get at least, once enough have come


def gather(
    futures: Mapping[K, Future[T]],
    env: Env,
    *,
    enough: Callable[[Mapping[K, T]], bool],
    patience: float,
    grace: float = GRACE,
    cancel: bool = True,
) -> tuple[dict[K, T], dict[K, BackendError]]:
    """(answers, errors) by key.  Ends when all are done; or ``enough(answers)`` holds and the others have had
    max(grace, 3 x the time that took); or after ``patience`` seconds.  Who is late then gets an
    Unavailable; its request is called off with ``cancel``, else it goes on unobserved.
    Anything but a BackendError that a future ends in is raised here."""
    answers: dict[K, T] = {}
    errors: dict[K, BackendError] = {}
    left = dict(futures)
    started = env.monotonic()
    deadline = started + patience
    satisfied = False
    while left:
        for key in [key for key, future in left.items() if future.done()]:
            try:
                answers[key] = left.pop(key).result()
            except BackendError as error:
                errors[key] = error
            except CancelledError:
                errors[key] = Unavailable("the request was called off")
        now = env.monotonic()
        if left and not satisfied and enough(answers):
            satisfied = True
            deadline = min(deadline, now + max(grace, 3 * (now - started)))
        if now >= deadline:
            break
        if left:
            wait(left.values(), timeout=min(deadline - now, 0.5), return_when=FIRST_COMPLETED)
    for key, future in left.items():
        if cancel:
            future.cancel()
        errors[key] = Unavailable("it did not answer in time")
    return answers, errors
