"""The requests of a live run put to a test kind's server: the same checks, through the same SDK, recorded alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tests.conformance.subjects import KINDS
from tests.live.journal import Journal
from tests.live.recorder import recording
from webraid.backend.conformance import CHECKS, FAULTS, Check, run_check

# What stands for a kind's live service, and so must answer as it does.
STAND_INS = {"gdrive": "gdrive", "dropbox": "dropbox-fake"}
# The checks a live account can be put to: nobody can make it fail to order.
LIVE_CHECKS: tuple[Check, ...] = tuple(check for check in CHECKS if not set(getattr(check, "needs", ())) & set(FAULTS))


def recorded(name: str, folder: Path, checks: Iterable[Check] = LIVE_CHECKS) -> Journal:
    """What ``checks`` make a kind of tests/conformance/kinds say and hear, no fault being brought about."""
    kind = KINDS[name]
    journal = Journal(kind.backend)
    with kind.make(folder) as made, recording(journal):
        subject = replace(made, faults={}, requests=None)
        for check in checks:
            result = run_check(subject, check)
            assert result.outcome != "failed", result.detail
    return journal
