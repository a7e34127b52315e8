"""The conformance suite on an account of yours: pytest tests/live --live=KIND.  Not collected without that."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.account import live_subject
from tests.live.journal import Journal
from tests.live.recorder import recording
from tests.live.replay import LIVE_CHECKS
from webraid.backend.conformance import Check, Subject, run_check


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    kind = str(request.config.getoption("--live"))
    told = request.config.getoption("--live-journal")
    path = Path(told) if told else tmp_path_factory.getbasetemp() / f"{kind}.jsonl"
    journal = Journal(kind)
    try:
        with live_subject(kind, os.environ, tmp_path_factory.mktemp("kept")) as made, recording(journal):
            yield made
    finally:
        journal.save(path)
        print(f"\nredacted journal: {path}")


@pytest.mark.parametrize("check", LIVE_CHECKS, ids=lambda check: check.__name__)
def test_the_account_keeps(check: Check, subject: Subject) -> None:
    result = run_check(subject, check)
    assert result.outcome != "failed", result.detail
