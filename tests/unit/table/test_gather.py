"""Waiting for disks: long enough, never for ever.  The clock is a list of what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future

import pytest

from webraid.env import Env
from webraid.errors import ObjectNotFound, Unavailable
from webraid.table.gather import gather


class Clock:
    """Tells these times, then the last one for ever; ``at(n, do)`` calls ``do`` when the n-th is asked for."""

    def __init__(self, *times: float) -> None:
        self.times = list(times)
        self.asked = 0
        self.then: dict[int, Callable[[], None]] = {}
        self.env = Env(monotonic=self.tell)

    def at(self, n: int, do: Callable[[], None]) -> None:
        self.then[n] = do

    def tell(self) -> float:
        now = self.times[min(self.asked, len(self.times) - 1)]
        self.then.get(self.asked, lambda: None)()
        self.asked += 1
        return now


def answered(value: int) -> Future[int]:
    future: Future[int] = Future()
    future.set_result(value)
    return future


def failed(error: BaseException) -> Future[int]:
    future: Future[int] = Future()
    future.set_exception(error)
    return future


def at_least(count: int) -> Callable[[Mapping[str, int]], bool]:
    return lambda answers: len(answers) >= count


def test_it_ends_when_all_have_answered_however_they_did() -> None:
    error = ObjectNotFound("no")
    answers, errors = gather(
        {"a": answered(1), "b": failed(error)}, Clock(0).env, enough=at_least(9), patience=1.0
    )  # fmt: skip
    assert answers == {"a": 1} and errors == {"b": error}


def test_nobody_to_ask_is_no_wait() -> None:
    assert gather({}, Clock(0).env, enough=at_least(1), patience=9.0) == ({}, {})


def test_who_does_not_answer_within_patience_is_late() -> None:
    late: Future[int] = Future()
    clock = Clock(0, 4.999, 5.0)
    answers, errors = gather({"a": answered(1), "b": late}, clock.env, enough=at_least(2), patience=5.0)
    assert answers == {"a": 1}
    assert isinstance(errors["b"], Unavailable) and "in time" in str(errors["b"])
    assert late.cancelled()


def test_once_enough_answered_the_others_get_their_grace() -> None:
    """They answered at once, so grace is all; patience would be far longer."""
    late: Future[int] = Future()
    clock = Clock(0, 0, 0.019, 0.02)
    answers, errors = gather({"a": answered(1), "b": late}, clock.env, enough=at_least(1), patience=99.0, grace=0.02)
    assert answers == {"a": 1} and isinstance(errors["b"], Unavailable)
    assert clock.asked == 4


def test_an_answer_within_the_grace_counts() -> None:
    late: Future[int] = Future()
    clock = Clock(0, 0, 0.05)
    clock.at(1, lambda: late.set_result(2))
    answers, errors = gather({"a": answered(1), "b": late}, clock.env, enough=at_least(1), patience=99.0, grace=0.1)
    assert answers == {"a": 1, "b": 2} and not errors


def test_where_enough_took_long_the_others_get_three_times_that() -> None:
    slow: Future[int] = Future()
    later: Future[int] = Future()
    late: Future[int] = Future()
    clock = Clock(0, 9.999, 10.0, 39.999, 40.0)
    clock.at(1, lambda: slow.set_result(1))
    clock.at(2, lambda: later.set_result(2))
    asked = {"a": slow, "b": later, "c": late}
    answers, errors = gather(asked, clock.env, enough=at_least(1), patience=99.0, grace=1.0)
    assert answers == {"a": 1, "b": 2} and isinstance(errors["c"], Unavailable)
    assert clock.asked == 5, "it waited until 40: 10 for the first and three times that for the others"


def test_grace_never_outlasts_patience() -> None:
    late: Future[int] = Future()
    clock = Clock(0, 4.99, 4.995, 5.0)
    gather({"a": answered(1), "b": late}, clock.env, enough=at_least(1), patience=5.0, grace=60.0)
    assert clock.asked == 4


def test_without_cancel_late_requests_go_on() -> None:
    late: Future[int] = Future()
    _, errors = gather({"a": late}, Clock(0, 1).env, enough=at_least(1), patience=1.0, cancel=False)
    assert isinstance(errors["a"], Unavailable) and not late.cancelled()
    late.set_result(1)


def test_an_answer_that_came_is_taken_even_when_patience_is_over() -> None:
    answers, errors = gather({"a": answered(1)}, Clock(0, 99).env, enough=at_least(1), patience=1.0)
    assert answers == {"a": 1} and not errors


def test_a_request_that_was_called_off_is_no_answer() -> None:
    gone: Future[int] = Future()
    gone.cancel()
    answers, errors = gather({"a": gone}, Clock(0).env, enough=at_least(1), patience=1.0)
    assert not answers and isinstance(errors["a"], Unavailable)


def test_what_is_no_error_of_a_disk_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        gather({"a": failed(ZeroDivisionError())}, Clock(0).env, enough=at_least(1), patience=1.0)
