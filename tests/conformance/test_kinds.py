"""Every check on every kind of disk and server; and that nothing is left out in silence."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest

from tests.conformance.kind import Deviation
from tests.conformance.subjects import DEVIATIONS, KINDS
from webraid.backend.base import Backend, Caps
from webraid.backend.conformance import CHECKS, PROMISES, Check, Result, Subject, run_check, run_checks
from webraid.backend.conformance.listing import list_of_nothing_is_empty
from webraid.backend.conformance.objects import names_at_the_limits

CASES = [(kind, check) for kind, made in KINDS.items() for check in made.checks if check.__name__ not in made.deviates]


def _marks(kind: str) -> tuple[pytest.MarkDecorator, ...]:
    """What only 'make deep' has a server for."""
    return (pytest.mark.deep,) if KINDS[kind].deep else ()


SubjectOf = Callable[[str], Subject]


@pytest.mark.parametrize(
    ("kind", "check"),
    [pytest.param(kind, check, id=f"{kind}-{check.__name__}", marks=_marks(kind)) for kind, check in CASES],
)
def test_kind_keeps(kind: str, check: Check, subject_of: SubjectOf) -> None:
    result = run_check(subject_of(kind), check)
    expected = "not applicable" if check.__name__ in KINDS[kind].without else "ok"
    assert result.outcome == expected, result.detail


@pytest.mark.parametrize(
    "deviation", [pytest.param(one, id=f"{one.kind}-{one.name}", marks=_marks(one.kind)) for one in DEVIATIONS]
)
def test_a_known_deviation_is_still_there(deviation: Deviation, subject_of: SubjectOf) -> None:
    assert deviation.seen(subject_of(deviation.kind)), f"{deviation.kind} behaves now: take this out of the list"


def test_every_check_that_is_left_out_has_its_deviation() -> None:
    left_out = {(kind, check) for kind, made in KINDS.items() for check in made.deviates}
    assert left_out == {(deviation.kind, deviation.check) for deviation in DEVIATIONS if deviation.check}


def test_every_check_runs_on_some_server() -> None:
    ran = {
        check.__name__ for kind, check in CASES if check.__name__ not in KINDS[kind].without and not KINDS[kind].deep
    }
    assert ran == {check.__name__ for check in CHECKS}


def test_each_promise_has_one_check_of_the_same_name() -> None:
    stated = re.findall(r"^ *\d\. (.*?)(?=^ *\d\. |\Z)", Backend.__doc__ or "", re.MULTILINE | re.DOTALL)
    assert len(PROMISES) == len(stated) == 9
    for promise, check in zip(stated, PROMISES, strict=True):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", promise).replace(",", "").lower()
        assert " ".join(words.split()).startswith(check.__name__.replace("_", " "))


def test_running_all_checks_reports_each_and_leaves_nothing_behind(subject_of: SubjectOf) -> None:
    subject = dataclasses.replace(subject_of("memory"), prefix="live/")
    told: list[Result] = []
    results = run_checks(subject, told.append)
    assert told == results
    assert [result.name for result in results] == [*(check.__name__ for check in CHECKS), "cleanup"]
    assert {result.outcome for result in results} == {"ok", "not applicable"}
    assert all(result.detail for result in results if result.outcome == "not applicable")
    with subject.opened() as backend:
        assert not list(backend.list("live/"))


@pytest.mark.parametrize("kind", ["local", "s3-lab"])
def test_cleanup_takes_away_what_the_checks_put(kind: str, subject_of: SubjectOf) -> None:
    subject = dataclasses.replace(subject_of(kind), prefix="live/")
    results = run_checks(subject, checks=[names_at_the_limits, list_of_nothing_is_empty])
    assert [result.outcome for result in results] == ["ok"] * 3
    with subject.opened() as backend:
        assert not list(backend.list("live/"))


def test_a_fault_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="flood"):
        Subject(open=pytest.fail, caps=Caps(), prefix="x/", faults={"flood": pytest.fail})
