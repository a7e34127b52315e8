"""The checks themselves: each lets a sound double pass, and catches one that breaks it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from tests.conformance.broken import BROKEN
from tests.conformance.doubles import Lags, Server, Sound, subject_of
from webraid.backend.conformance import CHECKS, PROMISES, Check, Subject, run_check, run_checks
from webraid.backend.conformance.objects import OBJECT_CHECKS
from webraid.backend.faulty import Fault, Faults, Faulty
from webraid.backend.memory import CAPS, Memory, Store
from webraid.env import Env
from webraid.model import Stored

BY_NAME = {check.__name__: check for check in CHECKS}


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def impatient() -> Env:
    """Waiting for threads and children to end takes no real time."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Env(monotonic=lambda: now[0], sleep=sleep)


@pytest.mark.parametrize("check", CHECKS, ids=BY_NAME)
def test_a_sound_double_passes(check: Check, server: Server) -> None:
    result = run_check(subject_of(Sound, server), check)
    assert result.outcome == "ok", result.detail


@pytest.mark.parametrize(("check", "broken"), BROKEN, ids=[f"{cls.__name__}-{check}" for check, cls in BROKEN])
def test_a_broken_double_is_caught(check: str, broken: type[Sound], server: Server) -> None:
    result = run_check(dataclasses.replace(subject_of(broken, server), env=impatient()), BY_NAME[check])
    assert result.outcome == "failed"
    assert result.detail


@pytest.mark.parametrize(
    "check", [check for check in CHECKS if "list" in check.__name__ or check in (*PROMISES, *OBJECT_CHECKS)]
)
def test_what_caps_do_not_promise_is_not_asked_for(check: Check, server: Server) -> None:
    subject = dataclasses.replace(subject_of(Lags, server), caps=Lags.weak, env=impatient(), faults={})
    result = run_check(subject, check)
    assert result.outcome in ("ok", "not applicable"), result.detail


def test_a_list_that_never_catches_up_is_caught(server: Server) -> None:
    class Forgets(Lags):
        def list(self, prefix: str) -> Iterator[Stored]:
            return iter([])

    subject = dataclasses.replace(subject_of(Forgets, server), caps=Lags.weak, env=impatient())
    assert run_check(subject, BY_NAME["list_longer_than_a_page"]).outcome == "failed"


def test_every_check_has_a_double_it_catches() -> None:
    assert {check for check, _ in BROKEN} == set(BY_NAME)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (Fault.SHORT, "a_range_is_exact_or_an_error"),
        (Fault.LONG, "a_range_is_exact_or_an_error"),
        (Fault.WRONG, "every_size_comes_back"),
        (Fault.FLIP, "put_is_whole_or_not_at_all"),
        (Fault.TORN, "every_size_comes_back"),
        (Fault.TWICE, "list_gives_every_name_under_the_prefix_once"),
        (Fault.LATE, "delete_of_what_is_not_there_is_no_error"),
        (Fault.STALE, "list_of_nothing_is_empty"),
    ],
)
def test_what_the_faulty_double_does_is_caught(fault: Fault, check: str) -> None:
    faults, store = Faults(seed=1), Store()
    faults.rates[fault] = 1.0
    open_faulty = faults.opener(lambda: Memory(store))
    assert isinstance(open_faulty(), Faulty)
    subject = Subject(open=open_faulty, caps=CAPS, prefix="s/", env=impatient(), page=100)
    assert run_check(subject, BY_NAME[check]).outcome == "failed"


def test_a_leak_and_a_failed_cleanup_are_results_not_crashes(server: Server) -> None:
    class Leaks(Sound):
        def list(self, prefix: str):
            raise RuntimeError("secret detail")

    results = run_checks(subject_of(Leaks, server), checks=[BY_NAME["list_of_nothing_is_empty"]])
    assert [(result.name, result.outcome) for result in results] == [
        ("list_of_nothing_is_empty", "failed"),
        ("cleanup", "failed"),
    ]
    assert "RuntimeError" in results[0].detail
    assert "secret detail" not in results[0].detail


def test_what_a_subject_lacks_is_told(server: Server) -> None:
    subject = dataclasses.replace(subject_of(Sound, server), faults={}, secrets=(), requests=None)
    results = run_checks(subject)
    told = {result.name: result.detail for result in results if result.outcome == "not applicable"}
    assert (
        told["a_busy_server_is_worth_another_try"]
        == "nobody here can bring it about that every request is answered 503"
    )
    assert told["no_secret_in_logs_or_repr"] == "no secrets are given"
    assert len(told) == 16
